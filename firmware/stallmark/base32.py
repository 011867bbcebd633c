"""Base32 (RFC 4648 §6), upper case, without padding: for QR texts, look-up links and paper."""

from stallmark.errors import FormatError

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_VALUES = {char: value for value, char in enumerate(_ALPHABET)}
# Bytes that a last group of so many characters holds; other lengths cannot be.
_BYTES = {0: 0, 2: 1, 4: 2, 5: 3, 7: 4}


def encode(data):
    """Text of the bytes, ceil(8 * len / 5) characters."""
    out = []
    held = 0
    bits = 0
    for byte in data:
        held = (held << 8 | byte) & 0xFFF
        bits += 8
        while bits >= 5:
            bits -= 5
            out.append(_ALPHABET[held >> bits & 31])
    if bits:
        out.append(_ALPHABET[held << (5 - bits) & 31])
    return "".join(out)


def decode(text):
    """The bytes that encode() made this of. FormatError for any other text."""
    if len(text) & 7 not in _BYTES:
        raise FormatError("base32 of {} characters cannot be".format(len(text)))
    out = bytearray()
    held = 0
    bits = 0
    for char in text:
        value = _VALUES.get(char)
        if value is None:
            raise FormatError("not a base32 character")
        held = (held << 5 | value) & 0xFFF
        bits += 5
        if bits >= 8:
            bits -= 8
            out.append(held >> bits & 0xFF)
    if held & ((1 << bits) - 1):
        raise FormatError("base32 with bits beyond its bytes")
    return bytes(out)
