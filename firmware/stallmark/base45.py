"""Base45 (RFC 9285), strict: bytes as the characters that a QR code packs best. Used by vouchers."""

from stallmark.errors import FormatError

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUES = {char: value for value, char in enumerate(_ALPHABET)}


def encode(data):
    """Text of the bytes: three characters for two bytes, two for a last single one."""
    out = []
    for at in range(0, len(data) - 1, 2):
        number = data[at] << 8 | data[at + 1]
        out.append(_ALPHABET[number % 45])
        out.append(_ALPHABET[number // 45 % 45])
        out.append(_ALPHABET[number // 2025])
    if len(data) & 1:
        out.append(_ALPHABET[data[-1] % 45])
        out.append(_ALPHABET[data[-1] // 45])
    return "".join(out)


def decode(text):
    """The bytes that encode() made this of. FormatError for any other text (RFC 9285 §6)."""
    if len(text) % 3 == 1:
        raise FormatError("base45 of {} characters cannot be".format(len(text)))
    out = bytearray()
    for at in range(0, len(text), 3):
        number = 0
        weight = 1
        for char in text[at : at + 3]:
            value = _VALUES.get(char)
            if value is None:
                raise FormatError("not a base45 character")
            number += value * weight
            weight *= 45
        if weight == 2025:
            if number > 0xFF:
                raise FormatError("base45: two characters for more than a byte")
            out.append(number)
        else:
            if number > 0xFFFF:
                raise FormatError("base45: three characters for more than two bytes")
            out.append(number >> 8)
            out.append(number & 0xFF)
    return bytes(out)
