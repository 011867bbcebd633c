"""Campaigns: the demo's compiles to what it says; what is wrong is said where it is wrong."""

import copy
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stallmark import cbor, golden, rules

from fleet.authoring import words
from fleet.authoring.compile import CampaignError, check_campaign, compile_campaign
from fleet.authoring.report import Report

ROOT = Path(__file__).resolve().parents[2]
MARKET = ROOT / "fleet" / "authoring" / "campaigns" / "market_hour.json"
START = 1_790_000_000_000
HOUR = 3_600_000


@pytest.fixture
def market() -> dict[str, Any]:
    """The demo's campaign."""
    return json.loads(MARKET.read_text())


def change(campaign: Any, pointer: str, value: Any) -> Any:
    """A copy with one value put in at a pointer; `...` takes it out."""
    out = copy.deepcopy(campaign)
    *path, last = pointer.strip("/").split("/")
    place = out
    for step in path:
        place = place[int(step)] if isinstance(place, list) else place[step]
    key = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return out


def problems(report: Report) -> list[str]:
    return [str(problem) for problem in report.errors]


def test_the_market_hour_is_what_the_issue_asks_for(market: dict[str, Any]) -> None:
    data, report = compile_campaign(market, START)
    found = rules.Ruleset(data)
    assert found.slots == ((START, START + 75 * 60_000),)
    sample, surprise = found.rules
    assert (sample.id, sample.grants, sample.limit, sample.trust) == ("welcome-sample", ((5, 1, 0),), 1, 3)
    assert (surprise.id, surprise.grants, surprise.need) == ("surprise-15", ((1, 1500, 500),), ((1, 500),))
    assert surprise.latch and surprise.limit == 1 and surprise.people_trust == 3
    assert surprise.events == sample.events == (1, 2)
    assert cbor.decode(data, 16)[5][1][4] == [10, [20, HOUR], 20]
    assert golden.check(found, report.golden) and len(report.golden) == 29
    assert found.terms == report.terms16 and report.terms is not None and "fiscal" in report.terms


def test_the_first_form_goes_on_compiling_to_the_same_bytes(market: dict[str, Any]) -> None:
    data, report = compile_campaign(market, START)
    assert sha256(data).hexdigest() == "e11d6cf781dcbfffa8419d725b09785bf1aca84c7b067df5c695664d7499e95d"
    assert cbor.decode(data, 16)[0] == 1 and report.authoring_hash is None


def test_the_report_says_class_and_worst_case(market: dict[str, Any]) -> None:
    _, report = compile_campaign(market, START)
    assert [(rule.offline, rule.minor, rule.pieces) for rule in report.rules] == [
        ("needs rights", 0, 240),
        ("needs rights", 60_000, 0),
    ]
    assert (report.minor, report.pieces) == (60_000, 240)
    assert all(rule.record_bytes <= 256 for rule in report.rules)
    assert [right.as_config() for right in report.rights] == [
        {"rule": "welcome-sample", "unit": 2, "slice": 20, "count": 12},
        {"rule": "surprise-15", "unit": 1, "slice": 2500, "count": 24},
    ]
    assert report.notes == []


def test_the_same_campaign_gives_the_same_bytes(market: dict[str, Any]) -> None:
    shuffled = dict(reversed(market.items()))
    assert compile_campaign(market, START)[0] == compile_campaign(shuffled, START)[0]
    again, report = compile_campaign(market, START, rev=9)
    assert rules.Ruleset(again).rev == report.rev == 9


def test_words_are_read_back_from_the_bytes(market: dict[str, Any]) -> None:
    data, report = compile_campaign(market, START)
    text = "\n".join(words.ruleset(data, report))
    for part in (
        "Market hour (market-hour, revision 1): open 2026-09-21 14:13 UTC to 2026-09-21 15:28 UTC.",
        "1. welcome-sample gives a sample, on NFC tap or QR scan, once for each person in each slot.",
        "surprise-15 gives 15 % off now, at most 5.00 EUR",
        "when more than 20 different people came in the first hour of the slot",
        "It takes a tag or pass that the hub issued.",
        "it can never cost more than 600.00 EUR",
    ):
        assert part in text, text


@pytest.mark.parametrize(
    ("pointer", "value", "says"),
    [
        ("/$schema", "stallmark-campaign/3", '"stallmark-campaign/1"'),
        ("/id", "", "expected 1 to 48 bytes"),
        ("/id", ..., "id is missing"),
        ("/rev", 1.0, "whole number"),
        ("/rev", True, "whole number"),
        ("/currency", "eur", "three capital letters"),
        ("/people", 10, "too few"),
        ("/people", 9000, "from 0 to 8192"),
        ("/terms", 5, "expected text"),
        ("/terms", "\ud800", "surrogate"),
        ("/surprise", 1, "unknown"),
        ("/slots/market/start", "9 o'clock", "expected a duration after the start"),
        ("/slots/market/start", "2026-10-03T09:00:00", "expected a duration after the start"),
        ("/slots/market/duration", "1h", "expected a duration such as"),
        ("/slots/market/duration", "P", "expected a duration such as"),
        ("/slots/market/duration", "P13D", "within 12 days"),
        ("/rules/1/id", "welcome-sample", "each id once"),
        ("/rules/1/on/0", "nfc", "expected one of NFC tap"),
        ("/rules/1/minimum_trust", 3, "expected one of anonymous"),
        ("/rules/1/people_are", "bare", "anyone can make"),
        ("/rules/1/slots", ["noon"], "expected one of market"),
        ("/rules/1/slots", [], "0 entries"),
        ("/rules/1/when", False, "expected an object with exactly one member"),
        ("/rules/1/when", {"more": [1, 2]}, "expected true, all, any, not or one of"),
        ("/rules/1/when", {"gt": [1]}, "1 entries"),
        ("/rules/1/when", {"gt": [{"people": {"first": "PT1H"}}, "people"]}, "expected one of visits"),
        ("/rules/1/when", {"gt": [{"people": {"last": "PT1H"}}, 2]}, "unknown"),
        ("/rules/1/when", {"gt": [{"persons": 1}, 2]}, "expected a number, visits"),
        ("/rules/1/when", {"ge": ["basket", {"money": "10.00"}]}, "whole slot"),
        ("/rules/1/latch", "yes", "true or false"),
        ("/rules/1/grants/0/at_most", ..., "at_most is missing"),
        ("/rules/1/grants/0/at_most", 5, "an amount of EUR as text"),
        ("/rules/1/grants/0/at_most", "5.005", "an amount of EUR as text"),
        ("/rules/1/grants/0/at_most", "0.00", "more than nothing"),
        ("/rules/1/grants/0/percent_now", 15, "a percentage as text"),
        ("/rules/1/grants/0/percent_now", "101", "at most 100"),
        ("/rules/1/grants/0", {"kiss": 1}, "sample is missing"),
        ("/rules/1/rights", {}, "money is missing"),
        ("/rules/1/rights/money/slice", "2.49", "two slices must cover one grant"),
        ("/rules/1/rights/pieces", {"slice": 1, "count": 1}, "nothing is granted in this unit"),
        ("/rules/1/limit_per_person", -1, "from 0 to 255"),
        ("/rules/1/if_unknown", "grant", "expected one of deny, ask"),
        ("/rules/1/messages/near", "x" * 121, "1 to 120 bytes"),
        ("/rules/1/messages/neer", "x", "unknown"),
        ("/rules/1/intent", "fun", "expected one of conversion"),
        ("/golden/0/expect/outcome", "maybe", "expected one of grant, deny, uncertain"),
        ("/golden/0/expect/rule", "no-such", "expected one of welcome-sample"),
        ("/golden/0/people", [5, 4], "expected [first, last]"),
        ("/golden/1/people", [1, 25], "expected at most 32"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_wrong(
    market: dict[str, Any], pointer: str, value: Any, says: str
) -> None:
    report = check_campaign(change(market, pointer, value), START)
    assert report.ruleset == b""
    assert any(says in problem for problem in problems(report)), problems(report)
    where = {problem.pointer for problem in report.errors}
    assert any(pointer.startswith(found) or found.startswith(pointer) for found in where), where


def test_all_errors_come_at_once(market: dict[str, Any]) -> None:
    bad = change(change(change(market, "/id", 5), "/rules/0/intent", "x"), "/rules/1/limit_per_person", "2")
    assert {problem.pointer for problem in check_campaign(bad, START).errors} == {
        "/id",
        "/rules/0/intent",
        "/rules/1/limit_per_person",
    }
    with pytest.raises(CampaignError, match="and 2 more") as caught:
        compile_campaign(bad, START)
    assert len(caught.value.report.errors) == 3


@pytest.mark.parametrize(
    "when",
    [
        {"lt": [{"people": {"first": "PT1H"}}, 20]},
        {"le": [{"people": {"first": "PT1H"}}, 20]},
        {"eq": [{"people": {"first": "PT1H"}}, 20]},
        {"gt": [20, {"people": {"first": "PT1H"}}]},
        {"not": {"gt": [{"people": {"first": "PT1H"}}, 20]}},
        {"not": {"eq": [20, {"people": {"first": "PT1H"}}]}},
        {"all": [True, {"any": [{"not": {"not": {"lt": [{"people": {"first": "PT1H"}}, 20]}}}]}]},
    ],
)
def test_what_a_lone_brick_could_believe_wrongly_is_refused(market: dict[str, Any], when: Any) -> None:
    report = check_campaign(change(market, "/rules/1/when", when), START)
    assert any("cannot be decided offline" in problem for problem in problems(report)), problems(report)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"lt": [20, {"people": {"first": "PT30M"}}]}, "20 different people came in the first 30 minutes"),
        ({"not": {"le": [{"people": {"first": "PT1H"}}, 20]}}, "not (at most 20 different people"),
        (
            {"all": [{"ge": [{"people": {"first": "PT1H"}}, 5]}, {"ge": ["since_start", {"time": "PT10M"}]}]},
            "came in the first hour of the slot and the slot has lasted at least 10 minutes)",
        ),
        ({"any": [{"gt": ["basket", "tip"]}]}, "the basket is more than the tip"),
        ({"ge": ["basket", {"money": "12.50"}]}, "the basket is at least 12.50 EUR"),
        ({"eq": ["visits", 2]}, "this person has made exactly 2 visits to this brick"),
    ],
)
def test_conditions_in_words(market: dict[str, Any], when: Any, said: str) -> None:
    campaign = change(change(change(market, "/rules/1/when", when), "/golden", []), "/rules/1/latch", False)
    data, report = compile_campaign(campaign, START)
    assert said in words.ruleset(data, report)[3]


def test_notes_stop_nothing(market: dict[str, Any]) -> None:
    campaign = change(change(market, "/golden", []), "/terms", None)
    campaign = change(change(campaign, "/rules/0/minimum_trust", "anonymous"), "/rules/1/limit_per_person", 0)
    report = check_campaign(campaign, START)
    assert report.errors == [] and report.ruleset
    assert {note.pointer for note in report.notes} == {
        "/terms",
        "/rules/0/minimum_trust",
        "/rules/0/limit_per_person",
        "/rules/1/limit_per_person",
    }


def test_an_example_that_comes_out_otherwise_is_an_error(market: dict[str, Any]) -> None:
    report = check_campaign(change(market, "/rules/1/when/gt/1", 19), START)
    assert problems(report) == [
        "/golden/2: event 1 is to be deny by surprise-15 (near), and comes out grant by surprise-15 (granted)"
    ]
    assert report.ruleset == b""


def test_a_record_must_fit_one_page(market: dict[str, Any]) -> None:
    many = [{"percent_now": "1", "at_most": "1.00"}, {"sample": 1}, {"sample": 2}, {"money_now": "1.00"}]
    campaign = change(change(market, "/rules/1/grants", many), "/golden", [])
    campaign = change(campaign, "/rules/1/rights/pieces", {"slice": 5, "count": 5})
    assert any("256 bytes" in problem for problem in problems(check_campaign(campaign, START)))


def test_more_people_than_a_brick_can_hold_is_a_note(market: dict[str, Any]) -> None:
    report = check_campaign(change(market, "/people", 8192), START)
    assert [note.pointer for note in report.notes] == ["/people"] and report.ruleset


def test_instants_with_an_offset(market: dict[str, Any]) -> None:
    campaign = change(market, "/slots/market/start", "2026-10-03T09:00:00+02:00")
    data, _ = compile_campaign(change(campaign, "/golden", []), START)
    assert rules.Ruleset(data).slots[0][0] == 1_791_010_800_000


_keys = st.one_of(st.text(max_size=4), st.sampled_from(["gt", "people", "first", "not"]))
_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["PT1H", "5.00", "market"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(_keys, inner, max_size=3),
    ),
    max_leaves=8,
)


def _pointers(value: Any, at: str = "") -> list[str]:
    if isinstance(value, dict):
        inner = list(value.items())
    else:
        inner = list(enumerate(value)) if isinstance(value, list) else []
    deeper = [pointer for key, part in inner for pointer in _pointers(part, f"{at}/{key}")]
    return [f"{at}/{key}" for key, _ in inner] + deeper


@given(st.data())
@settings(max_examples=200, deadline=None, print_blob=True)
def test_any_json_gives_a_report(data: st.DataObject) -> None:
    market = json.loads(MARKET.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        market = change(market, data.draw(st.sampled_from(_pointers(market))), data.draw(_json))
    report = check_campaign(market, START)
    assert bool(report.ruleset) != bool(report.errors)
    if report.ruleset:
        assert golden.check(rules.Ruleset(report.ruleset), report.golden)


@pytest.mark.parametrize("value", [None, [], "x", 5, {}, {"rules": {}}])
def test_what_is_no_campaign_at_all(value: Any) -> None:
    assert check_campaign(value, START).errors
