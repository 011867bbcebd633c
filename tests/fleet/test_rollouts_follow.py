"""After a rollout: what it brought stands, until another one, or until its people let newer rules of the folder take over."""

from fleet.authoring import library
from fleet.authoring.compile import compile_campaign
from fleet.desired import rows
from fleet.rollouts.kitfacts import FOLLOWED
from tests.fleet import test_rollouts_controller as towns
from tests.fleet.rolling import START, Fleet, plan, round_trip
from tests.fleet.test_rollouts_controller import planned

stall = towns.stall


def artefact_of(rev):
    """Rules that the folder takes: it looks into them."""
    return compile_campaign(library.combined(["ask-the-host"]), START, rev)[0]


def through(town):
    """Every brick of the town has the release, and the rollout is over."""
    town.through()
    assert town.state().phase == "complete"


def in_folder(town, name, rev):
    """Another bundle for every kit, as an author puts it there."""
    path = town.release(name, rev, artefact=artefact_of(rev))
    (town.stall.folder / "rules" / "active.smbundle").write_bytes(path.read_bytes())
    town.stall.controller.campaigns.refresh()
    town.desired.renew()
    for _ in range(4):
        town.tick(30)
        town.desired.renew()
    return town.one(path).artefact


def test_newer_rules_of_the_folder_wait_until_somebody_says_follow(stall):
    town = planned(stall)
    through(town)
    new = town.one(town.new).artefact
    newer = in_folder(town, "tomorrow", 9)
    assert set(town.ordered().values()) == {new}
    assert "newer rules of the folder wait" in town.cli("why", "spring", town.kit.hex()).replace("\n", " ")
    town.ask("follow", "spring", "--reason", "a new day")
    for _ in range(8):
        town.tick(30)
    assert set(town.ordered().values()) == {newer} and town.desired.head(town.kit).origin == rows.RULES
    known = town.state().kits[town.kit.hex()]
    assert known.status == "superseded" and known.why == FOLLOWED
    older = in_folder(town, "older", 3)
    assert set(town.ordered().values()) == {older}, "the folder has the kit again, whatever it says"


def test_a_plan_that_follows_takes_only_higher_revisions(stall):
    town = planned(stall, "--follow")
    through(town)
    new = town.one(town.new).artefact
    in_folder(town, "same", 2)
    assert set(town.ordered().values()) == {new}
    assert "revision is above 2" in town.cli("why", "spring", town.kit.hex()).replace("\n", " ")
    newer = in_folder(town, "tomorrow", 3)
    assert set(town.ordered().values()) == {newer}


def test_follow_is_in_the_log_and_said_once():
    fleet = Fleet(plan(), kits=2)
    fleet.verb("follow", "from tomorrow on")
    assert fleet.state.follows and round_trip(fleet.state) == fleet.state
    fleet.verb("follow")
    assert "Not done: its kits follow" in fleet.state.words[-1].text
    fleet.verb("start")
    assert fleet.replayed() == fleet.state and fleet.state.follows
