"""`stallmark rules` on campaign/2: check, explain, compile and sign, in words that a market person understands."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from stallmark import bundle, rules
from typer.testing import CliRunner

from fleet.authoring import prose, published
from fleet.authoring.cli import app
from fleet.authoring.compile import check_campaign, compile_campaign

ROOT = Path(__file__).resolve().parents[2]
SURPRISE = ROOT / "fleet" / "authoring" / "campaigns" / "surprise_15.json"
LIBRARY = sorted(
    path
    for path in (ROOT / "fleet" / "authoring" / "library").glob("*.json")
    if not path.name.endswith(".story.json")
)
START = 1_790_000_000_000


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_explain_says_who_when_how_much_offline_who_pays_and_the_cost() -> None:
    result = run("explain", SURPRISE)
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    for said in (
        "Saturday market (surprise-15, revision 1): open Sat 3 Oct 2026, 09:00 to 15:00 Europe/Berlin, in en, de.",
        "Experiment surprise-15: 50 % “control”, 50 % “treat” of people; what “control” would have won is recorded",
        "Group instant gives only the best for the customer, at most 5.00 EUR for one event.",
        "The operator may set “surprise percent” from 5 % to 15 %",
        "off this purchase, at most 5.00 EUR. Who: whoever comes with a tag or pass that the hub issued",
        "Only who comes with a tag or pass that the hub issued counts as a person.",
        "if more than 20 different people came in the first hour of the slot and the basket is at least 5.00 EUR; the",
        "How often: each person once in a slot.",
        "up to 5 grants that the host has not seen need no question; then it asks the host",
        "What is not known: the brick refuses.",
        "Who pays: merchant; tax code D-RETAIL at 19 %. On a refund it is taken back.",
        "Cost: never more than 60.00 EUR",
        "In all: never more than 60.00 EUR.",
    ):
        assert said in text, said
    assert json.loads(run("explain", SURPRISE, "--json").stdout)["words"][0].startswith("Saturday market")


def test_check_is_a_table_with_class_reason_cost_and_size() -> None:
    result = run("check", SURPRISE)
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    for said in (
        "needs rights",
        "/rules/0/rights/money",
        "60.00 EUR",
        "2 pages",
        "27 golden events",
        "authoring hash",
    ):
        assert said in text, said
    answer = json.loads(run("check", SURPRISE, "--json").stdout)
    assert (
        answer["good"] and answer["schema"] == "stallmark-campaign/2" and len(answer["authoring_hash"]) == 64
    )
    assert answer["rules"][0]["causes"][0]["pointer"] == "/rules/0/when/all/0/gt/0"
    assert (
        answer["experiments"] == {"surprise-15": ["control", "treat"]}
        and answer["kpi"]["metric"] == "conversion lift"
    )


def test_errors_say_where_what_was_found_and_what_to_write(tmp_path: Path) -> None:
    campaign = json.loads(SURPRISE.read_text())
    campaign["rules"][0]["grants"] = [{"percent_now": "15"}]
    campaign["people"] = "800"
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(campaign))
    result = run("check", path)
    assert result.exit_code == 1 and "2 things to mend" in result.stdout
    answer = json.loads(run("check", path, "--json").stdout)
    by_place = {error["pointer"]: error for error in answer["errors"]}
    assert by_place["/people"]["found"] == '"800"' and by_place["/people"]["write"] == "a whole number"
    assert '"at_most": "5.00"' in by_place["/rules/0/grants/0"]["write"]


def test_the_schema_is_printed() -> None:
    assert run("schema").stdout == published.PATH.read_text()


def test_compile_and_sign(tmp_path: Path) -> None:
    out, key = tmp_path / "rules.smbundle", tmp_path / "author-1.json"
    key.write_text(json.dumps({"seed": "01" * 32}))
    result = run("compile", SURPRISE, "--out", out, "--sign", key, "--json")
    assert result.exit_code == 0, result.output
    envelope, artefact = bundle.split(out.read_bytes())
    manifest = bundle.parse(envelope)
    assert manifest.fields[2] == sha256(artefact).digest() and manifest.fields[6] == [2, rules.ENGINE]
    assert manifest.fields[13].hex() == json.loads(result.stdout)["authoring_hash"]
    assert len(manifest.fields[9]) == 27 and rules.Ruleset(artefact).id == "surprise-15"
    assert (
        json.loads(result.stdout)["authoring_hash"]
        == json.loads(run("check", SURPRISE, "--json").stdout)["authoring_hash"]
    )


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_library_is_explained_from_its_bytes(path: Path) -> None:
    data, report = compile_campaign(json.loads(path.read_text()), START)
    paragraphs = prose.ruleset(data, report)
    assert len(paragraphs) == len(report.rules) + 3
    for rule, text in zip(report.rules, paragraphs[2:-1], strict=True):
        assert f"{rule.id} gives " in text
        for part in ("Who:", "When:", "How often:", "Offline:", "Who pays:", "Cost:"):
            assert part in text
        assert "None" not in text and "[[" not in text


def test_every_condition_has_words() -> None:
    campaign = json.loads(SURPRISE.read_text()) | {"golden": []}
    campaign["signals"] = {"footfall": {"event": "footfall count", "max_age": "PT5M"}}
    rule = campaign["rules"][0]
    for condition, said in (
        (
            {"ge": [{"events": {"sliding": "PT30M", "of": "tip"}}, 3]},
            "at least 3 tip events came in the last 30 minutes",
        ),
        ({"not": {"seen": {"of": "share", "within": "PT1H"}}}, "this person had no share in the last 1 hour"),
        ({"in": ["event", "NFC tap", "QR scan"]}, "the event is one of NFC tap, QR scan"),
        ({"between": ["basket", {"money": "5"}, {"money": "9"}]}, "the basket is from 5.00 EUR to 9.00 EUR"),
        (
            {"ge": ["tip", {"share": {"value": "basket", "percent": "10"}}]},
            "the tip is at least 10 % of the basket",
        ),
        (
            {"ge": [{"add": ["basket", "tip"]}, {"money": "5"}]},
            "(the basket plus the tip) is at least 5.00 EUR",
        ),
        ({"lt": [{"signal": "footfall"}, 20]}, "the signal “footfall” is less than 20"),
        ({"eq": [{"arm": "surprise-15"}, "treat"]}, "this person's arm of surprise-15 is treat"),
        ({"ge": ["trust", "SDM"]}, "the trust of the token is at least SDM"),
        ({"lt": ["token_age", {"time": "P1D"}]}, "the age of this person's balance is less than 1 day"),
        (
            {"eq": [{"down_to": {"value": "basket", "step": {"money": "1"}}}, {"money": "5"}]},
            "in whole steps of 1.00 EUR",
        ),
        ({"ge": [{"item": "SKU"}, 2]}, "pieces of item SKU in the basket is at least 2"),
        (
            {"at_least": {"n": 2, "of": [{"ge": ["visits", 2]}, {"le": ["risk", 9]}]}},
            "at least 2 of these hold",
        ),
    ):
        rule["when"] = condition
        report = check_campaign(campaign, START)
        assert not report.errors, (condition, report.errors)
        assert said in prose.ruleset(report.ruleset, report)[2], (
            said,
            prose.ruleset(report.ruleset, report)[2],
        )
