"""How often somebody may try: back-off by account and by address, in bounded memory. Time is an argument. Thread-safe."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from threading import Lock

FREE = 5  # wrong tries before the first wait
FIRST_MS = 2_000
LONGEST_MS = 300_000
FORGET_MS = 3_600_000  # without another try
ENTRIES = 4096


class Attempts:
    """Wrong tries by key. After `free` of them each further one doubles the wait, up to five minutes; a right one, or an
    hour without any, ends it. Holds at most `entries` keys: the one that was quiet longest is forgotten first."""

    def __init__(self, free: int = FREE, entries: int = ENTRIES) -> None:
        self._free = free
        self._entries = entries
        self._found: OrderedDict[str, tuple[int, int, int]] = OrderedDict()  # key: wrong, last, until
        self._lock = Lock()

    def wait_ms(self, key: str, now_ms: int) -> int:
        """How long this key still has to wait; 0 where it may try."""
        with self._lock:
            return self._wait(key, now_ms)

    def begin(self, key: str, now_ms: int) -> int:
        """The same for whoever tries now: it counts as wrong until `right` or `undo`, so that many at once are no more tries
        than one after the other. Where there is a wait nothing is counted."""
        with self._lock:
            waits = self._wait(key, now_ms)
            if not waits:
                self._count(key, now_ms)
            return waits

    def undo(self, key: str) -> None:
        """A try that began was none, or was right and says nothing of the others. The wait that it began ends."""
        with self._lock:
            wrong, last, _ = self._found.get(key, (0, 0, 0))
            if wrong > 1:
                self._found[key] = (wrong - 1, last, 0)
            else:
                self._found.pop(key, None)

    def _wait(self, key: str, now_ms: int) -> int:
        wrong, last, until = self._found.get(key, (0, 0, 0))
        if wrong and now_ms - last > FORGET_MS:
            del self._found[key]
            return 0
        return max(0, until - now_ms)

    def wrong(self, key: str, now_ms: int) -> None:
        """A try that failed."""
        with self._lock:
            self._count(key, now_ms)

    def _count(self, key: str, now_ms: int) -> None:
        self._wait(key, now_ms)  # forgets what is long ago
        wrong = self._found.get(key, (0, 0, 0))[0] + 1
        over = wrong - self._free
        pause = 0 if over < 0 else min(LONGEST_MS, FIRST_MS << min(over, 20))
        self._found[key] = (wrong, now_ms, now_ms + pause)
        self._found.move_to_end(key)
        while len(self._found) > self._entries:
            self._found.popitem(last=False)

    def right(self, key: str) -> None:
        """A try that succeeded."""
        with self._lock:
            self._found.pop(key, None)

    def __len__(self) -> int:
        return len(self._found)


def network(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 one (whoever has one has them all)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
