"""The controller's task that keeps snapshot and timestamp from running out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from fleet.clock import Clock
from fleet.trust import status
from fleet.trust.developing import DevelopmentList
from fleet.trust.errors import TrustError
from fleet.trust.repository import Repository

EVERY_S = 60.0
HEALTH_S = 2.0  # signatures are not checked for every look at /healthz
log = logging.getLogger(__name__)


class Renewing:
    """Looks every minute; signs only what is past half of its time. `trouble`: why it could not, None where it could."""

    def __init__(
        self, repository: Repository, clock: Clock, director: Callable[[], bytes | None] = lambda: None
    ) -> None:
        """`director`: the public key that signs directives here."""
        self._repository = repository
        self._clock = clock
        self._director = director
        self._development = DevelopmentList(repository, lambda digest: None)
        self._health: tuple[float, dict[str, Any]] | None = None
        self.trouble: str | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.to_thread(self.once)
            await asyncio.sleep(EVERY_S)

    def once(self) -> list[str]:
        """One look; what was signed, in words. A fleet without a trust folder is left alone."""
        try:
            if not self._repository.exists() or self._repository.targets() is None:
                return []
            self._development.keep_fresh(self._clock.now_ms())
            done = self._repository.renew(self._clock.now_ms())
        except (TrustError, OSError) as error:
            return self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it was: /healthz shows it, and it is tried again
            return self._failed(f"{type(error).__name__}: {error}")
        self.trouble = None
        return done

    def health(self) -> dict[str, Any]:
        """For /healthz: profile, INSECURE where it is, what runs out first, what is wrong; at most HEALTH_S old."""
        now = time.monotonic()
        if self._health is None or now - self._health[0] > HEALTH_S:
            self._health = now, status.health(self._repository, self._clock.now_ms(), self._director())
        found = self._health[1]
        if self.trouble and self.trouble not in found["trouble"]:
            return {**found, "trouble": [self.trouble, *found["trouble"]]}
        return found

    def _failed(self, why: str) -> list[str]:
        if why != self.trouble:
            log.error("signed lists are not renewed: %s", why)
        self.trouble = why
        return []
