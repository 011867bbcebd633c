"""Bytes on flash, read by the page: what a brick need not keep in memory."""

import hashlib

PAGE = 256


class Pages:
    """`size` bytes from `offset` on of something with `read(offset, size)` (stallmark.slot.Reader). An index gives a byte, a
    slice bytes, as bytes would; one page is kept. Raises OSError where flash fails, IndexError after the end."""

    def __init__(self, source, offset, size):
        self._source = source
        self._offset = offset
        self._size = size
        self._page = -1
        self._bytes = b""

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
        return self._source.read(self._offset + at, size) if size > 0 else b""

    def forget(self):
        """Lets go of the page."""
        self._page, self._bytes = -1, b""

    def sha256(self):
        """SHA-256 of all of them."""
        state = hashlib.sha256()
        for at in range(0, self._size, PAGE):
            state.update(self._read(at, PAGE))
        return state.digest()
