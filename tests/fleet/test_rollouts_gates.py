"""Gates of a rollout: pass, fail or too little to say; chance is no failure; gate 0 over recorded events."""

import json

import pytest

from fleet.authoring import library, recorded, synthetic
from fleet.rollouts.gates import Replayed, Sample, gate_zero, judge
from fleet.rollouts.gatezero import replayed
from fleet.rollouts.plan import Gate, PlanError, Replay, read
from tests.fleet.rolling import plan


def verdict(gate, before, after):
    return judge(Gate(**gate), Sample(*before), Sample(*after)).verdict


def test_shares_fail_only_beyond_chance():
    gate = {"name": "uncertain", "worse": 100, "min_sample": 20}
    assert verdict(gate, (1000, 20), (10, 10)) == "inconclusive"
    assert verdict(gate, (5, 0), (100, 10)) == "inconclusive"
    assert verdict(gate, (1000, 20), (1000, 25)) == "pass"
    assert verdict(gate, (1000, 20), (50, 3)) == "inconclusive"
    assert verdict(gate, (1000, 20), (50, 25)) == "fail"
    assert verdict(gate | {"worst": 300}, (0, 0), (100, 90)) == "fail"
    assert verdict(gate | {"worst": 300}, (1000, 250), (1000, 250)) == "fail"
    assert verdict(gate, (20, 0), (20, 20)) == "fail"
    assert verdict(gate, (20, 20), (20, 20)) == "pass"


@pytest.mark.parametrize(
    ("name", "worse", "worst", "before", "good", "bad"),
    [("latency", 50, 200, 120, 170, 171), ("heap", 8, 20, 60, 52, 51), ("battery", 10, 20, 90, 80, 79),
     ("budget", 100, None, 50, 150, 151)],
)  # fmt: skip
def test_figures_may_worsen_by_so_much(name, worse, worst, before, good, bad):
    gate = {"name": name, "worse": worse, "worst": worst, "min_sample": 5}
    assert verdict(gate, (5, before), (5, good)) == "pass"
    assert verdict(gate, (5, before), (5, bad)) == "fail"
    assert verdict(gate, (4, before), (5, good)) == "inconclusive"
    assert verdict(gate, (5, before), (4, bad)) == "inconclusive"


def test_a_worst_needs_no_before():
    assert verdict({"name": "heap", "worse": 5, "worst": 20, "min_sample": 1}, (0, 0), (3, 12)) == "fail"


def test_gate_zero_holds_what_the_plan_allows():
    limits = Replay(flipped_bps=500, more_minor=1000, less_minor=0, uncertain_bps=100, min_events=100)

    def found(**more):
        made = {
            "events": 1000,
            "flipped": 10,
            "old_minor": 5000,
            "new_minor": 5500,
            "old_uncertain": 3,
            "new_uncertain": 3,
        }
        return gate_zero(limits, Replayed(**made | more), 1).verdict

    assert found() == "pass"
    assert found(flipped=51) == "fail"
    assert found(new_minor=6001) == "fail"
    assert found(new_minor=4999) == "fail"
    assert found(new_uncertain=14) == "fail"
    assert found(events=99, flipped=0) == "inconclusive"


def test_gate_zero_replays_recorded_events(tmp_path):
    stream = tmp_path / "market.jsonl"
    places = synthetic.sources(60)
    recorded.write(stream, 1_790_000_000_000, places, synthetic.events(60, 1, 1_790_000_000_000), False)
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(library.combined(["ask-the-host"])))
    found = replayed(rules, rules, stream, workers=1)
    assert found.events == 60 and found.flipped == 0 and found.old_minor == found.new_minor
    with pytest.raises(PlanError, match="gate 0"):
        replayed(rules, tmp_path / "none.json", stream, workers=1)


def test_plans_that_cannot_be_carried_out_are_refused():
    good = plan().model_dump(mode="json")
    assert read(json.dumps(good)) == plan()
    for change, words in (
        ({"waves": [{"size": "0"}]}, "is no size"), ({"waves": [{}]}, "an empty wave is no success"),
        ({"waves": []}, "waves"), ({"rollback": good["release"]}, "name what kits go back to"),
        ({"waves": [{"query": "hub=a drop table"}]}, "is no condition"), ({"typo": 1}, "typo"),
        ({"gates": [{"name": "errors", "worse": 1}] * 2}, "named twice"), ({"limits": {"failures": 0}}, "failures"),
    ):  # fmt: skip
        with pytest.raises(PlanError, match=words):
            read(json.dumps(good | change))
