"""The rule library: every campaign is clean, every story comes out as it says, the vectors are what the stories give."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleet.authoring import library, stories
from fleet.authoring.cli import app
from fleet.authoring.compile import check_campaign
from fleet.authoring.library import Entry
from fleet.authoring.stories import StoryError
from tests.vectors.rules import make

RUN = CliRunner()
ENTRIES = library.entries()
VECTORS = Path(make.__file__).parent


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_story_comes_out_as_it_says(entry: Entry) -> None:
    ruleset, start_ms = entry.compiled()
    run = stories.run(entry.story(), ruleset, start_ms)
    assert not [f"{row.at_ms} {row.person}: {row.wrong}" for row in run.failed]
    assert run.rows


def test_vectors_are_what_the_library_gives() -> None:
    for name, text in make.made():
        assert (VECTORS / name).read_text("utf-8") == text, f"{name}: run python -m tests.vectors.rules.make"
    assert {path.stem for path in VECTORS.glob("*.json")} == {entry.name for entry in ENTRIES}


def test_each_primitive_and_each_row_of_the_notes_has_its_rule() -> None:
    grants, shown = set(), []
    for entry in ENTRIES:
        for rule in json.loads(entry.campaign.read_text())["rules"]:
            grants |= {next(iter(grant)) for grant in rule["grants"]}
        shown += entry.story().shows
    assert grants == {
        "percent_now", "money_now", "percent_next", "money_next", "sample", "upgrade", "tip_match", "tokens", "voucher",
        "unlock", "donate", "split",
    }  # fmt: skip
    assert len([one for one in shown if one.startswith("notes 3.9")]) == 8
    assert len(ENTRIES) >= 16


def test_campaigns_of_the_library_are_clean() -> None:
    for entry in ENTRIES:
        report = check_campaign(json.loads(entry.campaign.read_text()), 1_790_000_000_000)
        assert not report.errors, f"{entry.name}: {report.errors[0]}"


def test_all_rules_of_the_library_fit_one_campaign() -> None:
    report = check_campaign(library.combined(), 1_790_000_000_000)
    assert not report.errors, report.errors[0]
    assert len(report.rules) >= len(ENTRIES)
    assert len(report.ruleset) < 8_192


def granted(story: dict[str, Any]) -> dict[str, Any]:
    """The first event of a story that is granted."""
    return next(step for step in story["steps"] if "expect" in step and step["expect"]["outcome"] == "grant")


def test_rules_test_shows_every_event_and_answers_by_its_exit_code(tmp_path: Path) -> None:
    entry = next(one for one in ENTRIES if one.name == "basket-2-off")
    good = RUN.invoke(app, ["test", str(entry.campaign)])
    assert good.exit_code == 0, good.output
    assert "8 of 8 events came out as expected." in good.output
    story = json.loads(entry.campaign.with_name("basket-2-off.story.json").read_text())
    granted(story)["expect"] = {"outcome": "deny", "rule": "basket-2-off", "because": "granted"}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(story))
    bad = RUN.invoke(app, ["test", str(entry.campaign), str(other), "--json"])
    assert bad.exit_code == 1
    found = json.loads(bad.stdout)
    assert found["failed"] == 1
    assert 'outcome: "grant", expected "deny"' in found["rows"][1]["wrong"]


def test_a_grant_that_nobody_expected_fails_though_nothing_is_said_of_it(tmp_path: Path) -> None:
    entry = next(one for one in ENTRIES if one.name == "basket-2-off")
    story = json.loads(entry.campaign.with_name("basket-2-off.story.json").read_text())
    granted(story)["expect"].pop("gives")
    path = tmp_path / "story.json"
    path.write_text(json.dumps(story))
    assert RUN.invoke(app, ["test", str(entry.campaign), str(path)]).exit_code == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": [{"on": "NFC tap"}]}, "/steps/0"),
        ({"steps": [{"dance": 1}]}, "expected an object with one of"),
        ({"steps": [{"rights": "nobody", "brick": "A", "money": "1.00"}]}, "is refused"),
        ({"steps": [{"rights": "basket-2-off", "brick": "Z", "money": "1.00"}]}, "'Z' is not known"),
        ({"steps": []}, "/steps"),
        ({"start": "yesterday"}, "is not a time with its offset"),
    ],
)
def test_a_story_that_cannot_be_run_is_said_in_words(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    entry = next(one for one in ENTRIES if one.name == "basket-2-off")
    story = json.loads(entry.campaign.with_name("basket-2-off.story.json").read_text())
    path = tmp_path / "story.json"
    path.write_text(json.dumps(story | change))
    result = RUN.invoke(app, ["test", str(entry.campaign), str(path)])
    assert result.exit_code == 2, result.output
    assert said in re.sub(r"\s+", " ", result.output)
    assert "Traceback" not in result.output


def test_a_story_is_bounded_in_form() -> None:
    with pytest.raises(StoryError, match="not JSON"):
        stories.parse(b"[" * 100_000)
