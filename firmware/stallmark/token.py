"""Tokens: what a reader saw becomes a trust class and a pseudonym; the number itself is dropped.

docs/formats/event.md"""

from stallmark.constant import const
from stallmark.crypt import equal, hmac, sha256
from stallmark.errors import FormatError
from stallmark.numbers import TRUST_ANONYMOUS, TRUST_BARE, TRUST_ISSUED, TRUST_TEXT

TOKEN_UID = const(1)
TOKEN_PASS = const(2)
TOKEN_TEXT = const(3)
TOKEN_PROVED = const(5)  # number of a tag that proved it (docs/formats/tag.md); 4 is a voucher's serial
ISSUED_VERSION = const(1)  # first byte of an issued tag's payload
TNF_EXTERNAL = const(4)  # NFC Forum NDEF 1.0 §3.2.6
ISSUED_TYPE = b"stallmark.org:t"
TEXT_LIMIT = const(128)
NDEF_RECORDS = const(16)  # records looked at before giving up
PASS_PREFIX = b"SM1."


def subject(subject_key, token_type, ident):
    """Pseudonym of a token, 8 bytes, scoped to the event whose subject key this is."""
    return hmac(subject_key, bytes((token_type,)) + ident)[:8]


def tag_mac(uid, token_key):
    """MAC of an issued tag, 16 bytes."""
    return hmac(token_key, b"stallmark/tag/1\0" + bytes((len(uid),)) + uid)[:16]


def tag_payload(uid, token_key):
    """The 17 bytes that an issued tag carries in its NDEF record."""
    return bytes((ISSUED_VERSION,)) + tag_mac(uid, token_key)


def pass_mac(serial, token_key):
    """MAC of a pass serial, 16 bytes."""
    return hmac(token_key, b"stallmark/pass/1\0" + serial)[:16]


def pass_text(serial, token_key):
    """The QR text of a pass: 47 characters. `serial` is 10 bytes. Raises FormatError for another length."""
    if len(serial) != 10:
        raise FormatError("pass serial of {} bytes: expected 10".format(len(serial)))
    from stallmark import base32  # who reads tags only needs none

    return "SM1." + base32.encode(serial) + "." + base32.encode(pass_mac(serial, token_key))


def random_uid(uid):
    """True for a number that a phone draws anew at each tap: 4 bytes, first 08 (ISO/IEC 14443-3 §6.5.4)."""
    return len(uid) == 4 and uid[0] == 8


def from_uid(uid, payload, token_key, subject_key):
    """`(trust, subject8 or None)` of a tag.

    `uid` is 4, 7 or 10 bytes; `payload` is what `find_issued` gave, or None. A payload that is not the
    tag's own leaves it a bare number (trust 2 with a payload: the caller counts it as a wrong one).
    Raises FormatError for other lengths."""
    if len(uid) not in (4, 7, 10):
        raise FormatError("tag number of {} bytes: expected 4, 7 or 10".format(len(uid)))
    if random_uid(uid):
        return TRUST_ANONYMOUS, None
    name = subject(subject_key, TOKEN_UID, uid)
    if payload is None or len(payload) != 17 or payload[0] != ISSUED_VERSION:
        return TRUST_BARE, name
    return (TRUST_ISSUED if equal(bytes(payload[1:]), tag_mac(uid, token_key)) else TRUST_BARE), name


def from_text(data, token_key, subject_key):
    """`(trust, subject8 or None, counter name or None)` of what a scanner read, as bytes without its line
    end.

    trust is None where it is not an event: "setup_codes" (begins with $ ^ @ or %%, or has control
    characters) or "not_readable" (empty, over 128 bytes, not printable ASCII). A pass with a wrong MAC or of
    another form is text, counted as "wrong_pass"."""
    size = len(data)
    if size == 0:
        return None, None, "not_readable"
    if data[0] in b"$^@" or data[:2] == b"%%":
        return None, None, "setup_codes"
    foreign = False
    for index in range(min(size, TEXT_LIMIT + 1)):
        byte = data[index]
        if byte < 0x20 or byte == 0x7F:
            return None, None, "setup_codes"
        if byte > 0x7E:
            foreign = True
    if foreign or size > TEXT_LIMIT:
        return None, None, "not_readable"
    counter = None
    if data[:4] == PASS_PREFIX:
        serial = _pass_serial(data, token_key)
        if serial is not None:
            return TRUST_ISSUED, subject(subject_key, TOKEN_PASS, serial), None
        counter = "wrong_pass"
    return TRUST_TEXT, subject(subject_key, TOKEN_TEXT, sha256(bytes(data))), counter


def _pass_serial(data, token_key):
    if len(data) != 47 or data[20] != 0x2E:
        return None
    from stallmark import base32

    try:
        serial = base32.decode(bytes(data[4:20]).decode())
        mac = base32.decode(bytes(data[21:]).decode())
    except FormatError:
        return None
    if len(serial) == 10 and len(mac) == 16 and equal(mac, pass_mac(serial, token_key)):
        return serial
    return None


def ndef_message(payload):
    """One NDEF message with the issued-tag record: what is written to a tag, without the TLV around it."""
    if len(payload) > 255:
        raise FormatError("NDEF payload of {} bytes: expected at most 255".format(len(payload)))
    head = bytes((0xD0 | TNF_EXTERNAL, len(ISSUED_TYPE), len(payload)))  # MB ME SR
    return head + ISSUED_TYPE + payload


def find_issued(ndef):
    """The payload of the first issued-tag record among the first 16 records of an NDEF message, or None."""
    return find_record(ndef, TNF_EXTERNAL, ISSUED_TYPE)


def find_record(ndef, tnf, kind):
    """The payload of the first record of this type among the first 16 records of an NDEF message, or None.

    `ndef` comes from a stranger's tag: whatever is wrong with it ends the search, nothing is raised, and
    no more than `len(ndef)` bytes are looked at. Chunked records are passed over (NDEF 1.0 §2.3.3)."""
    ndef = bytes(ndef)
    size = len(ndef)
    at = 0
    for _ in range(NDEF_RECORDS):
        if at + 3 > size:
            return None
        flags = ndef[at]
        type_size = ndef[at + 1]
        at += 2
        if flags & 0x10:  # short record: one byte of length
            payload_size = ndef[at]
            at += 1
        else:
            if at + 4 > size:
                return None
            payload_size = int.from_bytes(ndef[at : at + 4], "big")
            at += 4
        id_size = 0
        if flags & 0x08:
            if at >= size:
                return None
            id_size = ndef[at]
            at += 1
        end = at + type_size + id_size + payload_size
        if end > size:
            return None
        if flags & 0x27 == tnf and ndef[at : at + type_size] == kind:  # and no chunk flag
            return ndef[end - payload_size : end]
        if flags & 0x40:  # message end
            return None
        at = end
    return None
