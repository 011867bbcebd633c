"""Ledger entries: a type byte and the exact bytes. docs/formats/ledger.md"""

from stallmark import cbor, form
from stallmark.errors import FormatError

MAX_BYTES = 65535  # C2SP tlog-tiles: an entry's length is u16


def entry(leaf_type, payload):
    """Entry bytes of a leaf. Raises FormatError where it would not fit 65,535 bytes."""
    if not 0 < leaf_type < 256 or len(payload) >= MAX_BYTES:
        form.fail("leaf {} of {} bytes".format(leaf_type, len(payload)), "type 1 to 255, under 65,535 bytes")
    return bytes((leaf_type,)) + payload


def parse(data):
    """`(leaf type, payload)` of an entry. Unknown types are returned as they are. Raises FormatError when
    empty."""
    if len(data) < 2 or data[0] == 0:
        raise FormatError("ledger entry: expected a type byte from 1 on and a payload")
    return data[0], bytes(data[1:])


def encode_key_event(action, role, kid8, public32, from_ms, subject8, until_seq=None, development=False):
    """Leaf 4: a key is added, rotated or revoked. `until_seq` is the last trusted host seq, or None."""
    return _encode(_key_event, {
        0: 1, 1: action, 2: role, 3: kid8, 4: public32, 5: from_ms, 6: subject8, 7: until_seq, 8: development,
    })  # fmt: skip


def decode_key_event(payload):
    """The map of a key event. Raises FormatError."""
    return _key_event(cbor.decode(payload))


def encode_window(window, count, spans):
    """Leaf 3: one five-minute window; spans are `[brick8, first seq, last seq]`."""
    return _encode(_window, {0: 1, 1: window, 2: count, 3: [list(span) for span in spans]})


def decode_window(payload):
    """The map of a window. Raises FormatError."""
    return _window(cbor.decode(payload, max_items=65536))


def encode_rights(slice_payload, signature64):
    """Leaf 5: a slice as minted."""
    return _encode(_rights, {0: 1, 1: slice_payload, 2: signature64})


def decode_rights(payload):
    """The map of a rights leaf. Raises FormatError."""
    return _rights(cbor.decode(payload))


def encode_disclosure(brick8, epoch, mk32, rental, tree_size):
    """Leaf 6: the record key of an epoch, once every record of it is below `tree_size`."""
    return _encode(_disclosure, {0: 1, 1: brick8, 2: epoch, 3: mk32, 4: rental, 5: tree_size})


def decode_disclosure(payload):
    """The map of a record-key disclosure. Raises FormatError."""
    return _disclosure(cbor.decode(payload))


def encode_erasure(brick8, seq, reason):
    """Leaf 7: the private part of a record was erased."""
    return _encode(_erasure, {0: 1, 1: brick8, 2: seq, 3: reason})


def decode_erasure(payload):
    """The map of an erasure. Raises FormatError."""
    return _erasure(cbor.decode(payload))


def encode_finding(code, brick8, seq, host8, host_seq, evidence32=None):
    """Leaf 8: what the controller found wrong with a record, and where it stands."""
    return _encode(_finding, {0: 1, 1: code, 2: brick8, 3: seq, 4: host8, 5: host_seq, 6: evidence32})


def decode_finding(payload):
    """The map of a finding. Raises FormatError."""
    return _finding(cbor.decode(payload))


def _encode(check, fields):
    check(fields)
    return cbor.encode(fields)


def _key_event(f):
    form.fields(f, "key event", range(9))
    form.version1(f, "key event")
    form.uint(f[1], "key action (1)", 255)
    form.uint(f[2], "key role (2)", 255)
    form.octets(f[3], "kid (3)", 8)
    form.octets(f[4], "public key (4)", 32)
    form.uint(f[5], "from ms (5)")
    form.octets(f[6], "key subject (6)", 8)
    if f[7] is not None:
        form.uint(f[7], "trusted until (7)")
    if type(f[8]) is not bool:
        form.fail("development (8)", "true or false")
    return f


def _window(f):
    form.fields(f, "window", range(4))
    form.version1(f, "window")
    form.uint(f[1], "window (1)")
    form.uint(f[2], "window count (2)")
    for span in form.array(f[3], "window spans (3)", 10000):
        form.array(span, "window span (3)", 3, 3)
        form.octets(span[0], "window brick (3)", 8)
        first = form.uint(span[1], "window first seq (3)", form.U32)
        form.uint(span[2], "window last seq (3)", form.U32, first)
    return f


def _rights(f):
    form.fields(f, "rights leaf", range(3))
    form.version1(f, "rights leaf")
    if type(f[1]) is not bytes:
        form.fail("slice payload (1)", "bytes")
    form.octets(f[2], "slice signature (2)", 64)
    return f


def _disclosure(f):
    form.fields(f, "disclosure", range(6))
    form.version1(f, "disclosure")
    form.octets(f[1], "disclosure brick (1)", 8)
    form.uint(f[2], "disclosure epoch (2)", form.U32)
    form.octets(f[3], "record key (3)", 32)
    form.uint(f[4], "disclosure rental (4)", form.U32)
    form.uint(f[5], "disclosure tree size (5)")
    return f


def _erasure(f):
    form.fields(f, "erasure", range(4))
    form.version1(f, "erasure")
    form.octets(f[1], "erasure brick (1)", 8)
    form.uint(f[2], "erasure seq (2)", form.U32)
    form.uint(f[3], "erasure reason (3)", 0xFFFF)
    return f


def _finding(f):
    form.fields(f, "finding", range(7))
    form.version1(f, "finding")
    form.uint(f[1], "finding code (1)", 0xFFFF)
    form.octets(f[2], "finding brick (2)", 8)
    form.uint(f[3], "finding seq (3)", form.U32)
    form.octets(f[4], "finding host (4)", 8)
    form.uint(f[5], "finding host seq (5)")
    if f[6] is not None:
        form.octets(f[6], "finding evidence (6)", 32)
    return f
