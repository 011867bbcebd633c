"""The application pack: every module of the firmware in one raw partition, mounted as a file system that only reads.

A file system of its own blocks would take 4 KiB for each of a hundred and fifty small files, more than a 4 MiB board has.
Format: docs/formats/pack.md. No list of names is kept in memory: entries are found by binary search in flash.
"""

import hashlib
import io

MAGIC = b"SMPK\x01"
HEADER = 48  # magic5, 00, count u16, length u32, zeros4, SHA-256 of everything behind the header
ENTRY = 16  # SHA-256(path)[:8], offset u32 (from the pack's start), size u32; a folder's size is FFFFFFFF
_FOLDER = 0xFFFFFFFF
_ENOENT = 2
_EINVAL = 22
_EROFS = 30
_GET_BUFFER_SIZE = 11  # MP_STREAM_GET_BUFFER_SIZE: the importer reads this much at a time
_CHUNK = 255


class _File(io.IOBase):
    def __init__(self, read, at, size):
        self._read = read
        self._at = at
        self._end = at + size

    def readinto(self, buffer):
        n = min(len(buffer), self._end - self._at)
        if n > 0:
            self._read(self._at, memoryview(buffer)[:n])
            self._at += n
        return max(0, n)

    def read(self, n=-1):
        left = self._end - self._at
        data = bytearray(left if n < 0 or n > left else n)
        self.readinto(data)
        return bytes(data)

    def ioctl(self, request, _argument):
        return _CHUNK if request == _GET_BUFFER_SIZE else 0

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pack:
    """`read_into(offset, buffer)` reads the partition. Raises OSError where there is no pack."""

    def __init__(self, read_into):
        self._read = read_into
        header = bytearray(HEADER)
        read_into(0, header)
        if header[:5] != MAGIC:
            raise OSError(_ENOENT, "no application pack: flash this board again")
        self._count = int.from_bytes(header[6:8], "big")
        self.length = int.from_bytes(header[8:12], "big")
        self.digest = bytes(header[16:48])
        self._entry = bytearray(ENTRY)

    def intact(self):
        """Whether content and digest agree."""
        total = hashlib.sha256()
        buffer = bytearray(1024)
        at = HEADER
        while at < self.length:
            part = memoryview(buffer)[: min(len(buffer), self.length - at)]
            self._read(at, part)
            total.update(part)
            at += len(part)
        return total.digest() == self.digest

    def _find(self, path):
        """(offset, size) of a path; OSError where the pack has none of that name."""
        path = "/" + path.strip("/")
        if path == "/":
            return 0, _FOLDER
        wanted = hashlib.sha256(path.encode()).digest()[:8]
        low, high = 0, self._count
        entry = self._entry
        while low < high:
            middle = (low + high) // 2
            self._read(HEADER + middle * ENTRY, entry)
            found = bytes(entry[:8])
            if found == wanted:
                return int.from_bytes(entry[8:12], "big"), int.from_bytes(entry[12:16], "big")
            if found < wanted:
                low = middle + 1
            else:
                high = middle
        raise OSError(_ENOENT)

    # --- what MicroPython asks of a file system

    def mount(self, _readonly, _mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path):
        _, size = self._find(path)
        if size == _FOLDER:
            return (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        return (0x8000, 0, 0, 0, 0, 0, size, 0, 0, 0)

    def open(self, path, mode):
        if "w" in mode or "a" in mode or "+" in mode:
            raise OSError(_EROFS)
        offset, size = self._find(path)
        if size == _FOLDER:
            raise OSError(_EINVAL)
        return _File(self._read, offset, size)

    def chdir(self, path):
        self._find(path)

    def getcwd(self):
        return "/"

    def ilistdir(self, _path):
        return iter(())  # names are not kept, only their digests
