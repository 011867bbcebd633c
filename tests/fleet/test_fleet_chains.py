"""Records are judged brick by brick: what is wrong is found and set aside, and never keeps a batch out."""

import hashlib
import json

import pytest
from sqlalchemy import select
from stallmark import control, keys, leaf, receipt, record, rights
from stallmark.registry import (
    FINDING_CHAIN_BROKEN,
    FINDING_EPOCH_ORDER,
    FINDING_EQUIVOCATION,
    FINDING_GAP,
    FINDING_MAC_WRONG,
    FINDING_SLICE_TWICE,
    FINDING_UNKNOWN_BRICK,
    FINDING_UNREADABLE,
    KIND_CLOSE,
    KIND_GRANT,
    KIND_LOST,
    KIND_REFUND,
    KIND_RENTAL,
    KIND_RIGHTS,
    LEAF_DISCLOSURE,
    LEAF_FINDING,
)

from fleet import rights as minting
from fleet.controller import Controller
from fleet.db import tables
from tests.stall import Stall


@pytest.fixture
def stall(tmp_path):
    stall = Stall(tmp_path)
    yield stall
    stall.publish()
    stall.fsck()
    stall.close()


def payloads(stall, leaf_type):
    """Payloads of the leaves of one type, in order."""
    with stall.controller.database.read() as connection:
        query = select(tables.leaves.c.entry).order_by(tables.leaves.c.position)
        entries = connection.execute(query).scalars()
        return [entry[1:] for entry in entries if entry[0] == leaf_type]


def findings(stall):
    """(code, brick8, seq, host seq) of every finding."""
    found = [leaf.decode_finding(payload) for payload in payloads(stall, LEAF_FINDING)]
    return [(f[1], f[2], f[3], f[5]) for f in found]


def rows(stall):
    """Receipt rows in order."""
    with stall.controller.database.read() as connection:
        return connection.execute(select(tables.receipts).order_by(tables.receipts.c.position)).all()


def marks(stall):
    """The last answer's marks: brick8 to ledger seq; every tag is checked under the brick's K_ctl."""
    answer = json.loads(stall.answers[-1])
    found = {}
    for mark in answer["marks"]:
        brick = next(b for b in stall.world.bricks if b.brick8.hex() == mark["brick"])
        seq, tag = mark["ledger_seq"], bytes.fromhex(mark["tag"])
        assert control.ack_good(brick.control_key, brick.brick8, seq, tag)
        found[brick.brick8] = seq
    return found


def changed(item, mac=None, **more):
    """A record with other fields, by number, under the same or a given MAC."""
    fields = dict(item.fields)
    for name, value in more.items():
        fields[int(name[1:])] = value
    return record.Record(fields[2], record.encode_public(fields), mac or item.mac, item.private, fields)


def remade(item, mac_key, **more):
    """A record with other fields and a right MAC."""
    made = changed(item, **more)
    return record.Record(made.seq, made.public, record.mac(mac_key, made.public), made.private, made.fields)


def test_good_records_leave_no_finding_and_the_marks_follow_them(stall):
    first, second, third = stall.world.bricks
    stall.deliver(10)
    assert findings(stall) == []
    assert marks(stall) == {first.brick8: 4, second.brick8: 3, third.brick8: 3}
    stall.restart()
    stall.deliver(5)
    assert marks(stall) == {first.brick8: 6, second.brick8: 5, third.brick8: 4}


def test_a_wrong_mac_is_a_finding_and_does_not_disturb_its_brick(stall):
    brick = stall.world.bricks[0]
    good = [stall.world.record(brick=brick) for _ in range(3)]
    forged = changed(good[1], f12=[[1, 9900, None]])
    stall.hand_in([good[0], forged])
    assert findings(stall) == [(FINDING_MAC_WRONG, brick.brick8, 2, 2)]
    assert marks(stall) == {brick.brick8: 1}
    stall.hand_in(good[1:])  # what the brick itself says counts, and is no equivocation
    assert len(findings(stall)) == 1 and marks(stall) == {brick.brick8: 3}
    assert [row.findings for row in rows(stall)] == [0, 1 | 1 << FINDING_MAC_WRONG, 0, 0]


def test_a_brick_that_is_not_enrolled_is_a_finding(stall):
    stranger = stall.world.brick()  # the controller's configuration was written before
    stall.hand_in([stall.world.record(brick=stranger)])
    assert findings(stall) == [(FINDING_UNKNOWN_BRICK, stranger.brick8, 1, 1)]
    assert json.loads(stall.answers[-1])["marks"] == []


def test_a_brick_enrolled_later_starts_where_it_is(stall):
    later = stall.world.brick()
    early = [stall.world.record(brick=later) for _ in range(2)]
    stall.hand_in(early)
    stall.restart()
    stall.hand_in(early)  # the brick still has them: no acknowledgement by the controller came
    assert [code for code, *_ in findings(stall)] == [FINDING_UNKNOWN_BRICK] * 2
    assert marks(stall) == {later.brick8: 2}


def test_a_broken_chain_is_a_finding_and_the_brick_goes_on(stall):
    brick = stall.world.bricks[0]
    items = [stall.world.record(brick=brick) for _ in range(2)]
    broken = remade(stall.world.record(brick=brick), brick.mac_key, f18=b"x" * 16)
    brick.prev = record.link(broken.public, broken.mac)
    stall.hand_in([*items, broken, stall.world.record(brick=brick)])
    assert findings(stall) == [(FINDING_CHAIN_BROKEN, brick.brick8, 3, 3)]
    assert marks(stall) == {brick.brick8: 4}


def test_a_gap_is_a_finding_holds_the_mark_and_closes_when_the_records_come(stall):
    brick = stall.world.bricks[0]
    items = [stall.world.record(brick=brick) for _ in range(7)]
    stall.hand_in([items[0], items[3], items[6]])
    assert findings(stall) == [(FINDING_GAP, brick.brick8, 2, 2), (FINDING_GAP, brick.brick8, 5, 3)]
    assert marks(stall) == {brick.brick8: 1}
    assert all(row.findings == 0 for row in rows(stall)), "a gap says nothing against the record after it"
    stall.restart()
    stall.hand_in([items[2], items[1]])
    assert marks(stall) == {brick.brick8: 4}
    stall.hand_in([items[4], items[5]])
    assert marks(stall) == {brick.brick8: 7} and len(findings(stall)) == 2


def test_a_record_that_does_not_fit_its_gap_is_a_broken_chain(stall):
    brick = stall.world.bricks[0]
    items = [stall.world.record(brick=brick) for _ in range(3)]
    stall.hand_in([items[0], items[2]])
    stall.hand_in([remade(items[1], brick.mac_key, f15=b"othernon")])
    assert findings(stall)[1:] == [(FINDING_CHAIN_BROKEN, brick.brick8, 2, 3)]


def test_records_that_the_brick_itself_declares_lost_are_waited_for_no_more(stall):
    brick = stall.world.bricks[0]
    items = [stall.world.record(brick=brick) for _ in range(6)]
    lost = stall.world.record(KIND_LOST, brick, f24=[2, 4], f17=None)
    stall.hand_in([items[0], items[4], items[5], record.from_parts(lost.seq, lost.public, lost.mac, b"")])
    assert marks(stall) == {brick.brick8: 7}


def test_two_records_of_one_seq_are_an_equivocation_that_names_the_first(stall):
    brick = stall.world.bricks[0]
    items = [stall.world.record(brick=brick) for _ in range(2)]
    other = remade(items[0], brick.mac_key, f12=[[1, 9900, None]])
    first, _ = stall.hand_in(items)
    stall.hand_in([other])
    found = leaf.decode_finding(payloads(stall, LEAF_FINDING)[0])
    assert (found[1], found[3], found[5]) == (FINDING_EQUIVOCATION, 1, 3)
    assert found[6] == hashlib.sha256(first).digest()
    assert marks(stall) == {brick.brick8: 2}
    stall.hand_in([other])  # said again it is no news
    assert len(findings(stall)) == 1


def test_an_equivocation_within_one_batch_is_found_too(stall):
    brick = stall.world.bricks[0]
    item = stall.world.record(brick=brick)
    stall.hand_in([item, remade(item, brick.mac_key, f15=b"othernon"), item])
    assert [code for code, *_ in findings(stall)] == [FINDING_EQUIVOCATION]
    assert [row.duplicate_of for row in rows(stall)][2] == rows(stall)[0].position


def test_the_same_record_again_counts_once(stall):
    brick = stall.world.bricks[0]
    items = [stall.world.record(brick=brick) for _ in range(3)]
    stall.hand_in(items)
    other = stall.world.new_host("host-2")
    stall.restart()
    stall.hand_in(items, other)  # another host of the kit carries in what the brick still had
    first = [row.position for row in rows(stall)[:3]]
    assert [row.duplicate_of for row in rows(stall)] == [None] * 3 + first
    assert findings(stall) == [] and marks(stall) == {brick.brick8: 3}


def test_a_slice_spent_by_two_bricks_is_a_finding(stall):
    one, two, _ = stall.world.bricks
    stall.hand_in(
        [
            stall.world.record(KIND_RIGHTS, one, f13=[[1, 0]]),
            stall.world.record(KIND_GRANT, one, f13=[[1, 200]]),
            stall.world.record(KIND_GRANT, two, f13=[[2, 100]]),
        ]
    )
    assert findings(stall) == []
    stall.restart()
    stall.hand_in([stall.world.record(KIND_GRANT, two, f13=[[1, 200]])])
    assert findings(stall) == [(FINDING_SLICE_TWICE, two.brick8, 2, 4)]
    left = stall.controller.archive.stall()["left"]
    assert left == [{"what": "rule-1", "unit": 1, "left": 1200, "of": 1500}]


def test_an_unreadable_record_is_a_finding(stall):
    world = stall.world
    world.host.seq += 1
    fields = {0: 1, 1: b"\x80", 2: bytes(16), 3: world.host.host8, 4: world.host.seq, 5: world.host.prev}
    fields |= {6: world.now_ms, 7: receipt.window(world.now_ms), 8: 3, 11: bytes(16), 15: 1, 16: world.hub}
    cose = world.signed(receipt.encode_payload(fields))
    world.host.prev = receipt.short(cose)
    stall.take(world.batch([cose]))
    assert findings(stall) == [(FINDING_UNREADABLE, bytes(8), 0, 1)]
    stall.publish()
    assert stall.controller.counts.by_word() == {"unreadable": 1}
    assert stall.controller.archive.recent(5)[0]["kind"] == "unreadable"


def test_kinds_and_fields_that_are_newer_are_stored_and_shown(stall):
    brick = stall.world.bricks[0]
    newer = stall.world.record(200, brick, f40=["new"])
    stall.hand_in([newer])
    stall.publish()
    assert findings(stall) == [] and "newer" in stall.controller.archive.recent(1)[0]["kind"]


# --- key epochs and their disclosure


def disclosures(stall):
    """(brick8, epoch, key, tree size) of every disclosure."""
    found = [leaf.decode_disclosure(payload) for payload in payloads(stall, LEAF_DISCLOSURE)]
    return [(f[1], f[2], f[3], f[5]) for f in found]


def test_a_key_is_published_when_its_epoch_is_closed_and_public_and_proves_its_records(stall):
    brick = stall.world.bricks[0]
    key = brick.mac_key
    items = [stall.world.record(brick=brick) for _ in range(4)]
    stall.hand_in(items)
    stall.publish()
    assert disclosures(stall) == [] and stall.controller.archive.disclosed(brick.brick8, 0) is None
    stall.hand_in([stall.world.record(KIND_CLOSE, brick)])
    before = stall.controller.log.size
    stall.publish()
    assert disclosures(stall) == [(brick.brick8, 0, key, before)]
    assert stall.controller.archive.disclosed(brick.brick8, 0) == (key, before)
    assert stall.fsck().macs == 5
    stall.restart()
    stall.hand_in([stall.world.record(brick=brick)])  # under the next key, and it verifies
    stall.publish()
    assert findings(stall) == [] and len(disclosures(stall)) == 1


def test_the_1024th_record_ends_an_epoch(stall):
    brick = stall.world.bricks[0]
    for n in (256, 256, 256, 256, 3):
        stall.hand_in([stall.world.record(brick=brick) for _ in range(n)])
    stall.publish()
    assert brick.epoch == 1 and [epoch for _, epoch, *_ in disclosures(stall)] == [0]
    assert findings(stall) == []
    assert stall.fsck().macs == 1024


def test_a_key_is_withheld_while_a_record_of_its_epoch_is_missing(stall):
    brick = stall.world.bricks[0]
    items = [stall.world.record(brick=brick) for _ in range(3)]
    close = stall.world.record(KIND_CLOSE, brick)
    stall.hand_in([items[0], items[2], close])
    stall.publish()
    assert disclosures(stall) == []
    stall.restart()
    stall.hand_in([items[1]])
    stall.publish()
    assert len(disclosures(stall)) == 1


def test_a_record_under_a_published_key_is_nobodys(stall):
    brick = stall.world.bricks[0]
    key = brick.mac_key
    stall.hand_in([stall.world.record(brick=brick), stall.world.record(KIND_CLOSE, brick)])
    stall.publish()
    ahead = stall.world.record(brick=brick)
    forged = remade(ahead, key, f3=0)
    again = remade(ahead, key, f3=0, f2=1, f18=bytes(16))
    stall.hand_in([forged, again])
    found = [(code, seq) for code, _, seq, _ in findings(stall)]
    assert found == [(FINDING_EPOCH_ORDER, 3), (FINDING_EPOCH_ORDER, 1)]
    stall.hand_in([ahead])
    assert marks(stall) == {brick.brick8: 3} and len(findings(stall)) == 2


def test_an_epoch_skipped_by_its_brick_is_a_finding_once(stall):
    brick = stall.world.bricks[0]
    stall.hand_in([stall.world.record(brick=brick)])
    brick.advance()  # without a record that ends the epoch
    stall.hand_in([stall.world.record(brick=brick), stall.world.record(brick=brick)])
    assert findings(stall) == [(FINDING_EPOCH_ORDER, brick.brick8, 2, 2)]


def test_epochs_that_ended_in_a_gap_are_no_finding(stall):
    brick = stall.world.bricks[0]
    first = stall.world.record(brick=brick)
    close = stall.world.record(KIND_CLOSE, brick)
    after = stall.world.record(brick=brick)
    stall.hand_in([first, after])
    assert [code for code, *_ in findings(stall)] == [FINDING_GAP]
    stall.hand_in([close])
    stall.publish()
    assert [epoch for _, epoch, *_ in disclosures(stall)] == [0] and len(findings(stall)) == 1


def test_an_epoch_far_beyond_what_can_be_is_a_wrong_mac_without_much_work(stall):
    brick = stall.world.bricks[0]
    item = stall.world.record(brick=brick)
    stall.hand_in([changed(item, f3=2**32 - 1)])
    assert [code for code, *_ in findings(stall)] == [FINDING_MAC_WRONG]


def test_a_rental_step_goes_on_under_the_next_root_even_within_one_batch(stall):
    brick = stall.world.bricks[0]
    old_root = brick.root
    items = [stall.world.record(brick=brick), stall.world.record(KIND_RENTAL, brick, f24=[2])]
    assert brick.root == keys.next_root(old_root, 2) and brick.epoch == 1
    stall.hand_in([*items, stall.world.record(brick=brick)])
    assert findings(stall) == [] and marks(stall) == {brick.brick8: 3}
    stall.publish()
    stall.controller.close()
    stall.controller = Controller(stall.config, stall.clock)  # the step is in the database, not in keys.json
    stall.hand_in([stall.world.record(brick=brick)])
    assert findings(stall) == [] and marks(stall) == {brick.brick8: 4}
    said = leaf.decode_disclosure(payloads(stall, LEAF_DISCLOSURE)[0])
    assert (said[2], said[4]) == (0, 1), "epoch 0 was of rental 1"


def test_a_refund_reverses_its_receipt_in_public(stall):
    brick = stall.world.bricks[0]
    grant = stall.world.record(brick=brick)
    stall.hand_in([grant, stall.world.record(KIND_REFUND, brick, f20=grant.seq)])
    stall.publish()
    reversed_by = stall.receipt(grant).reversed_by
    assert [(r.kind, r.seq) for r in reversed_by] == [("refund", 2)]


def test_a_refund_at_another_brick_names_the_receipt(stall):
    one, two, _ = stall.world.bricks
    grant = stall.world.record(brick=one)
    cose = stall.hand_in([grant])[0]
    refund = stall.world.record(KIND_REFUND, two)
    stall.take(stall.world.batch([stall.world.receipt(refund, f18=receipt.short(cose))]))
    stall.publish()
    assert [r.seq for r in stall.receipt(grant).reversed_by] == [refund.seq]


def test_slices_are_minted_once_signed_by_the_director_and_logged(tmp_path):
    asked = [
        {"rule": "sample", "unit": 2, "slice": 10, "count": 2},
        {"rule": "spring", "unit": 1, "slice": 500, "count": 1},
    ]
    stall = Stall(tmp_path, rights=asked)
    first = minting.of_kit(stall.controller.database, stall.world.kit)
    assert [one.id for one in first] == [1, 2, 3]
    said = [rights.decode_slice(one.payload) for one in first]
    assert [(s.rule, s.unit, s.amount, s.rental) for s in said] == [
        (rights.rule8("sample"), 2, 10, 1),
        (rights.rule8("sample"), 2, 10, 1),
        (rights.rule8("spring"), 1, 500, 1),
    ]
    stall.restart()
    assert minting.of_kit(stall.controller.database, stall.world.kit) == first
    stall.settings = {"rights": [{**asked[0], "count": 3}, asked[1]]}
    stall.restart()
    assert [one.id for one in minting.of_kit(stall.controller.database, stall.world.kit)] == [1, 2, 3, 4]
    stall.publish()
    assert stall.fsck().types["rights"] == 4
    stall.close()
