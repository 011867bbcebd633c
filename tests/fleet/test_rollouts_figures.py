"""Gates with real sources: lights and memory as bricks report them, money as receipts have it, packs: pass, fail, wait."""

import json

import pytest
from stallmark import registry as reg

from fleet.cli import app
from fleet.desired.report import BrickSaid, FiguresSaid, Report
from fleet.rollouts import facts, figures
from fleet.rollouts.runner import money_of_bricks
from fleet.rollouts.telemetry import KEPT, reported
from tests.fleet import test_rollouts_controller as towns
from tests.fleet.rolling import Fleet, kit_name, plan
from tests.fleet.test_rollouts_controller import RUN, planned

stall = towns.stall
NAMES = ("errors", "uncertain", "latency", "budget", "heap", "battery")


def lights(place, count=100):
    """So many lights in one place of the histogram."""
    counts = [0] * 16
    counts[place] = count
    return counts


class Market:
    """A town whose kit is through with the release, and what its bricks said before and since."""

    def __init__(self, stall, *gates):
        more = [word for gate in gates for word in ("--gate", gate)]
        self.town = planned(stall, "--soak", "1h", *more)
        self.stall = stall
        self.old, self.new = (self.town.one(path).artefact for path in (self.town.old, self.town.new))

    def say(self, boot, digest, **more):
        """Every brick says so in its kit's report."""
        figures = {"lights": lights(6), "free": 60 * 1024, "block": 8192} | {
            name: more[name] for name in ("lights", "free", "block") if name in more
        }
        said = [
            BrickSaid(
                brick=brick, battery=more.get("battery", 80),
                figures=FiguresSaid(boot=boot, ruleset=digest[:8].hex(), **figures),
            )
            for brick in self.town.bricks
        ]  # fmt: skip
        head = self.town.desired.head(self.town.kit)
        self.town.desired.report(
            self.town.kit, bytes(8), Report(etag=head.etag, number=head.number, bricks=said)
        )

    def decide(self, digest, count, minor=0, kind=reg.KIND_GRANT):
        for brick in self.town.bricks.values():
            grants = [[2, 0, minor]] if kind == reg.KIND_GRANT else None
            fields = {"f8": digest[:8], "f11": 1 * 16 + 3} | ({"f12": grants} if grants else {})
            self.stall.hand_in([self.stall.world.record(kind, brick, **fields) for _ in range(count)])

    def through(self):
        """The kit has the release."""
        self.town.through()
        assert self.town.state().count("ok") == 1

    def look(self, seconds=61):
        """The next look; the gates by their names."""
        self.town.tick(seconds)
        return {name: (one.last, one.verdict, one.why) for name, one in self.town.state().gates.items()}


def test_latency_and_memory_come_from_what_bricks_report(stall):
    market = Market(stall, "latency:50:400", "heap")
    market.say(1, market.old)
    market.through()
    found = market.look()
    assert found["latency"][0] == "inconclusive" and "0 samples with the release" in found["latency"][2]
    assert found["heap"][0] == "inconclusive"
    market.say(1, market.new, lights=lights(7), free=55 * 1024)
    found = market.look()
    assert (
        found["latency"][:2] == ("pass", "inconclusive") and "ms for 95 of 100 lights" in found["latency"][2]
    )
    assert found["heap"][0] == "pass" and "60 before, 55 now, kB free" in found["heap"][2]
    assert market.look()["latency"][1] == "pass"
    said = market.town.cli("status", "spring")
    assert "gate latency: pass: 12" in said and "gate heap: pass: 60 before, 55 now" in said.replace(
        "\n", " "
    )
    market.say(2, market.new, lights=lights(7), free=30 * 1024)
    market.look()
    assert market.town.state().phase == "rolling back"
    assert "gate heap: 60 before, 30 now" in market.town.cli("why", "spring").replace("\n", " ")


def test_slow_lights_halt_it(stall):
    market = Market(stall, "latency:50:400")
    market.say(1, market.old)
    market.through()
    market.say(1, market.new, lights=lights(12))
    market.look()
    state = market.town.state()
    assert state.phase == "rolling back" and "gate latency" in state.reason


def test_no_block_of_four_kilobytes_is_too_little(stall):
    market = Market(stall, "heap")
    market.say(1, market.old)
    market.through()
    market.say(1, market.new, block=2048)
    market.look()
    assert "largest block that a brick could have is 2048 bytes" in market.town.state().reason


def test_budgets_burn_as_receipts_say(stall):
    market = Market(stall, "budget:1000")
    share = min(n for n in money_of_bricks(stall.controller.config).values())
    assert share > 0
    market.decide(market.old, 20, 1)
    market.through()
    assert "0 samples with the release" in market.look()["budget"][2]
    market.decide(market.new, 20, 1)
    found = market.look()
    assert found["budget"][0] == "pass" and "of the budget an hour (40 decisions)" in found["budget"][2]
    market.decide(market.new, 10, max(2, share // 20))
    market.look()
    state = market.town.state()
    assert state.phase == "rolling back" and "gate budget" in state.reason


def test_packs_without_another_kit_are_held_against_their_own_past(stall):
    market = Market(stall, "battery")
    market.say(1, market.old, battery=90)
    market.through()
    market.say(1, market.new, battery=80)
    assert market.look()["battery"][0] == "pass"
    market.say(1, market.new, battery=60)
    market.look()
    assert "gate battery: 90 before, 60 now" in market.town.state().reason


def test_a_gate_that_stays_unclear_pauses(stall):
    market = Market(stall, "budget")
    market.through()
    market.look(3_600)
    market.look(7_300)
    said = RUN.invoke(app, ["rollout", "status", "spring", "--config", market.town.config])
    assert said.exit_code == 1 and market.town.state().phase == "paused"
    assert "gate budget gives no clear answer: 0 samples with the release" in said.output.replace("\n", " ")


@pytest.mark.parametrize("name", NAMES)
def test_every_gate_may_flap_a_few_times_and_then_says_nothing_any_more(name):
    fleet = Fleet(plan(gates=[{"name": name, "worse": 10, "fails": 3, "flips": 4}]), kits=2)
    fleet.verb("start")
    fleet.see()
    fleet.through()

    def look(number, verdict):
        fleet.now += 60_000
        fleet.step(facts.Gate(name, fleet.state.wave, verdict, f"look {number}", number))
        return fleet.state.gates[name].verdict

    verdicts = [look(n, facts.PASS if n % 2 else facts.FAIL) for n in range(1, 8)]
    assert set(verdicts) == {"inconclusive"} and "changed" in fleet.state.gates[name].why
    assert look(9, facts.PASS) == look(10, facts.PASS) == "inconclusive"
    assert fleet.state.phase == "running" and fleet.state.wave == 0
    fleet.wait(3 * 3_600_000)
    assert fleet.state.phase == "paused" and f"gate {name} gives no clear answer" in fleet.state.reason
    assert fleet.replayed() == fleet.state


def test_a_percentile_knows_how_sure_it_is():
    few, many = (figures.percentile([json.dumps([0] * 4 + [n * 9, n] + [0] * 10)]) for n in (2, 200))
    assert few.value == 87 and many.value == 87
    assert few.least == 73 and few.most == 100
    assert 80 < many.least < many.value < many.most < 95
    assert figures.percentile([]) == (0, 0, None, None, "before", None, None)
    assert figures.percentile([json.dumps([0] * 15 + [4])]).value == 2000


def test_figures_come_twice_and_late_and_only_of_own_bricks(stall):
    own, other = bytes.fromhex(kit_name(1)), bytes.fromhex(kit_name(2))

    def rows():
        with stall.controller.database.read() as connection:
            return figures._said(connection, [own, other], b"", 10_000)[0]

    def said(brick, counts, boot=1, free=None):
        one = FiguresSaid(boot=boot, ruleset="ab" * 8, lights=counts, free=free)
        with stall.controller.database.write() as connection:
            reported(connection, [BrickSaid(brick=brick.hex(), figures=one)], {own}, 1000 + boot)

    said(other, lights(1))
    assert not rows()
    said(own, lights(1, 7), free=900)
    said(own, lights(1, 5))
    said(own, lights(2, 1), free=1200)
    (row,) = rows()
    assert row.lights == str([0, 7, 1] + [0] * 13) and row.free == 900 and row.first_ms == 1001
    for boot in range(2, KEPT + 9):
        said(own, lights(1), boot)
    assert len(rows()) == KEPT
