"""A host says that a brick was replaced: what it had written counts, what it writes later does not."""

import json

import pytest
from sqlalchemy import func, select

from fleet import ending, enrolled, enrolling
from fleet.db import tables
from fleet.errors import Refused
from tests.fleet.serving import served
from tests.stall import Stall


@pytest.fixture
def stall(tmp_path):
    made = Stall(tmp_path)
    yield made
    made.close()


def findings(stall):
    """How many receipts are set aside."""
    wanted = select(func.count()).select_from(tables.receipts).where(tables.receipts.c.findings != 0)
    with stall.controller.database.read() as connection:
        return connection.execute(wanted).scalar_one()


def test_records_up_to_what_it_had_written_count_and_later_ones_are_findings(stall):
    world, kit = stall.world, stall.config.kits[0].kit
    brick = world.bricks[0]
    records = [world.record(brick=brick) for _ in range(6)]
    stall.hand_in(records[:2])
    done = ending.end(stall.controller, kit, brick.brick8, ending.Ending("replaced by 00", 4))
    assert done["head"] == 4
    world.now_ms += 3_600_000
    stall.hand_in(records[2:4])
    assert findings(stall) == 0, "read out later: they had been written"
    stall.hand_in(records[4:])
    assert findings(stall) == 2
    assert enrolling.look(stall.config)[0]["reason"] == "replaced by 00"
    again = ending.end(stall.controller, kit, brick.brick8, ending.Ending("another reason", 99))
    assert again == done, "what was said first stands"


def test_a_host_cannot_vouch_for_more_than_a_journal_holds(stall):
    brick = stall.world.bricks[1].brick8
    kit = stall.config.kits[0].kit
    assert (
        ending.end(stall.controller, kit, brick, ending.Ending("x", 0xFFFFFFFF))["head"] == ending.MOST_UNSENT
    )


def test_where_nobody_knows_how_far_it_wrote_all_that_its_journal_can_hold_counts(stall):
    world, kit = stall.world, stall.config.kits[0].kit
    brick = world.bricks[0]
    records = [world.record(brick=brick) for _ in range(5)]
    stall.hand_in(records[:2])
    done = ending.end(stall.controller, kit, brick.brick8, ending.Ending("replaced by 00", None))
    assert done["head"] == 2 + ending.MOST_UNSENT
    world.now_ms += 3_600_000
    stall.hand_in(records[2:])
    assert findings(stall) == 0, "read out later"


@pytest.mark.parametrize("last", [None, 6])
def test_what_the_host_holds_is_no_part_of_what_the_journal_can_hold(stall, monkeypatch, last):
    """A host that was long without the controller: the end comes before its receipts do."""
    monkeypatch.setattr(ending, "MOST_UNSENT", 2)
    world, kit = stall.world, stall.config.kits[0].kit
    brick = world.bricks[0]
    records = [world.record(brick=brick) for _ in range(7)]
    assert ending.end(stall.controller, kit, brick.brick8, ending.Ending("replaced by 00", last, 4))["head"] == 6
    stall.hand_in(records[:4])
    world.now_ms += enrolled.GRACE_MS + 1
    stall.hand_in(records[4:6])
    assert findings(stall) == 0, "read out later: the brick had written them"
    stall.hand_in(records[6:])
    assert findings(stall) == 1


def test_only_the_kits_own_host_ends_its_bricks(stall):
    world = stall.world
    brick = world.bricks[0].brick8.hex()
    body = {"reason": "replaced by 1122334455667788", "last_seq": None}
    with served(stall) as running:
        url = f"/v1/kits/{world.kit.hex()}/bricks/{brick}/end"
        head = running.token()
        assert running.client.post(url, json=body).status_code == 401
        other = url.replace(world.kit.hex(), "0b" * 8)
        assert running.client.post(other, json=body, headers=head).status_code == 403
        assert running.client.post(url.replace(brick, "11" * 8), json=body, headers=head).status_code == 404
        assert running.client.post(url.replace(brick, "xx"), json=body, headers=head).status_code == 422
        for wrong in (
            {},
            {"reason": ""},
            body | {"last_seq": -1},
            body | {"last_seq": True},
            body | {"held": -1},
            body | {"held": None},
            body | {"reason": "\n"},
        ):
            assert running.client.post(url, json=wrong, headers=head).status_code == 422, wrong
        for text in ("[]", "{", "[" * 1000):
            assert running.client.post(url, content=text, headers=head).status_code == 422
        assert running.client.post(url, content="x" * 2000, headers=head).status_code == 413
        assert running.client.post(url, json=body, headers=head).json()["reason"] == body["reason"]
        tags = f"/v1/kits/{world.kit.hex()}/rekeys"
        assert running.client.get(tags, headers=head).status_code == 200


def test_a_lane_is_no_brick_that_is_replaced(tmp_path):
    stall = Stall(tmp_path, bricks=1)
    world = stall.world
    keys = json.loads((tmp_path / "keys.json").read_text())
    keys["bricks"][0]["lane"] = True
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    stall.controller.close()
    from fleet.config import load
    from fleet.controller import Controller

    stall.config = load(tmp_path / "config.json")
    stall.controller = Controller(stall.config, stall.clock)
    with pytest.raises(Refused) as refused:
        ending.end(
            stall.controller, stall.config.kits[0].kit, world.bricks[0].brick8, ending.Ending("x", None)
        )
    assert refused.value.status == 404
    with stall.controller.database.read() as connection:
        assert enrolled.every(connection) == {}
    stall.close()
