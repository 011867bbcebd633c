"""COSE_Sign1 (RFC 9052 §4.2) in the one form of the house: receipts and batch headers.

docs/formats/receipt.md"""

from collections import namedtuple
from struct import pack

from stallmark import cbor
from stallmark.errors import FormatError, LimitError

ALG_ED25519 = -19  # RFC 9864
ALG_EDDSA = -8  # RFC 8152; accepted from others
MAX_BYTES = 16384

# kid is 8 bytes, fields the decoded payload map (integer keys)
Sign1 = namedtuple("Sign1", "protected payload signature alg kid fields")

_OURS = b"\xa2\x01\x32\x04\x48"  # {1: -19, 4: kid8}
_OTHERS = b"\xa2\x01\x27\x04\x48"  # {1: -8, 4: kid8}
_HEADS = tuple([bytes((0x40 + size,)) if size < 24 else bytes((0x58, size)) for size in range(256)])
_SIG_CONTEXT = b"\x84\x6aSignature1"


def bstr_head(size):
    """CBOR head of a byte string of `size` bytes, under 65,536."""
    if size < 256:
        return _HEADS[size]
    return pack(">BH", 0x59, size)


def protected(kid8):
    """Protected header {1: -19, 4: kid8} as bytes; kid8 = SHA-256(public key)[:8]."""
    if len(kid8) != 8:
        raise FormatError("kid of {} bytes: expected 8".format(len(kid8)))
    return _OURS + kid8


def to_be_signed(protected, payload):
    """Sig_structure of RFC 9052 §4.4 with empty external data: what is signed with Ed25519."""
    return b"".join(
        (_SIG_CONTEXT, bstr_head(len(protected)), protected, b"\x40", bstr_head(len(payload)), payload)
    )


def assemble(protected, payload, signature):
    """18([protected, {}, payload, signature64]) as bytes. Raises FormatError, LimitError over 16 KiB."""
    if len(signature) != 64:
        raise FormatError("signature of {} bytes: expected 64".format(len(signature)))
    if len(payload) > MAX_BYTES - 128:
        raise LimitError("payload of {} bytes: expected at most {}".format(len(payload), MAX_BYTES - 128))
    return b"".join(
        (b"\xd2\x84", bstr_head(len(protected)), protected, b"\xa0", bstr_head(len(payload)), payload,
         b"\x58\x40", signature)
    )  # fmt: skip


def split(cose):
    """`(protected, payload, signature, alg, kid)` of the bytes; the signature is not checked here.

    Raises FormatError for any other form than assemble's with alg -19 or -8, LimitError over 16 KiB."""
    size = len(cose)
    if size > MAX_BYTES:
        raise LimitError("COSE_Sign1 of {} bytes: expected at most {}".format(size, MAX_BYTES))
    if size < 84 or cose[:3] != b"\xd2\x84\x4d" or cose[16] != 0xA0:
        raise FormatError("not a COSE_Sign1 with tag 18, 13 bytes of protected header and no other")
    head = cose[3:8]
    if head == _OURS:
        alg = ALG_ED25519
    elif head == _OTHERS:
        alg = ALG_EDDSA
    else:
        raise FormatError("protected header: expected {1: -19, 4: kid8} or {1: -8, 4: kid8}")
    start, end = size - 64, size - 66
    if cose[end:start] != b"\x58\x40":
        raise FormatError("COSE_Sign1: expected a signature of 64 bytes at the end")
    first = cose[17]
    at = 18 if first < 0x58 else 19 if first == 0x58 else 20
    payload = cose[at:end]
    if cose[17:at] != bstr_head(end - at):
        raise FormatError("COSE_Sign1: payload is not one byte string of the stated length")
    return cose[3:16], payload, cose[start:], alg, cose[8:16]


def parse(cose, check):
    """The Sign1 of the bytes, its payload decoded and handed to `check(fields)`. Raises FormatError,
    LimitError."""
    if type(cose) is not bytes:
        cose = bytes(cose)
    head, payload, signature, alg, kid = split(cose)
    return Sign1(head, payload, signature, alg, kid, check(cbor.decode(payload)))
