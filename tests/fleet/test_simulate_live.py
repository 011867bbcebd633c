"""`stallmark fleet simulate --live`: real hosts at a real controller process, in small."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from serving import wait_for
from typer.testing import CliRunner

from fleet.cli import app
from fleet.rollouts import simulation_report
from fleet.rollouts.simulate import LiveFigures, Story
from fleet.simulate import limits

RUN = CliRunner()


def test_a_release_that_fails_on_most_bricks_halts_and_every_kit_goes_back(tmp_path):
    picture = tmp_path / "live.svg"
    done = RUN.invoke(
        app,
        ["simulate", "--live", "--kits", "10", "--bricks", "1", "--faults", "fail=80,twice=30", "--waves", "100%",
         "--soak", "0s", "--failures", "3", "--speed", "5000", "--seed", "3", "--picture", str(picture), "--json"],
    )  # fmt: skip
    assert done.exit_code == 1, done.output
    story = json.loads(done.stdout)
    assert story["phase"] == "rolled back"
    assert any(text.startswith("halted: ") and "failed" in text for _, text in story["words"])
    assert story["still_running"] == 0 and story["halt_ms"] is not None
    assert not story["outcomes"].get("ok") and story["outcomes"]["back"] >= 3
    live = story["live"]
    assert live["hosts"] == 10 and 0 < live["delivered_ms"][0] <= live["active_ms"][1]
    assert live["last_delivery_ms"] is not None and live["memory"] > 0
    assert live["counts"]["token 200"] == 10 and live["counts"]["batch 200"] > 10
    assert picture.read_text().startswith("<?xml")


def test_a_run_that_is_told_to_stop_takes_its_folder_and_its_controller_with_it(tmp_path):
    """SIGTERM while hosts are at it: nothing of it is left, neither a folder nor a process."""
    run = subprocess.Popen(
        [sys.executable, "-c", "from fleet.cli import app; app()", "simulate", "--live", "--kits", "3", "--bricks", "1"],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for("its controller", lambda: children(run.pid))
        (child,) = children(run.pid)
        run.terminate()
        assert run.wait(60) == 128 + signal.SIGTERM
        assert not list(tmp_path.iterdir())
        wait_for("its end", lambda: not Path(f"/proc/{child}").exists())
    finally:
        run.kill()
        run.wait()


def children(pid):
    """Programs that it started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_crowd_that_the_system_has_no_files_for_is_refused_in_words(monkeypatch):
    raised = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1_000))
    monkeypatch.setattr(resource, "setrlimit", lambda *more: raised.append(more))
    with pytest.raises(
        limits.LiveError, match=r"2,000 hosts need 2,384 open files.*allows 1,000.*or --kits 616"
    ):
        limits.make_room(2_000)
    limits.make_room(600)
    assert raised == [(resource.RLIMIT_NOFILE, (984, 1_000))]
    with pytest.raises(limits.LiveError, match="at one controller 8,000 hosts may wait"):
        limits.make_room(20_000)


def test_a_delivery_long_after_a_halt_is_a_failure_and_one_that_was_under_way_is_none():
    story = Story(2, 1, 1, {}, given_after_halt=1)
    assert story.late
    for last_ms, late in ((None, False), (-5.0, False), (400.0, False), (60_000.0, True)):
        story.live = LiveFigures(2, (1.0, 2.0), (3.0, 4.0), last_ms, 1024.0, {"token 200": 2})
        assert story.late is late
    assert any("halt to last delivery: 60.00 s" in line for line in simulation_report.words(story))
