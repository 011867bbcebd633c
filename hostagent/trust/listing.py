"""The running host's side of the signed lists: refreshed in the background, asked before a bundle is passed on to a brick."""

import asyncio
import contextlib
import hashlib
import logging
import random
import threading
from collections.abc import Callable
from typing import Any

import httpx

from hostagent.authorities import authorities
from hostagent.clock import Clock
from hostagent.config import Config
from hostagent.signed import credential
from hostagent.trust.client import Trust
from hostagent.trust.errors import TrustError
from hostagent.trust.fetcher import Source, over_http

EVERY_S = 900.0  # the timestamp lives for a day
AGAIN_S = 10.0  # at most, after a failure, or while a bundle waits for the list that names it
FIRST_S = 2.0  # before the first lists, and after new ones: whoever publishes one change may publish another
MOST_KNOWN = 64
LOOPBACK = ("127.0.0.1", "localhost", "::1")
log = logging.getLogger("hostagent.trust")


class Listing:
    """One for a host whose config.json has `trust`. `changed()` is called on the loop after other lists were taken."""

    def __init__(
        self,
        trust: Trust,
        source: Source,
        every_s: float = EVERY_S,
        again_s: float = AGAIN_S,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._trust = trust
        self._source = source
        self._every_s = every_s
        self._again_s = again_s
        self._changed = changed
        self._wanted = asyncio.Event()
        self._digests: dict[bytes, str] = {}
        self.unlisted: str | None = None
        self.refreshes = 0

    async def run(self) -> None:
        """Refreshes until cancelled: at once, every quarter of an hour, and soon while a bundle waits for it."""
        pause = first_s = min(FIRST_S, self._again_s)
        while True:
            before = self._trust.known
            good = await self._beside()
            known = self._trust.known
            # Also where this refresh failed: a stick may have been read by another program.
            if known is not None and (before is None or before.versions != known.versions):
                self.unlisted = None
                self._changed()
                pause = first_s
            else:
                pause = min(2 * pause, self._again_s)
            self._wanted.clear()
            waiting = not good or self.unlisted is not None
            # No question sooner, whoever wants one; a host that has none yet may have been started before its controller.
            await asyncio.sleep((first_s if known is None else pause) * random.uniform(1.0, 1.5))
            if not waiting:
                try:
                    async with asyncio.timeout(self._every_s * random.uniform(0.5, 1.0)):
                        await self._wanted.wait()
                except TimeoutError:
                    pass

    def passes(self, name: bytes, data: bytes) -> bool:
        """Whether a bundle may be passed on: listed, and the lists have not run out. `name`: digest32 of its envelope, by which
        the digest of all its bytes is remembered. Where not, the lists are asked for soon."""
        if name not in self._digests:
            while len(self._digests) >= MOST_KNOWN:
                del self._digests[next(iter(self._digests))]
            self._digests[name] = hashlib.sha256(data).hexdigest()
        found = self._trust.release(self._digests[name])
        if found is not None and found.length == len(data) and self._trust.fresh():
            self.unlisted = None
            return True
        if self.unlisted is None:
            log.warning("bundle %s is not passed on: %s", name.hex()[:16], self._trust.words())
        self.unlisted = (
            f"bundle {name.hex()[:16]} is not on the authors' signed list: it is not passed on to bricks"
            if found is None
            else "the signed lists have run out: nothing new is passed on to bricks"
        )
        self._wanted.set()
        return False

    def words(self) -> str:
        """For screens: what is waited for, else how old the lists are."""
        said = self._trust.words()
        return said if self.unlisted is None else f"{self.unlisted[0].upper()}{self.unlisted[1:]}. {said}"

    def as_json(self) -> dict[str, Any]:
        """For `/v1/status`."""
        trust = self._trust
        known = trust.known
        return {
            "state": "good"
            if known is not None and trust.fresh()
            else "waiting"
            if known is None
            else "ran out",
            "words": self.words(),
            "profile": None if known is None else known.profile,
            "versions": None if known is None else dict(known.versions),
            "verified_ms": None if known is None else known.verified_ms,
            "expires_ms": None if known is None else known.expires_ms,
            "releases": 0 if known is None else len(known.releases),
            "trouble": None
            if trust.trouble is None
            else {"kind": trust.trouble.kind, "text": str(trust.trouble)},
            "set_aside": trust.set_aside,
        }

    async def _beside(self) -> bool:
        """One refresh in a thread that nobody waits for at the end: a silent network must not hold up a host that stops."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()

        def told(good: bool) -> None:
            if not done.done():
                done.set_result(good)

        def work() -> None:
            good = False
            try:
                good = self._refresh()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop is gone
                    loop.call_soon_threadsafe(told, good)

        threading.Thread(target=work, name="signed lists", daemon=True).start()
        return await done

    def _refresh(self) -> bool:
        trouble = self._trust.trouble
        self.refreshes += 1
        try:
            self._trust.refresh(self._source)
        except TrustError as failed:
            if trouble is None or str(trouble) != str(failed):
                log.warning("signed lists: %s", failed)
            return False
        return True


def opened(told: Config, clock: Clock) -> Trust | None:
    """The trust folder that config.json names; None where it names none. Raises TrustError where the root cannot be read."""
    if told.trust is None:
        return None
    try:
        bootstrap = told.trust.root.read_bytes()
    except OSError as failed:
        raise TrustError(
            "root", f"{told.trust.root}: {failed.strerror}: provision this host again"
        ) from failed
    return Trust(told.trust.folder, bootstrap, clock)


def listing_of(told: Config, clock: Clock, changed: Callable[[], None]) -> Listing | None:
    """The running host's; None where config.json names no root. Raises TrustError where that cannot be read."""
    trust = opened(told, clock)
    return None if trust is None else Listing(trust, controller_of(told), EVERY_S, AGAIN_S, changed)


def controller_of(told: Config) -> Source:
    """The controller as a source of lists and bundles, with this host's credential."""
    client = httpx.Client(
        headers={"User-Agent": "stallmark-host"},
        auth=credential(told),
        # The kit's own network has no proxy; a proxy in the environment is for addresses elsewhere.
        trust_env=httpx.URL(told.controller).host not in LOOPBACK,
        verify=authorities(told.controller),
    )
    return over_http(told.controller, client)
