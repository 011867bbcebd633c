"""The launcher: starts the release that stands, counts starts on trial before they are made, and goes back by itself.

It is small and changes seldom: it runs from what is installed, never from a release, so no release can take it along."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hostagent.release import folder, state
from hostagent.release.state import State

SWITCH = 75  # exit code (EX_TEMPFAIL of sysexits.h): start again, another release may stand by now
TRIAL_S = 1_200.0  # a release that neither confirms nor ends in this time goes back
PAUSE_S = 2.0  # after a start that failed
END_S = 30.0  # that a release has to end in order
LOOK_S = 0.2
VARIABLE = "STALLMARK_RELEASES"  # tells the agent where the state is
log = logging.getLogger("hostagent.launcher")


class Launcher:
    """`command`: what a release runs, after its folder stands first on the module path. `now()`: seconds that only rise."""

    def __init__(
        self,
        releases: Path,
        command: Sequence[str],
        trial_s: float = TRIAL_S,
        pause_s: float = PAUSE_S,
        now: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._releases = releases
        self._command = list(command)
        self._trial_s, self._pause_s = trial_s, pause_s
        self._now, self._wall_ms = now, wall_ms
        self._child: subprocess.Popen[bytes] | None = None
        self._asked = 0  # the signal that asked this program to end

    def run(self) -> int:
        """Until a steady release ends, or a signal asks. The exit code is the release's. Raises OSError."""
        self._releases.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signalled)
        while True:
            standing = self._settled()
            code = self._start(standing)
            if self._asked:
                return 0 if code in (0, SWITCH, -self._asked) else code
            after = state.load(self._releases)
            if code == SWITCH or after.current != standing.current:
                if code not in (0, SWITCH):
                    time.sleep(self._pause_s)
                continue
            if not after.trial:
                return code if code >= 0 else 128 - code
            state.save(self._releases, state.ended(after))
            log.error("release %s, on trial, ended with %d", _short(after.current), code)
            time.sleep(self._pause_s)

    def _settled(self) -> State:
        """What is to start now; counted where it is on trial."""
        found = state.load(self._releases)
        why = state.judge(found)
        if why is None and found.current is not None and not (self._releases / found.current).is_dir():
            why = "its folder is gone"
        if why is not None:
            log.error("release %s goes back: %s", _short(found.current), why)
            found = state.give_up(found, why, self._wall_ms())
            if found.current is not None and not (self._releases / found.current).is_dir():
                found = replace(found, current=None)  # what is installed is always there
            state.save(self._releases, found)
        if found.trial:
            tried = state.begin(found)
            try:
                state.save(self._releases, tried)
            except OSError as failed:  # a full disk: what cannot be counted is not tried, and the stall goes on
                log.error("release %s is not tried: its start cannot be counted: %s", _short(found.current), failed)
                return state.give_up(found, "its start could not be counted", self._wall_ms())
            found = tried
        try:
            folder.tidy(self._releases, found)
        except OSError as failed:
            log.warning("old releases stay: %s", failed)
        return found

    def _start(self, standing: State) -> int:
        environment = os.environ | {VARIABLE: str(self._releases)}
        if standing.current is not None:
            path = str(self._releases / standing.current)
            before = environment.get("PYTHONPATH")
            environment |= {"PYTHONPATH": path if not before else os.pathsep.join((path, before)), "PYTHONDONTWRITEBYTECODE": "1"}
        log.info("starting release %s%s", _short(standing.current), ", on trial" if standing.trial else "")
        end = self._now() + self._trial_s
        if self._asked:
            return 0
        self._child = child = subprocess.Popen(self._command, env=environment)
        if self._asked:
            child.send_signal(self._asked)
        late = False
        while True:
            try:
                return child.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                if not late and standing.trial and self._now() >= end and (found := state.load(self._releases)).trial:
                    late = True
                    state.save(self._releases, state.give_up(found, "it was not confirmed in time", self._wall_ms()))
                    child.terminate()
                    end = self._now() + END_S
                elif late and self._now() >= end:
                    child.kill()

    def _signalled(self, number: int, _frame: object) -> None:
        self._asked = number
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)


def agent_command(config: Path) -> list[str]:
    """What a release runs. -P: the folder in which this was typed may hold other packages of these names."""
    return [sys.executable, "-P", "-m", "cli.main", "host", "run", "--config", str(config)]


def _short(digest: str | None) -> str:
    return "installed" if digest is None else digest[:8]
