"""Slices of rights: the part of a budget, a stock or a head count that one brick may spend alone.

docs/formats/bundle.md"""

from collections import namedtuple

from stallmark import cbor, form
from stallmark.crypt import sha256

Slice = namedtuple("Slice", "id rule unit amount kit rental expires")
MAX_BYTES = 128


def rule8(rule_id):
    """Short name of a rule in a slice: SHA-256(rule id text)[:8]."""
    return sha256(rule_id.encode())[:8]


def encode_slice(id, rule, unit, amount, kit, rental, expires):
    """Payload bytes of a slice. `rule`, `kit` are 8 bytes, `id` and `rental` u32, `unit` of the registry,
    `amount` in that unit, `expires` in ms. Raises FormatError."""
    fields = {0: 1, 1: id, 2: rule, 3: unit, 4: amount, 5: kit, 6: rental, 7: expires}
    _check(fields)
    return cbor.encode(fields)


def decode_slice(payload):
    """The Slice of its payload, at most 128 bytes. Raises FormatError. Fields from 8 on are ignored."""
    if len(payload) > MAX_BYTES:
        form.fail("slice of {} bytes".format(len(payload)), "at most {} bytes".format(MAX_BYTES))
    return _check(cbor.decode(payload))


def slice_message(payload):
    """What the director key signs for a slice."""
    return b"stallmark/slice/1\0" + payload


def _check(f):
    form.fields(f, "slice", range(8))
    form.version1(f, "slice")
    return Slice(
        form.uint(f[1], "slice id (1)", form.U32),
        form.octets(f[2], "slice rule (2)", 8),
        form.uint(f[3], "slice unit (3)", 255),
        form.uint(f[4], "slice amount (4)", form.I64, 1),
        form.octets(f[5], "slice kit (5)", 8),
        form.uint(f[6], "slice rental (6)", form.U32),
        form.uint(f[7], "slice expires (7)"),
    )
