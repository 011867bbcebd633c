"""The update lock: while a brick is written to, or a batch is closed, whoever updates this host waits.

balena's supervisor does not stop a container while `updates.lock` lies in a folder that both see (`/tmp/balena` in the
container); each side makes the file with an exclusive create. Docs of balena: *Application update locks*. A lock that stays
blocks every update, so each reason to hold it is a lease that ends by itself, all together hold it for LONGEST_S at most, and the
file says since when and why. Where no folder is configured nothing happens here."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Protocol

from hostagent.bricks import Brick

NAME = "updates.lock"
MARK = "stallmark host agent"
LEASE_S = 60.0  # of an installation, from its last chunk: a brick pulls the next one within seconds
SHORT_S = 30.0  # of a key or a batch
LONGEST_S = 900.0
REST_S = 60.0  # between two holdings that ran into LONGEST_S
LOOK_S = 1.0
MOST = 64  # reasons at a time
log = logging.getLogger("hostagent.updatelock")


class UpdateLock:
    """One for a host. `now()`: seconds that only rise; `wall_ms()`: what the file says since when. For one thread."""

    def __init__(
        self,
        folder: Path | None,
        now: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._path = None if folder is None else folder / NAME
        self._now, self._wall_ms = now, wall_ms
        self._leases: dict[str, float] = {}  # why: until
        self._file: int | None = None  # ours
        self._since: tuple[float, int] | None = None
        self._rest_until = 0.0
        self.ended = 0  # holdings that ran into LONGEST_S
        self.trouble: str | None = None
        self._clear()

    @property
    def held(self) -> bool:
        """Whether our file lies there."""
        return self._file is not None

    @property
    def taken(self) -> bool:
        """Whether somebody else holds the lock: an update is under way, this process is about to be ended."""
        return self._path is not None and self._file is None and self._path.exists()

    def hold(self, why: str, seconds: float = LEASE_S) -> bool:
        """Holds it for this reason so long at most, from now; again: longer. False where it cannot be held now: then nothing
        new should begin that an update could cut."""
        if self._path is None:
            return True
        now = self._now()
        self.look()
        if why not in self._leases and (len(self._leases) >= MOST or now < self._rest_until):
            return False
        if self._file is None and not self._make(why):
            return False
        self._leases[why] = now + seconds
        return True

    def release(self, why: str) -> None:
        """This reason is over; with the last one the file goes."""
        if self._leases.pop(why, None) is not None and not self._leases:
            self._remove()

    @contextlib.contextmanager
    def during(self, why: str) -> Generator[None]:
        """Held for a short act, which goes on without it where it cannot be held."""
        self.hold(why, SHORT_S)
        try:
            yield
        finally:
            self.release(why)

    def look(self) -> None:
        """Lets leases end. Called now and then."""
        now = self._now()
        for why in [why for why, until in self._leases.items() if until <= now]:
            del self._leases[why]
        if self._since is not None and now - self._since[0] >= LONGEST_S and self._leases:
            log.error("the update lock was held for %d s (%s): let go", LONGEST_S, ", ".join(self._leases))
            self.ended += 1
            self._rest_until = now + REST_S
            self._leases.clear()
        if not self._leases and self._file is not None:
            self._remove()

    async def run(self) -> None:
        """Until it is cancelled: leases end also where nobody asks."""
        while self._path is not None:
            self.look()
            await asyncio.sleep(LOOK_S)

    def state(self) -> dict[str, Any] | None:
        """For the status page: `{"held", "why", "since_ms", "age_s", "taken", "ended", "trouble"}`; None where it is off."""
        if self._path is None:
            return None
        self.look()
        since = self._since
        return {
            "held": self.held,
            "why": sorted(self._leases),
            "since_ms": None if since is None else since[1],
            "age_s": None if since is None else int(self._now() - since[0]),
            "taken": self.taken,
            "ended": self.ended,
            "trouble": self.trouble,
        }

    def close(self) -> None:
        """At the end: an update may come."""
        self._leases.clear()
        self._remove()

    # --- the file

    def _make(self, why: str) -> bool:
        assert self._path is not None
        wall_ms = self._wall_ms()
        text = json.dumps({"who": MARK, "why": why, "since_ms": wall_ms, "pid": os.getpid()}) + "\n"
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            self.trouble = (
                "an update of this host is under way: nothing new is written to bricks until it is over"
            )
            return False
        except OSError as failed:
            # A folder that is not there must not keep bricks from their rules.
            self.trouble = (
                f"{self._path} cannot be made: {failed.strerror}: updates may cut what bricks install"
            )
            return True
        self._file = handle  # open as long as it lies there: its inode is nobody else's
        with contextlib.suppress(OSError):  # balenaOS itself looks for this one before it restarts the machine
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(OSError):  # a full disk: the file counts by being there
            os.write(handle, text.encode())
        self._since, self.trouble = (self._now(), wall_ms), None
        return True

    def _remove(self) -> None:
        handle, self._file, self._since = self._file, None, None
        if handle is None or self._path is None:
            return
        try:
            if os.path.samestat(
                self._path.lstat(), os.fstat(handle)
            ):  # not one that was made after ours went
                self._path.unlink()
        except FileNotFoundError:
            pass
        except OSError as failed:
            self.trouble = (
                f"{self._path} cannot be removed: {failed.strerror}: updates of this host wait for it"
            )
            log.error("%s", self.trouble)
        finally:
            os.close(handle)

    def _clear(self) -> None:
        """A file of an agent that was killed: the container goes on in the same folder, its process is gone."""
        if self._path is None:
            return
        try:
            with self._path.open("rb") as file:
                left = file.read(1024)
            found: Any = json.loads(left)
        except (OSError, ValueError, RecursionError):
            return
        if isinstance(found, dict) and found.get("who") == MARK:  # pyright: ignore[reportUnknownMemberType]
            with contextlib.suppress(OSError):
                self._path.unlink()
                log.warning("an update lock of an agent that was killed is removed")


class Updates(Protocol):
    """What sessions need of the bundle on offer (hostagent.updater)."""

    def offer_for(self, brick: Brick) -> tuple[bytes, int, int] | None: ...

    def chunk(self, digest8: bytes, offset: int) -> bytes | None: ...

    def on_result(self, brick: Brick, digest8: bytes, result: int, text: str) -> None: ...


class Locking:
    """The same with the update lock held from a bundle's first chunk to the result of the last brick that was offered it, or
    LEASE_S after its last chunk: chunks are asked for by bundle, so nobody knows which brick is at it."""

    def __init__(self, updates: Updates, lock: UpdateLock) -> None:
        self._updates = updates
        self._lock = lock
        self._offered: dict[bytes, bytes] = {}  # brick: bundle, of those that did not say how it ended

    def offer_for(self, brick: Brick) -> tuple[bytes, int, int] | None:
        """Nothing while an update of the host is under way."""
        offer = None if self._lock.taken else self._updates.offer_for(brick)
        if offer is None:
            self._offered.pop(brick.brick, None)
        else:
            self._offered[brick.brick] = offer[0]
        return offer

    def chunk(self, digest8: bytes, offset: int) -> bytes | None:
        """None, as for another bundle, where the lock cannot be held: the brick asks again after the next offer."""
        data = self._updates.chunk(digest8, offset)
        return data if data is None or self._lock.hold(_why(digest8)) else None

    def on_result(self, brick: Brick, digest8: bytes, result: int, text: str) -> None:
        """However it ended."""
        self._updates.on_result(brick, digest8, result, text)
        self._offered.pop(brick.brick, None)
        if digest8 not in self._offered.values():
            self._lock.release(_why(digest8))


def _why(digest8: bytes) -> str:
    return f"bundle {digest8.hex()} is being installed"
