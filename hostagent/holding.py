"""What holds updates back at this kit: told to bricks where it is a time of day, and to the controller with since when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from hostagent.bricks import Brick
from hostagent.clock import Clock, monotonic_ms
from hostagent.core import reg
from hostagent.slots import Slots
from hostagent.window import Window

LOOK_S = 2.0
TOLD_S = 3_600  # that a brick holds at most by one message: a host that is gone holds nothing for long
AGAIN_MS = 60_000
MOST = 16
# Why an application waits at a brick (registry) → what it is for the kit.
CODES = {1: "busy", 2: "battery", 3: "busy", 4: "quiet"}


class Holding:
    """One for a host. `tell(brick, kind, value)`: a message, False where there is no link; `lock()`: whether somebody else
    updates this host; `host_waits()`: why the host's own release waits."""

    def __init__(
        self,
        window: Window | None,
        clock: Clock,
        bricks: dict[bytes, Brick],
        tell: Callable[[bytes, int, Any], bool],
        lock: Callable[[], bool] = lambda: False,
        host_waits: Callable[[], str] = lambda: "",
        now: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._window = window
        self._clock = clock
        self._bricks = bricks
        self._tell = tell
        self._lock = lock
        self.host_waits = host_waits
        self._now = now
        self._told: dict[bytes, tuple[Slots, int, bool]] = {}  # what it had said, when, whether it was told to hold
        self._since: dict[str, int] = {}  # code: market ms

    def closed_s(self) -> int:
        """Seconds until updates may switch; 0: now. A host that does not know the time holds nothing."""
        return 0 if self._window is None or not self._clock.known() else self._window.wait_s(self._clock.now_ms())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Tells bricks that run from slots: at every new session, once a minute while it holds, and when it ends."""
        if self._window is None:
            return
        seconds = min(TOLD_S, self.closed_s())
        for brick in self._bricks.values():
            slots: Slots | None = brick.slots
            if slots is None:
                continue
            before = self._told.get(brick.brick)
            held = before is not None and before[2]
            due = before is None or before[0] is not slots or self._now() - before[1] >= AGAIN_MS
            wanted = (seconds and (due or not held)) or (held and not seconds)
            if wanted and self._tell(brick.brick, reg.MSG_HOLD, {0: seconds}):
                self._told[brick.brick] = slots, self._now(), seconds > 0

    def report(self) -> list[dict[str, Any]]:
        """What holds something back now, for the status report: code, words, since when in market ms."""
        found: dict[str, str] = {}
        for code, text in self._found():
            found.setdefault(code, text)
        now_ms = self._clock.now_ms()
        self._since = {code: self._since.get(code, now_ms) for code in found}
        return [{"code": code, "text": text[:200], "since_ms": self._since[code]} for code, text in found.items()][:MOST]

    def _found(self) -> Iterable[tuple[str, str]]:
        waiting = [brick for brick in self._bricks.values() if brick.slots is not None and brick.slots.coming is not None]
        host = self.host_waits()
        if not waiting and not host:
            return
        if self._window is not None and self.closed_s():
            yield "quiet", f"this stall updates from {self._window.words()}"
        for brick in waiting:
            why = brick.slots.coming[3]
            if why:
                yield CODES.get(why, "busy"), f"{brick.name}: {brick.slots.waits}"
        if host:
            yield "busy", f"the host's own release: {host}"
        if self._lock():
            yield "lock", "somebody else is updating this host (update lock)"
