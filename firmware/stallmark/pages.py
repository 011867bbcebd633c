"""Bytes on flash, read by the page: what a brick need not keep in memory."""

import hashlib
from array import array
from binascii import crc32

PAGE = 256
_TRIES = 3  # readings of a page that is not what it was


class Pages:
    """`size` bytes from `offset` on of something with `read(offset, size)` (stallmark.slot.Reader). An index gives a byte, a
    slice bytes, as bytes would; one page is kept. Raises OSError where flash fails, IndexError after the end.

    Once `sha256` was asked for, every page is read as it was hashed, or not at all: a flash that reads wrong once (a supply that
    breaks down, a cell at its end) would else give other rules under a signed digest."""

    def __init__(self, source, offset, size):
        self._source = source
        self._offset = offset
        self._size = size
        self._page = -1
        self._bytes = b""
        self._sums = None  # CRC-32 of each page as it was hashed

    def __len__(self):
        return self._size

    def __getitem__(self, key):
        if type(key) is int:
            if not 0 <= key < self._size:
                raise IndexError(key)
            page = key // PAGE
            if page != self._page:
                self._bytes = self._read(page * PAGE, PAGE)
                self._page = page
            return self._bytes[key % PAGE]
        start = key.start or 0
        stop = self._size if key.stop is None else key.stop
        return self._read(start, stop - start)

    def _read(self, at, size):
        size = min(size, self._size - at)
        if size <= 0:
            return b""
        if self._sums is None:
            return self._source.read(self._offset + at, size)
        if at % PAGE == 0 and size <= PAGE:
            return self._good(at // PAGE)[:size]
        out = bytearray(size)
        done = 0
        while done < size:
            page, begin = divmod(at + done, PAGE)
            part = self._good(page)[begin : begin + size - done]
            out[done : done + len(part)] = part
            done += len(part)
        return bytes(out)

    def _good(self, page):
        """A page as it was hashed. Raises OSError."""
        start = page * PAGE
        for _ in range(_TRIES):
            found = self._source.read(self._offset + start, min(PAGE, self._size - start))
            if crc32(found) == self._sums[page]:
                return found
        raise OSError("page {} reads in another way than before".format(page))

    def forget(self):
        """Lets go of the page."""
        self._page, self._bytes = -1, b""

    def sha256(self):
        """SHA-256 of all of them."""
        state = hashlib.sha256()
        sums = array("I")
        self._sums = None
        for at in range(0, self._size, PAGE):
            found = self._read(at, PAGE)
            state.update(found)
            sums.append(crc32(found))
        self._sums = sums
        return state.digest()
