"""What the director orders for one kit: the payload's form alone, nothing here trusts. docs/formats/directive.md"""

from collections import namedtuple

from stallmark import cbor, form

TYPE = "application/vnd.stallmark.directive+cbor"
MAX_ITEMS = 32
SECURITY_CRITICAL = 1  # flags: not put off for a rental
HALTED = 2  # nothing is to be installed
CRITICAL = 64  # fields below this number, and flags below bit 8, must be understood
KNOWN_FLAGS = SECURITY_CRITICAL | HALTED

# digest: SHA-256 of the payload, what "the same directive" means; items: Item
Directive = namedtuple(
    "Directive", "digest kit8 number issued_ms expires_ms items root_version flags host_release reason rental"
)
Item = namedtuple("Item", "brick8 kind artefact length rev hardware bundle")


def payload(
    kit8, number, issued_ms, expires_ms, items=(), root_version=1, flags=0, host_release=None, reason="", rental=0
):  # fmt: skip
    """Payload bytes. `items`: Item tuples `(brick8, artefact kind, artefact digest32, length, rev, hardware text or "",
    bundle digest32)`. Raises FormatError."""
    return cbor.encode(check_fields({
        0: 1, 1: kit8, 2: number, 3: issued_ms, 4: expires_ms, 5: [list(item) for item in items], 6: root_version,
        7: flags, 8: host_release, 9: reason, 10: rental,
    }))  # fmt: skip


def check_fields(f):
    """The payload map itself, its known fields checked. Raises FormatError."""
    form.fields(f, "directive", range(11))
    form.version1(f, "directive")
    form.octets(f[1], "directive kit (1)", 8)
    form.uint(f[2], "directive number (2)", form.U32, 1)
    form.uint(f[3], "directive issued (3)")
    form.uint(f[4], "directive expires (4)")
    for item in form.array(f[5], "directive items (5)", MAX_ITEMS):
        form.array(item, "directive item (5)", 7, 7)
        form.octets(item[0], "item brick", 8)
        form.uint(item[1], "item artefact kind", 255, 1)
        form.octets(item[2], "item artefact digest", 32)
        form.uint(item[3], "item length", form.U32)
        form.uint(item[4], "item rev")
        form.text(item[5], "item hardware", 32)
        form.octets(item[6], "item bundle digest", 32)
    form.uint(f[6], "directive root version (6)", form.U32)
    form.uint(f[7], "directive flags (7)", form.U32)
    if f[8] is not None:
        form.text(f[8], "directive host release (8)", 64)
    form.text(f[9], "directive reason (9)", 96)
    form.uint(f[10], "directive rental (10)", form.U32)
    return f


def unknown_critical(f):
    """The lowest field below 64 that this program does not know, or -1 where a flag below bit 8 is; else None."""
    for key in sorted(f):
        if 10 < key < CRITICAL:
            return key
    return -1 if f[7] & 0xFF & ~KNOWN_FLAGS else None


def named_twice(items):
    """Whether a brick is named twice for one kind of artefact."""
    return len(set([item[0] + bytes((item[1],)) for item in items])) != len(items)


def of(f, digest):
    """The Directive of checked fields."""
    items = [Item(*item) for item in f[5]]
    return Directive(digest, f[1], f[2], f[3], f[4], items, f[6], f[7], f[8], f[9], f[10])
