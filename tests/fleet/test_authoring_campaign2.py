"""campaign/2: every bonus, condition and table compiles to what docs/formats/ruleset.md says, with class and cost."""

import copy
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import pytest
import rfc8785
from jsonschema import Draft202012Validator
from stallmark import expr, registry

from fleet.authoring import check_report, model_base, model_when, opcodes, prose, published, wire
from fleet.authoring.compile import check_campaign, compile_campaign
from fleet.authoring.compile2 import authoring_hash
from fleet.authoring.report import Report

ROOT = Path(__file__).resolve().parents[2]
SURPRISE = ROOT / "fleet" / "authoring" / "campaigns" / "surprise_15.json"
START = 1_790_000_000_000
HOUR = 3_600_000


def small(**rule: Any) -> dict[str, Any]:
    """A small campaign of one rule; `rule` takes the place of its members."""
    made: dict[str, Any] = {
        "id": "one", "on": ["till sale"], "slots": ["day"], "grants": [{"money_now": "2.00"}],
        "rights": {"money": {"slice": "20.00", "count": 5}}, "limits": [{"per": "slot", "most": 1}],
        "intent": "conversion",
    }  # fmt: skip
    return {
        "$schema": "stallmark-campaign/2", "id": "small", "rev": 1, "market": "Small market", "currency": "EUR",
        "people": 100, "terms": {"en": "Plain words."}, "slots": {"day": {"start": "PT0S", "duration": "PT6H"}},
        "rules": [{key: value for key, value in (made | rule).items() if value is not None}],
    }  # fmt: skip


def fields(campaign: dict[str, Any]) -> dict[int, Any]:
    """The compiled ruleset, decoded by another CBOR library."""
    data, _ = compile_campaign(campaign, START)
    found = cbor2.loads(data)
    assert (
        found[0] == 2
        and sorted(found) == list(range(17))
        and all(sorted(rule) == list(range(22)) for rule in found[5])
    )
    return found


def when(condition: Any, **more: Any) -> Any:
    """The compiled form of a condition."""
    return fields(small(when=condition) | more)[5][0][4]


def texts(report: Report) -> list[str]:
    return [str(problem) for problem in report.errors]


def notes(report: Report) -> list[tuple[str, str]]:
    return [(note.code, note.pointer) for note in report.notes]


def test_the_published_schema_is_the_one_that_the_models_make() -> None:
    assert published.PATH.read_text() == published.text(), (
        "python -m fleet.authoring.published writes it anew"
    )
    Draft202012Validator.check_schema(published.schema())
    assert published.schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_campaigns_fit_the_published_schema() -> None:
    checked = 0
    validator = Draft202012Validator(published.schema())
    for path in sorted((ROOT / "fleet" / "authoring").glob("*/*.json")):
        campaign = json.loads(path.read_text())
        if campaign.get("$schema") == "stallmark-campaign/2":
            validator.validate(campaign)
            checked += 1
    assert checked


def test_numbers_are_those_of_the_engine_and_the_registry() -> None:
    ours = {name: value for name, value in vars(opcodes).items() if name.isupper() and isinstance(value, int)}
    assert {name: getattr(expr, name) for name in ours} == ours
    assert set(model_base.EVENTS) - {"self-test"} == set(model_base.EventName.__args__)
    assert dict((name, number) for number, name in registry.TRUST_NAMES) == model_base.TRUSTS
    assert set(model_when.WORDS) == set(model_when.Word.__args__)


# --- the worked rule


def test_the_fifteen_percent_surprise() -> None:
    campaign = json.loads(SURPRISE.read_text())
    data, report = compile_campaign(campaign, START)
    found = cbor2.loads(data)
    nine, day = 1_791_010_800_000, 6 * HOUR  # 2026-10-03 09:00 in Berlin, which is 07:00 UTC
    assert (
        found[4] == [[nine, nine + day]]
        and found[3] == "EUR"
        and found[9] == ["en", "de"]
        and found[16] == 1000
    )
    assert (
        found[10][0][0] == "surprise-15"
        and found[10][0][2:] == [[5000, 5000], 0]
        and found[12] == [[2, False, 500]]
    )
    assert found[14] == [[1, 500, 1500, 1500, "surprise percent"]]
    rule = found[5][0]
    assert rule[4] == [1, [10, [20, 0, HOUR, 0], 20], [11, [22], 500]]
    assert rule[6] == [[1, [40, 0], 500]] and rule[7] == [1] and rule[8] == [[0, 1]]
    assert (
        rule[9] == [2, 2, 5, 12]
        and rule[14] == [0, 1]
        and rule[16] == ["D-RETAIL", 1900]
        and rule[17] == ["merchant", 0]
    )
    assert rule[21] == 1800 and rule[10][1][0].startswith("Überraschung") and rule[13] == 0
    said = report.rules[0]
    assert (said.offline, said.minor, said.each_minor) == ("needs rights", 6000, 500)
    assert {cause.pointer for cause in said.causes} == {"/rules/0/when/all/0/gt/0", "/rules/0/rights/money"}
    assert report.terms_in.keys() == {"en", "de"} and report.terms is not None
    assert report.terms16 == sha256(report.terms.encode()).digest()[:16] and len(report.golden) == 27
    assert report.notes == []


def test_the_authoring_hash_is_that_of_the_canonical_json() -> None:
    campaign = json.loads(SURPRISE.read_text())
    _, report = compile_campaign(campaign, START)
    shuffled = dict(reversed(campaign.items()))
    assert report.authoring_hash == sha256(rfc8785.dumps(shuffled)).digest() == authoring_hash(campaign)
    assert compile_campaign(shuffled, START)[0] == compile_campaign(campaign, START)[0]
    other = copy.deepcopy(campaign)
    other["rules"][0]["note"] = "other"
    assert authoring_hash(other) != report.authoring_hash


# --- grants


@pytest.mark.parametrize(
    ("grant", "code", "needs"),
    [
        ({"percent_now": "12.5", "at_most": "5.00"}, [1, 1250, 500], [1]),
        ({"money_now": "2.00"}, [2, 1, 200], [1]),
        ({"percent_next": "10", "at_most": "5.00", "valid": "P30D"}, [3, 1000, 500, 30], [1]),
        ({"money_next": "1.00", "valid": "P2W"}, [4, 1, 100, 14], [1]),
        ({"sample": 2, "of": "tea"}, [5, 2, 0], [2]),
        ({"upgrade": "large"}, [6, 1, 0, "large"], [2]),
        ({"tip_match": "100", "at_most": "2.00", "to": "creator"}, [7, 10_000, 200, "creator"], [1]),
        ({"tip_match": "200", "at_most": "2.00", "to": "creator"}, [7, 20_000, 200, "creator"], [1]),
        ({"tokens": 2, "valid": "P365D"}, [8, 2, 0, 365], []),
        ({"voucher": "2.00", "valid": "P30D", "series": 7}, [9, 7, 200, 30], [1]),
        ({"unlock": "community:chat"}, [10, 1, 0, "community:chat"], []),
        ({"donate": "5", "at_most": "3.00", "to": "school"}, [11, 500, 300, "school"], [1]),
        ({"split": "30", "at_most": "50.00", "to": "creator"}, [12, 3000, 5000, "creator"], []),
    ],
)
def test_every_grant(grant: dict[str, Any], code: list[Any], needs: list[int]) -> None:
    rights = {1: {"money": {"slice": "20.00", "count": 5}}, 2: {"pieces": {"slice": 20, "count": 2}}}
    campaign = small(grants=[grant], rights=rights[needs[0]] if needs else None)
    rule = fields(campaign | {"voucher_issuers": ["ab" * 32]})[5][-1]
    assert rule[6] == [code] and rule[7] == needs


def test_numbers_may_be_open_within_their_bounds() -> None:
    campaign = small(
        grants=[{"percent_now": {"open": "share"}, "at_most": {"open": "cap"}}, {"sample": {"open": "cups"}}]
    )
    campaign["rules"][0]["rights"]["pieces"] = {"slice": 20, "count": 2}
    campaign["rules"][0]["when"] = {"lt": ["since_start", {"open": "hours"}]}
    campaign["open_values"] = {
        "share": {"unit": "percent", "lowest": "5", "highest": "20", "default": "10"},
        "cap": {"unit": "money", "lowest": "1.00", "highest": "4.00", "default": "2.00"},
        "cups": {"unit": "pieces", "lowest": 1, "highest": 3, "default": 1},
        "hours": {"unit": "time", "lowest": "PT1H", "highest": "PT6H", "default": "PT2H"},
    }
    found = fields(campaign)
    names = [value[4] for value in found[14]]
    assert names == sorted(names) and found[14][names.index("hours")][:4] == [4, HOUR, 6 * HOUR, 2 * HOUR]
    rule = found[5][0]
    assert rule[6] == [
        [1, [40, names.index("share")], [40, names.index("cap")]],
        [5, [40, names.index("cups")], 0],
    ]
    assert rule[4] == [12, [24], [40, names.index("hours")]]
    _, report = compile_campaign(campaign, START)
    assert report.rules[0].each_minor == 400  # the highest that the operator may set
    wrong = copy.deepcopy(campaign)
    wrong["rules"][0]["grants"][0]["percent_now"]["open"] = "cap"
    assert any("whose unit is" in text for text in texts(check_campaign(wrong, START)))
    wrong = copy.deepcopy(campaign)
    wrong["open_values"]["share"]["default"] = "30"
    assert any("/open_values/share: expected lowest" in text for text in texts(check_campaign(wrong, START)))


# --- conditions


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (True, [0]),
        ({"gt": [{"people": {"first": "PT1H"}}, 20]}, [10, [20, 0, HOUR, 0], 20]),
        ({"lt": [20, {"people": {"first": "PT1H"}}]}, [10, [20, 0, HOUR, 0], 20]),
        ({"not": {"le": [{"people": {"sliding": "PT30M"}}, 5]}}, [10, [20, 1, 1_800_000, 0], 5]),
        ({"ge": [{"events": {"tumbling": "PT1H", "of": "tip", "scope": "brick"}}, 3]}, [11, [25, 2, HOUR, 1, 15], 3]),
        ({"lt": [{"people": {"first": "PT1H", "scope": "brick"}}, 20]}, [12, [20, 0, HOUR, 1], 20]),
        ({"seen": {"of": "geofence entry", "within": "PT2H"}}, [11, [26, 5, 2 * HOUR], 1]),
        ({"ge": ["basket", {"money": "5.00"}]}, [11, [22], 500]),
        ({"ge": ["basket_items", 3]}, [11, [27], 3]),
        ({"ge": [{"item": "SKU"}, 1]}, [11, [28, "SKU"], 1]),
        ({"ge": [{"item": 4711}, 1]}, [11, [28, 4711], 1]),
        ({"gt": ["tip", {"money": "0.00"}]}, [10, [23], 0]),
        ({"lt": ["since_start", {"time": "PT10M"}]}, [12, [24], 600_000]),
        ({"ge": ["attended", 3]}, [11, [29], 3]),
        ({"all": [{"ge": ["tokens", 5]}, {"lt": ["token_age", {"time": "P1D"}]}]}, [1, [11, [30], 5], [12, [31], 86_400]]),
        ({"le": ["risk", 100]}, [13, [34], 100]),
        ({"ge": ["trust", "SDM"]}, [11, [35], 5]),
        ({"in": ["event", "NFC tap", "QR scan"]}, [16, [36], 1, 2]),
        ({"between": ["basket", {"money": "5.00"}, {"money": "9.99"}]}, [15, [22], 500, 999]),
        ({"at_least": {"n": 2, "of": [{"ge": ["visits", 2]}, {"ge": ["basket_items", 2]}, {"gt": ["tip", {"money": "0"}]}]}},
         [4, 2, [11, [21], 2], [11, [27], 2], [10, [23], 0]]),
        ({"ge": [{"add": ["basket", "tip"]}, {"money": "5.00"}]}, [11, [50, [22], [23]], 500]),
        ({"ge": [{"sub": ["basket", {"money": "1.00"}]}, {"money": "5.00"}]}, [11, [51, [22], 100], 500]),
        ({"ge": ["tip", {"share": {"value": "basket", "percent": "10"}}]}, [11, [23], [52, [22], 1000]]),
        ({"eq": [{"down_to": {"value": "basket", "step": {"money": "1.00"}}}, "basket"]}, [14, [55, [22], 100], [22]]),
        ({"ge": [{"max": ["visits", "attended"]}, 3]}, [11, [54, [21], [29]], 3]),
        ({"not": {"any": [{"ge": ["visits", 2]}, {"eq": ["risk", 0]}]}}, [1, [12, [21], 2], [3, [14, [34], 0]]]),
        ({"not": {"at_least": {"n": 2, "of": [{"ge": ["visits", 2]}, {"ge": ["attended", 2]}, {"ge": ["basket_items", 2]}]}}},
         [4, 2, [12, [21], 2], [12, [29], 2], [12, [27], 2]]),
    ],
)  # fmt: skip
def test_every_condition(condition: Any, code: Any) -> None:
    assert when(condition) == code


def test_conditions_on_tables() -> None:
    more = {
        "signals": {"footfall": {"event": "footfall count", "max_age": "PT5M"}},
        "experiments": {"price": {"arms": {"low": "60", "high": "40"}, "control": "low"}},
    }
    assert when({"lt": [{"signal": "footfall"}, 20]}, **more) == [12, [32, 0], 20]
    assert when({"eq": [{"arm": "price"}, "high"]}, **more) == [14, [33, 0], 0]  # arms by name: high, low
    found = fields(small() | more)
    assert found[13] == [["footfall", 6, 300]] and found[10][0][2:] == [[4000, 6000], 1]


def test_a_latch_of_an_earlier_rule() -> None:
    campaign = small(id="crowd", when={"gt": [{"people": {"first": "PT1H"}}, 20]}, latch=True)
    second = {**campaign["rules"][0], "id": "after", "when": {"latched": "crowd"}, "latch": False}
    campaign["rules"].append(second)
    assert fields(campaign)[5][1][4] == [11, [37, 0], 1]
    # cyclic or forward references have nothing to look at
    campaign["rules"][0]["when"] = {"all": [{"latched": "after"}]}
    campaign["rules"][1]["latch"] = True
    report = check_campaign(campaign, START)
    assert any(
        text.startswith("/rules/0/when/all/0/latched: ") and "the rules before this one" in text
        for text in texts(report)
    )
    campaign["rules"][0]["when"] = {"latched": "crowd"}
    assert check_campaign(campaign, START).errors


def test_priority_orders_rules_and_pointers_stay() -> None:
    campaign = small()
    campaign["rules"].append({**campaign["rules"][0], "id": "two", "priority": 5})
    data, report = compile_campaign(campaign, START)
    assert [rule[0] for rule in wire.read(data)[5]] == ["two", "one"]
    assert [rule.pointer for rule in report.rules] == ["/rules/1", "/rules/0"]


# --- offline classes


@pytest.mark.parametrize(
    ("rule", "offline", "pointer"),
    [
        ({"grants": [{"unlock": "room"}], "rights": None, "when": {"gt": [{"people": {"first": "PT1H"}}, 5]}},
         "safe", "/rules/0/when/gt/0"),
        ({}, "needs rights", "/rules/0/rights/money"),
        ({"grants": [{"unlock": "room"}], "rights": None, "first_n": 20}, "needs rights", "/rules/0/first_n"),
        ({"offline": {"mode": "strict"}}, "needs host", "/rules/0/offline/mode"),
        ({"offline": {"mode": "strict"}, "when": {"lt": [{"people": {"first": "PT1H"}}, 20]}},
         "needs host", "/rules/0/when/lt/0"),
        ({"when": {"not": {"seen": {"of": "share", "within": "PT1H"}}}}, "needs host", "/rules/0/when/not"),
        ({"when": {"lt": ["tokens", 5]}}, "needs host", "/rules/0/when/lt/0"),
    ],
)  # fmt: skip
def test_the_class_offline_and_what_makes_it(rule: dict[str, Any], offline: str, pointer: str) -> None:
    _, report = compile_campaign(small(**rule), START)
    said = report.rules[0]
    assert said.offline == offline
    assert pointer in [cause.pointer for cause in said.causes if cause.offline == offline], said.causes


@pytest.mark.parametrize(
    "condition",
    [
        {"lt": [{"people": {"first": "PT1H"}}, 20]},
        {"le": [{"events": {"sliding": "PT1H"}}, 20]},
        {"eq": [{"people": {"first": "PT1H"}}, 20]},
        {"between": [{"people": {"first": "PT1H"}}, 1, 20]},
        {"in": [{"people": {"first": "PT1H"}}, 20]},
        {"not": {"gt": [{"people": {"first": "PT1H"}}, 20]}},
        {"gt": [20, {"people": {"first": "PT1H"}}]},
        {"gt": [{"sub": [100, {"people": {"first": "PT1H"}}]}, 80]},
        {"gt": ["visits", {"people": {"first": "PT1H"}}]},
        {
            "not": {
                "at_least": {
                    "n": 1,
                    "of": [{"gt": [{"people": {"first": "PT1H"}}, 20]}, {"ge": ["visits", 2]}],
                }
            }
        },
    ],
)
def test_what_a_part_of_a_kit_could_believe_wrongly_is_refused(condition: Any) -> None:
    report = check_campaign(small(when=condition), START)
    assert report.ruleset == b"" and any("a brick sees only a part" in text for text in texts(report)), texts(
        report
    )
    assert [rule.offline for rule in report.rules] == ["refused"]
    places = [cause.pointer for cause in report.rules[0].causes if cause.offline == "refused"]
    assert places and all(place.startswith("/rules/0/when/") for place in places)
    assert compile_campaign(small(when=condition, offline={"mode": "strict"}), START)[0]


@pytest.mark.parametrize(
    "condition",
    [
        {"ge": [{"people": {"sliding": "PT7S"}}, 3]},
        {"ge": [{"events": {"sliding": "PT1S", "scope": "brick"}}, 3]},
        {"seen": {"of": "geofence entry", "within": "PT5S"}},
    ],
)
def test_a_window_that_moves_along_in_less_than_eight_seconds_is_refused(condition: Any) -> None:
    report = check_campaign(small(when=condition), START)
    assert report.ruleset == b"" and any("PT8S" in text for text in texts(report)), texts(report)
    longer = json.loads(
        json.dumps(condition).replace("PT7S", "PT8S").replace("PT1S", "PT8S").replace("PT5S", "PT8S")
    )
    assert compile_campaign(small(when=longer), START)[0]


# --- worst case


def test_the_worst_case_is_the_least_of_what_rights_allow() -> None:
    money = {"money": {"slice": "20.00", "count": 50}}
    _, report = compile_campaign(small(rights=money), START)
    assert (report.rules[0].minor, report.rules[0].bound) == (100_000, "rights in 50 slices")
    _, report = compile_campaign(small(rights=money, first_n=25), START)
    assert (report.rules[0].minor, report.rules[0].bound) == (5000, "the first 25")
    assert [right.as_config() for right in report.rights][1] == {
        "rule": "one",
        "unit": 3,
        "slice": 1,
        "count": 25,
    }
    assert ("stranded", "/rules/0/rights/money") in notes(report)
    grants = [{"money_now": "2.00"}, {"sample": 1, "of": "tea"}]
    _, report = compile_campaign(
        small(grants=grants, rights=money | {"pieces": {"slice": 5, "count": 4}}), START
    )
    assert (report.minor, report.pieces) == (4000, 20)


def test_first_n_is_cut_evenly_or_as_written() -> None:
    for number, size in ((20, 2), (25, 1), (100, 10), (96, 12), (97, 1), (1, 1)):
        _, report = compile_campaign(small(first_n=number), START)
        cut = report.rights[1]
        assert cut.slice == size and cut.total == number
    rights = {"money": {"slice": "20.00", "count": 5}, "people": {"slice": 5, "count": 4}}
    assert compile_campaign(small(first_n=20, rights=rights), START)[1].rights[1].slice == 5
    assert any(
        "expected the 21" in text for text in texts(check_campaign(small(first_n=21, rights=rights), START))
    )


# --- lints


@pytest.mark.parametrize(
    ("rule", "code", "pointer"),
    [
        ({"limits": []}, "unbounded", "/rules/0/limits"),
        ({"minimum_trust": "bare"}, "unbounded", "/rules/0/minimum_trust"),
        ({"grants": [{"sample": 1}], "rights": {"pieces": {"slice": 5, "count": 4}}}, "stock without unit",
         "/rules/0/grants/0"),
        ({"when": {"all": [{"gt": ["visits", 5]}, {"lt": ["visits", 3]}]}}, "unreachable", "/rules/0/when"),
        ({"when": {"gt": ["since_start", {"time": "PT7H"}]}}, "unreachable", "/rules/0/when"),
        ({"when": {"gt": ["risk", 255]}}, "unreachable", "/rules/0/when"),
        ({"when": {"any": [{"eq": ["event", "tip"]}, {"lt": ["trust", "issued"]}]}}, "unreachable", "/rules/0/when"),
        ({"when": {"ge": ["basket", {"money": "0.00"}]}}, "always true", "/rules/0/when"),
        ({"when": {"not": {"latched": "crowd"}}}, "late news", "/rules/1/when/not"),
    ],
)  # fmt: skip
def test_lints_of_a_rule(rule: dict[str, Any], code: str, pointer: str) -> None:
    campaign = small(**rule)
    if pointer.startswith("/rules/1"):
        crowd = small(id="crowd", when={"gt": [{"people": {"first": "PT1H"}}, 20]}, latch=True)
        campaign["rules"].insert(0, crowd["rules"][0])
    _, report = compile_campaign(campaign, START)
    assert (code, pointer) in notes(report), notes(report)


def test_lints_of_a_campaign() -> None:
    campaign = small(limits=[], rights=None, grants=[{"unlock": "room"}])
    del campaign["terms"]
    campaign["slots"]["never"] = {"start": "P1D", "duration": "PT1H"}
    campaign["rules"].append({**campaign["rules"][0], "id": "two"})
    _, report = compile_campaign(campaign, START)
    assert {("missing terms", "/terms"), ("unreachable", "/rules/1"), ("unreachable", "/slots/never")} <= set(
        notes(report)
    )
    campaign = small()
    campaign["groups"] = {"a": {}, "b": {}}
    campaign["rules"][0]["group"] = "a"
    campaign["rules"].append({**campaign["rules"][0], "id": "two", "group": "b"})
    _, report = compile_campaign(campaign, START)
    assert ("overlapping", "/rules/1") in notes(report)
    _, report = compile_campaign(campaign | {"basket_cap": "3.00"}, START)
    assert "overlapping" not in [code for code, _ in notes(report)]


def test_chance_without_odds() -> None:
    more = {"experiments": {"draw": {"arms": {"control": "90", "win": "10"}, "control": "control"}}}
    campaign = small(experiment={"name": "draw", "arm": "win"}, announced=True) | more
    _, report = compile_campaign(campaign, START)
    assert ("chance without odds", "/rules/0/experiment") in notes(report)
    campaign["rules"][0]["odds"] = "1 in 10"
    campaign["rules"][0]["messages"] = {"en": {"denied": "Nothing this time."}}
    data, report = compile_campaign(campaign, START)
    assert notes(report) == [] and wire.read(data)[5][0][19] == [1, 10]


def test_the_control_arm_is_told_something_in_every_language() -> None:
    more = {
        "experiments": {"half": {"arms": {"same": "50", "new": "50"}, "control": "same"}},
        "languages": ["en", "de"],
    }
    words = {"en": {"granted": "Yes!", "denied": "Not today."}}
    _, report = compile_campaign(
        small(experiment={"name": "half", "arm": "new"}, messages=words) | more, START
    )
    found = [note for note in report.notes if note.code == "missing words"]
    assert [note.pointer for note in found] == ["/rules/0/messages"]
    assert '"de"' in found[0].text and found[0].write == '"de": {"denied": "…"}'
    both = {**words, "de": {"denied": "Heute nicht."}}
    _, report = compile_campaign(
        small(experiment={"name": "half", "arm": "new"}, messages=both) | more, START
    )
    assert "missing words" not in [code for code, _ in notes(report)]


def test_people_are_noted_where_they_are_remembered() -> None:
    """Over the campaign or in slots: as many as a brick remembers; where nobody is remembered nothing is said."""
    for rule in (
        {"limits": [{"per": "campaign", "most": 1}]},
        {"when": {"ge": ["attended", 2]}, "limits": []},
    ):
        _, report = compile_campaign(small(**rule) | {"people": 300}, START)
        assert "fewer people" not in [code for code, _ in notes(report)], rule
        _, report = compile_campaign(small(**rule) | {"people": 8192}, START)
        found = next(note for note in report.notes if note.code == "fewer people")
        assert "remembers 0" not in found.text
        assert int(found.write.removeprefix('"people": ')) > 2_000
    _, report = compile_campaign(small(limits=[]) | {"people": 8192}, START)
    assert "fewer people" not in [code for code, _ in notes(report)]


def test_an_exclusive_group_of_all_is_noted() -> None:
    campaign = small(group="a") | {"groups": {"a": {"mode": "all", "exclusive": True}}}
    _, report = compile_campaign(campaign, START)
    assert ("unreachable", "/groups/a/mode") in notes(report)


def test_errors_of_meaning_say_what_was_found_and_what_to_write() -> None:
    bad = small(rights={"money": {"slice": "0.50", "count": 5}})
    report = check_campaign(bad, START)
    assert [(one.pointer, one.found) for one in report.errors] == [("/rules/0/rights/money/slice", '"0.50"')]
    report = check_campaign(small(rights=None), START)
    found = [one for one in report.errors if one.write]
    assert [one.write for one in found] == ['"money": {"slice": "25.00", "count": 24}']
    assert found[0].found == ""


# --- tables and salts


def test_salts_are_apart() -> None:
    arms = {"arms": {"a": "50", "b": "50"}, "control": "a"}
    more = {"experiments": {"one": arms, "two": arms}, "holdout": {"share": "10"}}
    found = fields(small() | more)
    assert len({found[10][0][1], found[10][1][1], found[11][0]}) == 3 and found[11][1] == 1000
    more["holdout"] = {"share": "10", "salt": found[10][0][1].hex()}
    assert any(
        "the same salt as experiment one" in text for text in texts(check_campaign(small() | more, START))
    )


def test_early_access_gateway_redeeming_and_staleness() -> None:
    rule = {
        "early_access": [{"tokens": 5, "lead": "PT30M"}], "gateway": "only", "announced": True,
        "offline": {"mode": "strict", "if_unknown": "ask", "stale_max": "PT10M"},
        "redeems": 7, "grants": [{"money_now": "0"}], "rights": {}, "funder": {"party": "creator", "reimbursed": "50"},
        "on": ["QR scan"], "minimum_trust": "voucher",
    }  # fmt: skip
    found = fields(small(**rule) | {"voucher_issuers": ["ab" * 32]})
    one = found[5][0]
    assert (
        one[15] == [[5, 1_800_000]]
        and one[18] == 6
        and one[20] == 7
        and one[21] == 600
        and one[17] == ["creator", 5000]
    )
    assert (
        one[9] == [14, 3, 0, 0]
        and one[6] == [[2, 1, 0]]
        and one[7] == []
        and found[15] == [bytes([0xAB]) * 32]
    )
    assert any("whose vouchers" in text for text in texts(check_campaign(small(**rule), START)))


def redeeming(**rule: Any) -> Any:
    rule = {"redeems": 7, "on": ["QR scan"], "minimum_trust": "voucher", "rights": {}} | rule
    return check_campaign(small(**rule) | {"voucher_issuers": ["ab" * 32]}, START)


def test_a_voucher_pays_its_own_value_and_anything_else_needs_rights() -> None:
    own = {"money_now": "0"}
    report = redeeming(grants=[own])
    assert not report.errors and report.minor == 0 and report.own_value and report.rules[0].own_value
    said = "each voucher pays its own value, bounded by the vouchers issued"
    assert any(said in text for text in prose.ruleset(report.ruleset, report))
    assert said in check_report._cost(report.rules[0], report)
    assert any(
        "granted without an end" in text for text in texts(redeeming(grants=[{"money_now": "9999.00"}]))
    )
    assert any(
        "granted without an end" in text for text in texts(redeeming(grants=[own, {"money_now": "1.00"}]))
    )
    some = {"money": {"slice": "2.00", "count": 5}}
    assert any("takes no rights" in text for text in texts(redeeming(grants=[own], rights=some)))
    both = redeeming(grants=[own, {"money_now": "1.00"}], rights=some)
    assert not both.errors and both.minor == 1000
    for later in (
        {"voucher": "1.00", "valid": "P3D", "series": 7},
        {"tokens": 1, "valid": "P3D"},
        {"money_next": "1.00", "valid": "P3D"},
    ):
        assert any("for later" in text for text in texts(redeeming(grants=[own, later], rights=some)))


def test_what_is_kept_on_a_refund_is_part_of_the_rules() -> None:
    grants: list[dict[str, Any]] = [
        {"money_now": "1.00", "reversal": "keep"}, {"sample": 1, "of": "tea", "reversal": "undo"}, {"upgrade": "large"},
        {"tokens": 2, "valid": "P9D"},
    ]  # fmt: skip
    rights = {"money": {"slice": "20.00", "count": 5}, "pieces": {"slice": 20, "count": 2}}
    assert fields(small(grants=grants, rights=rights, announced=True, odds="1 in 2"))[5][0][18] == 4 + 8 + 32


NEXT = {"percent_next": "10", "at_most": "5.00", "valid": "P30D"}


def next_visit(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A campaign whose rules give credits for the next visit."""
    made = small() | {"voucher_issuers": ["ab" * 32]} | more
    return made | {"rules": [made["rules"][0] | rule for rule in rules]}


def test_what_pays_a_credit_for_the_next_visit_is_made_by_the_compiler() -> None:
    slots = {name: {"start": start, "duration": "PT6H"} for name, start in (("day", "PT0S"), ("next", "P1D"))}
    slots["lunch"] = {"start": "PT3H", "duration": "PT1H"}
    campaign = next_visit(
        {"id": "plain", "latch": True, "when": {"gt": [{"people": {"first": "PT1H"}}, 2]}},
        {"id": "percent", "grants": [{"sample": 1, "of": "tea"}, NEXT], "when": {"latched": "plain"}},
        {"id": "fixed", "grants": [{"money_next": "1.00", "valid": "P2W"}]},
        slots=slots,
    )
    for rule in campaign["rules"]:
        rule["rights"] = rule["rights"] | (
            {"pieces": {"slice": 9, "count": 9}} if rule["id"] == "percent" else {}
        )
    report = check_campaign(campaign, START)
    assert not report.errors, report.errors[0]
    found = cbor2.loads(report.ruleset)
    assert [rule[0] for rule in found[5]] == ["percent+next", "fixed+next", "plain", "percent", "fixed"]
    first, second = found[5][:2]
    assert (first[1], first[2], first[6], first[7], first[9], first[20]) == (
        [2, 3],
        4,
        [[1, 1000, 0]],
        [],
        [14, 3, 0, 0],
        60000,
    )
    assert (second[6], second[20]) == ([[2, 1, 0]], 60001)
    assert first[3] == [0, 2], "of slots that overlap the longer"
    assert found[5][3][4][1] == [37, 2], "latches are named by their places"
    assert report.minor == 3 * 10_000 and not [note for note in report.notes if "+next" in str(note)]
    said = prose.ruleset(report.ruleset, report)
    assert any("10 % off this purchase, at most the voucher’s value" in text for text in said)


def test_credits_for_the_next_visit_need_an_issuer_and_a_name() -> None:
    campaign = next_visit({"grants": [NEXT]})
    del campaign["voucher_issuers"]
    assert any(
        "name the host's voucher key as an issuer" in text for text in texts(check_campaign(campaign, START))
    )
    long = next_visit({"grants": [NEXT], "id": "x" * 28})
    assert any("at most 27 bytes" in text for text in texts(check_campaign(long, START)))
    twice = next_visit({"grants": [NEXT, NEXT]})
    assert any("one credit for the next visit" in text for text in texts(check_campaign(twice, START)))
    for grants, redeems in (
        ([{"voucher": "2.00", "valid": "P3D", "series": 60000}], None),
        ([{"money_now": "0"}], 60000),
    ):
        taken = next_visit({"grants": grants} | ({} if redeems is None else {"redeems": redeems}))
        assert any("59999" in text for text in texts(check_campaign(taken, START)))


def test_the_page_has_every_member() -> None:
    page = (ROOT / "docs" / "campaign.md").read_text()
    schema = published.schema()
    parts = [schema, *schema["$defs"].values()]
    names = {name for part in parts for name in part.get("properties", {})}
    assert len(names) > 100
    assert [name for name in sorted(names) if name not in page] == []
