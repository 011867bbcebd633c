"""What bricks tell each other, as the host keeps it: entries of one source under one ruleset, and lists of heads.

Entries are those of message 40 (docs/formats/link.md), 14 bytes each; a record may have several, for slots that
overlap, and they stay together.
"""

import hashlib
from array import array
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from hostagent.core import cbor, people
from hostagent.store.heads import Told

SIZE: int = people.SIZE
MOST: int = people.MOST
# Records of one source that are kept to be told; the oldest go first, a brick that starts later then counts less.
KEPT = 65_536
# Lists of heads of one receiver that a record of it may yet name.
LISTS = 16_384
# Different heads that one receiver may have, as far as is known here.
MAYBE = 8
_HEADS = b"stallmark/heads/1\0"


class Part(NamedTuple):
    """A message's worth: where to go on after it, the seq up to which it tells, its entries."""

    cursor: int
    up_to: int
    entries: bytes


class Log:
    """The records of one source, in order of seq. Cursors count records ever added, so they outlive dropping."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._seqs = array("I")
        self._ends = array("I")
        self._data = bytearray()
        self._first = 0
        # Up to this record everything is known, with something to tell or without.
        self.head = 0
        self.dropped = 0

    @property
    def end(self) -> int:
        """The cursor behind the newest record."""
        return self._first + len(self._seqs)

    def add(self, seq: int, entries: bytes) -> None:
        """The record after the newest one. A repeat is passed over."""
        if seq <= self.head:
            return
        self.head = seq
        if entries:
            self._seqs.append(seq)
            self._data += entries[: SIZE * MOST]
            self._ends.append(len(self._data))
            if len(self._seqs) > self._kept:
                self._drop(len(self._seqs) - self._kept * 3 // 4)

    def after(self, cursor: int) -> Part:
        """As many whole records from `cursor` on as one message takes; no entries where there is nothing new."""
        at = first = max(0, cursor - self._first)
        start = self._ends[at - 1] if at else 0
        while at < len(self._seqs) and self._ends[at] - start <= SIZE * MOST:
            at += 1
        end = self._ends[at - 1] if at > first else start
        up_to = self.head if at == len(self._seqs) else self._seqs[at - 1]
        return Part(self._first + at, up_to, bytes(self._data[start:end]))

    def _drop(self, count: int) -> None:
        gone = self._ends[count - 1]
        del self._seqs[:count], self._data[:gone]
        self._ends = array("I", [end - gone for end in self._ends[count:]])
        self._first += count
        self.dropped += count


def digest16(heads: bytes) -> bytes:
    """Field 21 of a record that looked at these heads (CBOR `[[brick8, seq] …]`)."""
    return hashlib.sha256(_HEADS + heads).digest()[:16]


def encoded(heads: dict[bytes, int]) -> bytes:
    """The list of heads as it is hashed and as it stands in a batch."""
    data: bytes = cbor.encode([[brick, heads[brick]] for brick in sorted(heads)])
    return data


class Lists:
    """Lists of heads that somebody may decide by, by what a record would say of them.

    `noted` are those of the store, in order. Of each receiver the newest `kept` stay; one is not needed any more
    once a batch has a later record of that receiver.
    """

    def __init__(self, noted: Iterable[Told] = (), kept: int = LISTS) -> None:
        self._kept = kept
        self._of: dict[bytes, deque[Told]] = {}
        # How often each list is kept.
        self._known: Counter[tuple[bytes, bytes]] = Counter()
        self._number = 0
        # Lists that went before a batch had the records they may belong to; of each receiver the number up to which.
        self.dropped = 0
        self._gone: dict[bytes, int] = {}
        for told in noted:
            self._add(told)
        for brick in self._of:
            self._bound(brick)

    def __len__(self) -> int:
        return sum(len(known) for known in self._of.values())

    def note(self, brick: bytes, heads: dict[bytes, int]) -> Told:
        """The receiver may decide by these heads from now on; what is to be kept of that."""
        data = encoded(heads)
        told = Told(brick, self._number + 1, digest16(data), data)
        self._add(told)
        self._bound(brick)
        return told

    def gone(self, brick: bytes) -> int:
        """The number up to which this receiver's lists were too many: kept nowhere."""
        return self._gone.get(brick, 0)

    def _bound(self, brick: bytes) -> None:
        while len(self._of[brick]) > self._kept:
            self._gone[brick] = self._of[brick][0].number
            self._forget(brick)
            self.dropped += 1

    def newest(self, brick: bytes) -> Told | None:
        """The list that this receiver was given last."""
        known = self._of.get(brick)
        return known[-1] if known else None

    def get(self, digest: bytes) -> bytes | None:
        """The list that a record's field 21 names."""
        for brick, known in self._of.items():
            if self._known[brick, digest]:
                return next(told.heads for told in reversed(known) if told.digest == digest)
        return None

    def in_batch(self, brick: bytes, digest: bytes) -> None:
        """A batch has a record of this receiver that names this list: none before it is needed."""
        if self._known[brick, digest]:
            while self._of[brick][0].digest != digest:
                self._forget(brick)

    def _add(self, told: Told) -> None:
        self._of.setdefault(told.brick, deque()).append(told)
        self._known[told.brick, told.digest] += 1
        self._number = max(self._number, told.number)

    def _forget(self, brick: bytes) -> None:
        gone = self._of[brick].popleft()
        self._known[brick, gone.digest] -= 1
        if not self._known[brick, gone.digest]:
            del self._known[brick, gone.digest]


class Heads:
    """What heads one receiver may have: more than one answer where a link ended with a message on its way."""

    def __init__(self, now: Iterable[dict[bytes, int]] | None = None) -> None:
        self._now: list[dict[bytes, int]] = [{}] if now is None else list(now)
        self._before: list[dict[bytes, int]] = []
        # What it may have and is not known here any more: a record of it may name a list that nobody finds.
        self.dropped = 0

    @classmethod
    def restored(cls, data: bytes) -> "Heads":
        """What `possible` said."""
        lists: list[list[list[Any]]] = cbor.decode(data)
        return cls([{brick: seq for brick, seq in heads} for heads in lists])

    def copy(self) -> "Heads":
        """As it is now."""
        same = Heads(self._now)
        same._before, same.dropped = list(self._before), self.dropped
        return same

    def restarted(self) -> None:
        """It knows nothing of others any more."""
        self._now, self._before = [{}], []

    def resumed(self) -> None:
        """A new link to one that kept what it had; whether the last message came is not known."""
        self._now, self._before = self._bounded(_distinct([*self._now, *self._before])), []

    def possible(self) -> bytes:
        """CBOR of everything that it may have."""
        lists = _distinct([*self._now, *self._before])
        data: bytes = cbor.encode([[[brick, heads[brick]] for brick in sorted(heads)] for heads in lists])
        return data

    def sent(self, source: bytes, up_to: int) -> list[dict[bytes, int]]:
        """A message is to go out; the one before it has arrived. What the receiver may then have that it had not."""
        self._before = self._now
        after = [{**heads, source: max(heads.get(source, 0), up_to)} for heads in self._now]
        self._now = self._bounded(_distinct(after))
        return [heads for heads in self._now if heads not in self._before]

    def _bounded(self, heads: list[dict[bytes, int]]) -> list[dict[bytes, int]]:
        # Links that end again and again make more and more answers: first those where every message arrived.
        self.dropped += max(0, len(heads) - MAYBE)
        return heads[:MAYBE]

    def least(self) -> dict[bytes, int]:
        """What it has at least."""
        return min(self._now, key=lambda heads: sum(heads.values()))


def _distinct(all_heads: Iterable[dict[bytes, int]]) -> list[dict[bytes, int]]:
    found: list[dict[bytes, int]] = []
    for heads in all_heads:
        if heads not in found:
            found.append(heads)
    return found
