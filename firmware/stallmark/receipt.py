"""The receipt: a record's public part and MAC, and what the host adds, as COSE_Sign1.

docs/formats/receipt.md"""

from struct import pack

from stallmark import base32, cbor, cose, form
from stallmark.cose import assemble, bstr_head, protected, to_be_signed
from stallmark.crypt import hmac, sha256
from stallmark.registry import BASIS_BRICK, BASIS_RECEIVED, BASIS_UPTIME, QUALITY_HOST

__all__ = (
    "WINDOW_MS", "ZERO16", "Receipt", "assemble", "best_time", "encode_payload", "handle", "holder", "kid",
    "link_text", "parse", "protected", "short", "to_be_signed", "window",
)  # fmt: skip

WINDOW_MS = 300000
ZERO16 = bytes(16)  # prev16 of host seq 1
Receipt = cose.Sign1
_ALWAYS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16)
# fields that are byte strings of one length: (key, length)
_OCTETS = ((2, 16), (3, 8), (5, 16), (9, 32), (10, 16), (11, 16), (16, 8), (18, 16))
_INTEGERS = ((4, form.I64), (6, form.I64), (7, form.I64), (8, 255), (15, form.U32))


def check_fields(f):
    """The payload map itself, every known field checked; newer ones pass. Raises FormatError."""
    if type(f) is not dict:
        form.fail("receipt", "a map")
    try:
        if type(f[0]) is not int or f[0] != 1 or not 0 < f[4]:
            raise ValueError
        for key, size in _OCTETS:
            if key in f:
                value = f[key]
                if type(value) is not bytes or len(value) != size:
                    raise ValueError
        for key, high in _INTEGERS:
            value = f[key]
            if type(value) is not int or value < 0 or value > high:
                raise ValueError
        if type(f[1]) is not bytes or not 0 < len(f[1]) <= 440 or not (2 in f and 11 in f and 16 in f):
            raise ValueError
        for key in f:
            if key > 11 and key != 15 and key != 16 and key != 18:
                _rare(key, f[key])
            elif key < 0:
                raise ValueError
        f[3], f[5]
    except (KeyError, TypeError, ValueError):
        _explain(f)
    return f


def _explain(f):
    form.fields(f, "receipt", _ALWAYS)
    form.version1(f, "receipt")
    for key, size in _OCTETS:
        if key in f:
            form.octets(f[key], "receipt field {}".format(key), size)
    for key, high in _INTEGERS:
        form.uint(f[key], "receipt field {}".format(key), high)
    form.uint(f[4], "receipt host seq (4)", form.I64, 1)
    form.fail("receipt public part (1)", "1 to 440 bytes")


def _rare(key, value):
    """Fields that most receipts do not have."""
    if key == 12:
        for line in form.array(value, "receipt tax lines (12)", 16):
            form.array(line, "receipt tax line (12)", 4, 4)
            if type(line[0]) is not int:
                form.text(line[0], "receipt tax code (12)", 16)
            for amount in line[1:]:
                form.integer(amount, "receipt tax amount (12)")
    elif key == 13:
        form.array(value, "receipt funder (13)", 2, 2)
        if type(value[0]) is not int:
            form.text(value[0], "receipt funder party (13)", 32)
        form.uint(value[1], "receipt funder reimbursed (13)")
    elif key == 14:
        form.text(value, "receipt till reference (14)", 32)
    elif key == 17:
        for digest in form.array(value, "receipt attachments (17)", 16):
            form.octets(digest, "receipt attachment (17)", 32)
    elif key == 19:
        form.array(value, "receipt announced, odds (19)", 2, 2)


def encode_payload(fields):
    """Payload bytes of a receipt. Raises FormatError where a known field has another type or is out of
    bounds.

    The usual receipt, with nothing beside what is always there but 9 and 10, is put together from pieces:
    this runs for every record on the host."""
    f = fields
    ruleset, terms = f.get(9), f.get(10)
    if len(f) == len(_ALWAYS) + (ruleset is not None) + (terms is not None):
        try:
            public, mac, host, prev, held, hub = f[1], f[2], f[3], f[5], f[11], f[16]
            if (
                len(mac) == len(prev) == len(held) == 16
                and len(host) == len(hub) == 8
                and 0 < len(public) <= 440
                and (ruleset is None or len(ruleset) == 32)
                and (terms is None or len(terms) == 16)
                and f[0] == 1
                and f[4] > 0
                and f[8] < 256
                and f[15] <= 0xFFFFFFFF
            ):
                return b"".join(
                    (
                        _KEYS[0xA0 + len(f)], b"\0\1\1", bstr_head(len(public)), public, b"\2\x50", mac,
                        b"\3\x48", host, b"\4", _uint(f[4]), b"\5\x50", prev, b"\6", _uint(f[6]),
                        b"\7", _uint(f[7]), b"\x08", _uint(f[8]),
                        b"\x09\x58\x20" + ruleset if ruleset else b"",
                        b"\x0a\x50" + terms if terms else b"", b"\x0b\x50", held, b"\x0f", _uint(f[15]),
                        b"\x10\x48", hub,
                    )
                )  # fmt: skip
        except (KeyError, TypeError):
            pass
    return cbor.encode(check_fields(fields))


_KEYS = tuple([bytes((number,)) for number in range(256)])


def _uint(value):
    """CBOR of an integer from 0 to int64; TypeError for anything else."""
    if type(value) is not int or value < 0 or value > 0x7FFFFFFFFFFFFFFF:
        raise TypeError
    if value < 24:
        return _KEYS[value]
    if value > 0xFFFFFFFF:
        return pack(">BQ", 0x1B, value)
    if value > 0xFFFF:
        return pack(">BI", 0x1A, value)
    return pack(">BB", 0x18, value) if value < 256 else pack(">BH", 0x19, value)


def parse(data):
    """The Receipt(protected, payload, signature, alg, kid, fields) of COSE bytes; the signature is the
    caller's to verify over `to_be_signed(protected, payload)`. Raises FormatError with the reason."""
    return cose.parse(data, check_fields)


def kid(public32):
    """Key id of a public key: SHA-256(public key)[:8]."""
    return sha256(public32)[:8]


def short(data):
    """receipt16: short name of a whole COSE receipt, and prev16 of the next one of this host."""
    return sha256(b"stallmark/receipt/1\0", data)[:16]


def handle(handle_key, brick8, seq, mac):
    """h, 16 bytes: the secret in the look-up link of a record's receipt."""
    return hmac(handle_key, brick8 + seq.to_bytes(4, "big") + mac)[:16]


def holder(h):
    """holder16 (field 11): SHA-256(h)[:16]."""
    return sha256(h)[:16]


def link_text(base, h):
    """Look-up link `<base>/r/<26 base32 characters>`."""
    return base + "/r/" + base32.encode(h)


def window(ms):
    """Event window of an instant: five minutes each, counted from 1970."""
    return ms // WINDOW_MS


def best_time(fields, received_ms, boot=None, uptime_ms=None):
    """`(ms, basis)`: when the decision was made, as well as the host can know.

    `fields` is the record's public map, `received_ms` the host's time at receipt, `boot` and `uptime_ms` what
    the brick says of itself at receipt (None where unknown)."""
    wall = fields.get(5)
    if wall is not None and fields[7][0] >= QUALITY_HOST:
        return wall, BASIS_BRICK
    if boot is not None and boot == fields[4] and uptime_ms is not None and uptime_ms >= fields[6]:
        return max(0, received_ms - (uptime_ms - fields[6])), BASIS_UPTIME
    return received_ms, BASIS_RECEIVED
