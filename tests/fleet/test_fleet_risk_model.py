"""The risk model: trained the same way twice it is the same; it finds made-up fraud and leaves honest people alone."""

import pytest
from stallmark import risktable, risktree
from typer.testing import CliRunner

from fleet.authoring import cli, riskmodel


def test_the_model_in_use_finds_fraud_on_days_it_has_not_seen():
    found = riskmodel.figures(risktable.MODEL, 12, seed=3)
    assert found.auc > 0.9
    at, precision, recall, bothered = found.rows[1]
    assert at == 128 and precision > 0.7 and recall > 0.5 and bothered < 0.06
    assert min(found.by_kind.values()) > 0.2, "no kind of fraud passes unseen"


def test_the_same_days_make_the_same_table(tmp_path):
    pytest.importorskip("sklearn")
    first, second = riskmodel.train(8, 2), riskmodel.train(8, 2)
    assert first == second and risktree.version(first) == risktree.version(risktable.MODEL) + 1
    assert len(first) < 1024
    path = tmp_path / "made.py"
    riskmodel.write(first, path)
    made = {}
    exec(path.read_text(), made)
    assert made["MODEL"] == first


def test_the_command_prints_figures():
    done = CliRunner().invoke(cli.app, ["risk", "figures", "--days", "8"])
    assert done.exit_code == 0 and "area under the ROC curve" in done.output and "precision" in done.output
