"""The one-pass form check accepts nothing that the core refuses, reads the same fields, and knows the
usual records."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st
from stallmark import cbor, record
from stallmark import registry as reg
from stallmark.errors import FormatError

from hostagent import form
from tests.world import World

SETTINGS = settings(max_examples=200, deadline=None)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
UNSIGNED = st.one_of(
    st.integers(0, 2**63 - 1), st.sampled_from([0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32])
)
U32 = st.integers(0, 2**32 - 1)


def octets(size):
    return st.binary(min_size=size, max_size=size)


OPTIONAL = {
    8: octets(8),
    9: st.integers(0, 70_000),
    11: st.integers(0, 70_000),
    12: st.lists(
        st.tuples(st.integers(0, 300), st.one_of(st.none(), UNSIGNED), st.one_of(st.none(),
        UNSIGNED)).map(list),
        max_size=5,
    ),
    13: st.lists(st.tuples(U32, UNSIGNED).map(list), max_size=5),
    14: st.lists(st.one_of(st.none(), INTEGERS), max_size=9),
    15: octets(8),
    19: st.tuples(UNSIGNED, UNSIGNED).map(list),
    20: st.integers(0, 2**32),
    21: octets(16),
    22: st.integers(0, 70_000),
    23: st.text(max_size=4),
    24: st.just([]),
    25: st.just(True),
}
PRIVATE = st.one_of(
    st.just(b""),
    st.fixed_dictionaries({0: octets(16)}, optional={1: octets(8), 2: st.just([100, 2]), 5:
    UNSIGNED}).map(cbor.encode),
)


@st.composite
def parts(draw):
    """(seq, public, private): mostly right, sometimes out of bounds."""
    private = draw(PRIVATE)
    fields = {
        0: draw(U32),
        1: draw(octets(8)),
        2: draw(st.integers(1, 2**32 - 1)),
        3: draw(U32),
        4: draw(U32),
        5: draw(st.one_of(st.none(), UNSIGNED)),
        6: draw(UNSIGNED),
        7: [draw(st.integers(0, 300)), draw(UNSIGNED)],
        10: draw(st.integers(0, 300)),
        16: draw(U32),
        18: draw(octets(16)),
    }
    for key in draw(st.sets(st.sampled_from(sorted(OPTIONAL)))):
        fields[key] = draw(OPTIONAL[key])
    if private:
        fields[17] = record.commit(private)
    return fields[2], cbor.encode(fields), private


def agree(seq, public, private):
    """What `usual` says is what the core says."""
    found = form.usual(seq, public, private)
    if found is None:
        return False
    fields = record.from_parts(seq, public, bytes(16), private).fields
    assert found == form.from_fields(fields)
    return True


@SETTINGS
@given(parts())
def test_what_it_accepts_the_core_reads_alike(made):
    agree(*made)


@SETTINGS
@given(parts(), st.data())
def test_damaged_records_are_never_more_welcome_than_at_the_core(made, data):
    seq, public, private = made
    public = bytearray(public)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(public) - 1))
        change = data.draw(st.sampled_from(("flip", "set", "drop", "add")))
        if change == "flip":
            public[at] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "set":
            public[at] = data.draw(st.sampled_from((0x00, 0x18, 0x19, 0x1A, 0x1B, 0x80, 0xA0, 0xF6, 0xFF)))
        elif change == "drop" and len(public) > 1:
            del public[at]
        else:
            public.insert(at, data.draw(st.integers(0, 255)))
    agree(seq, bytes(public), private)


def test_every_single_byte_of_a_grant_set_to_every_value():
    world = World(3)
    made = world.record(reg.KIND_GRANT, f13=[[7, 300]], f22=5)
    assert agree(made.seq, made.public, made.private)
    accepted = 0
    for at in range(len(made.public)):
        for value in range(256):
            changed = made.public[:at] + bytes((value,)) + made.public[at + 1 :]
            accepted += agree(made.seq, changed, made.private)
    # Digests, nonces and numbers of the same length may be others; heads, keys and the commitment may not.
    assert 256 * 32 < accepted < 256 * 90


def test_the_usual_records_of_a_market_take_the_short_way():
    world = World(4)
    for kind, more in (
        (reg.KIND_GRANT, {}),
        (reg.KIND_GRANT, {"f13": [[1, 500], [2, 1]], "f12": [[1, 1500, 500], [5, 1, None]]}),
        (reg.KIND_DENY, {}),
        (reg.KIND_DENY, {"f5": None, "f7": [0, 0]}),
        (reg.KIND_LATCH, {"f9": 1}),
        (reg.KIND_UNCERTAIN, {"f14": [reg.REASON_NO_RULESET]}),
        (reg.KIND_GHOST, {"f19": [4, 1]}),
    ):
        made = world.record(kind, **more)
        assert agree(made.seq, made.public, made.private), kind


def test_what_is_wrong_is_said_by_the_core():
    world = World(5)
    made = world.record()
    for public, mac, private in (
        (made.public, made.mac[:15], made.private),
        (made.public, made.mac, os.urandom(29)),
        (made.public, made.mac, b""),
        (made.public[:-1], made.mac, made.private),
        (b"", made.mac, made.private),
        (made.public + b"\x00", made.mac, made.private),
        (made.public, made.mac, made.private + bytes(420)),
    ):
        try:
            form.check(made.seq, public, mac, private)
        except FormatError as wrong:
            assert str(wrong)
        else:
            raise AssertionError("accepted")
    try:
        form.check(made.seq + 1, made.public, made.mac, made.private)
    except FormatError as wrong:
        assert "record" in str(wrong)
    else:
        raise AssertionError("accepted under another number")
