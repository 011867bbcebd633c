"""The trust state in flash, two sectors in turn: a cut leaves the old one or the new one. docs/formats/directive.md, *State*"""

from binascii import crc32

from stallmark import cbor
from stallmark.constant import const
from stallmark.crypt import equal, sha256
from stallmark.errors import FormatError, LimitError
from stallmark.truststate import check_state

MOST = const(2048)  # bytes of a state
_SECTOR = const(4096)
_PAGE = const(256)
_MAGIC = b"SMTR\x01"


class TrustStore:
    """States on a flash port of two sectors (docs/formats/record.md). `damaged`: something is there, and none of it good."""

    def __init__(self, flash):
        self._flash = flash
        self._newest = None  # sector of the newest good generation
        self._generation = 0
        self.damaged = False

    def load(self, mend=False):
        """The newest state, or None. With `mend`, at start-up, its header is programmed once more: a cut may have left it faint.
        Raises OSError."""
        found = None
        blank = True
        self._newest, self._generation = None, 0
        header = bytearray(_PAGE)
        for sector in (0, 1):
            self._flash.read_into(sector * _SECTOR, header)
            blank = blank and header == b"\xff" * _PAGE
            good = self._read(sector, header)
            if good is not None and good[0] > self._generation:
                self._generation, found = good
                self._newest = sector
        self.damaged = found is None and not blank
        if mend and found is not None:
            self._flash.read_into(self._newest * _SECTOR, header)  # type: ignore
            self._flash.program(self._newest * _SECTOR, header)  # type: ignore
        return found

    def save(self, fields):
        """Makes a state durable. Raises LimitError over 2,048 bytes, OSError: then the store holds the old one or the new one."""
        body = cbor.encode(fields)
        if len(body) > MOST:
            raise LimitError("trust state of {} bytes: expected at most {}".format(len(body), MOST))
        sector = 0 if self._newest is None else 1 - self._newest
        start = sector * _SECTOR
        page = bytearray(b"\xff" * _PAGE)
        page[:5] = _MAGIC
        page[5:9] = (self._generation + 1).to_bytes(4, "big")
        page[9:11] = len(body).to_bytes(2, "big")
        page[11:43] = sha256(body)
        page[252:] = crc32(page[:252]).to_bytes(4, "big")
        self._flash.erase(start)
        for at in range(0, len(body), _PAGE):
            self._put(start + _PAGE + at, body[at : at + _PAGE])
        self._put(start, page)
        self._newest, self._generation, self.damaged = sector, self._generation + 1, False

    def _put(self, at, data):
        self._flash.program(at, data)
        back = bytearray(len(data))
        self._flash.read_into(at, back)
        if back != data:
            raise OSError(5, "trust store reads back other bytes at {}".format(at))

    def _read(self, sector, header):
        """(generation, fields) of a good sector, else None."""
        length = int.from_bytes(header[9:11], "big")
        right = header[:5] == _MAGIC and length <= MOST
        if not right or crc32(header[:252]) != int.from_bytes(header[252:], "big"):
            return None
        body = bytearray(length)
        self._flash.read_into(sector * _SECTOR + _PAGE, body)
        body = bytes(body)
        if not equal(sha256(body), bytes(header[11:43])):
            return None
        try:
            return int.from_bytes(header[5:9], "big"), check_state(cbor.decode(body))
        except FormatError:
            return None
