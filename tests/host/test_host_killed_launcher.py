"""SIGKILL of the launcher and its release at each step of state.json: what stands, what the next start runs, as a table."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from test_host_release import NEW, OLD, ROOT, put

from hostagent.release import state

# What a release does at its start, by the word in `plan`; `gate` holds it before its first line.
PROGRAM = """
word = (releases / "plan").read_text()
now = state.load(releases)
new = {new!r}
if now.current != new and not now.returned:
    if now.fetched != new:
        state.save(releases, state.fetch(now, new))
    while word == "fetched": time.sleep(1)
    state.save(releases, state.switch(state.load(releases), new, 7, (), 1))
    while word == "switched": time.sleep(1)
    raise SystemExit(75)
if now.current == new and now.trial:
    if word == "ended": raise SystemExit(1)
    if word == "returned":
        state.save(releases, state.give_up(now, "a test", 2))
        raise SystemExit(75)
    while word != "confirmed": time.sleep(1)
    state.save(releases, state.confirm(now, 2))
time.sleep(600)
"""
TRACE = (
    # killed when          stands: release, phase, starts, failed   the next start runs it: release, phase, starts
    ("fetched",            ("old", "steady", 0, 0),                 ("old", "steady", 0)),
    ("switched",           ("new", "trial", 0, 0),                  ("new", "trial", 1)),
    ("counted",            ("new", "trial", 1, 0),                  ("new", "trial", 2)),
    ("on trial",           ("new", "trial", 1, 0),                  ("new", "trial", 2)),
    ("ended",              ("new", "trial", 1, 1),                  ("new", "trial", 2)),
    ("returned",           ("old", "steady", 0, 0),                 ("old", "steady", 0)),
    ("confirmed",          ("new", "steady", 0, 0),                 ("new", "steady", 0)),
)  # fmt: skip
SUITE = ("counted", "ended")  # in the suite; the campaign kills at every step
PATIENCE_S = 60.0
NAMES = {OLD: "old", NEW: "new"}


class Life:
    """One folder of releases, and a launcher that is killed with what it runs (as systemd and a container end them)."""

    def __init__(self, path):
        self.releases = path / "releases"
        for digest in (OLD, NEW):
            put(self.releases, digest, PROGRAM.format(new=NEW))
        state.save(self.releases, state.State(current=OLD))
        # The gate is before the program: a start that was counted, and of which nothing ran.
        self.command = [
            "/bin/sh", "-c",
            f'case "$PYTHONPATH" in *{NEW}*) while [ -e "{self.releases}/gate" ]; do sleep 0.05; done;; esac; '
            f'exec "{sys.executable}" -m agent_of_test',
        ]  # fmt: skip
        self.running = None

    def start(self):
        code = (
            "import sys; from pathlib import Path; from hostagent.release.launcher import Launcher\n"
            f"raise SystemExit(Launcher(Path({str(self.releases)!r}), {self.command!r}, pause_s=600).run())"
        )
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}"}
        self.running = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)

    def kill(self):
        if self.running is not None:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()
            self.running = None

    def ran(self):
        """Starts that came as far as a release's first line."""
        log = self.releases / "log"
        return log.read_text().split() if log.exists() else []

    def until(self, there, what):
        end = time.monotonic() + PATIENCE_S
        while not there(state.load(self.releases)):
            assert time.monotonic() < end, f"waited {PATIENCE_S:g} s for: {what}"
            time.sleep(0.01)


def kill(path, step):
    """One row: what stood after the kill, and what the next start ran."""
    life = Life(path)
    (life.releases / "plan").write_text(step)
    if step == "counted":
        (life.releases / "gate").touch()
    reached = {
        "fetched": lambda s: s.fetched == NEW,
        "switched": lambda s: s.trial,
        "counted": lambda s: s.starts == 1,
        "on trial": lambda s: s.starts == 1 and "0b0b" in life.ran(),
        "ended": lambda s: s.failed == 1,
        "returned": lambda s: s.returned is not None,
        "confirmed": lambda s: s.current == NEW and not s.trial,
    }
    try:
        life.start()
        life.until(reached[step], step)
        life.kill()
        stood = state.load(life.releases)
        assert step != "counted" or "0b0b" not in life.ran(), "counted, and nothing of it ran"
        before = len(life.ran())
        # What is fetched or on trial now waits: this is about which one is started.
        (life.releases / "plan").write_text("fetched")
        (life.releases / "gate").unlink(missing_ok=True)
        life.start()
        life.until(lambda _: len(life.ran()) > before, f"a start after {step}")
        now = state.load(life.releases)
        assert (stood.returned is None) == (step != "returned") and now.returned == stood.returned, (
            "it is not tried again"
        )
        assert {"0a0a": "old", "0b0b": "new"}[life.ran()[-1]] == NAMES[now.current], (
            "what stands is what runs"
        )
        return (NAMES[stood.current], stood.phase, stood.starts, stood.failed), (
            NAMES[now.current],
            now.phase,
            now.starts,
        )
    finally:
        life.kill()


def test_a_launcher_killed_at_a_step_of_its_state_goes_on_as_the_table_says(tmp_path):
    for step, stands, runs in TRACE:
        if step in SUITE:
            assert kill(tmp_path / Path(step.replace(" ", "-")), step) == (stands, runs), step
