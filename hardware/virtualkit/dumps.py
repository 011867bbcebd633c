"""Tags from files and numbers: `.bin` and `.mfd` dumps as other people's tools write them."""

import random
from pathlib import Path

from virtualkit import ntag424, othertags, tags
from virtualkit.rf import Tag

SIGNATURE = 32
HIDDEN = 8  # password and PACK pages, which some tools leave out


class BadDump(ValueError):
    """Not a dump of a tag that the kit knows; the text says what was found and what was expected."""


def parse(data: bytes) -> Tag:
    """A tag from a dump: NTAG213/215/216 (whole, without its last two pages, or with the signature behind) or
    MIFARE Classic (1024 or 4096 bytes); or an NTAG 424 DNA as JSON, with its keys. Raises BadDump.
    """
    if data[:1] == b"{":
        try:
            return ntag424.load(data)
        except ValueError as wrong:
            raise BadDump(str(wrong)) from wrong
    if len(data) in (1024, 4096):
        return othertags.Classic(data)
    for model in tags.MODELS:
        size = model.pages * tags.PAGE
        if len(data) in (size, size - HIDDEN, size + SIGNATURE):
            _check_number(data)
            tag = tags.Ntag(model, (data + bytes(HIDDEN))[:size] if len(data) < size else data[:size])
            tag.signature = data[size : size + SIGNATURE] if len(data) > size else tag.signature
            return tag
    known = "NTAG213 has 180, NTAG215 540, NTAG216 924, MIFARE Classic 1024"
    raise BadDump(f"a dump of {len(data)} bytes is not known: {known}")


def load(path: Path) -> Tag:
    """The tag in a dump file. Raises BadDump, OSError."""
    try:
        return parse(path.read_bytes())
    except BadDump as bad:
        raise BadDump(f"{path}: {bad}") from bad


def from_uid(uid: bytes, rng: random.Random) -> Tag:
    """A card with just a number: 7 bytes a blank NTAG215; 4 bytes a phone (08…) or a MIFARE Classic.

    Raises ValueError for other lengths.
    """
    if len(uid) == 7:
        return tags.ntag215(uid)
    if len(uid) == 4:
        return othertags.Phone(rng, uid) if uid[0] == 8 else othertags.classic(uid)
    raise ValueError(f"a tag number has 7 or 4 bytes, not {len(uid)}")


def _check_number(data: bytes) -> None:
    first = 0x88 ^ data[0] ^ data[1] ^ data[2]
    second = data[4] ^ data[5] ^ data[6] ^ data[7]
    if (data[3], data[8]) != (first, second):
        found, expected = f"{data[3]:02x} and {data[8]:02x}", f"{first:02x} and {second:02x}"
        raise BadDump(f"the check bytes of its number are {found}, expected {expected}")
