"""A market hour from tap to ledger, with everything being killed: PRODUCT.md's invariants, found by the reference model."""

import asyncio
import json
import subprocess
import sys

import pytest
from virtualkit import dumps
from virtualkit.demo.once import Hour, MarketHour

SEEDS = (11, 12)


def market(path, hour):
    print(f"seed {hour.seed}, kill {hour.kill}, folder {path}")
    return asyncio.run(MarketHour(path, hour, print).run())


def judged(result):
    """What every hour must show, whatever was killed."""
    assert result["violations"] == []
    assert result["leaves"]["receipt"] == result["receipts"]
    assert result["checked"]["granted_taps"] == result["checked"]["greens"] or result["killed"]
    # A denial merged with an earlier one is no record of its own; a grant that the power cut before its light is one more.
    assert result["checked"]["replayed_decisions"] >= result["decisions"] - result["outcomes"].get("collective", 0)
    assert result["checked"]["brick_macs"] == result["receipts"]
    assert result["leaves"]["disclosure"] >= 3
    # What a decision says to have heard of other bricks, the batch that carries it spells out.
    assert result["checked"]["heads_known"] == result["checked"]["heads_named"]


def test_a_quiet_hour_has_no_violations_and_every_light_comes_in_a_blink(tmp_path):
    result = market(tmp_path / "kit", Hour(taps=60, seed=SEEDS[0]))
    judged(result)
    assert result["taps"] == 60
    assert result["killed"] == {}
    assert result["till"]["events"] == 15
    # A receipt is on the host's disk before it is in the ledger, and both were seen for the taps of this hour.
    assert 0 < result["light_to_host_ms"]["p50"] < result["light_to_ledger_ms"]["p50"]


def test_host_bricks_and_controller_are_killed_at_random_and_nothing_is_lost_or_doubled(tmp_path):
    result = market(tmp_path / "kit", Hour(taps=80, seed=SEEDS[1], kill=("host", "brick", "fleet")))
    judged(result)
    assert all(result["killed"].values())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A kit after a short hour, everything switched off."""
    path = tmp_path_factory.mktemp("market") / "kit"
    judged(market(path, Hour(taps=12, seed=13, timing="fast")))
    return path


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def test_a_stranger_checks_the_exported_ledger_with_public_keys_alone(finished, tmp_path):
    exported = tmp_path / "ledger"
    made = run("ledger", "export", str(finished / "controller"), str(exported))
    assert made.returncode == 0, made.stdout + made.stderr
    checked = run("ledger", "fsck", str(exported))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_kit_is_never_made_over_another_one(finished):
    before = (finished / "kit.json").read_bytes()
    again = run("kit", "new", str(finished))
    assert again.returncode == 1
    assert "already holds a kit" in again.stderr
    assert (finished / "kit.json").read_bytes() == before


def test_secrets_of_a_kit_are_their_owners_alone_and_marked_as_development_keys(finished):
    for path in [*finished.glob("*/keys.json"), *finished.glob("author/*.json")]:
        if path.parent.name == "public":
            continue
        assert path.stat().st_mode & 0o077 == 0, path
        if path.name == "campaign.json":  # what an author changes: no key
            continue
        assert json.loads(path.read_text())["development"] is True
    assert finished.stat().st_mode & 0o077 == 0
    for path in finished.glob("bricks/*/flash.bin"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert "DEVELOPMENT" in (finished / "DEVELOPMENT-KEYS.txt").read_text()


def test_the_controller_holds_no_brick_root_and_the_host_no_record_key_in_the_clear(finished):
    held = json.loads((finished / "host" / "keys.json").read_text())
    assert set(held.pop("lane")) == {"brick", "root", "only"}  # its own, in software, which its records say
    host = json.dumps(held)
    controller = json.loads((finished / "controller" / "keys.json").read_text())
    assert "root" not in host
    assert all(len(bytes.fromhex(brick["root"])) > 32 for brick in controller["bricks"])  # sealed: nonce and tag on top


def test_the_sample_cards_of_a_kit_are_cards(finished):
    for path in (finished / "cards").glob("*.bin"):
        assert dumps.load(path)


def test_tapping_on_a_kit_that_does_not_run_says_so(finished):
    answer = run("kit", "tap", "--uid", "04A1B2C3D4E5F6", "--state", str(finished))
    assert answer.returncode == 1
    assert "no kit is running" in answer.stderr
