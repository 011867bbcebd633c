"""Base45 (RFC 9285), strict: bytes as the characters that a QR code packs best. Used by vouchers."""

from stallmark.errors import FormatError

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_NONE = 0x80  # of a byte that is no character of the alphabet; values are below 45
_VALUES = bytearray(bytes([_NONE]) * 256)
for _value, _char in enumerate(_ALPHABET):
    _VALUES[ord(_char)] = _value


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
    try:
        data = text.encode()
    except UnicodeError:  # half a surrogate pair: CPython's texts can hold one
        raise FormatError("not a base45 character") from None
    if len(data) % 3 == 1:
        raise FormatError("base45 of {} characters cannot be".format(len(text)))
    values = _VALUES
    out = bytearray(len(data) // 3 * 2)
    to = 0
    for at in range(0, len(data) - 2, 3):
        a = values[data[at]]
        b = values[data[at + 1]]
        c = values[data[at + 2]]
        if (a | b | c) & _NONE:
            raise FormatError("not a base45 character")
        number = a + 45 * b + 2025 * c
        if number > 0xFFFF:
            raise FormatError("base45: three characters for more than two bytes")
        out[to] = number >> 8
        out[to + 1] = number & 0xFF
        to += 2
    if len(data) % 3:
        a = values[data[-2]]
        b = values[data[-1]]
        if (a | b) & _NONE:
            raise FormatError("not a base45 character")
        number = a + 45 * b
        if number > 0xFF:
            raise FormatError("base45: two characters for more than a byte")
        out.append(number)
    return bytes(out)
