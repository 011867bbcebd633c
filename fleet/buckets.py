"""How often something may happen: a bucket that fills at a steady rate. Not thread-safe; seconds are an argument."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock


class Bucket:
    """Holds at most `burst`, filled by `rate` a second; full at first."""

    def __init__(self, now: Callable[[], float], rate: float, burst: float) -> None:
        self._now, self._rate, self._burst = now, rate, burst
        self._level = burst
        self._at = now()

    def take(self) -> bool:
        """Takes one out, if there is one."""
        now = self._now()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Buckets:
    """One for each key, `most` at most: whoever was quiet longest is forgotten first. Thread-safe."""

    def __init__(self, now: Callable[[], float], rate: float, burst: float, most: int = 4096) -> None:
        self._now, self._rate, self._burst, self._most = now, rate, burst, most
        self._found: OrderedDict[str, Bucket] = OrderedDict()
        self._lock = Lock()

    def take(self, key: str) -> bool:
        """Takes one out of this key's bucket, if there is one."""
        with self._lock:
            found = self._found.setdefault(key, Bucket(self._now, self._rate, self._burst))
            self._found.move_to_end(key)
            while len(self._found) > self._most:
                self._found.popitem(last=False)
            return found.take()
