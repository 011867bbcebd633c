"""What makes a running host stand still for a moment, and how that is kept short: garbage, threads, wake-ups."""

import asyncio
import gc
import sys
from collections.abc import Callable

# A thread that wants the interpreter gets it after this long, s. By default 5 ms: for as long a customer's answer
# stood still whenever a batch was encoded beside it, and again at every call into SQLite.
SWITCH_S = 0.0005
# What it was before, while a host is up.
_before: list[float] = []


def begin() -> None:
    """A host is up: what the program is made of is no garbage, and is not searched for any again.

    A full collection took 70 to 120 ms, in which nobody got an answer; of what came since it takes a few."""
    gc.freeze()
    if not _before:
        _before.append(sys.getswitchinterval())
    sys.setswitchinterval(SWITCH_S)


def end() -> None:
    """The host is down; what it was made of may go, where the program goes on (tests), and threads take turns as before."""
    gc.unfreeze()
    while _before:
        sys.setswitchinterval(_before.pop())


class Soon:
    """Many calls within `seconds` become one call of `told`, at their end. For what may be that late."""

    def __init__(self, told: Callable[[], None], seconds: float) -> None:
        self._told = told
        self._seconds = seconds
        self._due = False

    def __call__(self) -> None:
        """Inside the loop."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(self._seconds, self._now)

    def _now(self) -> None:
        self._due = False
        self._told()
