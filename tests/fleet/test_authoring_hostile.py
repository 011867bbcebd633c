"""Hostile campaigns: deep, wide, cyclic, overflowing or huge ones get a clear error, quickly, and never an exception."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from typer.testing import CliRunner

from fleet.authoring import published
from fleet.authoring.cli import app
from fleet.authoring.compile import check_campaign
from fleet.authoring.intake import read_json
from fleet.authoring.model import Campaign

ROOT = Path(__file__).resolve().parents[2]
SURPRISE = json.loads((ROOT / "fleet" / "authoring" / "campaigns" / "surprise_15.json").read_text())
START = 1_790_000_000_000


def surprise(**rule: Any) -> dict[str, Any]:
    """The 15 % rule with some members replaced."""
    campaign = json.loads(json.dumps(SURPRISE)) | {"golden": []}
    campaign["rules"][0] |= rule
    return campaign


def errors(campaign: Any) -> list[str]:
    """The errors, found within a second or two."""
    before = time.process_time()
    report = check_campaign(campaign, START)
    assert time.process_time() - before < 5
    assert report.errors and report.ruleset == b""
    assert all(len(str(error)) < 1000 for error in report.errors) and len(report.errors) < 100
    return [str(error) for error in report.errors]


def nested(levels: int, name: str = "all") -> Any:
    found: Any = {"ge": ["visits", 1]}
    for _ in range(levels):
        found = {name: [found]} if name != "not" else {"not": found}
    return found


@pytest.mark.parametrize(
    ("when", "says"),
    [
        (nested(9), "nested more than 8 deep"),
        (nested(30), "nested more than"),
        (nested(5000), "nested more than 32 deep"),
        (nested(14, "any"), "nested more than"),
        ({"all": [{"ge": ["visits", number]} for number in range(1, 26)]}, "at most 24 entries"),
        (
            {"all": [{"any": [{"ge": ["visits", 1]}, {"ge": ["attended", 1]}]}] * 13},
            "more than 48 parts",
        ),
        ({"all": [{"all": [{"gt": ["tip", {"money": "0"}]}]}] * 24}, "more than 48 parts"),
        (
            {"all": [{"gt": [{"people": {"first": f"PT{n}M"}}, 1]} for n in range(1, 15)]},
            "more than 12 different counts",
        ),
        ({"all": []}, "expected at least 1 entries"),
        ({"gt": ["visits"]}, "expected at least 2 entries"),
        ({"gt": ["visits", 1, 2]}, "expected at most 2 entries"),
        ({"gt": [1, 2]}, "nothing here can change"),
        ({"gt": ["visits", {"money": "1.00"}]}, "expected a whole number, as on the other side"),
        ({"gt": ["basket", 5]}, "found the bare number 5"),
        ({"gt": ["basket", "much"]}, 'found "much"'),
        ({"gt": ["visits", 2**60]}, "at most 2^53"),
        ({"gt": ["visits", -(10**30)]}, "at most 2^53"),
        ({"gt": ["visits", 10**10]}, "expected a number from 0 to 1000000000"),
        ({"gt": ["visits", 1.5]}, "numbers are whole"),
        ({"gt": [{"people": {"first": "PT1H", "sliding": "PT1H"}}, 1]}, "exactly one of"),
        ({"gt": [{"people": {"first": "P13D"}}, 1]}, "at most 12 days"),
        ({"gt": [{"people": {"first": "1 hour"}}, 1]}, "expected a duration"),
        ({"latched": "surprise-15"}, "a name of the rules before this one"),
        ({"gt": [{"signal": "none"}, 1]}, "a name of signals"),
        ({"gt": [{"open": "none"}, 1]}, "a name of open_values"),
        ({"eq": [{"arm": "surprise-15"}, "nobody"]}, "expected one of control, treat"),
        ({"between": ["basket", {"money": "9"}, {"money": "5"}]}, "exchange them"),
        ({"gt": [{"add": [1, 2]}, "visits"]}, "only numbers"),
        ({"gt": [{"down_to": {"value": "visits", "step": 0}}, 1]}, "at least 1"),
        ({"not": True}, "could never grant"),
        (False, "expected true"),
        ("always", "expected true, or an object"),
        (None, "expected true, or an object"),
    ],
)
def test_hostile_conditions(when: Any, says: str) -> None:
    found = errors(surprise(when=when))
    assert any(says in text for text in found), found


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("slots", ["market"] * 2, "stands twice"),
        ("slots", ["m" * 33], "at most 32 characters"),
        ("slots", [], "expected at least 1 entries"),
        ("on", ["NFC tap"] * 2, "stands twice"),
        ("on", ["NFC"], "expected"),
        ("grants", [{"percent_now": "15"}], 'a percentage needs a cap: write "at_most": "5.00"'),
        ("grants", [{"percent_now": "150", "at_most": "5.00"}], "at most 100 percent"),
        ("grants", [{"percent_now": "0", "at_most": "5.00"}], "more than 0"),
        ("grants", [{"money_now": "0.00"}], "more than nothing"),
        ("grants", [{"money_now": "1.005"}], "an amount of EUR"),
        ("grants", [{"money_now": "99999999999"}], "at most 10^9 minor units"),
        ("grants", [{"money_next": "1.00", "valid": "PT12H"}], "expected whole days"),
        ("grants", [{"sample": 0}], "at least 1"),
        ("grants", [{"kiss": 1}], "expected an object with one of percent_now"),
        ("rights", {}, 'write "money": {"slice": "25.00", "count": 24}'),
        ("rights", {"money": {"slice": "1.00", "count": 6}}, "two slices must cover one grant"),
        ("rights", {"money": {"slice": 25, "count": 6}}, "expected an amount as text"),
        (
            "rights",
            {"money": {"slice": "9", "count": 1}, "pieces": {"slice": 1, "count": 6}},
            "nothing is granted in this unit",
        ),
        ("people_are", "bare", "a bag of blank tags opens it"),
        ("limits", [{"per": "slot", "most": 1}] * 2, "stands twice"),
        ("latch", True, "latches what is true for everyone, and /rules/0/when/all/1/ge/0 is not"),
        ("group", "none", "expected one of instant"),
        ("experiment", {"name": "surprise-15", "arm": "control"}, "the control arm is given nothing"),
        ("offline", {"mode": "lan", "lower": 9, "upper": 3}, "above upper"),
        ("offline", {"mode": "local", "upper": 3}, 'is a limit of "mode": "lan"'),
        ("messages", {"fr": {"granted": "x"}}, "write it into languages too"),
        ("messages", {"en": {"granted": "{name}, hello"}}, "found {name}"),
        ("messages", {"en": {"granted": "x" * 161}}, "at most 160 characters"),
        ("messages", {"en": {"granted": "€" * 60}}, "1 to 160 bytes"),
        ("odds", "3 in 2", "no more than 1 in 1"),
        ("redeems", 7, "whose vouchers count"),
        ("id", "x" * 33, "at most 32 characters"),
        ("funny", 1, "unknown; known here: id, note, on"),
    ],
)
def test_hostile_rules(member: str, value: Any, says: str) -> None:
    found = errors(surprise(**{member: value}))
    assert any(says in text for text in found), found


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("currency", ..., 'amounts of money need a currency: write "currency": "EUR"'),
        ("currency", "euro", "three capital letters"),
        ("timezone", "Mars/Olympus", "a zone of the IANA list"),
        ("timezone", "../../etc/passwd", "a zone of the IANA list"),
        ("people", 8193, "at most 8192"),
        ("people", 20, "a condition waits for 21 people"),
        ("rev", True, "expected a whole number"),
        ("rules", [], "at least 1 entries"),
        ("rules", [{}], "id is missing"),
        ("rules", [{}] * 251, "at most 250 entries"),
        ("holdout", {"share": "0"}, "more than 0"),
        ("experiments", {"surprise-15": {"arms": {"a": "50", "treat": "51"}, "control": "a"}}, "sum to 101"),
        ("voucher_issuers", ["00"], "a public key"),
        ("market", "x" * 65, "at most 64 characters"),
        ("market", "€" * 60, "1 to 64 bytes"),
        ("market", "\ud800", "surrogate"),
        ("languages", ["en", "en"], "stands twice"),
    ],
)
def test_hostile_tables(member: str, value: Any, says: str) -> None:
    campaign = surprise()
    if value is ...:
        del campaign[member]
    else:
        campaign[member] = value
    found = errors(campaign)
    assert any(says in text for text in found), found


def test_values_without_an_end() -> None:
    cyclic: dict[str, Any] = {"$schema": "stallmark-campaign/2"}
    cyclic["rules"] = [cyclic]
    assert "nested more than 32 deep" in errors(cyclic)[0]
    wide: Any = {"$schema": "stallmark-campaign/2", "rules": [{}] * 5_000_000}
    assert "more than 50000 values" in errors(wide)[0]
    shared: Any = 1
    for _ in range(30):  # 2^30 values in 30 lists
        shared = [shared, shared]
    assert "more than" in errors({"$schema": "stallmark-campaign/2", "rules": shared})[0]
    assert errors({"$schema": "stallmark-campaign/2"}) and errors(
        {"$schema": "stallmark-campaign/2", "x": b"bytes"}
    )


def test_a_campaign_with_too_many_rules_to_fit() -> None:
    campaign = surprise()
    rule = campaign["rules"][0]
    long = {lang: {"granted": "x" * 160, "denied": "y" * 160, "near": "z" * 160} for lang in ("en", "de")}
    campaign["rules"] = [{**rule, "id": f"rule-{number}", "messages": long} for number in range(60)]
    assert "expected at most 49152" in errors(campaign)[0]


def test_files(tmp_path: Path) -> None:
    large, deep, twice = tmp_path / "large.json", tmp_path / "deep.json", tmp_path / "twice.json"
    large.write_bytes(b'{"a":"' + b"x" * 10_485_760 + b'"}')
    deep.write_text('{"a":' * 200_000)
    twice.write_text('{"$schema": "stallmark-campaign/2", "rev": 1, "rev": 2}')
    long = tmp_path / "long.json"
    long.write_text('{"rev": ' + "9" * 6000 + "}")
    for path, says in (
        (large, "no campaign is that large"),
        (deep, "nested too deep"),
        (twice, "stands twice"),
        (long, "is not JSON"),
    ):
        before = time.process_time()
        result = CliRunner().invoke(app, ["check", str(path)])
        assert result.exit_code == 2 and says in " ".join(result.output.split()), result.output
        assert time.process_time() - before < 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
WORDS = st.sampled_from(
    ["basket", "visits", "tokens", "risk", "trust", "event", "tip", "issued", "NFC tap", "x"]
)
VALUES = st.recursive(
    st.integers(-5, 300)
    | WORDS
    | st.sampled_from([{"money": "5.00"}, {"time": "PT1H"}, {"open": "surprise percent"}]),
    lambda inner: st.one_of(
        st.builds(lambda a, b: {"add": [a, b]}, inner, inner),
        st.builds(lambda a: {"share": {"value": a, "percent": "10"}}, inner),
        st.builds(lambda a, b: {"down_to": {"value": a, "step": b}}, inner, st.integers(0, 9)),
        st.builds(lambda span: {"people": {"first": span}}, st.sampled_from(["PT1H", "P1D", "x"])),
        st.just({"arm": "surprise-15"}),
    ),
    max_leaves=4,
)
CONDITIONS = st.recursive(
    st.builds(
        lambda op, a, b: {op: [a, b]},
        st.sampled_from(["gt", "ge", "lt", "le", "eq", "in", "between"]),
        VALUES,
        VALUES,
    ),
    lambda inner: st.builds(
        lambda op, parts: {op: parts}, st.sampled_from(["all", "any", "not"]), st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_json_gives_a_report(data: st.DataObject) -> None:
    campaign = surprise()
    place: Any = campaign
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    report = check_campaign(campaign, START)
    assert bool(report.errors) == (report.ruleset == b"")


@settings(deadline=None, max_examples=150)
@given(condition=CONDITIONS)
def test_any_condition_gives_a_report_and_the_engine_takes_what_compiles(condition: Any) -> None:
    report = check_campaign(surprise(when=condition), START)
    assert not any("the engine refuses" in error.text for error in report.errors), report.errors
    assert bool(report.errors) == (report.ruleset == b"")


def test_what_the_schema_rejects_never_compiles_and_what_the_models_reject_it_rejects_too() -> None:
    """Somebody who has only the published schema draws the same line."""
    seed = 5
    print(f"seed {seed}")
    random_of = random.Random(seed)
    schema = Draft202012Validator(published.schema())
    junk: list[Any] = [
        None,
        True,
        False,
        -1,
        0,
        5,
        2**40,
        "",
        "x",
        "5.00",
        "PT1H",
        "issued",
        "2026-10-03",
        [],
        {},
        [1],
        {"a": 1},
    ]
    names = ["x", "id", "when", "start", "every", "count", "slice", "odds", "first", "no name!"]
    rejected = 0
    for _ in range(400):
        campaign = surprise()
        place: Any = campaign
        while True:
            keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = random_of.choice(keys)
            if isinstance(place[key], dict | list) and random_of.random() < 0.75:
                place = place[key]
                continue
            way = random_of.random()
            if way < 0.2:
                del place[key]
            elif way < 0.4 and isinstance(place, dict):
                place[random_of.choice(names)] = random_of.choice(junk)
            else:
                place[key] = random_of.choice(junk)
            break
        good = schema.is_valid(campaign)
        rejected += not good
        report = check_campaign(campaign, START)
        if not good:
            assert report.errors, campaign
        else:
            try:
                Campaign.model_validate(campaign)
            except ValidationError as error:
                raise AssertionError(f"the schema takes {campaign}") from error
    assert 100 < rejected < 390


def test_json_that_names_a_member_twice() -> None:
    with pytest.raises(ValueError, match="stands twice"):
        read_json(b'{"at_most": "5.00", "at_most": "500.00"}')
