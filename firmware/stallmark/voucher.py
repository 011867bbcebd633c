"""A voucher: a signed single-use token in one QR code; read, checked, made. docs/formats/voucher.md"""

from collections import namedtuple

from stallmark import base45, cbor, form
from stallmark.crypt import sha256
from stallmark.errors import FormatError, LimitError
from stallmark.numbers import (
    REASON_CLOCK_UNSET,
    REASON_VOUCHER_ELSEWHERE,
    REASON_VOUCHER_EXPIRED,
    REASON_VOUCHER_FALSE,
)

PREFIX = "SMV1:"
MAX_TEXT = 200  # characters
TOKEN_TYPE = 4  # of the subject: HMAC(subject key, 04 ‖ serial8)[:8]
_SIGNATURE = 64

# kid: SHA-256(issuer's public key)[:4]; minor 0: the redeeming rule says how much; expires and not_before
# (or None) in seconds; payload and signature as they were read
Voucher = namedtuple("Voucher", "kid serial series minor audience expires not_before payload signature")


def payload(kid, serial, series, minor, audience, expires, not_before=None):
    """The bytes that an issuer signs. Raises FormatError where a part has another type or is out of bounds."""
    fields = {0: 1, 1: kid, 2: serial, 3: series, 4: minor, 5: audience, 6: expires, 7: not_before}
    return cbor.encode(_checked(fields))


def message(data):
    """What is signed for a payload: its domain, then the bytes."""
    return b"stallmark/voucher/1\0" + data


def text(data, signature):
    """Text of the QR code of a payload and its signature (64 bytes)."""
    form.octets(signature, "voucher signature", _SIGNATURE)
    found = PREFIX + base45.encode(data + signature)
    if len(found) > MAX_TEXT:
        raise LimitError("voucher of {} characters: expected at most {}".format(len(found), MAX_TEXT))
    return found


def looks_like(data):
    """True where a text (bytes) claims to be a voucher."""
    return data[:5] == b"SMV1:"


def parse(data):
    """The Voucher of a text (bytes or str). Raises FormatError (LimitError) for any other; the signature is
    not looked at."""
    if type(data) is not str:
        for byte in data:
            if byte > 126:
                form.fail("voucher", "ASCII")
        data = data.decode()
    if len(data) > MAX_TEXT:
        raise LimitError("voucher of {} characters: expected at most {}".format(len(data), MAX_TEXT))
    if data[:5] != PREFIX:
        form.fail("voucher", "a text that begins with " + PREFIX)
    found = base45.decode(data[5:])
    if len(found) <= _SIGNATURE:
        form.fail("voucher", "a payload and a signature of 64 bytes")
    signed = found[:-_SIGNATURE]
    f = _checked(cbor.decode(signed))
    return Voucher(f[1], f[2], f[3], f[4], f[5], f[6], f[7], signed, found[-_SIGNATURE:])


def kid4(public):
    """Short name of an issuer's public key (32 bytes)."""
    return sha256(public)[:4]


def refusal(voucher, issuers, audiences, floor_s, clock_s, verify):
    """Reason code of the first thing that speaks against a parsed voucher, or None: it may go to the rules.

    `issuers`: public keys of the ruleset (field 15). `audiences`: 8-byte ids of this brick, its kit, its hub.
    `floor_s`: latest instant known from signed things, 0 for none; `clock_s`: the clock of quality 2 or more,
    or None. `verify(public32, message, signature64) -> bool`. Reason 9 (clock unset) means unknown, not no."""
    for public in issuers:
        if kid4(public) == voucher.kid and verify(public, message(voucher.payload), voucher.signature):
            break
    else:
        return REASON_VOUCHER_FALSE
    if voucher.audience not in audiences:
        return REASON_VOUCHER_ELSEWHERE
    now = floor_s if clock_s is None else max(clock_s, floor_s)
    if now >= voucher.expires:
        return REASON_VOUCHER_EXPIRED
    if clock_s is None:
        return REASON_CLOCK_UNSET
    if voucher.not_before is not None and now < voucher.not_before:
        return REASON_VOUCHER_EXPIRED
    return None


def signal(voucher):
    """The event's signal: what a redeeming rule looks at."""
    return ["voucher:{}".format(voucher.series), voucher.minor, 0]


def reference(voucher):
    """The event's reference: the serial as 16 hex digits."""
    return "".join(["{:02x}".format(byte) for byte in voucher.serial])


def _checked(f):
    form.version1(form.fields(f, "voucher", range(8)), "voucher")
    if len(f) != 8:
        raise FormatError("voucher: expected fields 0 to 7 only")
    form.octets(f[1], "voucher issuer (1)", 4)
    form.octets(f[2], "voucher serial (2)", 8)
    form.uint(f[3], "voucher series (3)", 0xFFFF)
    form.uint(f[4], "voucher minor (4)", form.U32)
    form.octets(f[5], "voucher audience (5)", 8)
    form.uint(f[6], "voucher expires (6)", form.U32)
    if f[7] is not None:
        form.uint(f[7], "voucher not before (7)", form.U32)
    return f
