"""How often one phone, and all phones together, may ask for something: counted in memory, forgotten in minutes."""

import time
from collections import OrderedDict
from collections.abc import Callable

ADDRESSES = 2048


class Limit:
    """`most` in `window_s` from one address, `in_all` from all. Addresses are kept that long and never written."""

    def __init__(
        self, most: int, in_all: int, window_s: float = 60.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._in_all = in_all
        self._window_s = window_s
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._all: tuple[float, float] = (float(in_all), now())

    def take(self, address: str) -> bool:
        """Whether one more is allowed; if so it is counted."""
        now = self._now()
        own = self._filled(*self._left.get(address, (float(self._most), now)), self._most, now)
        every = self._filled(*self._all, self._in_all, now)
        good = own >= 1 and every >= 1
        self._left[address] = (own - good, now)
        self._left.move_to_end(address)
        self._all = (every - good, now)
        while len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        return good

    def _filled(self, left: float, at: float, most: int, now: float) -> float:
        return min(float(most), left + (now - at) * most / self._window_s)
