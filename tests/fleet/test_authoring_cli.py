"""`stallmark rules` and the signing of bundles: what authors hold in their hands."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey
from stallmark import bundle, rules
from stallmark import registry as reg
from stallmark.errors import FormatError
from typer.testing import CliRunner

from fleet.authoring.cli import app
from fleet.authoring.compile import compile_campaign
from fleet.authoring.signing import author_kid, make_bundle

ROOT = Path(__file__).resolve().parents[2]
MARKET = ROOT / "fleet" / "authoring" / "campaigns" / "market_hour.json"
START = "2026-10-03T09:00:00+02:00"
START_MS = 1_791_010_800_000
SEEDS = [bytes([number]) * 32 for number in (1, 2, 3)]
AUTHORS = [(author_kid(seed), bytes(SigningKey(seed).verify_key)) for seed in SEEDS]


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public).verify(message, signature)
    except BadSignatureError:
        return False
    return True


def install(data: bytes, threshold: int = 2, installed: Any = None) -> int:
    """What a brick with these authors says to a bundle, by the core's own check."""
    envelope, artefact = bundle.split(data)
    found = bundle.parse(envelope)
    assert bundle.artefact_good(found, len(artefact), sha256(artefact).digest())
    result: int = bundle.check(found, AUTHORS, threshold, verify, installed, "virtual", rules.ENGINE, None)
    return result


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A campaign with two things to mend."""
    campaign = json.loads(MARKET.read_text())
    campaign["currency"] = "euro"
    campaign["people"] = "many"
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(campaign))
    return path


def test_check_says_class_and_cost() -> None:
    result = run("check", MARKET, "--start", START)
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert (
        "surprise-15 │ needs rights │ /rules/1/rights" in text
        and "600.00 EUR" in text
        and "240 pieces" in text
    )
    assert "29 golden events come out as expected" in text


def test_check_for_programs() -> None:
    answer = json.loads(run("check", MARKET, "--start", START, "--json").stdout)
    assert answer["good"] and answer["liability"] == {"minor": 60_000, "pieces": 240}
    assert answer["rules"][1]["offline"] == "needs rights"
    assert answer["rights"][1] == {"rule": "surprise-15", "unit": 1, "slice": 2500, "count": 24}


def test_what_is_wrong_comes_with_its_pointer_and_exit_code_1(bad: Path, tmp_path: Path) -> None:
    result = run("check", bad)
    assert result.exit_code == 1
    assert "/currency: expected a currency" in result.stdout and "2 things to mend" in result.stdout
    answer = json.loads(run("check", bad, "--json").stdout)
    assert [error["pointer"] for error in answer["errors"]] == ["/currency", "/people"]
    out = tmp_path / "rules.cbor"
    for command in (("explain", bad), ("compile", bad, "--out", out), ("explain", bad, "--json")):
        assert run(*command).exit_code == 1
    assert not out.exists()


def test_explain_tells_the_rules_in_order() -> None:
    result = run("explain", MARKET, "--start", START)
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert text.index("1. welcome-sample gives a sample") < text.index("2. surprise-15 gives 15 % off now")
    assert "open 2026-10-03 07:00 UTC to 2026-10-03 08:15 UTC" in text
    assert "words" in json.loads(run("explain", MARKET, "--json").stdout)


def test_compile_writes_the_ruleset(tmp_path: Path) -> None:
    out = tmp_path / "rules.cbor"
    result = run("compile", MARKET, "--out", out, "--start", START, "--rev", "4")
    assert result.exit_code == 0, result.stdout
    found = rules.Ruleset(out.read_bytes())
    assert found.rev == 4 and found.slots[0][0] == START_MS


def test_compile_and_sign_writes_what_bricks_install(tmp_path: Path) -> None:
    keys: list[Path] = []
    for number, seed in enumerate(SEEDS[:2], 1):
        keys.append(tmp_path / f"author-{number}.json")
        keys[-1].write_text(json.dumps({"development": True, "seed": seed.hex()}))
    out = tmp_path / "rules.smbundle"
    signing = [part for key in keys for part in ("--sign", key)]
    result = run("compile", MARKET, "--out", out, "--start", START, *signing, "--json")
    assert json.loads(result.stdout)["signatures"] == 2
    assert install(out.read_bytes()) == reg.INSTALL_OK
    assert run("compile", MARKET, "--out", out, "--sign", keys[0], "--sign", keys[0]).exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "no-such-file.json"),
        ("check", ROOT),
        ("check", ROOT / "README.md"),
        ("check", MARKET, "--start", "tomorrow"),
        ("check", MARKET, "--start", "2026-10-03"),
        ("compile", MARKET, "--out", "/no/such/folder/out"),
        ("compile", MARKET, "--out", "/dev/null", "--sign", ROOT / "README.md"),
        ("compile", MARKET, "--out", "/dev/null", "--sign", MARKET),
        ("check",),
    ],
)
def test_what_cannot_be_asked_is_exit_code_2(arguments: tuple[str | Path, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2 and "Traceback" not in result.output


def test_files_that_are_too_large_or_too_deep_are_refused(tmp_path: Path) -> None:
    large, deep = tmp_path / "large.json", tmp_path / "deep.json"
    large.write_text(" " * 1_048_577)
    deep.write_text("[" * 100_000)
    for path in (large, deep):
        assert run("check", path).exit_code == 2


# --- signing


@pytest.fixture(scope="module")
def compiled() -> tuple[bytes, Any]:
    """The demo's ruleset and its report."""
    return compile_campaign(json.loads(MARKET.read_text()), START_MS)


def test_two_of_three_authors_are_enough_one_is_not(compiled: tuple[bytes, Any]) -> None:
    ruleset, report = compiled
    two = make_bundle(ruleset, 1, SEEDS[1:], "market-hour", golden=report.golden, terms16=report.terms16)
    assert install(two) == reg.INSTALL_OK
    assert install(make_bundle(ruleset, 1, SEEDS[:1], "market-hour")) == reg.INSTALL_THRESHOLD
    assert install(make_bundle(ruleset, 1, [SEEDS[0], b"\x77" * 32], "market-hour")) == reg.INSTALL_THRESHOLD
    fields = bundle.parse(bundle.split(two)[0]).fields
    assert fields[10] == "market-hour" and fields[11] == report.terms16 and len(fields[9]) == 29


def test_a_bundle_says_what_its_ruleset_says(compiled: tuple[bytes, Any]) -> None:
    ruleset, report = compiled
    with pytest.raises(FormatError, match="rev 2"):
        make_bundle(ruleset, 2, SEEDS, "market-hour")
    with pytest.raises(FormatError, match="author keys"):
        make_bundle(ruleset, 1, [], "market-hour")
    with pytest.raises(FormatError):
        make_bundle(ruleset[:-1], 1, SEEDS, "market-hour")
    wrong = [*report.golden[:-1], [*report.golden[-1][:3], reg.REASON_NEAR]]
    with pytest.raises(FormatError, match="golden vector 28"):
        make_bundle(ruleset, 1, SEEDS, "market-hour", golden=wrong)


def test_a_later_revision_replaces_an_earlier_one_and_never_back(compiled: tuple[bytes, Any]) -> None:
    first = make_bundle(compiled[0], 1, SEEDS, "market-hour")
    ruleset, _ = compile_campaign(json.loads(MARKET.read_text()), START_MS, rev=2)
    second = make_bundle(ruleset, 2, SEEDS, "market-hour")
    assert install(second, installed=bundle.parse(bundle.split(first)[0])) == reg.INSTALL_OK
    assert install(first, installed=bundle.parse(bundle.split(second)[0])) == reg.INSTALL_OLDER
