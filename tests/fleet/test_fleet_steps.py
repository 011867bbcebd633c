"""Bricks are ordered to step to the kit's rental: who has, who has not, and nothing but a brick's own record counts."""

import base64
import json

import pytest
from fastapi.testclient import TestClient
from nacl.public import SealedBox
from nacl.signing import SigningKey
from stallmark import keys, rental
from stallmark import registry as reg

from fleet import app as fleet_app
from fleet import enrolled, rekeys
from fleet.db.tables_rentals import bookings, rental_steps
from fleet.errors import Refused
from fleet.people.actors import COMMAND
from fleet.rentals import drain, handback, proofs, rows, serving, steps
from tests.stall import Stall

NEXT = 2


@pytest.fixture
def stall(tmp_path):
    made = Stall(tmp_path, bricks=2)
    yield made
    made.close()


def order(stall, number=NEXT, why="handed over"):
    """The kit changes hands, as far as its rental is concerned; what is open then."""
    controller = stall.controller
    with controller.database.write() as c:
        rows.kit(c, controller.config, stall.world.kit, stall.world.now_ms)
        c.execute(rows.rental_kits.update().values(rental=number))
        found = steps.order(c, controller.config, stall.world.kit, why, stall.world.now_ms)
    serving.follow(controller)
    return found


def told(stall):
    return {
        bytes.fromhex(one["brick"]): one for one in serving.orders(stall.controller, stall.host())["steps"]
    }


def opened(stall):
    with stall.controller.database.read() as c:
        return steps.opened(c, stall.controller.config, stall.world.kit)


def step(stall, brick, following=NEXT):
    """The brick follows: its record, delivered."""
    epoch = told(stall)[brick.brick8]["epoch"]
    stall.hand_in([stall.world.record(reg.KIND_RENTAL, brick, f24=[following, epoch])])


def answer(stall, brick, result=reg.STEP_DONE, asked=NEXT, now=NEXT, link=1, root=None):
    said = (result, asked, now, brick.epoch, link)
    tag = rental.answer_tag(keys.control_key(root or brick.root), brick.brick8, *said)
    return serving.said(stall.controller, stall.host(), brick.brick8, said, tag)


def test_an_order_is_under_the_bricks_key_and_brings_the_host_the_next_link_key(stall):
    assert len(order(stall)) == 2
    host = stall.world.host
    box = SealedBox(SigningKey(host.seed).to_curve25519_private_key())
    for brick in stall.world.bricks:
        one = told(stall)[brick.brick8]
        assert (one["rental"], one["following"], one["epoch"]) == (1, NEXT, rekeys.STEP)
        tag = rental.order_tag(brick.control_key, brick.brick8, 1, NEXT, one["epoch"])
        assert base64.b64decode(one["tag"]) == tag
        assert box.decrypt(base64.b64decode(one["key"])) == keys.link_key0(keys.next_root(brick.root, NEXT))
    assert order(stall) == opened(stall), "asked again: the same orders"


def test_the_record_of_the_step_counts_and_what_comes_under_the_next_root_is_proven(stall):
    first, second = stall.world.bricks
    stall.deliver(5)
    order(stall)
    step(stall, first)
    assert [one.brick for one in opened(stall)] == [second.brick8] and first.brick8 not in told(stall)
    stall.deliver(5)
    stall.restart()
    assert [one.brick for one in opened(stall)] == [second.brick8]
    stall.deliver(5)
    stall.publish()
    stall.fsck()
    assert stall.leaves().get(reg.LEAF_FINDING, 0) == 0
    assert stall.records[-1].fields[16] == NEXT
    with stall.controller.keys() as known:
        assert known.newest_rental(first.brick8) == NEXT
        assert known.mac_key(first.brick8, first.epoch) == first.mac_key


def test_records_of_before_the_step_delivered_again_are_the_same_receipts(stall):
    first = stall.world.bricks[0]
    before = [stall.world.record(brick=first) for _ in range(4)]
    stall.hand_in(before)
    order(stall)
    step(stall, first)
    stall.hand_in([stall.world.record(brick=first) for _ in range(2)])
    stall.hand_in(before)
    stall.publish()
    stall.fsck()
    assert stall.leaves().get(reg.LEAF_FINDING, 0) == 0, "the same record twice is no finding"


def test_an_answer_counts_only_under_the_bricks_own_key_and_does_not_stand_for_its_record(stall):
    brick, other = stall.world.bricks
    order(stall)
    fresh = keys.next_root(brick.root, NEXT)
    with pytest.raises(Refused, match="nothing proves"):
        answer(stall, brick, root=bytes(32))
    with pytest.raises(Refused, match="nothing proves"):
        answer(stall, brick, root=keys.next_root(other.root, NEXT))
    with pytest.raises(Refused, match="nothing proves"):
        answer(stall, brick)  # under the key of the rental that it says it has left
    with pytest.raises(Refused, match="not ordered"):
        answer(stall, brick, asked=9, now=9, root=fresh)
    assert answer(stall, brick, root=fresh)["taken"]
    (mine, _) = sorted(opened(stall), key=lambda one: one.brick != brick.brick8)
    assert mine.result == reg.STEP_DONE and "its record has not arrived" in mine.text(stall.world.now_ms)
    assert answer(stall, other, reg.STEP_TAG, now=1)["taken"]
    assert "not under its key" in opened(stall)[-1].text(stall.world.now_ms) + opened(stall)[0].text(
        stall.world.now_ms
    )


def test_a_link_key_that_is_newer_than_the_order_makes_another_order(stall):
    brick = stall.world.bricks[0]
    order(stall)
    answer(stall, brick, reg.STEP_LINK_EPOCH, now=1, link=5 * rekeys.STEP + 3)
    assert told(stall)[brick.brick8]["epoch"] == 6 * rekeys.STEP


def test_a_new_link_key_that_is_ordered_meanwhile_moves_the_order_behind_it(stall):
    brick = stall.world.bricks[0]
    order(stall)
    (first,) = rekeys.order(stall.config, None, [brick.brick8.hex()])
    assert first.epoch == 2 * rekeys.STEP and told(stall)[brick.brick8]["epoch"] == 3 * rekeys.STEP
    step(stall, brick)
    (second,) = rekeys.order(stall.config, None, [brick.brick8.hex()])
    assert second.epoch == 4 * rekeys.STEP


def test_a_brick_that_missed_a_rental_takes_one_step_after_the_other(stall):
    first, second = stall.world.bricks
    order(stall)
    step(stall, first)
    order(stall, 3, "closed")
    assert {one.brick: (one.rental, one.following) for one in opened(stall)} == {
        first.brick8: (2, 3), second.brick8: (1, 2),
    }  # fmt: skip
    step(stall, second)
    assert second.brick8 not in told(stall)
    serving.follow(stall.controller)
    assert told(stall)[second.brick8]["following"] == 3
    step(stall, second, 3)
    step(stall, first, 3)
    serving.follow(stall.controller)
    assert not opened(stall)
    stall.publish()
    stall.fsck()


def test_a_brick_that_was_revoked_keeps_no_kit(stall):
    order(stall)
    with stall.controller.database.write() as c:
        ended = {"revoked_ms": 5, "kit": stall.world.kit.hex()}
        enrolled._set(c, enrolled.BRICK + stall.world.bricks[0].brick8.hex(), ended)
    assert [one.brick for one in opened(stall)] == [stall.world.bricks[1].brick8]


def test_slices_and_directives_are_of_the_rental_of_now(stall):
    order(stall)
    assert stall.controller.rental_of(stall.world.kit) == NEXT
    stall.restart()
    assert stall.controller.rental_of(stall.world.kit) == NEXT


def test_the_routes_ask_who_it_is_and_bodies_are_bounded(tmp_path):
    stall = Stall(tmp_path, bricks=1)
    order(stall)
    stall.close()
    application = fleet_app.create(stall.config, stall.clock)
    with TestClient(application) as client:
        path = f"/v1/kits/{stall.world.kit.hex()}/steps"
        for answer in (client.get(path), client.post(path, json={})):
            assert answer.status_code == 401
        client.headers["Authorization"] = f"Bearer {stall.world.host.token}"
        assert client.get(f"/v1/kits/{'00' * 8}/steps").status_code in (403, 404)
        found = client.get(path)
        assert found.status_code == 200 and found.headers["cache-control"] == "no-store"
        assert found.json()["rental"] == NEXT and len(found.json()["steps"]) == 1
        brick = stall.world.bricks[0]
        good = {
            "brick": brick.brick8.hex(),
            "said": [28, 2, 2, 0, 5],
            "tag": base64.b64encode(bytes(16)).decode(),
        }
        for wrong in ({}, [], {**good, "brick": "x"}, {**good, "said": [1, 2]}, {**good, "said": [True] * 5},
                      {**good, "said": [-1, 2, 2, 0, 5]}, {**good, "tag": "no"}, {**good, "said": [1 << 32] * 5}):  # fmt: skip
            assert client.post(path, json=wrong).status_code == 422
        assert client.post(path, json=good).status_code == 409
        assert client.post(path, json={**good, "brick": "00" * 8}).status_code == 404
        said = (28, 2, 2, 0, 5)
        tag = rental.answer_tag(keys.control_key(keys.next_root(brick.root, 2)), brick.brick8, *said)
        assert client.post(path, json={**good, "tag": base64.b64encode(tag).decode()}).json()["taken"]
        with application.state.controller.database.read() as c:
            (row,) = c.execute(rental_steps.select()).all()
        assert row.result == 28 and json.loads(row.said)["tag"] == tag.hex()


def statement(stall, what, **more):
    """What a host hands in, signed: (text, signature)."""
    host = stall.world.host
    said = {"what": what, "host": host.host8.hex(), "kit": stall.world.kit.hex(), "rental": 2, "ms": 5, **more}
    text = json.dumps(said)
    return text, host.sign(handback.MARK + text.encode())


def test_a_hosts_word_counts_only_under_its_own_signature(stall):
    text, signature = statement(stall, "head", host_seq=7, unsent=2)
    assert serving.handed_back(stall.controller, stall.host(), text, signature)["taken"]
    other, _ = statement(stall, "head", host_seq=9, unsent=0)
    for wrong in ((other, signature), (text, bytes(64)), (text, signature[:63])):
        with pytest.raises(Refused, match="not signed"):
            serving.handed_back(stall.controller, stall.host(), *wrong)
    for more in ({"host_seq": -1, "unsent": 0}, {"host_seq": "7", "unsent": 0}, {"host_seq": 7}):
        with pytest.raises(Refused, match="whole numbers"):
            serving.handed_back(stall.controller, stall.host(), *statement(stall, "head", **more))
    for more in ({"host": "00" * 8}, {"kit": "00" * 8}):
        with pytest.raises(Refused, match="another host or kit"):
            said = statement(stall, "head", **{"host_seq": 7, "unsent": 0, **more})
            serving.handed_back(stall.controller, stall.host(), *said)
    with stall.controller.database.read() as c:
        assert drain._heads(c, stall.world.kit)[0][2:] == (7, 0), "seven signed there, none here yet"


def test_a_wipe_is_ordered_once_it_is_closed_and_proven_by_host_and_bricks(stall):
    controller, now_ms = stall.controller, stall.world.now_ms
    with controller.database.write() as c:
        c.execute(
            bookings.insert().values(
                id="b-1", kit=stall.world.kit, tenant="", renter="ref 7", from_ms=1, to_ms=2, buffer_ms=0,
                state="OUT", since_ms=1, made_ms=1, made_by="x", key="k", asked=b"", rental=1, flag="", borne="",
            )
        )  # fmt: skip
        with pytest.raises(Refused, match="after it is closed"):
            handback.order(c, controller.config, COMMAND, "b-1", now_ms, now_ms)
        c.execute(bookings.update().values(state="CLOSED"))
    empty = {table: [3, 0] for table in handback.TABLES}
    with pytest.raises(Refused, match="no wipe was ordered"):
        serving.handed_back(controller, stall.host(), *statement(stall, "wiped", booking="b-1", rows=empty))
    assert serving.orders(controller, stall.host())["wipe"] is None
    order(stall, NEXT, "booking b-1 was closed")
    with controller.database.write() as c:
        waits = handback.order(c, controller.config, COMMAND, "b-1", now_ms, now_ms)["waits"]
    assert len(waits) == 3 and serving.orders(controller, stall.host())["wipe"] == "b-1"
    full = {**empty, "till_calls": [3, 1]}
    with pytest.raises(Refused, match="till_calls is empty"):
        serving.handed_back(controller, stall.host(), *statement(stall, "wiped", booking="b-1", rows=full))
    proof = statement(stall, "wiped", booking="b-1", rows=empty)
    serving.handed_back(controller, stall.host(), *proof)
    serving.handed_back(controller, stall.host(), *proof)  # again: nothing more
    assert serving.orders(controller, stall.host())["wipe"] is None
    for brick in stall.world.bricks:
        step(stall, brick)
    serving.follow(controller)
    with controller.database.read() as c:
        assert handback.waits(c, controller.config, "b-1") == []
        found = proofs.wipes_of(c, "b-1")
    assert [one["what"] == proofs.HOST_STORE for one in found] == [True, False, False]
    assert all(one["proven"] for one in found) and "in the ledger, under its key" in found[1]["read"]
