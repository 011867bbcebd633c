"""One event format for every trigger. docs/formats/event.md"""

from collections import namedtuple

from stallmark import cbor, form
from stallmark.numbers import QUALITY_UNSET, TRUST_ANONYMOUS

_NAMES = (
    "type trust subject wall_ms uptime_ms quality spread_ms nonce basket_minor items tip_minor lines signal "
    "token_counter staff reference source boot seq"
)
Event = namedtuple("Event", _NAMES)
MAX_LINES = 64
MAX_BYTES = 2048


def make(**given):
    """An Event from named values; what is not given is None (trust 0, quality unset). Raises FormatError
    for a name that no event has."""
    names = _NAMES.split()
    for name in given:
        if name not in names:
            form.fail("event " + name, "one of " + _NAMES)
    values = [given.get(name) for name in names]
    if values[1] is None:
        values[1] = TRUST_ANONYMOUS
    if values[5] is None:
        values[5] = QUALITY_UNSET
    return Event(*values)


def to_fields(e):
    """The integer-keyed map of an event; absent values are left out."""
    out = {0: 1, 1: e.type, 2: e.trust, 7: e.nonce}
    if e.quality or e.spread_ms is not None:
        out[6] = [e.quality, e.spread_ms]
    if e.basket_minor is not None or e.items is not None:
        out[8] = [e.basket_minor, e.items]
    for key, value in (
        (3, e.subject), (4, e.wall_ms), (5, e.uptime_ms), (9, e.tip_minor), (10, e.lines), (11, e.signal),
        (12, e.token_counter), (13, e.staff), (14, e.reference), (15, e.source), (16, e.boot), (17, e.seq),
    ):  # fmt: skip
        if value is not None:
            out[key] = value
    return out


def from_fields(f):
    """The Event of an integer-keyed map. Fields from 18 on are newer than this program and ignored.

    Raises FormatError naming the field that is missing, of another type or out of bounds."""
    form.fields(f, "event", (0, 1, 2, 7))
    form.version1(f, "event")
    form.uint(f[1], "event type (1)", 0xFFFF)
    form.uint(f[2], "event trust (2)", 15)
    form.octets(f[7], "event nonce (7)", 8)
    for key in (3, 13, 15):
        if key in f:
            form.octets(f[key], "event field {}".format(key), 8)
    for key in (4, 5, 9, 12):
        if key in f:
            form.uint(f[key], "event field {}".format(key))
    for key in (16, 17):
        if key in f:
            form.uint(f[key], "event field {}".format(key), form.U32)
    quality = spread = basket = items = None
    if 6 in f:
        quality, spread = form.array(f[6], "event clock (6)", 2, 2)
        form.uint(quality, "event clock quality (6)", 255)
        if spread is not None:
            form.uint(spread, "event clock spread (6)")
    if 8 in f:
        basket, items = form.array(f[8], "event basket (8)", 2, 2)
        for value in (basket, items):
            if value is not None:
                form.uint(value, "event basket (8)")
    if 10 in f:
        for line in form.array(f[10], "event lines (10)", MAX_LINES):
            form.array(line, "event line (10)", 3, 3)
            if type(line[0]) is not int:
                form.text(line[0], "event item code (10)", 32)
            form.uint(line[1], "event quantity (10)")
            form.uint(line[2], "event line amount (10)")
    if 11 in f:
        form.array(f[11], "event signal (11)", 3, 3)
        form.text(f[11][0], "event signal name (11)", 32)
        form.integer(f[11][1], "event signal value (11)")
        form.uint(f[11][2], "event signal age (11)")
    if 14 in f:
        form.text(f[14], "event reference (14)", 32)
    return Event(
        f[1], f[2], f.get(3), f.get(4), f.get(5), QUALITY_UNSET if quality is None else quality, spread, f[7],
        basket, items, f.get(9), f.get(10), f.get(11), f.get(12), f.get(13), f.get(14), f.get(15), f.get(16),
        f.get(17),
    )  # fmt: skip


def encode(e):
    """Bytes of an event. Raises FormatError where a value has another type or is out of bounds."""
    f = to_fields(e)
    from_fields(f)
    return cbor.encode(f)


def decode(data):
    """The Event of its bytes, at most 2,048. Raises FormatError."""
    if len(data) > MAX_BYTES:
        form.fail("event of {} bytes".format(len(data)), "at most {} bytes".format(MAX_BYTES))
    return from_fields(cbor.decode(data))
