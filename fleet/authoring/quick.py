"""A state of the engine that answers the same and does less for it: for replays, which ask it millions of times."""

from __future__ import annotations

from typing import Any

from stallmark import counters as _counters

counters: Any = _counters


def quicken(state: Any) -> None:
    """Makes a fresh State quick: who it knows is looked up in a dictionary, and it gives no evidence (field 21 of records:
    a hash for each decision, on which none rests)."""
    state.evidence = _nothing
    for kept in (state._people, state._ever):
        if kept is not None:
            kept.table.__class__ = Indexed
            kept.table.index = {}


def _nothing() -> None:
    return None


class Indexed(counters.Table):
    """A stallmark.counters.Table that knows where each key is. Entries stand in order of arrival: nothing is searched for,
    where the core, for microcontrollers, hashes each key byte by byte."""

    index: dict[bytes, int]

    def find(self, key: bytes) -> int:
        """Place of the value of a key, or -1."""
        return self.index.get(key, -1)

    def add(self, key: bytes) -> int:
        """Place of a new value, all zeros, for a key that is not there; -1 where the table is full."""
        if self.used >= self.capacity:
            return -1
        start = self.used * self._entry
        at: int = start + self._key
        self.data[start:at] = key
        self.used += 1
        self.index[key] = at
        return at

    def drop(self, gone: Any) -> int:
        """Takes out every entry whose first key byte b has gone[b] true; returns how many. In place."""
        entry, before = self._entry, self.used
        whole = [bytes(self.data[at : at + entry]) for at in range(0, before * entry, entry)]
        left = [one for one in whole if not gone[one[0]]]
        self.data[:] = b"".join(left).ljust(len(self.data), b"\0")
        self.used = len(left)
        self.index = {one[: self._key]: at * entry + self._key for at, one in enumerate(left)}
        return before - self.used
