"""Rules tried in the shadow of those in use: the controller's order, and what a brick says they would have done.

Pure forms and tags. docs/formats/shadow.md"""

from stallmark import cbor, form
from stallmark.constant import const
from stallmark.crypt import equal, hmac
from stallmark.errors import FormatError

MOST_BYTES = const(65536)  # of a bundle, as slots have room
PAIRS = const(8)
EXAMPLES = const(3)
SUMMARY_MOST = const(440)

# How far it is
COMING = const(1)
READING = const(2)
RUNNING = const(3)
OVER = const(4)
GAVE_WAY = const(5)
NO_MEMORY = const(6)
REFUSED = const(7)
WAITS = const(8)
STATES = const(8)


def order_tag(k_ctl, brick8, digest32, length, until_ms):
    """Tag of the order to try a bundle (digest of its envelope, bytes of all) until a market instant, 16 bytes."""
    data = brick8 + digest32 + length.to_bytes(4, "big") + until_ms.to_bytes(8, "big")
    return hmac(k_ctl, b"stallmark/shadow/1\0" + data)[:16]


def order(value):
    """(digest32 or None, length, until ms, tag16) of message 53; None ends what is tried. Raises FormatError."""
    form.fields(value, "shadow order", (0,))
    if value[0] is None:
        return None, 0, 0, b""
    form.fields(value, "shadow order", (0, 1, 2, 3))
    length = form.uint(value[1], "shadow length (1)", MOST_BYTES, 1)
    until_ms = form.uint(value[2], "shadow end (2)", 1 << 53)
    return form.octets(value[0], "shadow bundle (0)", 32), length, until_ms, form.octets(value[3], "shadow tag (3)", 16)


def order_good(k_ctl, brick8, found):
    """True where an order is the controller's own for this brick."""
    digest32, length, until_ms, tag = found
    return equal(order_tag(k_ctl, brick8, digest32, length, until_ms), tag)


def said_tag(k_ctl, summary):
    """Tag of a summary (bytes), 16 bytes."""
    return hmac(k_ctl, b"stallmark/shadowed/1\0" + summary)[:16]


def said_good(k_ctl, summary, tag):
    """True where the brick that has this key made the summary."""
    return type(tag) is bytes and len(tag) == 16 and equal(said_tag(k_ctl, summary), tag)


def summary(fields):
    """Bytes of a summary. Raises FormatError."""
    return cbor.encode(check(fields))


def read(data):
    """The fields of a summary; unknown ones are left. Raises FormatError."""
    if len(data) > SUMMARY_MOST:
        form.fail("shadow summary of {} bytes".format(len(data)), "at most {}".format(SUMMARY_MOST))
    return check(cbor.decode(data))


def check(f):
    """The map itself, its known fields checked. Raises FormatError."""
    form.fields(f, "shadow summary", range(14))
    form.version1(f, "shadow summary")
    form.octets(f[1], "summary brick (1)", 8)
    form.octets(f[2], "summary bundle (2)", 8)
    form.uint(f[3], "summary state (3)", 255)
    form.uint(f[4], "summary start-up (4)", form.U32)
    form.uint(f[5], "summary number (5)", form.U32)
    for key, name in ((6, "events"), (7, "differing"), (9, "others"), (12, "result"), (13, "missed")):
        form.uint(f[key], "summary {} ({})".format(name, key), form.U32)
    for pair in form.array(f[8], "summary pairs (8)", PAIRS):
        for one in form.array(pair, "summary pair", 5, 5):
            form.uint(one, "summary pair", form.U32)
    for one in form.array(f[10], "summary money (10)", 4, 4):
        form.uint(one, "summary money or unsure (10)")
    for example in form.array(f[11], "summary examples (11)", EXAMPLES):
        form.array(example, "summary example", 4, 4)
        form.uint(example[0], "example instant")
        form.uint(example[1], "example event", 0xFFFF)
        form.uint(example[2], "example pair", 255)
        for one in form.array(example[3], "example why", 8):
            if one is not None:
                form.integer(one, "example why")
    if sum([pair[4] for pair in f[8]]) + f[9] != f[7] or f[7] > f[6]:
        raise FormatError("shadow summary: its counts do not add up")
    return f
