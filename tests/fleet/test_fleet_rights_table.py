"""`stallmark fleet rights`: every budget in one table, read beside a running controller."""

import json

from typer.testing import CliRunner

from fleet.cli import app
from tests.stall import Stall

RIGHT = {"rule": "rule-1", "unit": 1, "slice": 100, "count": 10}


def run(stall, *more):
    return CliRunner().invoke(
        app, ["rights", "--config", str(stall.folder / "config.json"), *more], env={"COLUMNS": "200"}
    )


def test_the_table_has_every_budget_and_its_sums_hold(tmp_path):
    stall = Stall(tmp_path, bricks=2, rights=[RIGHT, {**RIGHT, "rule": "rule-2", "unit": 2, "count": 3}])
    try:
        found = json.loads(run(stall, "--json").stdout)["rights"]
        assert [(one["rule"], one["unit"], one["budget"]) for one in found] == [
            ("rule-1", 1, 1000),
            ("rule-2", 2, 300),
        ]
        for one in found:
            assert one["budget"] == one["kept"] + one["minted"] - one["returned"]
            assert one["minted"] == one["spent"] + one["returned"] + one["stranded"]
            assert one["stranded"] == one["assigned"] + one["unassigned"] + one["expired"]
        shown = run(stall)
        assert shown.exit_code == 0, shown.output
        for word in ("rule-2", "pieces", "stranded", "nobody can be sure"):
            assert word in shown.stdout, shown.stdout
        kit = stall.config.kits[0]
        assert json.loads(run(stall, "--json", "--kit", kit.name).stdout)["rights"] == found
        assert json.loads(run(stall, "--json", "--kit", kit.kit.hex()).stdout)["rights"] == found
        wrong = run(stall, "--kit", "nobody")
        assert wrong.exit_code == 1 and "no kit 'nobody'" in wrong.output and kit.name in wrong.output
    finally:
        stall.close()
    assert json.loads(run(stall, "--json").stdout)["rights"] == found, "also while the controller is down"


def test_without_a_database_it_says_what_to_do(tmp_path):
    stall = Stall(tmp_path, bricks=1, rights=[])
    stall.close()
    assert "No budgets" in run(stall).stdout
    (tmp_path / "stallmark.db").unlink()
    gone = run(stall)
    assert gone.exit_code == 1 and "stallmark fleet init" in gone.output
