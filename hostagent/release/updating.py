"""The agent's part of its own update: what the directive wants, fetched and checked, switched to in a quiet moment, confirmed.

It acts only where a launcher started it (`stallmark host run --releases`). Elsewhere, as where balena changes containers, it
says what runs and what is wanted, and changes nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hostagent.config import Quorum
from hostagent.core import reg
from hostagent.intent import Intent
from hostagent.release import folder, state
from hostagent.release.choosing import REFUSALS, Choosing, OlderRelease
from hostagent.release.floor import Signed
from hostagent.release.launcher import VARIABLE
from hostagent.release.state import State
from hostagent.targets import Targets

LOOK_S = 2.0
GOOD_S = 60.0  # that what worked before must work, before a release stays
LATE_S = 600.0  # by then it has to; else it goes back
AGAIN_S = 15.0  # after a download that failed, or a list that does not name it yet
DIGEST = re.compile(r"[0-9a-f]{64}")
log = logging.getLogger("hostagent.release")


class Updating:
    """One for a host. `working()`: names of what works now (bricks with a link, the controller); `quiet()`: why this is no moment
    to start anew, "" where it is one; `leave()`: ends this program in order, so that the launcher starts it again."""

    def __init__(
        self,
        intent: Intent,
        targets: Targets,
        authors: Quorum | None,
        listed: Callable[[bytes, bytes], bool],
        working: Callable[[], set[str]],
        quiet: Callable[[], str],
        leave: Callable[[], None],
        releases: Path | None = None,
        now: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        here: Path = Path(__file__),
    ) -> None:
        """`here`: where this program's own code lies."""
        self._here = here
        self._intent = intent
        self._working, self._quiet, self._leave = working, quiet, leave
        told = os.environ.get(VARIABLE)
        self.releases = releases if releases is not None else Path(told) if told else None
        self._now, self._wall_ms = now, wall_ms
        self._began = now()
        self._later = 0.0
        self._seen: set[str] = set()
        self.leaving = False
        self.trouble: str | None = None
        self.waits = ""
        self.waits_ms = 0
        self._older = ""  # what was refused as older than what runs
        self.state = State() if self.releases is None else state.load(self.releases)
        self._choosing = Choosing(targets, authors, listed, self.releases)
        self._version = self._running_version()

    @property
    def wanted(self) -> str | None:
        """The release that the directive names, by its digest; None where it names none, or one that only balena knows."""
        order = self._intent.order
        named = None if order is None else order.host_release
        return named if named is not None and DIGEST.fullmatch(named) else None

    async def run(self) -> None:
        """Until cancelled."""
        while self.releases is not None:
            try:
                await self.step()
            except OSError as failed:
                self._wrong(f"the folder of releases cannot be written: {failed.strerror or failed}")
            await asyncio.sleep(LOOK_S)

    async def step(self) -> None:
        """One look: the trial, else the next release. Raises OSError."""
        assert self.releases is not None
        if self.leaving:
            return
        if self.state.trial:
            self._try()
            return
        self._choosing.steady(self.state.current)
        wanted = self.wanted
        if wanted is None or wanted == self.state.current or not self._intent.in_force:
            if self._older:
                self._older, self.trouble = "", None
            if wanted is not None and self._now() >= self._later and not await self._choosing.learn(self.state.current):
                self._later = self._now() + AGAIN_S
            self._wait("")
            return
        if self.state.refuses(wanted, self._intent.number) or self._now() < self._later:
            return
        if self.state.fetched != wanted:
            await self._fetch(wanted)
            return
        why = self._quiet()
        self._wait(why)
        signed = None if why else await self._again_good(wanted)
        if signed is None:
            return
        expected = tuple(sorted(self._working()))[:64]
        log.warning("release %s is switched to, on trial", wanted[:8])
        self._choosing.trying(signed, self.state.current)
        self._save(state.switch(self.state, wanted, self._intent.number, expected, self._wall_ms()))
        self.leaving = True
        self._leave()

    def _try(self) -> None:
        """Whether what is on trial stays, goes back, or is to be watched on."""
        assert self.releases is not None and self.state.current is not None
        if not self._here.resolve().is_relative_to((self.releases / self.state.current).resolve()):
            self._go_back("another program than this release was started")
            return
        self._seen |= self._working()
        passed = self._now() - self._began
        if passed < GOOD_S:
            return
        missing = [one for one in self.state.expected if one not in self._seen]
        if not missing:
            self._save(state.confirm(self.state, self._wall_ms()))
            self._choosing.steady(self.state.current)
            log.warning("release %s stays", (self.state.current or "")[:8])
        elif passed >= LATE_S:
            self._go_back(f"no longer there: {', '.join(missing)}")

    def _go_back(self, why: str) -> None:
        self._save(state.give_up(self.state, why, self._wall_ms()))
        log.error("this release goes back: %s", why)
        self.leaving = True
        self._leave()

    async def _fetch(self, wanted: str) -> None:
        assert self.releases is not None
        self._later = self._now() + AGAIN_S
        try:
            artefact, _ = await self._choosing.verified(wanted, self.state.current)
            await asyncio.to_thread(folder.unpack, self.releases, wanted, artefact)
        except REFUSALS as failed:
            self._refused(wanted, failed)
            return
        self._later = 0.0
        self._older, self.trouble = "", None
        self._save(state.fetch(self.state, wanted))
        log.info("release %s is here", wanted[:8])

    async def _again_good(self, wanted: str) -> Signed | None:
        """Before it is switched to: hours may have passed since it was fetched, and its authors may have taken it back."""
        try:
            _, signed = await self._choosing.verified(wanted, self.state.current)
        except REFUSALS as failed:
            self._later = self._now() + AGAIN_S
            self._refused(wanted, failed)
            return None
        self._older, self.trouble = "", None
        return signed if self.wanted == wanted and self._intent.in_force and not self._quiet() else None

    def report(self) -> dict[str, Any]:
        """For the status report and the screens (docs/desired-state.md)."""
        standing, wanted = self.state, self.wanted
        order = self._intent.order
        named = None if order is None else order.host_release
        phase = "trial" if standing.trial else "fetched" if wanted and standing.fetched == wanted else "steady"
        found: dict[str, Any] = {
            "release": standing.current, "version": self._version, "wanted": named, "phase": phase,
            "since_ms": standing.since_ms or None, "installs": self.releases is not None, "trouble": self.trouble,
            "waits": self.waits or None, "waits_ms": self.waits_ms or None,
        }  # fmt: skip
        if wanted is not None and wanted == self._older:
            found["result"] = reg.INSTALL_OLDER
        gone = standing.returned
        if gone is not None:
            found["returned"] = {"release": gone.release, "why": gone.why, "at_ms": gone.at_ms, "order": gone.order}
        return {name: value for name, value in found.items() if value is not None}

    def words(self) -> str:
        """One sentence for people."""
        said = self.report()
        text = f"Host agent {said['version']}"
        text += f", release {said['release'][:8]}" if "release" in said else ", as installed"
        if said["phase"] == "trial":
            text += ", on trial"
        wanted = said.get("wanted")
        if wanted is not None and wanted != said.get("release"):
            text += f"; wanted: {wanted[:8]}" + ("" if self.releases else ", which somebody else installs")
            if self.trouble or self.waits:
                text += f" ({self.trouble or 'waits: ' + self.waits})"
        gone = self.state.returned
        if gone is not None:
            text += f"; {gone.release[:8]} went back: {gone.why}"
        return text + "."

    def _running_version(self) -> str:
        own = "" if self.releases is None else folder.version_of(self.releases, self.state.current)
        return own or f"stallmark {version('stallmark')}"

    def _save(self, made: State) -> None:
        assert self.releases is not None
        state.save(self.releases, made)
        self.state = made

    def _wait(self, why: str) -> None:
        if why != self.waits:
            self.waits, self.waits_ms = why, self._wall_ms() if why else 0

    def _refused(self, wanted: str, failed: Exception) -> None:
        self._older = wanted if isinstance(failed, OlderRelease) else ""
        self._wrong(str(failed))

    def _wrong(self, text: str) -> None:
        if text != self.trouble:
            log.warning("%s", text)
            self.trouble = text
