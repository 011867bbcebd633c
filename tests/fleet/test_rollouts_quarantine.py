"""One bad brick of a kit, over a real controller: it is left out and said to be, the others keep the release."""

import contextlib

import pytest
from stallmark import registry as reg

from fleet.desired.report import BrickSaid
from tests.fleet.test_rollouts_controller import RUN, app, opened, planned


@pytest.fixture
def stall(tmp_path, monkeypatch):
    """Four bricks of one kit: three of them are enough."""
    with contextlib.closing(opened(tmp_path, monkeypatch, 4)) as made:
        yield made


def test_one_bad_brick_of_four_is_left_out_and_named(stall):
    town = planned(stall)
    canary = town.begun()
    assert town.ordered().keys() == town.bricks.keys()
    bad, *good = [one for one in town.bricks if one != canary]
    failed = BrickSaid(
        brick=bad, name="brick-9", result=reg.INSTALL_FLASH, result_bundle=town.one(town.new).digest.hex()[:16],
        result_text="its flash fails", result_ms=stall.world.now_ms,
    )  # fmt: skip
    town.host(bricks=[failed])
    assert town.state().phase == "running", "the others are waited for"
    for brick in good:
        town.boot(brick, town.new)
    new = town.one(town.new).artefact
    assert town.state().phase == "complete" and town.state().kits[town.kit.hex()].status == "ok"
    assert town.ordered() == dict.fromkeys([canary, *good], new), "nothing asks it of the bad one any more"
    why = town.cli("why", "spring", town.kit.hex()).replace("\n", " ")
    assert "in quarantine, without the release: brick-9" in why
    told = RUN.invoke(app, ["why", town.kit.hex(), "--config", town.config]).output
    assert "in quarantine, without the release: brick-9" in told
    # Whatever it says later does not bring it back, and does not open the kit again.
    town.boot(bad, town.old)
    assert town.ordered().keys() == {canary, *good} and town.state().phase == "complete"
