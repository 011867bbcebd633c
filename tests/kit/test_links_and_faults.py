"""`stallmark demo --once --links ble,serial --faults all`: every link carries records, every fault comes, nothing is violated."""

import json

import pytest
from typer.testing import CliRunner
from virtualkit import privatebus
from virtualkit.demo import trouble

from cli.main import app

SEED = 3


@pytest.mark.skipif(not privatebus.there(), reason="no dbus-daemon here (package dbus)")
def test_an_hour_by_cable_and_radio_with_every_fault_has_no_violations(tmp_path, monkeypatch):
    # Each fault comes once, one after another, and is over soon: here it is what they do, not for how long.
    monkeypatch.setattr(trouble, "LASTS_SECONDS", (0.04, 0.1))
    monkeypatch.setattr(trouble, "CALM_SECONDS", (0.01, 0.03))
    words = [
        "demo",
        "--once",
        "--taps",
        "4",
        "--seed",
        str(SEED),
        "--timing",
        "fast",
        "--json",
        "--state",
        str(tmp_path / "kit"),
    ]
    made = CliRunner().invoke(app, [*words, "--links", "ble,serial", "--faults", "all"])
    assert made.exit_code == 0, made.output
    result = json.loads(made.stdout)
    assert result["violations"] == []
    assert {part for part, _ in (fault.split(": ", 1) for fault in result["faults"])} == set(trouble.PARTS)
    assert {f"{fault.part}: {fault.name}" for fault in trouble.FAULTS} <= result["faults"].keys()
    by = {tuple(link["by"]): link["records"] for link in result["links"].values()}
    assert by.keys() == {("ble",), ("serial",), ("serial", "ble")} and min(by.values()) > 0
    assert result["leaves"]["receipt"] == result["receipts"]
