"""The form of a record: one pass where it is of the usual shape, the core where it is not.

A deterministic CBOR map with known keys and bounded arrays is a regular language, so the usual record (a
decision, a latch, a use of rights: no detail, few grants) is one match of one regular expression. It accepts
less than `stallmark.record.from_parts`, never more: tests/host/test_host_form.py holds the two together.
"""

import hashlib
import re
from typing import NamedTuple

from hostagent.core import Fields, record

COMMIT = b"stallmark/private/1\0"
LINK = b"stallmark/link/1\0"


class Form(NamedTuple):
    """What the host needs of a record. `wall_ms` None: clock unset; `ruleset8`: short digest or None."""

    brick: bytes
    boot: int
    wall_ms: int | None
    uptime_ms: int
    quality: int
    ruleset8: bytes | None
    kind: int
    rental: int
    prev16: bytes


def check(seq: int, public: bytes, mac: bytes, private: bytes) -> Form:
    """The Form of a record's parts. Raises FormatError with the reason; chain and MAC are the caller's."""
    form = usual(seq, public, private) if len(mac) == 16 else None
    if form is not None:
        return form
    fields: Fields = record.from_parts(seq, public, mac, private).fields
    return from_fields(fields)


def from_fields(fields: Fields) -> Form:
    """The Form of a decoded public part."""
    f = fields
    return Form(f[1], f[4], f[5], f[6], f[7][0], f.get(8), f[10], f[16], f[18])


def link(public: bytes, mac: bytes) -> bytes:
    """prev16 of the record after this one."""
    return hashlib.sha256(LINK + public + mac).digest()[:16]


def usual(seq: int, public: bytes, private: bytes) -> Form | None:
    """The Form of a record of the usual shape whose parts are as they must be; None: let the core look."""
    match = _match_public(public)
    if match is None or len(public) + len(private) > 440 or not 0 < seq <= 0xFFFFFFFF:
        return None
    groups = match.groups()
    head, brick, stated, boot, wall, uptime, quality, ruleset, _, kind = groups[:10]
    rental, commit, prev = groups[15:18]
    # Eleven fields are always there, with ten groups among them (wall's is None for a clock not set); every
    # other group is a field of its own. The map's head has to say how many came.
    fields = len(groups) + 2 - groups.count(None) - (wall is not None)
    if head[0] != 0xA0 + fields or _number(stated) != seq:
        return None
    if private:
        if commit is None or _match_private(private) is None:
            return None
        if hashlib.sha256(COMMIT + private).digest()[:16] != commit[2:]:
            return None
    elif commit is not None:
        return None
    return Form(
        brick,
        _number(boot),
        None if wall is None else _number(wall),
        _number(uptime),
        _number(quality),
        None if ruleset is None else ruleset[2:],
        _number(kind),
        _number(rental),
        prev,
    )


def _number(data: bytes) -> int:
    return data[0] if len(data) == 1 else int.from_bytes(data[1:])


# --- the expression, from small to large; heads are the shortest, as deterministic encoding has them

_U8 = rb"(?:[\x00-\x17]|\x18[\x18-\xff])"
_U16 = rb"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff].)"
_U32 = rb"(?:[\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff].|\x1a(?!\x00\x00)....)"
_UINT = rb"(?:" + _U32 + rb"|\x1b(?!\x00{4})[\x00-\x7f].......)"
_INT = (
    rb"(?:[\x00-\x17\x20-\x37]|[\x18\x38][\x18-\xff]|[\x19\x39][\x01-\xff].|[\x1a\x3a](?!\x00\x00)...."
    rb"|[\x1b\x3b](?!\x00{4})[\x00-\x7f].......)"
)
_OR_NULL = rb"(?:\xf6|" + _UINT + rb")"


def _array(item: bytes, low: int, high: int, last: bytes | None = None) -> bytes:
    """An array of `low` to `high` items; `last` where the last one has a form of its own."""
    sizes: list[bytes] = []
    for size in range(low, high + 1):
        items = item * size if last is None else item * (size - 1) + last
        sizes.append(rb"\x%02x" % (0x80 + size) + items)
    return rb"(?:" + rb"|".join(sizes) + rb")"


_GRANT = rb"\x83" + _U8 + _OR_NULL + _OR_NULL
_RIGHT = rb"\x82" + _U32 + _UINT
_WHY = _array(rb"(?:\xf6|" + _INT + rb")", 1, 8, _INT)
_CURRENCY = rb"(?:\x60|\x61[\x00-\x7f]|\x62[\x00-\x7f]{2}|\x63[\x00-\x7f]{3})"

_match_public = re.compile(
    rb"([\xa0-\xb7])"
    rb"\x00"
    + _U32  # flags
    + rb"\x01\x48(.{8})"  # brick
    rb"\x02(" + _U32 + rb")"  # seq
    rb"\x03"
    + _U32  # key epoch
    + rb"\x04("
    + _U32
    + rb")"  # boot
    rb"\x05(?:\xf6|(" + _UINT + rb"))"  # wall ms
    rb"\x06(" + _UINT + rb")"  # uptime ms
    rb"\x07\x82("
    + _U8
    + rb")"
    + _UINT  # clock quality, spread
    + rb"(\x08\x48.{8})?"  # ruleset
    rb"(\x09" + _U16 + rb")?"  # rule
    rb"\x0a(" + _U32 + rb")"  # kind
    rb"(\x0b" + _U16 + rb")?"  # event and trust
    rb"(\x0c" + _array(_GRANT, 0, 3) + rb")?"
    rb"(\x0d" + _array(_RIGHT, 0, 3) + rb")?"
    rb"(\x0e" + _WHY + rb")?"
    rb"(\x0f\x48.{8})?"  # nonce
    rb"\x10(" + _U32 + rb")"  # rental
    rb"(\x11\x50.{16})?"  # commitment
    rb"\x12\x50(.{16})"  # prev
    rb"(\x13\x82" + _UINT + _UINT + rb")?"  # experiment, arm
    rb"(\x14(?!\x00)" + _U32 + rb")?"  # reference
    rb"(\x15\x50.{16})?"  # evidence
    rb"(\x16" + _U16 + rb")?"  # risk
    rb"(\x17" + _CURRENCY + rb")?",
    re.DOTALL,
).fullmatch

# salt alone; salt and subject; salt, subject and the tag's counter
_match_private = re.compile(
    rb"\xa1\x00\x50.{16}|\xa2\x00\x50.{16}\x01\x48.{8}|\xa3\x00\x50.{16}\x01\x48.{8}\x05" + _UINT, re.DOTALL
).fullmatch
