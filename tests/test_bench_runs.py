"""`make bench` runs and its JSON has the shape that scripts read; what the figures are is not a test's business."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIELDS = {"area", "name", "value", "unit", "against", "ratio", "aim", "at_most", "met"}


def bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_two_areas_as_json():
    ran = bench("--quick", "core", "tree", "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["quick"] is True
    assert report["failed"] == {}
    assert {figure["area"] for figure in report["figures"]} == {"core", "tree"}
    for figure in report["figures"]:
        assert set(figure) == FIELDS
        assert figure["value"] > 0
        assert figure["met"] is None or figure["aim"] is not None
    assert "core: measured in" in ran.stderr


def test_the_table_shows_every_number_whole():
    ran = bench("--quick", "tree")
    assert ran.returncode == 0, ran.stderr
    assert "µs" in ran.stdout
    assert "…" not in ran.stdout


def test_an_unknown_area_is_named():
    ran = bench("brik")
    assert ran.returncode == 2
    assert "there is no area brik" in ran.stderr
