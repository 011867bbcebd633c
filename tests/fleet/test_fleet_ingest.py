"""A batch as it arrives: what its host answers for is right, or it is refused and nothing has happened."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stallmark import batch, cbor, receipt
from stallmark.registry import KIND_DENY

from fleet.config import Host
from fleet.errors import Refused
from fleet.ingest import HostState, check
from tests.world import World


def registered(world, host=None):
    host = host or world.host
    return Host(host.host8, host.public, host.name, b"", world.kit)


def refused(world, body, state=None, status=422):
    with pytest.raises(Refused) as caught:
        check(body, registered(world), state or HostState())
    assert caught.value.status == status
    return caught.value


def test_batches_in_order_are_accepted_and_continue_each_other():
    world, state = World(1), HostState()
    for n in (1, 256, 3):
        checked = check(world.batch(world.receipts(n)), registered(world), state)
        assert len(checked.receipts) == n
        state = checked.after
    assert (state.number, state.host_seq) == (3, 260)
    assert state.prev == world.host.prev_batch and state.prev_receipt == world.host.prev


def test_every_leaf_is_the_receipts_exact_bytes_under_its_type():
    world = World(2)
    receipts = world.receipts(5)
    checked = check(world.batch(receipts), registered(world), HostState())
    assert [taken.entry for taken in checked.receipts] == [b"\x01" + cose for cose in receipts]


def test_a_gap_or_a_step_back_is_a_409_that_says_what_is_expected():
    world = World(3)
    first, second = world.batch(world.receipts(2)), world.batch(world.receipts(2))
    error = refused(world, second, status=409)
    assert error.more == {"expected": 1, "prev": bytes(32).hex()}
    state = check(first, registered(world), HostState()).after
    error = refused(world, first, state, 409)
    assert error.more == {"expected": 2, "prev": state.prev.hex()}


def test_a_batch_that_names_another_batch_before_it_is_a_409():
    world = World(4)
    body = world.batch(world.receipts(2), f3=b"x" * 32)
    refused(world, body, status=409)


def test_another_hosts_batch_is_refused_even_where_it_is_good_in_itself():
    world = World(5)
    other = world.new_host()
    body = world.batch(world.receipts(2, host=other), other)
    assert "by host" in refused(world, body).reason


@pytest.mark.parametrize("place", ["header", "receipt"])
def test_a_wrong_signature_is_refused(place):
    world = World(6)
    body = bytearray(world.batch(world.receipts(1)))
    parsed = batch.parse(bytes(body))
    part = parsed.header if place == "header" else parsed.receipts[0]
    at = bytes(body).index(part) + len(part) - 1
    body[at] ^= 1
    reason = refused(world, bytes(body)).reason
    assert "header is wrong" in reason or "root32" in reason  # a receipt is under the header's root


def test_a_wrong_receipt_signature_under_a_good_header_is_refused():
    world = World(7)
    receipts = world.receipts(3)
    receipts[1] = receipts[1][:-1] + bytes([receipts[1][-1] ^ 1])
    reason = refused(world, world.batch(receipts)).reason
    assert "signature of receipt 2" in reason or "does not name the receipt before" in reason
    last = World(7)
    receipts = last.receipts(1)
    receipts[0] = receipts[0][:-1] + bytes([receipts[0][-1] ^ 1])
    assert "signature of receipt 1 is wrong" in refused(last, last.batch(receipts)).reason


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"f4": bytes(32)}, "root32"),
        ({"f5": 2}, "counts 2"),
        ({"f6": 2}, "begins at host seq 2"),
        ({"f1": b"12345678"}, "by host"),
    ],
)
def test_a_header_that_does_not_fit_its_receipts_is_refused(header, reason):
    world = World(8)
    assert reason in refused(world, world.batch(world.receipts(3), **header)).reason


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"f4": 9}, "host seq 9 where 2 is next"),
        ({"f5": b"x" * 16}, "does not name the receipt before it"),
        ({"f3": b"87654321"}, "by host"),
    ],
)
def test_a_receipt_that_breaks_its_hosts_chain_is_refused(payload, reason):
    world = World(9)
    first = world.receipt(world.record())
    second = world.receipt(world.record(), **payload)
    assert reason in refused(world, world.batch([first, second])).reason


def test_receipts_out_of_order_are_refused():
    world = World(10)
    receipts = world.receipts(3)
    assert "is next" in refused(world, world.batch([receipts[0], receipts[2], receipts[1]])).reason


def test_a_record_that_this_program_cannot_read_does_not_keep_the_batch_out():
    world = World(11)
    item = world.record()
    strange = receipt.encode_payload(
        {0: 1, 1: b"\x80", 2: item.mac, 3: world.host.host8, 4: 1, 5: bytes(16), 6: world.now_ms, 7: 1, 8: 3}
        | {11: bytes(16), 15: 1, 16: world.hub}
    )
    world.host.seq = 1
    cose = world.signed(strange)
    checked = check(world.batch([cose]), registered(world), HostState())
    assert checked.receipts[0].record is None


def test_signatures_with_the_older_algorithm_number_of_others_are_accepted():
    world = World(12)
    cose = world.receipts(1)[0]
    parsed = receipt.parse(cose)
    head = cbor.encode({1: -8, 4: parsed.kid})
    signature = world.host.sign(receipt.to_be_signed(head, parsed.payload))
    other = receipt.assemble(head, parsed.payload, signature)
    assert len(check(world.batch([other]), registered(world), HostState()).receipts) == 1


def test_the_private_section_is_kept_verbatim_and_bounded():
    world = World(13)
    records = []
    receipts = world.receipts(2, KIND_DENY, records=records)
    private = [world.private_entry(item) for item in records]
    checked = check(world.batch(receipts, private=private), registered(world), HostState())
    assert cbor.decode(checked.private) == private
    assert records[0].private not in checked.private


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_changed_byte_is_accepted(data):
    world = World(14)
    body = world.batch(world.receipts(2))
    at = data.draw(st.integers(0, len(body) - 1))
    changed = bytes([data.draw(st.integers(0, 255).filter(lambda b: b != body[at]))])
    with pytest.raises(Refused):
        check(body[:at] + changed + body[at + 1 :], registered(world), HostState())


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 900))
def test_no_cut_body_is_accepted(at):
    world = World(15)
    body = world.batch(world.receipts(2))
    with pytest.raises(Refused):
        check(body[: at % len(body)], registered(world), HostState())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_be_refused(data):
    with pytest.raises(Refused):
        check(data, registered(World(16)), HostState())
