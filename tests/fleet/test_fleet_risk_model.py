"""The risk model: trained the same way twice it is the same; it finds made-up fraud and leaves honest people alone."""

import pytest
from stallmark import risktable, risktree
from typer.testing import CliRunner

from fleet.authoring import cli, riskmodel


def test_the_model_in_use_finds_fraud_on_days_it_has_not_seen_and_leaves_honest_people_alone():
    found = riskmodel.figures(risktable.MODEL, 12, seed=3)
    assert found.auc > 0.75
    row = found.rows[1]
    assert row.at == 128 and row.precision > 0.9 and row.found > 0.3 and row.bothered < 0.002
    assert row.rare[0] > 0.6, "of a hundred events one is fraud: most that are asked about still are"
    assert max(found.by_scene.values()) < 0.02, found.by_scene
    # many names at one brick look like a queue, and are let through: docs/formats/risk.md says so
    assert min(share for kind, share in found.by_kind.items() if kind not in ("script", "burst")) > 0.4, found.by_kind


def test_no_kind_of_token_is_a_licence():
    """The model has no split at signals that it must not look at."""
    for trust in range(8):
        for start in (0, 3600):
            calm, wild = [1, 1, 1, 3, 100, 0, 0, 0, 600, 0, start, trust], [5, 9, 9, 9, 300, 0, 900, 0, 600, 9, start, trust]
            assert risktree.score(risktable.MODEL, calm) == risktree.score(risktable.MODEL, [*calm[:10], 60, 3])
            assert risktree.score(risktable.MODEL, wild) == risktree.score(risktable.MODEL, [*wild[:10], 60, 3])


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


def test_a_table_is_written_as_it_is_whatever_its_bytes_are(tmp_path):
    path = tmp_path / "made.py"
    for table in (bytes([0x0B]) * 100, bytes(range(256))):
        riskmodel.write(table, path)
        made = {}
        exec(path.read_text(), made)
        assert made["MODEL"] == table


def test_the_command_prints_figures():
    done = CliRunner().invoke(cli.app, ["risk", "figures", "--days", "8"])
    assert done.exit_code == 0 and "area under the ROC curve" in done.output and "precision" in done.output
