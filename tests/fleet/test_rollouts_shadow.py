"""A release in the shadow: canary bricks prove what it would have done, and only then the first wave begins."""

import pytest
from sqlalchemy import insert
from stallmark import registry as reg
from stallmark import shadow

from fleet.db.tables_rentals import rental_kits
from fleet.desired.report import BrickSaid, ShadowSaid
from fleet.rollouts import facts, shadowing
from fleet.rollouts.plan import Shadow
from fleet.rollouts.shadowing import Compared
from tests.fleet import test_rollouts_controller as towns
from tests.fleet.rolling import MINUTE, Fleet, plan, round_trip
from tests.fleet.test_rollouts_controller import planned

stall = towns.stall
HALF_HOUR = {"seconds": 1800}


def look(fleet, number, verdict, why="of 120 events 3 would have been green"):
    return fleet.step(facts.Gate("shadow", -1, verdict, why, number))


def test_the_first_wave_waits_for_the_shadow_and_nobody_is_ordered_anything():
    fleet = Fleet(plan(shadow=HALF_HOUR), kits=4, bricks=2)
    fleet.verb("start")
    assert fleet.state.phase == "shadow" and fleet.state.wave == -1 and not fleet.orders
    fleet.see()
    look(fleet, 1, "pass")
    assert fleet.state.phase == "shadow" and not fleet.orders
    assert len(shadowing.canaries(fleet.state)) == 1
    assert round_trip(fleet.state) == fleet.state
    fleet.wait(30 * MINUTE)
    assert fleet.state.phase == "running" and fleet.state.wave == 0 and fleet.state.gates["shadow"].verdict == "pass"
    fleet.see()
    assert len(fleet.orders) == 1 and fleet.replayed() == fleet.state


def test_a_shadow_that_fails_halts_and_nothing_is_to_be_rolled_back():
    fleet = Fleet(plan(shadow=HALF_HOUR), kits=4, bricks=2)
    fleet.verb("start")
    look(fleet, 1, "fail", "of 50 events 40 would have been green: 80.00 % differ, 5.00 % may")
    assert fleet.state.phase == "halted" and "gate shadow: of 50 events 40" in fleet.state.reason and not fleet.orders
    fleet.wait(10 * 3_600_000)
    assert fleet.state.phase == "halted"
    fleet.verb("resume", "we know", accept=True)
    assert fleet.state.phase == "running" and fleet.state.wave == 0 and fleet.replayed() == fleet.state


def test_a_shadow_without_a_clear_answer_pauses_and_goes_on_with_a_look_of_its_own():
    fleet = Fleet(plan(shadow=HALF_HOUR), kits=4, bricks=2)
    fleet.verb("start")
    look(fleet, 1, "inconclusive", "nothing was compared yet; 20 are asked for")
    fleet.wait(30 * MINUTE + 2 * 3_600_000)
    assert fleet.state.phase == "paused" and "gives no clear answer: nothing was compared yet" in fleet.state.reason
    fleet.verb("resume")
    assert fleet.state.phase == "shadow"
    fleet.wait(30 * MINUTE)
    assert fleet.state.phase == "shadow"
    look(fleet, 2, "pass")
    assert fleet.state.phase == "running"
    paused = Fleet(plan(shadow=HALF_HOUR), kits=2, bricks=1)
    paused.verb("start")
    paused.verb("pause", "wait")
    paused.verb("halt", "no")
    assert paused.state.phase == "halted" and not paused.orders


def summed(pairs, events, **more):
    found = Compared(events=events, differing=sum(pairs.values()), **more)
    found.pairs.update(pairs)
    found.states[b"brick--1"] = more.pop("state", (shadow.RUNNING, 0)) if "state" in more else (shadow.RUNNING, 0)
    return found


def test_differences_are_told_in_words():
    deny, grant, unsure = reg.KIND_DENY, reg.KIND_GRANT, reg.KIND_UNCERTAIN
    pairs = {(deny, 3, grant, 1): 3, (grant, 1, unsure, 10): 1, (grant, 1, grant, 1): 2}
    found = summed(pairs, 120, minor=4200, minor_tried=4650, currency="EUR")
    assert shadowing.words(found) == (
        "of 120 events 3 would have been green instead of nothing this time (already had), 2 would have been given "
        "something else, 1 would have been ask at the stall instead of green (stale); change of money +4.50 EUR"
    )
    assert shadowing.words(summed({}, 7)) == "of 7 events none would have been another; change of money none"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (summed({}, 19), "inconclusive"), (summed({}, 20), "pass"), (summed({(2, 3, 1, 1): 1}, 20), "pass"),
        (summed({(2, 3, 1, 1): 2}, 20), "fail"), (summed({}, 100, unsure_tried=2), "fail"), (summed({}, 100, unsure=2), "pass"),
    ],
)  # fmt: skip
def test_so_many_may_differ_and_so_many_are_asked_for(found, verdict):
    assert shadowing.judge(Shadow(seconds=60), found, [b"brick--1"], 1).verdict == verdict


def test_bricks_that_cannot_or_will_not_are_told():
    found = Compared(states={b"brick--1": (shadow.NO_MEMORY, 0)})
    said = shadowing.judge(Shadow(seconds=60), found, [b"brick--1", b"brick--2"], 1)
    assert said.verdict == "inconclusive"
    assert "1 brick: has not enough memory for both, 1 brick: was not heard of it yet" in said.why
    found = Compared(states={b"brick--1": (shadow.REFUSED, reg.INSTALL_THRESHOLD)})
    refusal = shadowing.judge(Shadow(seconds=60), found, [b"brick--1"], 1)
    assert refusal.verdict == "fail" and reg.INSTALL_WORDS[reg.INSTALL_THRESHOLD] in refusal.why
    assert "no brick" in shadowing.judge(Shadow(seconds=60), Compared(), [], 1).why


def test_a_kit_is_told_what_to_try_and_only_its_bricks_own_word_counts(stall):
    town = planned(stall, "--shadow", "1")
    controller, kit = stall.controller, town.kit
    before = town.ordered()
    assert shadowing.exchange(controller, kit, []) == []
    town.ask("start", "spring")
    town.tick(3)
    assert town.state().phase == "shadow" and "nothing acts by it yet" in town.cli("why", "spring")
    (order,) = shadowing.exchange(controller, kit, [])
    new, brick = town.one(town.new), order["brick"]
    assert order["bundle"] == new.digest.hex() and order["length"] == town.new.stat().st_size
    found = shadow.order({0: new.digest, 1: order["length"], 2: order["until_ms"], 3: bytes.fromhex(order["tag"])})
    with controller.keys() as keys:
        control = keys._chain(keys._roots[bytes.fromhex(brick)][-1]).control
    assert shadow.order_good(control, bytes.fromhex(brick), found)

    def say(number, events, differing, key=control, who=brick):
        fields = {
            0: 1, 1: bytes.fromhex(brick), 2: new.digest[:8], 3: shadow.RUNNING, 4: 1, 5: number, 6: events, 7: differing,
            8: [[reg.KIND_DENY, 3, reg.KIND_GRANT, 1, differing]] if differing else [], 9: 0, 10: [0, 5 * differing, 0, 0],
            11: [], 12: 0, 13: 0,
        }  # fmt: skip
        data = shadow.summary(fields)
        said = ShadowSaid(summary=data.hex(), tag=shadow.said_tag(key, data).hex())
        shadowing.exchange(controller, kit, [BrickSaid(brick=who, shadow=said)])
        town.desired.saw(kit, None)
        town.tick(61)
        return town.state().gates["shadow"]

    other = next(one for one in town.bricks if one != brick)
    assert "nothing was compared yet" in say(1, 50, 0, key=bytes(32)).why
    assert "nothing was compared yet" in say(1, 50, 0, who=other).why
    assert "nothing was compared yet" in say(1, 50, 0, who="00" * 8).why
    assert town.ordered() == before
    told = say(2, 100, 3)
    assert told.verdict == "pass" and "of 100 events 3 would have been green instead of nothing this time" in told.why
    assert town.state().phase == "running"
    town.desired.saw(kit, None)
    town.tick(3)
    assert set(town.ordered()) == {brick}
    assert shadowing.exchange(controller, kit, []) == []
    assert "in the shadow: pass: of 100 events 3" in town.cli("status", "spring").replace("\n", " ")


def test_an_older_word_of_a_start_up_changes_nothing(stall):
    town = planned(stall, "--shadow", "60")
    town.ask("start", "spring")
    town.tick(3)
    (brick,) = shadowing.canaries(town.state())

    def store(boot, number, events):
        fields = {0: 1, 1: brick, 2: town.one(town.new).digest[:8], 3: 3, 4: boot, 5: number, 6: events, 7: 0, 8: [], 9: 0}
        fields |= {10: [0] * 4, 11: [], 12: 0, 13: 0}
        with stall.controller.database.write() as connection:
            shadowing._store(connection, fields, shadow.summary(fields), stall.world.now_ms)
        with stall.controller.database.read() as connection:
            return shadowing.compared(connection, town.state()).events

    assert [store(1, 2, 20), store(1, 1, 10), store(1, 3, 30), store(2, 1, 5)] == [20, 20, 30, 35]
    for boot in range(3, 20):
        events = store(boot, 1, 1)
    assert events == shadowing.KEPT


def test_a_kit_that_is_handed_over_meanwhile_tries_nothing(stall):
    town = planned(stall, "--shadow", "60")
    town.ask("start", "spring")
    town.tick(3)
    assert shadowing.exchange(stall.controller, town.kit, [])
    row = {"kit": town.kit, "state": "OUT", "since_ms": 1, "by": "ada", "note": "", "rental": 2}
    with stall.controller.database.write() as connection:
        connection.execute(insert(rental_kits).values(row))
    for _ in range(2):  # first the log has it, then orders follow
        town.tick(3)
    assert town.state().phase == "shadow" and shadowing.exchange(stall.controller, town.kit, []) == []
