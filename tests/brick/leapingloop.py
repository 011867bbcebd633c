"""An event loop whose time leaps: where everything waits, the next timer is due at once. No test waits or depends on a pace."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

# What one turn of the loop takes: a task that only lets others run still gets on in time.
TURN_S = 20e-6


class _Leaping(selectors.DefaultSelector):
    """Looks at files without waiting, and moves the time on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everything waits for something that nobody will do")
        self.now += TURN_S if ready or not timeout else timeout + TURN_S
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """For parts in memory only: threads, processes and sockets live in real time."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now

    def stand_still(self, seconds: float) -> None:
        """Time goes on."""
        self._leaping.now += seconds


def run(scene: Coroutine[Any, Any, None]) -> None:
    """asyncio.run, without the waiting."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(scene)


def now_ns() -> int:
    """The running loop's nanoseconds: what the models take for their clock."""
    return int(asyncio.get_running_loop().time() * 1e9)


def stand_still(ms: int) -> None:
    """The running loop's time goes on, and nobody has a turn: somebody computes."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingLoop)
    loop.stand_still(ms / 1000)
