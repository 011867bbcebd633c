"""Rollouts: waves that only go on by proof, and stop by themselves; halts that hold; ways back; reasons for every kit."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.rollouts import allow, engine, facts, why
from fleet.rollouts.plan import PlanError
from fleet.rollouts.rank import membership, rank
from tests.fleet.rolling import MINUTE, NEW, OLD, Fleet, kit_name, plan, round_trip


def first(fleet, kit=None):
    return why.why(fleet.state, kit, fleet.now)[0]


def started(*arguments, **more):
    fleet = Fleet(*arguments, **more)
    fleet.verb("start")
    return fleet


def test_two_waves_go_through_and_every_kit_says_so():
    fleet = started(plan())
    assert first(fleet, fleet.in_wave(0)[0]).code == "away"
    fleet.see()
    assert fleet.flying() == fleet.in_wave(0)
    assert first(fleet, fleet.in_wave(1)[0]).code == "wave"
    fleet.through()
    fleet.wait(9 * MINUTE)
    assert fleet.state.wave == 0
    fleet.wait(MINUTE)
    assert fleet.state.wave == 1
    fleet.see()
    fleet.through()
    fleet.wait(10 * MINUTE)
    assert fleet.state.phase == "complete"
    assert all(kit.status == "ok" for kit in fleet.state.kits.values())
    assert fleet.replayed() == fleet.state == round_trip(fleet.state)


def test_ranks_are_exact_grow_and_change_with_the_rollout():
    kits = {kit_name(n): {"hub": "north" if n % 2 else "south"} for n in range(100)}
    waves = plan([{"size": "1"}, {"size": "10%"}, {"size": "50"}, {"size": "100%"}]).waves
    found = membership("r", waves, kits)
    assert [list(found.values()).count(n) for n in range(4)] == [1, 9, 40, 50]
    assert list(found) == rank("r", kits)
    assert rank("r", kits)[0] != rank("s", kits)[0]
    waves = plan([{"query": "hub=north", "size": "5"}, {"kits": (kit_name(2),)}, {"size": "100%"}]).waves
    found = membership("r", waves, kits)
    assert [kit for kit in found if found[kit] == 1] == [kit_name(2)]
    assert all(kits[kit]["hub"] == "north" for kit in found if found[kit] == 0)
    with pytest.raises(PlanError, match="wave 1 has no kits"):
        membership("r", plan([{"query": "hub=east"}]).waves, kits)
    with pytest.raises(PlanError, match="could never pass"):
        membership("r", plan([{"size": "2", "min_sample": 3}]).waves, kits)


def test_silence_is_no_success_it_pauses():
    fleet = started(plan())
    fleet.wait(119 * MINUTE)
    assert fleet.state.phase == "running"
    fleet.wait(MINUTE)
    assert fleet.state.phase == "paused"
    assert "Silence is no success" in first(fleet).text
    fleet.verb("resume")
    assert fleet.state.phase == "running" and fleet.state.wave == 0
    fleet.wait(120 * MINUTE)
    assert fleet.state.phase == "paused"
    fleet.verb("resume", accept=True)
    assert fleet.state.phase == "paused"  # accepting needs a reason
    fleet.verb("resume", "the hub is closed today", accept=True)
    fleet.wait(10 * MINUTE)
    assert fleet.state.wave == 1


def test_a_failing_canary_halts_and_goes_back_by_itself():
    fleet = started(plan())
    fleet.see()
    (canary,) = fleet.flying()
    fleet.take(canary)
    commands = fleet.report(canary, "failed", why="golden vector 3 differs")
    assert [type(one).__name__ for one in commands] == ["Halt", "Rollback", "Deliver"]
    assert commands[-1].back
    assert fleet.state.phase == "rolling back"
    fleet.take(canary)
    fleet.report(canary)
    assert fleet.state.phase == "rolled back"
    assert fleet.status(canary) == "back"
    others = fleet.in_wave(1)
    fleet.see()
    assert allow.allowed(fleet.state, others[0], fleet.now).want.what == "untouched"
    assert set(fleet.orders) == {canary}


def test_halt_reaches_latecomers_and_those_who_have_it():
    fleet = started(plan([{"size": "100%"}], {"in_flight": 3}, auto_rollback=False))
    fleet.see()
    had, taken, offered = fleet.flying()
    fleet.take(had, taken)
    fleet.report(had)
    fleet.verb("halt", "prices are wrong")
    for kit in (had, taken, offered):
        assert isinstance(fleet.orders[kit], facts.Withdraw)
        assert allow.allowed(fleet.state, kit, fleet.now).want.what == "nothing"
    fleet.commands.clear()
    fleet.see()
    fleet.wait(40 * MINUTE)
    fleet.see()
    fleet.report(taken)  # too late to stop: it says so, and gets nothing for it
    assert not [one for one in fleet.commands if isinstance(one, facts.Deliver)]
    fleet.verb("resume")
    assert fleet.state.phase == "halted"
    assert "--accept-failures" in fleet.state.words[-1].text


def test_timeouts_count_and_absent_kits_do_not():
    limits = {"failures": 2, "failure_percent": 100, "kit_deadline_s": 600, "reach_s": 300}
    fleet = started(plan([{"size": "100%", "min_sample": 3}], limits, auto_rollback=False), kits=6)
    fleet.see()
    kits = fleet.flying()
    fleet.take(*kits[:2])
    fleet.wait(5 * MINUTE)  # four did not take their directive: unreached
    assert [fleet.status(kit) for kit in kits[2:]] == ["unreached"] * 4
    assert all(isinstance(fleet.orders[kit], facts.Withdraw) for kit in kits[2:])
    assert fleet.state.phase == "running"
    fleet.wait(5 * MINUTE)
    assert [fleet.status(kit) for kit in kits[:2]] == ["timed out"] * 2
    assert fleet.state.phase == "halted"
    assert "2 kits failed, refused or ran out of time" in fleet.state.reason


def test_a_late_report_puts_a_timeout_right():
    fleet = started(plan([{"size": "100%"}], {"kit_deadline_s": 600, "failure_percent": 100}))
    fleet.see()
    kit = fleet.flying()[0]
    fleet.take(kit)
    fleet.wait(10 * MINUTE)
    assert fleet.status(kit) == "timed out" and isinstance(fleet.orders[kit], facts.Withdraw)
    fleet.report(kit, digest=NEW)
    assert fleet.status(kit) == "ok" and isinstance(fleet.orders[kit], facts.Deliver)


def test_just_under_the_limit_is_no_success_either():
    fleet = started(plan([{"size": "100%", "min_sample": 6}], {"failures": 9, "failure_percent": 50}))
    fleet.see()
    for kit, outcome in zip(fleet.flying(), ["ok"] * 4 + ["failed", "rejected"], strict=True):
        fleet.take(kit)
        fleet.report(kit, outcome)
    assert fleet.state.phase == "paused"
    assert "4 of 6" in fleet.state.reason
    fleet.verb("resume")
    assert fleet.state.phase == "paused"  # resuming skips nothing
    fleet.verb("resume", "two old boards", accept=True)
    fleet.wait(10 * MINUTE)
    assert fleet.state.phase == "complete"


def test_rented_kits_wait_for_their_return_unless_it_is_critical():
    for critical in (False, True):
        fleet = Fleet(plan([{"size": "100%"}], security_critical=critical), kits=2)
        kit = next(iter(fleet.state.kits))
        fleet.step(facts.Rented(kit, True))
        fleet.verb("start")
        fleet.see()
        fleet.through()
        fleet.wait(10 * MINUTE)
        assert fleet.state.phase == "complete"
        assert fleet.status(kit) == ("ok" if critical else "deferred")
        if not critical:
            assert first(fleet, kit).text.startswith("it is out with a renter")
            fleet.step(facts.Rented(kit, False))
            fleet.see(kit)
            fleet.through()
            assert fleet.status(kit) == "ok"


def test_returned_kits_catch_up_under_the_verdict_of_now():
    fleet = started(plan([{"size": "100%"}], gates=[{"name": "errors", "worse": 1, "passes": 1}]), kits=3)
    here, *away = fleet.in_wave(0)
    fleet.see(here)
    fleet.through()
    fleet.step(facts.Gate("errors", 0, "pass", "as before", 1))
    fleet.wait(10 * MINUTE)
    assert fleet.state.phase == "complete"
    fleet.see(away[0])
    fleet.through()
    assert fleet.status(away[0]) == "ok"
    fleet.step(facts.Gate("errors", 0, "fail", "errors rose from 1 to 40", 2))
    assert fleet.state.phase == "rolling back"
    fleet.see(away[1])
    assert away[1] not in fleet.orders


def test_gates_halt_pause_and_flap():
    gates = [{"name": "uncertain", "worse": 10, "passes": 2, "flips": 2}]

    def soaked():
        fleet = started(plan([{"size": "1"}, {"size": "100%"}], {"gate_deadline_s": 600}, gates))
        fleet.see()
        fleet.through()
        fleet.wait(10 * MINUTE)
        assert fleet.state.wave == 0
        return fleet

    fleet = soaked()
    fleet.step(facts.Gate("uncertain", 0, "pass", "", 1))
    assert fleet.state.wave == 0  # one look is none
    fleet.step(facts.Gate("uncertain", 0, "pass", "", 1))
    assert fleet.state.wave == 0  # the same look twice is one
    fleet.step(facts.Gate("uncertain", 0, "pass", "", 2))
    assert fleet.state.wave == 1
    fleet = soaked()
    fleet.step(facts.Gate("uncertain", 0, "fail", "3 % before, 40 % after", 1))
    assert fleet.state.phase == "rolling back" and "40 % after" in fleet.state.reason
    fleet = soaked()
    for number, verdict in enumerate(["pass", "inconclusive"] * 3 + ["pass"] * 3):
        fleet.step(facts.Gate("uncertain", 0, verdict, "7 samples", number))
    assert fleet.state.wave == 0
    fleet.wait(10 * MINUTE)
    assert fleet.state.phase == "paused" and "changed" in fleet.state.reason
    fleet = soaked()
    fleet.wait(10 * MINUTE)
    assert fleet.state.phase == "paused" and "nobody has looked at it" in fleet.state.reason


def test_inside_a_kit_the_canary_brick_goes_first_and_the_host_last():
    fleet = started(plan([{"size": "100%"}], host="2026.11"), kits=1, bricks=4)
    (kit,) = fleet.state.kits
    units = fleet.state.kits[kit].units
    fleet.see()
    assert fleet.orders[kit].bricks == units[:1] and not fleet.orders[kit].host
    fleet.take(kit)
    fleet.report(kit, brick=units[0])
    assert fleet.orders[kit].bricks == units
    fleet.report(kit, brick=units[2])
    fleet.report(kit, "failed", brick=units[1])
    assert fleet.status(kit) == "installing" and units[3] in first(fleet, kit).text  # the barrier
    fleet.report(kit, brick=units[3])
    assert fleet.orders[kit].host and units[1] not in fleet.orders[kit].bricks
    fleet.report(kit, brick="host")
    assert fleet.status(kit) == "ok"
    assert why.why(fleet.state, kit, fleet.now)[1].text.endswith(units[1])
    fleet.report(kit, brick=units[1])  # mended
    assert [one.code for one in why.why(fleet.state, kit, fleet.now)] == ["ok", "kept"]


def test_a_bad_canary_brick_spares_the_others_and_two_bad_ones_are_too_many():
    for bad, spared in (([0], True), ([1, 2], False)):
        fleet = started(plan([{"size": "100%"}], {"failure_percent": 100}), kits=1, bricks=4)
        (kit,) = fleet.state.kits
        units = fleet.state.kits[kit].units
        fleet.see()
        fleet.take(kit)
        for at, unit in enumerate(units):
            if fleet.status(kit) == "installing":
                fleet.report(kit, "failed" if at in bad else "ok", brick=unit)
        assert fleet.status(kit) == "failed"
        ordered = {brick for one in fleet.commands if isinstance(one, facts.Deliver) for brick in one.bricks}
        assert (len(ordered) == 1) == spared


def test_drift_reopens_a_kit_but_not_for_ever():
    fleet = started(plan([{"size": "100%"}], {"failure_percent": 100}), kits=1)
    (kit,) = fleet.state.kits
    fleet.see()
    fleet.through()
    fleet.report(kit, digest=OLD)  # its slot went back
    assert fleet.status(kit) == "offered"
    fleet.through()
    assert fleet.status(kit) == "ok"
    fleet.report(kit, digest=OLD)
    assert fleet.status(kit) == "failed" and "did not stay" in first(fleet, kit).text


def test_the_way_back_is_by_waves_reversed_and_waits_for_who_is_away():
    waves = [{"size": "1", "soak_s": 0}, {"size": "3", "soak_s": 0}, {"size": "100%"}]
    fleet = started(plan(waves, {"in_flight": 2}), kits=7)
    for _ in range(3):
        fleet.see()
        fleet.through()
    assert all(kit.status == "ok" for kit in fleet.state.kits.values())
    away = fleet.in_wave(2)[0]
    fleet.wait(30 * MINUTE)
    fleet.verb("rollback", "bonus too high")
    fleet.see(*(kit for kit in fleet.state.kits if kit != away))
    fleet.commands.clear()
    fleet.orders[away]
    seen = list(fleet.flying())
    for _ in range(10):
        for kit in fleet.flying():
            fleet.take(kit)
            fleet.report(kit)
        seen += [kit for kit in fleet.flying() if kit not in seen]
    assert [fleet.state.kits[kit].wave for kit in seen] == [2, 2, 2, 1, 1, 0]
    assert fleet.state.phase == "rolling back" and "away" in first(fleet, away).text
    fleet.see(away)
    fleet.through()
    assert fleet.state.phase == "rolled back"


def test_a_kit_that_does_not_go_back_is_said_to_be_stuck():
    fleet = started(plan([{"size": "100%"}]), kits=2)
    fleet.see()
    fleet.through()
    fleet.verb("rollback")
    fleet.see()
    bad, good = fleet.flying()
    for _ in range(2):
        fleet.take(bad)
        fleet.report(bad, "failed")
    fleet.take(good)
    fleet.report(good)
    assert fleet.status(bad) == "stuck" and fleet.state.phase == "rolled back"
    assert "1 did not go back" in fleet.state.reason
    fleet.report(bad)
    assert fleet.status(bad) == "back"


@pytest.mark.parametrize("lag", [0, 1])
def test_bricks_whose_boot_records_come_together_are_all_back(lag):
    """A host forwards them in one batch: one instant, or an earlier one than the host was seen at."""
    fleet = started(plan([{"size": "100%"}]), kits=1, bricks=3)
    fleet.see()
    (kit,) = fleet.flying()
    fleet.take(kit)
    units = fleet.state.kits[kit].units
    for unit in units:
        fleet.report(kit, brick=unit)
    assert fleet.status(kit) == "ok"
    fleet.wait(MINUTE)
    fleet.verb("rollback")
    fleet.take(kit)
    at_ms = fleet.now - lag
    fleet.step(*(facts.Reported(kit, "ok", OLD, at_ms, 9, unit) for unit in units))
    assert fleet.status(kit) == "back" and fleet.state.phase == "rolled back"
    assert fleet.replayed() == fleet.state


def test_a_database_of_yesterday_pauses_and_takes_every_order_back():
    fleet = started(plan([{"size": "100%"}]), kits=3)
    fleet.step(facts.Restored(12))
    assert fleet.state.phase == "paused" and "12 events are missing" in fleet.state.reason
    assert {type(one) for one in fleet.orders.values()} == {facts.Withdraw} and len(fleet.orders) == 3
    fleet.verb("rollback", "to be safe")
    fleet.see()
    fleet.through()
    assert fleet.state.phase == "rolled back"


def test_newer_rollouts_take_kits_over_and_new_kits_join_the_last_wave():
    fleet = started(plan([{"size": "100%"}]), kits=2)
    one, two = fleet.state.kits
    fleet.see()
    fleet.step(facts.Superseded(one, "rollout r2"))
    assert allow.allowed(fleet.state, one, fleet.now).want.what == "untouched"
    fleet.report(one)
    assert fleet.status(one) == "superseded"
    fleet.step(facts.Joined(kit_name(77)))
    fleet.see(kit_name(77))
    fleet.through()
    assert fleet.status(kit_name(77)) == fleet.status(two) == "ok"


def test_gate_zero_is_asked_before_the_first_wave():
    fleet = Fleet(plan(replay={"flipped_bps": 100}))
    fleet.verb("start")
    assert fleet.state.phase == "planned" and "gate 0 is open" in fleet.state.words[-1].text
    fleet.step(facts.Gate("replay", -1, "fail", "4 % of decisions are flipped", 1))
    fleet.verb("start")
    assert "4 % of decisions" in fleet.state.words[-1].text
    fleet.step(facts.Gate("replay", -1, "pass", "", 2))
    fleet.verb("start")
    assert fleet.state.phase == "running"


def test_ten_thousand_kits_take_their_places_in_order_and_never_more():
    fleet = started(plan([{"size": "100%"}], {"in_flight": 500}), kits=10_000)
    fleet.check = lambda: None
    fleet.see()
    assert len(fleet.flying()) == 500
    assert fleet.flying() == list(fleet.state.kits)[:500]


# --- whatever comes, in whatever order

KITS = [kit_name(n) for n in range(1, 9)]
BRICKS = [f"{at:02x}" * 8 for at in range(1, 4)]
known = st.sampled_from([*KITS, "ff" * 8])
some = st.one_of(
    st.builds(lambda kit: ("see", kit), known),
    st.builds(lambda kit: ("see", kit), known),
    st.builds(lambda kit: ("take", kit), known),
    st.builds(lambda kit, digest: ("take", kit, digest), known, st.sampled_from([NEW, OLD])),
    st.builds(
        lambda kit, outcome, digest, brick, number: ("report", kit, outcome, digest, brick, number),
        known, st.sampled_from(["ok", "ok", "ok", "ok", "failed", "rejected"]), st.sampled_from([NEW, NEW, NEW, OLD]),
        st.sampled_from(["", "", *BRICKS, "host"]), st.integers(0, 40),
    ),
    st.builds(lambda kit, rented: ("rent", kit, rented), known, st.booleans()),
    st.builds(lambda verdict, wave, n: ("gate", verdict, wave, n), st.sampled_from(["pass", "pass", "fail", "inconclusive"]),
              st.integers(0, 2), st.integers(0, 30)),
    st.builds(lambda verb, accept: ("verb", verb, accept),
              st.sampled_from(["start", "pause", "resume", "resume", "halt", "rollback"]), st.booleans()),
    st.builds(lambda kit: ("supersede", kit), known),
    st.builds(lambda n: ("restored", n), st.integers(1, 5)),
)  # fmt: skip


def fact_of(fleet, action):
    match action:
        case ("see", kit):
            return facts.Seen(kit, fleet.now)
        case ("take", kit):
            order = fleet.orders.get(kit)
            back = isinstance(order, facts.Deliver) and order.back
            return facts.Fetched(kit, OLD if back else NEW, fleet.now)
        case ("take", kit, digest):
            return facts.Fetched(kit, digest, fleet.now)
        case ("report", kit, outcome, digest, brick, number):
            return facts.Reported(kit, outcome, digest, fleet.now, number, brick)
        case ("rent", kit, rented):
            return facts.Rented(kit, rented)
        case ("gate", verdict, wave, number):
            return facts.Gate("errors", wave, verdict, "", number)
        case ("verb", verb, accept):
            return facts.Verb(verb, "ada", "because", accept)
        case ("supersede", kit):
            return facts.Superseded(kit, "r2")
        case (_, number):
            return facts.Restored(number)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.lists(some, max_size=6), st.sampled_from([0, 1, 2, 5, 11, 40, 130])), max_size=40),
    st.booleans(), st.booleans(), st.booleans(), st.integers(0, 1 << 32),
)  # fmt: skip
def test_whatever_comes_the_invariants_hold(steps, gated, auto, bricks, seed):
    gates = [{"name": "errors", "worse": 1, "passes": 1, "flips": 2}] if gated else []
    waves = [{"size": "1", "soak_s": 0}, {"size": "4", "soak_s": 60}, {"size": "100%", "min_sample": 2}]
    limits = {
        "in_flight": 3,
        "failures": 4,
        "failure_percent": 60,
        "success_percent": 40,
        "kit_deadline_s": 600,
    }
    fleet = Fleet(plan(waves, limits, gates, auto_rollback=auto), kits=8, bricks=3 if bricks else 0)
    members = {name: kit.wave for name, kit in fleet.state.kits.items()}
    fleet.verb("start")
    fleet.see()
    shuffled = random.Random(seed)
    for actions, minutes in steps:
        fleet.now += minutes * MINUTE
        said = [fact_of(fleet, action) for action in actions]
        before = fleet.state
        commands = fleet.step(*said)
        resumed = any(isinstance(one, facts.Verb) and one.verb == "resume" for one in said)
        if before.phase in ("halted", "rolling back", "rolled back") and not resumed:
            assert not [one for one in commands if isinstance(one, facts.Deliver) and not one.back]
        if fleet.state.phase in ("halted", "rolling back", "rolled back"):
            assert not [one for one in commands if isinstance(one, facts.Deliver) and not one.back]
        assert fleet.state.wave >= before.wave
        # Told twice, and in another order, reports are no news
        reports = [one for one in said if isinstance(one, facts.Reported)]
        shuffled.shuffle(reports)
        state = fleet.state
        assert engine.step(state, reports, fleet.now) == (state, []) or not quiet(state, before)
        for name in [*KITS, None, "ff" * 8]:
            assert why.why(fleet.state, name, fleet.now)[0].text
            if name:
                allow.allowed(fleet.state, name, fleet.now)
    assert {name: kit.wave for name, kit in fleet.state.kits.items()} == members
    assert round_trip(fleet.state) == fleet.state
    assert fleet.replayed() == fleet.state
    half = len(fleet.log) // 2
    state = round_trip(fleet.replayed(fleet.log[:half]))
    for said, now in fleet.log[half:]:
        state, _ = engine.step(state, [facts.fact_from_json(one) for one in said], now)
    assert state == fleet.state


def quiet(state, before):
    """Whether the whole turned no corner in this step: then a second telling is no news."""
    return state.phase == before.phase and state.wave == before.wave
