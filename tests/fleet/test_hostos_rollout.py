"""A rollout whose last step is the host: its device is pinned when the bricks are through, and the rollout waits for it."""

from fleet.hostos import ties
from fleet.hostos.model import Device
from fleet.people.actors import COMMAND
from tests.fleet.test_rollouts_controller import planned, stall

ONE, NEW = "1" * 32, "b" * 40
__all__ = ["stall"]


def device(running):
    return Device(ONE, "stall-1", True, "", NEW, running, "balenaOS 6", "17", "", ())


def test_the_host_is_pinned_after_the_bricks_and_ends_the_rollout(stall):
    town = planned(stall, "--host", NEW)
    database, now_ms = stall.controller.database, stall.clock.now_ms
    with database.write() as connection:
        ties.tie(connection, COMMAND, town.kit, ONE, now_ms())
    canary = town.begun()
    (other,) = set(town.ordered()) - {canary}
    town.host()
    with database.read() as connection:
        assert ties.of_kit(connection, town.kit)["wanted"] is None  # not before its bricks
    town.boot(other, town.new)
    town.tick()
    with database.read() as connection:
        row = ties.of_kit(connection, town.kit)
    assert (row["wanted"], row["wanted_by"]) == (NEW, "rollout spring")
    assert town.state().phase == "running"
    with database.write() as connection:
        ties.told(connection, row, now_ms())
        ties.saw(connection, [device("a" * 40)], now_ms())
    town.tick()
    assert town.state().phase == "running"
    with database.write() as connection:
        ties.saw(connection, [device(NEW)], now_ms())
    town.tick()
    town.tick()
    assert town.state().phase == "complete"


def test_a_word_is_no_release_of_a_host(stall):
    from tests.fleet.test_rollouts_controller import Town

    town = Town(stall)
    new = town.release("new", 2, [town.one(town.old).artefact])
    said = town.cli("plan", "spring", "--bundle", str(new), "--host", "latest", code=1)
    assert "by its commit in full" in said
