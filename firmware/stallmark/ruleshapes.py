"""What reading a ruleset of either version shares: places of fields, small shapes, equal tuples kept once."""

from stallmark import cborread, form
from stallmark.errors import FormatError, LimitError
from stallmark.expr import MAX_SLOT_MS

# --- places of fields, without decoding what is between


def places(data, at, what):
    """{key: offset of its value} of a map with keys below 24. Raises FormatError."""
    try:
        first = data[at]
        if first >> 5 != 5 or first & 31 > 23:
            form.fail(what, "a map of at most 23 fields")
        at += 1
        found = {}
        last = -1
        for _ in range(first & 31):
            key = data[at]
            if key > 23 or key <= last:
                form.fail(what, "keys in order, below 24 (newer than this program?)")
            last = key
            at += 1
            found[key] = at
            at = _skip(data, at, 16)
    except IndexError:
        raise FormatError("{} ends early".format(what))
    if what == "ruleset" and at != len(data):
        raise FormatError("{} bytes after the ruleset".format(len(data) - at))
    return found


def _skip(data, at, depth):
    """Offset after the value at `at`. What is not well-formed is found when it is decoded."""
    first = data[at]
    major = first >> 5
    n = first & 31
    at += 1
    if n > 23:
        if n > 27 or major == 7:
            form.fail("value at {}".format(at - 1), "one of deterministic CBOR")
        size = 1 << (n - 24)
        n = int.from_bytes(data[at : at + size], "big")
        at += size
    if major < 2 or major == 7:
        return at
    if major < 4:
        at += n
    elif major < 6:
        if not depth:
            raise LimitError("too many levels, at {}".format(at))
        if n > len(data):
            raise FormatError("ends early, at {}".format(len(data)))
        for _ in range(n * 2 if major == 5 else n):
            at = _skip(data, at, depth - 1)
    else:
        form.fail("value at {}".format(at), "no tag")
    if at > len(data):
        raise FormatError("ends early, at {}".format(len(data)))
    return at


def field(data, at_of, key, what):
    """The value of a field, decoded. Raises FormatError where it is not there."""
    if key not in at_of:
        form.fail(what, "field {}".format(key))
    return decode(data, at_of[key], 4096)[0]


def decode(data, at, most):
    """(value, offset after it) of at most `most` values at an offset of bytes, or of a stallmark.pages.Pages: then just its
    bytes are read, once their end is known. Raises FormatError, LimitError."""
    if type(data) is bytes:
        return cborread.decode_prefix(data, at, 16, most)
    try:
        end = _skip(data, at, 16)
    except IndexError:
        raise FormatError("ends early, at {}".format(at))
    return cborread.decode_prefix(data[at:end], 0, 16, most)[0], end


def array_head(data, at, what, most):
    """(entries, offset of the first) of an array of at most `most`, at most 255."""
    try:
        first = data[at]
        count = first & 31
        if first >> 5 == 4 and count < 25:
            at += 1
            if count == 24:
                count = data[at]
                at += 1
                if count < 24:
                    form.fail(what, "the shortest head")
            if count <= most:
                return count, at
    except IndexError:
        pass
    form.fail(what, "an array of 0 to {} entries".format(most))


def check_fields(at_of, what, count=17):
    """Keys 0 to count - 1 exactly: a field unknown here could change a decision."""
    for key in range(count):
        if key not in at_of:
            form.fail(what, "field {}".format(key))
    if len(at_of) != count:
        form.fail(what, "fields 0 to {} only (newer than this program?)".format(count - 1))


# --- rules


class Reader:
    """What reading rules shares: the ruleset, the conditions' parser, and each equal tuple kept once."""

    def __init__(self, ruleset, parser):
        self.ruleset = ruleset
        self.parser = parser
        self._kept = {}

    def keep(self, value):
        """The first tuple or bytes equal to `value`: many rules say the same."""
        return self._kept.setdefault((type(value), value), value)

    def slots(self, indexes):
        """bytes of slot indexes that do not overlap."""
        slots = self.ruleset.slots
        for at, index in enumerate(indexes):
            form.uint(index, "slot index (3)", len(slots) - 1)
            start, end = slots[index]
            for other in indexes[:at]:
                if slots[other][0] < end and start < slots[other][1]:
                    form.fail("slots (3) of a rule", "slots that do not overlap")
        return self.keep(bytes(indexes))

    def events(self, types, most, highest):
        """Tuple of event types."""
        for event in form.array(types, "event types (1)", most, 1):
            form.uint(event, "event type (1)", highest, 1)
        return self.keep(tuple(types))


# --- small shapes


def boolean(value, what):
    """true or false, returned."""
    if type(value) is not bool:
        form.fail(what, "true or false")
    return value


def name(value, what, limit):
    """Text that is not empty, returned."""
    if not form.text(value, what, limit):
        form.fail(what, "a name")
    return value


def currency(value):
    """Three capital letters, returned."""
    form.text(value, "currency (3)", 3)
    for letter in value:
        if not "A" <= letter <= "Z":
            value = ""
    if len(value) != 3:
        form.fail("currency (3)", "three capital letters")
    return value


def slot(pair):
    """(start ms, end ms)"""
    form.array(pair, "slot (4)", 2, 2)
    start = form.uint(pair[0], "slot start (4)")
    end = form.uint(pair[1], "slot end (4)")
    if not 0 < end - start <= MAX_SLOT_MS:
        form.fail("slot (4)", "an end after the start, within 12 days")
    return (start, end)
