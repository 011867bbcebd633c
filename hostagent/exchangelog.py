"""What bricks tell each other, as the host keeps it: entries of one source under one ruleset, and lists of heads.

Entries are those of message 40 (docs/formats/link.md), 14 bytes each; a record may have several, for slots that
overlap, and they stay together.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from hostagent.core import cbor, people

SIZE: int = people.SIZE
MOST: int = people.MOST
# Records of one source that are kept to be told; the oldest go first, a brick that starts later then counts less.
KEPT = 65_536
# Lists of heads that a record may yet name.
LISTS = 4_096
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
    """Lists of heads that were sent to anybody, the newest `kept`, by what a record would say of them."""

    def __init__(self, kept: int = LISTS) -> None:
        self._kept = kept
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def note(self, heads: dict[bytes, int]) -> None:
        """A brick may decide by these heads from now on."""
        data = encoded(heads)
        digest = digest16(data)
        self._known[digest] = data
        self._known.move_to_end(digest)
        if len(self._known) > self._kept:
            self._known.popitem(last=False)

    def get(self, digest: bytes) -> bytes | None:
        """The list that a record's field 21 names."""
        return self._known.get(digest)


class Heads:
    """What heads one receiver may have: more than one answer where a link ended with a message on its way."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._now: list[dict[bytes, int]] = [{}]
        self._before: list[dict[bytes, int]] = []

    def restarted(self) -> None:
        """It knows nothing of others any more."""
        self._now, self._before = [{}], []

    def resumed(self) -> None:
        """A new link to one that kept what it had; whether the last message came is not known."""
        self._now, self._before = _distinct([*self._now, *self._before]), []

    def sent(self, source: bytes, up_to: int) -> None:
        """A message is on its way; the one before it has arrived."""
        self._before = self._now
        after = [{**heads, source: max(heads.get(source, 0), up_to)} for heads in self._now]
        self._now = _distinct(after)
        for heads in self._now:
            self._lists.note(heads)

    def least(self) -> dict[bytes, int]:
        """What it has at least."""
        return min(self._now, key=lambda heads: sum(heads.values()))


def _distinct(all_heads: Iterable[dict[bytes, int]]) -> list[dict[bytes, int]]:
    found: list[dict[bytes, int]] = []
    for heads in all_heads:
        if heads not in found:
            found.append(heads)
    return found[:8]
