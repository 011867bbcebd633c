"""Text from bytes as RFC 3629 has it: MicroPython itself takes surrogates and overlong forms for UTF-8."""

try:
    str(b"\xc0\x80", "utf-8")
    _LAX = True
except UnicodeError:
    _LAX = False


def text(data):
    """The text of UTF-8 bytes. Raises UnicodeError for anything else."""
    if _LAX:
        check(data)
    return str(data, "utf-8")


def octets(string):
    """The UTF-8 bytes of a text. Raises UnicodeError for one with half a surrogate pair."""
    data = string.encode("utf-8")
    if _LAX:
        check(data)
    return data


def check(data):
    """Raises UnicodeError unless data is UTF-8: no surrogates, nothing overlong, nothing beyond 10FFFF."""
    more = 0
    low = 0x80
    high = 0xBF
    for byte in data:
        if more:
            if not low <= byte <= high:
                raise UnicodeError
            more -= 1
            low = 0x80
            high = 0xBF
        elif byte < 0x80:
            pass
        elif 0xC2 <= byte <= 0xDF:
            more = 1
        elif 0xE0 <= byte <= 0xEF:
            more = 2
            low = 0xA0 if byte == 0xE0 else 0x80
            high = 0x9F if byte == 0xED else 0xBF
        elif 0xF0 <= byte <= 0xF4:
            more = 3
            low = 0x90 if byte == 0xF0 else 0x80
            high = 0x8F if byte == 0xF4 else 0xBF
        else:
            raise UnicodeError
    if more:
        raise UnicodeError
