"""Disks for tests of the store, below the cipher: one that writes down what it is told, one that fails on
demand."""

import random
from pathlib import Path

import apsw

SECTOR = 512


class RecordingFile(apsw.VFSFile):
    """A file that writes down every write, truncation and sync."""

    def __init__(self, vfs, name, flags):
        self.vfs = vfs
        self.name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        super().__init__(vfs.base, name, flags)

    def xWrite(self, data, offset):
        self.vfs.did("write", self.name, offset, bytes(data))
        return super().xWrite(data, offset)

    def xTruncate(self, size):
        self.vfs.did("truncate", self.name, size, None)
        return super().xTruncate(size)

    def xSync(self, flags):
        self.vfs.did("sync", self.name, 0, None)
        return super().xSync(flags)


class RecordingVFS(apsw.VFS):
    """`log` holds (what, file, offset or size, data) in order; tests add ("acknowledged", …) themselves."""

    def __init__(self, name="recording", base="unix"):
        self.base = base
        self.log = []
        super().__init__(name, base)

    def did(self, *entry):
        self.log.append(entry)

    def xOpen(self, name, flags):
        return RecordingFile(self, name, flags)

    def xDelete(self, filename, syncdir):
        self.did("delete", Path(filename).name, 0, None)
        return super().xDelete(filename, syncdir)


def after_power_cut(log, share, chance):
    """Files as a disk may hold them when the power went after these entries.

    All that was synced is there, and of the rest a `share` of its sectors, drawn one by one.
    """
    files = {}
    pending = {}
    for what, name, at, data in log:
        if what == "write":
            pending.setdefault(name, []).append((at, data))
        elif what == "truncate":
            pending.setdefault(name, []).append((at, None))
        elif what == "sync":
            for write in pending.pop(name, ()):
                _apply(files, name, *write)
        elif what == "delete":
            files.pop(name, None)
            pending.pop(name, None)
    for name, writes in pending.items():
        files.setdefault(name, bytearray())
        for at, data in writes:
            if data is None:
                if share >= 1 or chance.random() < share:
                    _apply(files, name, at, None)
                continue
            for start in range(0, len(data), SECTOR):
                if share >= 1 or chance.random() < share:
                    _apply(files, name, at + start, data[start : start + SECTOR])
    return files


def _apply(files, name, at, data):
    image = files.setdefault(name, bytearray())
    if data is None:
        del image[at:]
        return
    if len(image) < at:
        image.extend(bytes(at - len(image)))
    image[at : at + len(data)] = data


class FailingFile(apsw.VFSFile):
    """A file whose writes and syncs fail when the disk says so."""

    def __init__(self, vfs, name, flags):
        self.vfs = vfs
        super().__init__(vfs.base, name, flags)

    def xWrite(self, data, offset):
        self.vfs.pass_or_fail(data, lambda part: super(FailingFile, self).xWrite(part, offset))
        return super().xWrite(data, offset)

    def xSync(self, flags):
        self.vfs.pass_or_fail(None, None)
        return super().xSync(flags)


class FailingVFS(apsw.VFS):
    """`fail(n, error, lasting)`: the n-th write or sync from now on fails, and all after it until `heal()`.

    A write that fails has put half of its bytes on the disk, as real ones may.
    """

    def __init__(self, name="failing", base="unix"):
        self.base = base
        self.count = 0
        self.failures = 0
        self._at = None
        self._error = None
        self._lasting = False
        super().__init__(name, base)

    def fail(self, n, error, lasting):
        self._at, self._error, self._lasting = self.count + n, error, lasting

    def heal(self):
        self._at = None

    def pass_or_fail(self, data, write):
        self.count += 1
        if self._at is None or self.count < self._at:
            return
        if not self._lasting and self.count > self._at:
            return
        self.failures += 1
        if data is not None and len(data) > 1:
            write(bytes(data)[: len(data) // 2])
        raise self._error

    def xOpen(self, name, flags):
        return FailingFile(self, name, flags)


def draw(seed):
    """A source of chance whose seed is printed."""
    print("seed", seed)
    return random.Random(seed)
