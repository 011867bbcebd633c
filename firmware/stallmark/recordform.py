"""What the fields of a record may be: docs/formats/record.md as checks. Newer fields and kinds pass as they
are."""

from stallmark import form
from stallmark.numbers import (
    KIND_BOOT,
    KIND_CLOCK,
    KIND_CLOSE,
    KIND_COLLECTIVE,
    KIND_LATCH,
    KIND_LOST,
    KIND_OUTAGE,
    KIND_RENTAL,
)

_U32 = form.U32
_I64 = form.I64
_SIZES = {8: 8, 15: 8, 17: 16, 18: 16, 21: 16}  # byte strings of one length
_ALWAYS = (0, 1, 2, 3, 4, 5, 6, 7, 10, 16, 18)
WHY_ENTRIES = 8


def check_public(f):
    """The public map itself, where every known field has its type and bounds; else FormatError says which has
    not.

    Written out straight, not as a table: it runs for every record on the host and at the controller."""
    if type(f) is not dict:
        form.fail("record", "a map")
    try:
        for value in (f[0], f[2], f[3], f[4], f[10], f[16]):
            if type(value) is not int or value < 0 or value > _U32:
                raise ValueError
        brick, prev, clock, wall, uptime = f[1], f[18], f[7], f[5], f[6]
        if (
            not f[2]
            or type(brick) is not bytes
            or len(brick) != 8
            or type(prev) is not bytes
            or len(prev) != 16
            or (wall is not None and (type(wall) is not int or wall < 0))
            or type(uptime) is not int
            or uptime < 0
            or type(clock) is not list
            or len(clock) != 2
            or type(clock[0]) is not int
            or not 0 <= clock[0] <= 255
            or type(clock[1]) is not int
            or clock[1] < 0
        ):
            raise ValueError
        for key in f:
            if key > 7:
                size = _SIZES.get(key)
                if size is None:
                    if key != 10 and key != 16:
                        _optional(key, f[key], f[10])
                elif type(f[key]) is not bytes or len(f[key]) != size:
                    form.octets(f[key], "record field {}".format(key), size)
            elif key < 0:
                raise ValueError
    except (KeyError, TypeError, ValueError):
        _explain(f)
    return f


def _explain(f):
    """Says in the error what is wrong with a field that is always there."""
    form.fields(f, "record", _ALWAYS)
    form.octets(f[1], "record brick (1)", 8)
    form.uint(f[2], "record seq (2)", _U32, 1)
    for key in (0, 3, 4, 10, 16):
        form.uint(f[key], "record field {}".format(key), _U32)
    if f[5] is not None:
        form.uint(f[5], "record wall ms (5)")
    form.uint(f[6], "record uptime ms (6)")
    form.array(f[7], "record clock (7)", 2, 2)
    form.uint(f[7][0], "record clock quality (7)", 255)
    form.uint(f[7][1], "record clock spread (7)")
    form.octets(f[18], "record prev16 (18)", 16)
    form.fail("record", "fields of the types on the page")


def _optional(key, value, kind):
    if key == 11:
        if type(value) is not int or not 0 <= value <= 0xFFFF:
            form.fail("record event and trust (11)", "an integer up to 65535")
    elif key == 14:
        if type(value) is not list or not 0 < len(value) <= WHY_ENTRIES or value[-1] is None:
            form.fail("record why (14)", "one to eight entries, the last not null")
        for entry in value:
            if entry is not None and type(entry) is not int:
                form.fail("record why (14)", "integers and null")
    elif key == 12:
        for grant in form.array(value, "record grants (12)", 16):
            form.array(grant, "record grant (12)", 3, 3)
            form.uint(grant[0], "record grant type (12)", 255)
            for amount in (grant[1], grant[2]):
                if amount is not None:
                    form.uint(amount, "record grant amount (12)")
    elif key == 13:
        for right in form.array(value, "record rights (13)", 64):
            form.array(right, "record right (13)", 2, 2)
            form.uint(right[0], "record slice (13)", _U32)
            form.uint(right[1], "record rights amount (13)")
    elif key == 9:
        form.uint(value, "record rule index (9)", 0xFFFF)
    elif key == 19:
        form.array(value, "record experiment (19)", 2, 2)
        form.uint(value[0], "record experiment (19)")
        form.uint(value[1], "record arm (19)")
    elif key == 20:
        form.uint(value, "record reference seq (20)", _U32, 1)
    elif key == 22:
        form.uint(value, "record risk (22)", 0xFFFF)
    elif key == 23:
        form.text(value, "record currency (23)", 3)
    elif key == 24:
        _detail(kind, form.array(value, "record detail (24)", 16))


# detail of a kind: D32 digest, N digest or null, I ms, M ms or null, U u32, S seq, T text
_DETAIL = (
    (KIND_BOOT, "NDUUU"),
    (KIND_CLOCK, "MMU"),
    (KIND_LATCH, "I"),
    (KIND_CLOSE, "T"),
    (KIND_LOST, "SS"),
    (KIND_RENTAL, "U"),
    (KIND_COLLECTIVE, "UM"),
    (KIND_OUTAGE, "UMM"),
)


def _detail(kind, value):
    for known, shape in _DETAIL:
        if known != kind:
            continue
        what = "detail (24) of kind {}".format(kind)
        form.array(value, what, 16, len(shape))
        for letter, entry in zip(shape, value):
            if entry is None and letter in "NM":
                continue
            if letter in "ND":
                form.octets(entry, what, 32)
            elif letter == "T":
                form.text(entry, what, 24)
            elif letter == "U":
                form.uint(entry, what, _U32)
            elif letter == "S":
                form.uint(entry, what, _U32, 1)
            else:
                form.uint(entry, what)
        if kind == KIND_LOST and value[0] > value[1]:
            form.fail(what, "the first seq no later than the last")


def check_private(f):
    """The private map itself, checked likewise. The salt is always there."""
    form.fields(f, "private part", (0,))
    form.octets(f[0], "private salt (0)", 16)
    for key in f:
        value = f[key]
        if key == 1 or key == 6:
            form.octets(value, "private field {}".format(key), 8)
        elif key == 2:
            for entry in form.array(value, "private basket (2)", 2, 2):
                if entry is not None:
                    form.uint(entry, "private basket (2)")
        elif key == 3 or key == 5:
            form.uint(value, "private field {}".format(key))
        elif key == 4:
            for code in form.array(value, "private item codes (4)", 64):
                if type(code) is not int:
                    form.text(code, "private item code (4)", 32)
        elif key == 7:
            form.text(value, "private reason (7)", 60)
        elif key == 8:
            name, value, age = form.array(value, "private signal (8)", 3, 3)
            form.text(name, "private signal name (8)", 32)
            form.integer(value, "private signal value (8)")
            form.uint(age, "private signal age (8)")
    return f
