"""Own CBOR against cbor2: the same bytes for a value, the same value for bytes, and fewer bytes accepted."""

from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
from stallmark import cbor
from stallmark.errors import FormatError

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
SCALARS = st.one_of(INT64, st.binary(max_size=300), st.text(max_size=40), st.booleans(), st.none())
# Keys from 0 up: there length-first order (RFC 7049, cbor2's canonical) and bytewise order agree.
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=30),
        st.dictionaries(st.integers(min_value=0, max_value=2**63 - 1), inner, max_size=30),
    ),
    max_leaves=40,
)


def _plain(value: Any) -> Any:
    """cbor2's tags as ours."""
    if isinstance(value, cbor2.CBORTag):
        return cbor.Tag(value.tag, _plain(value.value))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_the_same_bytes_for_the_same_value(value: Any) -> None:
    ours = cbor.encode(value)
    assert ours == cbor2.dumps(value, canonical=True)
    assert cbor.decode(ours, max_depth=40) == value == cbor2.loads(ours)


@given(st.dictionaries(st.one_of(INT64, st.text(max_size=5)), INT64, max_size=40))
@settings(max_examples=200, deadline=None)
def test_keys_are_in_the_order_of_their_bytes(value: dict[int | str, int]) -> None:
    ours = cbor.encode(value)
    assert cbor.decode(ours, text_keys=True) == value
    keys = [cbor2.dumps(key) for key in cbor2.loads(ours)]
    assert keys == sorted(keys)


@given(st.binary(min_size=1, max_size=24))
@settings(max_examples=200, deadline=None)
def test_whatever_is_accepted_is_what_cbor2_reads_and_comes_back_the_same(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except FormatError:
        return
    assert cbor.encode(value) == data
    # An epoch or date tag becomes a datetime there: look at everything else.
    if b"\xc0" not in data and b"\xc1" not in data and not any(0xC4 <= byte <= 0xDB for byte in data):
        assert _plain(cbor2.loads(data)) == value
