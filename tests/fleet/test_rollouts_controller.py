"""A rollout over a real controller: planned beside it, ordered by directives, proven by boot records, told by `why`."""

import contextlib
import json

import pytest
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from sqlalchemy import insert, update
from stallmark import bundle, receipt
from stallmark import registry as reg
from typer.testing import CliRunner

from fleet.cli import app
from fleet.db.tables_rentals import rental_kits
from fleet.desired.report import BrickSaid, Report
from fleet.rollouts import cli
from fleet.rollouts.runner import Rolling
from tests.campaigns.rollouts import play
from tests.stall import Stall

RUN = CliRunner()


def opened(tmp_path, monkeypatch, bricks):
    """A stall whose clock the commands have, too; they wait for no answer."""
    made = Stall(tmp_path, bricks=bricks)
    monkeypatch.setattr(cli, "open_clock", lambda path: made.clock)
    monkeypatch.setattr(cli, "ANSWER_S", (0, 0))
    (tmp_path / "rules").mkdir(exist_ok=True)
    return made


@pytest.fixture
def stall(tmp_path, monkeypatch):
    """Two bricks of one kit."""
    with contextlib.closing(opened(tmp_path, monkeypatch, 2)) as made:
        yield made


class Town:
    """A controller with rollouts, its one kit's host and bricks."""

    def __init__(self, stall):
        self.stall = stall
        self.desired = stall.controller.desired
        self.kit = stall.world.kit
        self.bricks = {one.brick8.hex(): one for one in stall.world.bricks}
        self.config = str(stall.folder / "config.json")
        self.rolling = Rolling(stall.controller)
        self.machine = 0
        self.rolling.leading._machine_ms = self.tock
        self.old = self.release("old", 1)
        self.desired.add(self.old.read_bytes())
        items = self.one(self.old).items(self.desired.bricks(self.kit))
        self.desired.set(self.kit, items, "before")

    def begun(self):
        """The rollout was started, and its canary brick has the release; the canary."""
        self.ask("start", "spring")
        self.desired.saw(self.kit, None)
        self.tick()
        (canary,) = self.ordered()
        self.host()
        self.boot(canary, self.new)
        return canary

    def through(self):
        """Every brick has the release."""
        canary = self.begun()
        self.host()
        for brick in self.bricks:
            if brick != canary:
                self.boot(brick, self.new)

    def tock(self):
        self.machine += 10_000
        return self.machine

    def release(self, name, rev, fallback=(), artefact=None):
        artefact = artefact or self.stall.world.octets(400)
        payload = bundle.manifest(artefact, rev, name=name, fallback=list(fallback))
        message = bundle.pae(bundle.TYPE, payload)
        signatures = []
        for seed in self.stall.world.author_seeds:
            public, secret = crypto_sign_seed_keypair(seed)
            signatures.append((receipt.kid(public), crypto_sign(message, secret)[:64]))
        path = self.stall.folder / f"{name}.smbundle"
        path.write_bytes(bundle.join(bundle.envelope(bundle.TYPE, payload, signatures), artefact))
        return path

    def one(self, path):
        from fleet.desired import folder

        return folder.read(path.read_bytes())

    def cli(self, *arguments, code=0):
        done = RUN.invoke(app, ["rollout", *arguments, "--config", self.config])
        assert done.exit_code == code, done.output
        return done.output

    def tick(self, seconds=1):
        self.stall.world.now_ms += seconds * 1000
        assert self.rolling.leading.tick()

    def ask(self, *arguments):
        """A verb, which the controller takes up."""
        said = self.cli(*arguments)
        self.tick()
        return said

    def host(self, **more):
        """The host takes what stands, and says so."""
        head = self.desired.head(self.kit)
        self.stall.world.now_ms += 1000
        self.desired.report(self.kit, bytes(8), Report(etag=head.etag, number=head.number, **more))
        self.tick()

    def boot(self, brick, path):
        item = self.stall.world.record(
            reg.KIND_BOOT, self.bricks[brick], f24=[self.one(path).artefact, bytes(32), 0, 1, 0]
        )
        self.stall.hand_in([item])
        self.tick()

    def ordered(self):
        """Brick → artefact by the directive that stands."""
        return {item.brick.hex(): item.artefact for item in self.desired.head(self.kit).order.items}

    def state(self, name="spring"):
        return self.rolling.leading.states[name]


def planned(stall, *more):
    town = Town(stall)
    town.new = town.release("new", 2, [town.one(town.old).artefact])
    arguments = ("--bundle", str(town.new), "--waves", "100%", "--soak", "0s")
    said = town.cli("plan", "spring", *arguments, *more)
    assert "wave 1: 1 kit" in said and "goes back to old by itself" in said
    return town


def test_a_release_goes_brick_by_brick_and_counts_by_boot_records(stall):
    town = planned(stall)
    before = town.ordered()
    assert "No controller has taken it up yet" in town.ask("start", "spring")
    assert town.ordered() == before  # its host is not there
    town.desired.saw(town.kit, None)
    town.tick()
    new = town.one(town.new).artefact
    (canary,) = town.ordered()
    assert town.ordered() == {canary: new}
    town.host()
    assert "tries it first" in town.cli("why", "spring", town.kit.hex())
    town.host(bricks=[BrickSaid(brick=canary, name="brick-7")])
    assert "its canary brick-7 tries it first" in town.cli("why", "spring", town.kit.hex())
    told = [one.text for one in stall.controller.more_reasons(town.kit)]
    assert told[0].startswith("rollout spring: its canary brick")
    for command in (["why", town.kit.hex()], ["kits", "--json"]):
        done = RUN.invoke(app, [*command, "--config", town.config])
        assert "rollout spring: its canary brick-7 tries it first" in done.output, "beside the controller, too"
    town.boot(canary, town.new)
    assert set(town.ordered().values()) == {new} and len(town.ordered()) == 2
    (other,) = set(town.ordered()) - {canary}
    town.host()
    town.boot(other, town.new)
    assert town.state().phase == "complete"
    assert json.loads(town.cli("status", "spring", "--json"))["rollouts"][0]["waves"][0]["good"] == 1
    assert not stall.controller.more_reasons(town.kit)


def test_a_canary_that_fails_its_vectors_halts_it_and_the_kit_goes_back(stall):
    town = planned(stall)
    town.ask("start", "spring")
    town.desired.saw(town.kit, None)
    town.tick()
    (canary,) = town.ordered()
    town.host()
    number = town.desired.head(town.kit).number
    failed = BrickSaid(
        brick=canary, result=reg.INSTALL_VECTOR, result_bundle=town.one(town.new).digest.hex()[:16],
        result_text="vector 3 decided otherwise", result_ms=stall.world.now_ms,
    )  # fmt: skip
    town.host(bricks=[failed])
    assert town.state().phase == "rolling back" and "vector 3" in town.cli("why", "spring", town.kit.hex())
    town.tick()
    assert town.desired.head(town.kit).order.reason == "rollout spring: back to old"
    old = town.one(town.old).artefact
    assert set(town.ordered().values()) == {old} and town.desired.head(town.kit).number > number
    town.host()
    for brick in list(town.bricks):
        town.boot(brick, town.old)
    assert town.state().phase == "rolled back"
    assert town.ordered().keys() == town.bricks.keys()


def test_a_halt_takes_the_directive_back_and_lifting_a_stop_does_not_bring_it(stall):
    from fleet.desired import stops

    town = planned(stall)
    town.ask("start", "spring")
    town.desired.saw(town.kit, None)
    town.tick()
    assert town.ordered()
    stops.stop(town.desired, [town.kit], "a person looks")
    town.ask("halt", "spring", "--reason", "wrong price")
    assert town.desired.halted(town.kit)
    with stall.controller.database.read() as connection:
        stops.lift(town.desired, connection, [town.kit])
    town.tick()
    town.tick()
    assert town.ordered() == {}
    done = RUN.invoke(app, ["rollout", "status", "--config", town.config])
    assert done.exit_code == 1 and "halted" in done.output


def test_a_kit_that_is_out_with_a_renter_waits_for_its_return(stall):
    town = planned(stall)
    row = {"kit": town.kit, "state": "OUT", "since_ms": 1, "by": "ada", "note": "", "rental": 2}
    with stall.controller.database.write() as connection:
        connection.execute(insert(rental_kits).values(row))
    before = town.ordered()
    town.ask("start", "spring")
    town.host()
    assert town.state().kits[town.kit.hex()].status == "deferred" and town.ordered() == before
    done = RUN.invoke(app, ["why", town.kit.hex(), "--config", town.config])
    assert "rollout spring: it is out with a renter" in done.output and "the kit is OUT" in done.output
    with stall.controller.database.write() as connection:
        connection.execute(update(rental_kits).values(state="RETURNED"))
    town.tick(3)
    assert town.state().kits[town.kit.hex()].status == "offered" and town.ordered() != before


def test_after_a_halt_a_plan_goes_back_to_what_bricks_proved_to_run(stall):
    town = Town(stall)
    old = town.one(town.old)
    booted = [
        stall.world.record(reg.KIND_BOOT, brick, f24=[old.artefact, bytes(32), 0, 1, 0])
        for brick in town.bricks.values()
    ]
    stall.hand_in(booted)
    town.desired.set(town.kit, [], "taken back")
    new = town.release("new", 2, fallback=[old.artefact])
    said = town.cli("plan", "a", "--bundle", str(new), "--waves", "1")
    assert "goes back to old by itself after a halt" in said


def test_plans_say_what_is_missing_before_anything_is_ordered(stall):
    town = Town(stall)
    new = town.release("new", 2)
    common = ("--bundle", str(new), "--waves")
    assert "No way back" in town.cli("plan", "a", *common, "1")
    said = town.cli("plan", "g", *common, "1", "--gate", "uncertain", "--gate", "latency:50:400")
    assert "gate uncertain: may worsen by 2.00 % of events" in said
    assert "latency: may worsen by 50 ms for 95 of 100 lights, and never pass 400 ms" in said
    assert "does not go back by itself" in town.cli("plan", "b", *common, "1")
    assert "is no size" in town.cli("plan", "c", *common, "nine", code=1)
    assert "there are errors" in town.cli("plan", "c", *common, "1", "--gate", "speed", code=1)
    assert "whole numbers" in town.cli("plan", "c", *common, "1", "--gate", "latency:fast", code=1)
    assert "is no bundle" in town.cli("plan", "c", "--bundle", town.config, code=1)
    assert "never used again" in town.cli("plan", "a", *common, "1", code=1)
    assert "there are: a, b, g" in town.cli("start", "z", code=1)
    assert "needs a reason" in town.cli("resume", "a", "--accept-failures", " ", code=1)
    assert "is planned and was not started" in town.cli("why", "a")


def test_the_simulator_tells_its_story_and_draws_it(tmp_path):
    picture = tmp_path / "story.png"
    done = RUN.invoke(
        app,
        ["simulate", "--kits", "120", "--faults", "market,fail=0,reject=0,silent=0,slow=0", "--waves", "5,100%",
         "--soak", "5min", "--days", "30", "--no-gates", "--picture", str(picture)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "complete" in done.output and picture.stat().st_size > 10_000
    done = RUN.invoke(app, ["simulate", "--kits", "120", "--faults", "bad", "--waves", "30%,100%", "--json"])
    story = json.loads(done.output[done.output.index("{") :])
    assert done.exit_code == 1 and story["phase"] == "rolled back"
    assert story["given_after_halt"] == 0 and story["still_running"] == 0
    assert RUN.invoke(app, ["simulate", "--faults", "often"]).exit_code == 1


@pytest.mark.parametrize("seed", range(1, 7))
def test_simulated_rollouts_under_random_faults_keep_what_must_hold(seed):
    play(seed, 60)
