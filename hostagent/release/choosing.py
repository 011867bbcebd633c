"""Which releases a host takes: signed by its authors, on their list, and not older than what ran, but for what they named."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostagent.config import Quorum
from hostagent.core import FormatError, bundle, reg
from hostagent.errors import BundleRefused, ControllerError, StoreUnavailable
from hostagent.release import floor
from hostagent.release.floor import Floor, Signed
from hostagent.targets import Targets
from hostagent.updater import verify

REFUSALS = (ControllerError, StoreUnavailable, BundleRefused, FormatError)
log = logging.getLogger("hostagent.release")


class OlderRelease(BundleRefused):
    """Install result 4: older than what ran, and no fallback of it."""


class Choosing:
    """`listed(envelope's digest, bundle)`: whether it is on the authors' list; `releases`: the folder; None: no launcher."""

    def __init__(
        self, targets: Targets, authors: Quorum | None, listed: Callable[[bytes, bytes], bool], releases: Path | None
    ) -> None:
        self._targets, self._authors, self._listed = targets, authors, listed
        self._releases = releases
        self._floor = Floor() if releases is None else floor.load(releases)

    async def verified(self, wanted: str, current: str | None) -> tuple[bytes, Signed]:
        """A release's bytes, signed and listed as one now, that may follow what runs. Raises one of REFUSALS."""
        envelope = await self._targets.get(bytes.fromhex(wanted))
        parsed: Any = bundle.parse(envelope)
        artefact = await self._targets.get(parsed.fields[2], parsed.fields[3])
        data: bytes = bundle.join(envelope, artefact)
        found = verify(data, self._authors)
        if found.kind != reg.ARTEFACT_HOST:
            raise BundleRefused("the directive names something else as this host's release")
        if not self._listed(found.digest, data):
            raise BundleRefused("this host's release is not on the authors' signed list that it has")
        if not await self.learn(current):
            raise BundleRefused(
                f"whether it is older cannot be told: the bundle of release {(current or '')[:8]}, which runs, cannot be had;"
                " order that release once more"
            )
        one = floor.signed(envelope)
        older = self._floor.refuses(one)
        if older is not None:
            raise OlderRelease(older)
        return artefact, one

    async def learn(self, current: str | None) -> bool:
        """Whether the floor says all of what runs and is steady. Where a program of before there was one took it up, its bundle
        says it: by the digest that stands here, so nobody can give another. Raises OSError."""
        if current is not None and not self._floor.knows(current):
            try:
                own = floor.signed(await self._targets.get(bytes.fromhex(current)))
            except REFUSALS as failed:
                log.info("the bundle of release %s, which runs, cannot be had: %s", current[:8], failed)
                return False
            self._note(floor.trying(self._floor, own, current))
            self.steady(current)
        return True

    def trying(self, one: Signed, current: str | None) -> None:
        """Before it is switched to. Raises OSError."""
        self._note(floor.trying(self._floor, one, current))

    def steady(self, current: str | None) -> None:
        """What runs is no trial. Raises OSError."""
        self._note(floor.steady(self._floor, current))

    def _note(self, made: Floor) -> None:
        if made != self._floor and self._releases is not None:
            floor.save(self._releases, made)
            self._floor = made
