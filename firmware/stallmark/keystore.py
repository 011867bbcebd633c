"""The key partition: two sectors in turn, so that a power cut leaves old or new (docs/formats/keys.md)."""

from binascii import crc32

from stallmark import cbor
from stallmark.constant import const
from stallmark.errors import FormatError, LimitError

# Fields of the map that load() returns and save() takes.
BRICK = const(0)
ROOT = const(1)
RENTAL = const(2)
ONLY = const(3)
LINK_EPOCH = const(4)
LINK_KEY = const(5)
RECORD_EPOCH = const(6)
RECORD_CHAIN = const(7)
EVENT_KEY = const(8)
EVENT = const(9)
AUTHORS = const(10)  # [[kid8, public32], ...]
THRESHOLD = const(11)
KIT = const(12)
HUB = const(13)
DIRECTOR = const(14)
HOST = const(15)
HARDWARE = const(16)
CURRENCY = const(17)
FIRST_BOOT = const(18)
TAG_KEYS = const(19)  # [version, meta16, file16, live16], or absent: docs/formats/tag.md
FIRST_ROOT = const(20)  # SHA-256 of the first root's payload, or absent: docs/formats/directive.md

_SECTOR = const(4096)
_PAGE = const(256)
_LIMIT = const(1024)
_HEADER = const(11)  # magic4 version1 generation4 length2
_MAGIC = b"SMKY\x01"


class KeyStore:
    """
    Keys on a flash object (size of two sectors; read_into, program, erase as in docs/formats/record.md).

    Every method may raise OSError when the flash fails.
    """

    def __init__(self, flash):
        self._flash = flash
        self._newest = None  # sector of the newest good generation, once load() has looked
        self._generation = 0

    def blank(self):
        """Whether both sectors are erased: the brick is not provisioned."""
        return self._is_blank(0) and self._is_blank(1)

    def load(self):
        """
        The newest fields, or None when blank. Erases the other sector, which may hold keys that have ended.

        Raises FormatError "keys damaged" when there is something but nothing good: shown, never erased here.
        """
        found = None
        self._newest = None
        self._generation = 0
        for sector in (0, 1):
            good = self._read(sector)
            if good and (found is None or good[0] > found[0]):
                found = good
                self._newest = sector
        if found is None:
            if self.blank():
                return None
            raise FormatError("keys damaged")
        self._generation = found[0]
        if not self._is_blank(1 - self._newest):  # type: ignore
            self._flash.erase((1 - self._newest) * _SECTOR)  # type: ignore
        return found[1]

    def save(self, fields):
        """
        Makes fields durable, then erases the generation before. LimitError when they take over 1,009 bytes.

        After an OSError the store holds the old fields, or the new; load() says which.
        """
        if self._newest is None and not self.blank():
            self.load()
        body = cbor.encode(fields)
        data = _MAGIC + (self._generation + 1).to_bytes(4, "big") + len(body).to_bytes(2, "big") + body
        data += crc32(data).to_bytes(4, "big")
        if len(data) > _LIMIT:
            raise LimitError("keys of {} bytes, at most {}".format(len(data), _LIMIT))
        old = self._newest
        sector = 0 if old is None else 1 - old
        start = sector * _SECTOR
        if not self._is_blank(sector):
            self._flash.erase(start)
        for at in range(0, len(data), _PAGE):
            self._flash.program(start + at, data[at : at + _PAGE])
        check = bytearray(len(data))
        self._flash.read_into(start, check)
        if check != data:
            raise OSError("key sector {} does not read back".format(sector))
        self._newest = sector
        self._generation += 1
        if old is not None:
            self._flash.erase(old * _SECTOR)

    def _read(self, sector):
        """(generation, fields) of a good sector, else None."""
        data = bytearray(_LIMIT)
        self._flash.read_into(sector * _SECTOR, data)
        end = _HEADER + int.from_bytes(data[9:11], "big")
        if data[:5] != _MAGIC or end + 4 > _LIMIT:
            return None
        if crc32(data[:end]) != int.from_bytes(data[end : end + 4], "big"):
            return None
        try:
            fields = cbor.decode(bytes(data[_HEADER:end]))
        except FormatError:
            return None
        if type(fields) is not dict:
            return None
        return int.from_bytes(data[5:9], "big"), fields

    def _is_blank(self, sector):
        page = bytearray(_PAGE)
        erased = b"\xff" * _PAGE
        for at in range(sector * _SECTOR, (sector + 1) * _SECTOR, _PAGE):
            self._flash.read_into(at, page)
            if page != erased:
                return False
        return True
