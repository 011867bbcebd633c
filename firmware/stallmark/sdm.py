"""Secure dynamic messages of an NTAG 424 DNA in AES mode: what a tag adds to its link, checked. docs/formats/tag.md

Source: NXP NT4H2421Gx §9.3 and AN12196 §3.4."""

from stallmark.constant import const
from stallmark.crypt import cmac, equal
from stallmark.errors import FormatError

_UID_MIRRORED = const(0x80)
_COUNTER_MIRRORED = const(0x40)
_UID_BYTES = const(7)
_PICC_BYTES = const(16)
_MAC_BYTES = const(8)
_TNF_WELL_KNOWN = const(1)


def find(ndef):
    """`(encrypted picc data 16, mac 8)` of the first link record of an NDEF message, or None where it has none.

    The link carries them as `e=` (32 hex digits) and `c=` (16) after a ?, & or #. Comes from a stranger's tag:
    whatever is wrong with it gives None."""
    from stallmark import token

    link = token.find_record(ndef, _TNF_WELL_KNOWN, b"U")
    if link is None:
        return None
    picc = _hex_after(link, b"e=", _PICC_BYTES)
    mac = _hex_after(link, b"c=", _MAC_BYTES)
    return None if picc is None or mac is None else (picc, mac)


def open_picc(picc, decrypt):
    """`(uid 7 bytes, read counter)` of encrypted PICC data; `decrypt` is an AES-ECB decryptor under the meta key.

    Raises FormatError where it does not decrypt to a number and a counter (another key, another tag)."""
    if len(picc) != _PICC_BYTES:
        raise FormatError("PICC data of {} bytes: expected 16".format(len(picc)))
    plain = decrypt(picc)  # CBC with a zero IV over one block is the block itself
    # AN12196 §3.4.2: what is mirrored and how long the number is, the number, the counter low byte first, random
    if plain[0] != _UID_MIRRORED | _COUNTER_MIRRORED | _UID_BYTES:
        raise FormatError("PICC data of another key")
    return bytes(plain[1:8]), int.from_bytes(plain[8:11], "little")


def mac_of(make_ecb, file_key, uid, counter, message=b""):
    """The SDMMAC, 8 bytes, that this tag makes at this counter over `message` (empty in our links)."""
    session = cmac(make_ecb(file_key), session_vector(b"\x3c\xc3", uid, counter))
    return truncated(cmac(make_ecb(session), message))


def session_vector(label, uid, counter):
    """SV1 (`c33c`) or SV2 (`3cc3`): what the keys of one message are made from."""
    return label + b"\x00\x01\x00\x80" + uid + counter.to_bytes(3, "little")


def truncated(mac):
    """Bytes 1, 3, … 15 of a CMAC: how these tags shorten it to eight."""
    return bytes([mac[i] for i in range(1, 16, 2)])


def check(make_ecb, file_key, uid, counter, mac, message=b""):
    """True where `mac` is the tag's own, in a time that does not depend on where it differs."""
    return len(mac) == _MAC_BYTES and equal(mac_of(make_ecb, file_key, uid, counter, message), bytes(mac))


def _hex_after(link, name, size):
    """The hex digits behind a parameter's name, as bytes, or None."""
    at = -1
    while True:
        at = link.find(name, at + 1)
        if at < 1:
            return None
        if link[at - 1] in b"?&#":
            break
    digits = link[at + len(name) : at + len(name) + 2 * size]
    if len(digits) != 2 * size:
        return None
    value = 0
    for byte in digits:
        if 0x30 <= byte <= 0x39:
            value = value << 4 | byte - 0x30
        elif 0x41 <= byte <= 0x46 or 0x61 <= byte <= 0x66:
            value = value << 4 | (byte & 0xDF) - 0x37
        else:
            return None
    return value.to_bytes(size, "big")
