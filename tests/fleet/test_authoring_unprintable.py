"""Characters that nobody sees: refused in every text of a campaign, and never printed by `stallmark rules`;
currencies that are none."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fleet.authoring import compile as compiling
from fleet.authoring.cli import app
from fleet.authoring.compile import check_campaign, compile_campaign

ROOT = Path(__file__).resolve().parents[2] / "fleet" / "authoring"
START = 1_790_000_000_000
# Escape, C1 CSI, right-to-left override, isolate, zero width space and joiner, soft hyphen, tag, line separator
BAD = [
    "\x1b[31m",
    "\x9b31m",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u200d",
    "\u00ad",
    "\U000e0041",
    "\u2028",
    "\0",
    "\r",
]


def second() -> dict[str, Any]:
    return json.loads((ROOT / "library" / "basket-2-off.json").read_text())


def first() -> dict[str, Any]:
    return json.loads((ROOT / "campaigns" / "market_hour.json").read_text())


def raw(text: str) -> list[str]:
    """Characters of an output that may steer a terminal or turn a line around."""
    return [one for one in text if one != "\n" and not one.isprintable()]


@pytest.mark.parametrize("bad", BAD)
def test_they_are_refused_in_every_text_with_the_pointer(bad: str) -> None:
    campaign = second()
    campaign["market"] = f"a{bad}b"
    campaign["note"] = f"{bad}note"
    campaign["terms"]["en"] += f"\n{bad}"
    campaign["rules"][0]["messages"]["en"]["granted"] = f"{bad}evil"
    campaign["slots"][f"satur{bad}day"] = {"start": "PT0S", "duration": "PT6H"}
    report = check_campaign(campaign, START)
    assert report.ruleset == b"" and not any(
        raw(f"{one.text}{one.pointer}{one.found}") for one in report.errors
    )
    found = {one.pointer for one in report.errors if one.code == "unprintable"}
    wanted = {"/market", "/note", "/terms/en", "/rules/0/messages/en/granted", "/slots"}
    assert found == wanted


def test_they_are_refused_in_the_first_form_too() -> None:
    campaign = first()
    campaign["rules"][0]["id"] = "a\u202eb"
    report = check_campaign(campaign, START)
    assert [one.pointer for one in report.errors if one.code == "unprintable"] == ["/rules/0/id"]


def test_terms_and_notes_may_have_lines_and_every_letter_is_welcome() -> None:
    campaign = second()
    campaign["terms"]["en"] += "\nSecond line."
    campaign["market"] = "Ħarbour · маркет 市場 🍵"
    assert not check_campaign(campaign, START).errors
    campaign["market"] = "two\nlines"
    assert [one.pointer for one in check_campaign(campaign, START).errors] == ["/market"]


def test_a_currency_that_is_none_gets_a_note() -> None:
    for campaign in (first(), second()):
        for currency, noted in (("QQQ", True), ("EUR", False), ("CHF", False), ("XXX", True)):
            report = check_campaign(campaign | {"currency": currency, "golden": []}, START)
            found = [one for one in report.notes if one.code == "unknown currency"]
            assert not report.errors and bool(found) is noted
            assert all(one.pointer == "/currency" and "ISO 4217" in one.text for one in found)


def test_no_command_prints_them_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of a campaign that is refused, nor of compiled rules and stories that somebody else made."""
    evil = "\x1b[31m\u202eevil\x9b"
    campaign = second()
    campaign["market"] = evil
    file = tmp_path / "c.json"
    file.write_text(json.dumps(campaign))
    story = json.loads((ROOT / "library" / "basket-2-off.story.json").read_text())
    story["title"] = story["story"] = evil
    (tmp_path / "c.story.json").write_text(json.dumps(story))
    said = []
    for more in ([], ["--json"]):
        for command in ("check", "explain", "test"):
            said.append(CliRunner().invoke(app, [command, str(file), *more]).output)
    monkeypatch.setattr(compiling.unprintable, "problems", lambda *args: [])
    data, _ = compile_campaign(campaign, START)
    compiled = tmp_path / "c.ruleset"
    compiled.write_bytes(data)
    for more in ([], ["--json"]):
        said.append(CliRunner().invoke(app, ["explain", str(file), *more]).output)
        said.append(
            CliRunner().invoke(app, ["test", str(compiled), str(tmp_path / "c.story.json"), *more]).output
        )
    assert all(said) and "\\u001b[31m\\u202eevil\\u009b" in "".join(said)
    assert not [raw(text) for text in said if raw(text)]
