"""What other bricks of the kit told: their heads, and each of their records counted once. docs/formats/ruleset.md"""

from array import array

from stallmark import cbor, people
from stallmark.crypt import sha256
from stallmark.numbers import EVENT_NONE

MAX_BRICKS = 16
_MAX_RECENT = 64  # entries of one brick at the latest instants of its slots

# Of a brick: its head, the latest instant of each slot, entries at that instant
_SEQ, _MARKS, _RECENT = range(3)


class Others:
    """Entries of at most 16 other bricks. Who came is a union, whatever comes twice or late. What is summed
    (events, visits, grants) is summed over records that are later in their slot than all that came before
    from that brick: what comes late is left out, so sums are never too high."""

    def __init__(self, slots):
        self._slots = slots
        self._bricks = {}
        self._evidence = None
        self.heard_ms = None  # when something came last

    def take(self, brick8, up_to_seq, entries, wall, state):
        """Hands each entry to `state` as meet_other(subject6, type, trust, flags, rule, slot, since, wall,
        fresh, first): `fresh` an event not counted before, `first` a grant not counted before. False where
        nothing is new, or where there are too many bricks."""
        brick = self._bricks.get(brick8)
        if brick is None:
            if len(self._bricks) >= MAX_BRICKS:
                return False
            brick = self._bricks[brick8] = [0, array("I", [0] * len(self._slots)), []]
        for at in range(0, len(entries) - people.SIZE + 1, people.SIZE):
            self._entry(brick, bytes(entries[at : at + people.SIZE]), wall, state)
        if wall is not None and (self.heard_ms is None or wall > self.heard_ms):
            self.heard_ms = wall
        if up_to_seq <= brick[_SEQ]:
            return False
        brick[_SEQ] = up_to_seq
        self._evidence = None
        return True

    def _entry(self, brick, entry, wall, state):
        subject, event_type, trust, flags, rule, slot, since = people.read(entry, 0)
        if slot >= len(self._slots) or since >= self._slots[slot][1] - self._slots[slot][0]:
            return
        marks = brick[_MARKS]
        recent = brick[_RECENT]
        fresh = first = since + 1 >= marks[slot]
        if since + 1 > marks[slot]:
            marks[slot] = since + 1
            brick[_RECENT] = recent = [one for one in recent if one[9] != slot]
        elif first:
            for one in recent:
                if one == entry:
                    fresh = first = False
                elif one[:7] == entry[:7] and one[9:] == entry[9:]:
                    fresh = False  # another outcome of the same event
        if first:
            if len(recent) >= _MAX_RECENT:
                fresh = first = False
            else:
                recent.append(entry)
        if event_type == EVENT_NONE:
            fresh = False  # a person's answer to an event that was told before
        state.meet_other(subject, event_type, trust, flags, rule, slot, since, wall, fresh, first)

    def heads(self):
        """[[brick8, seq], …] in order of brick8."""
        return sorted([[brick8, brick[_SEQ]] for brick8, brick in self._bricks.items()])

    def evidence(self):
        """16 bytes that stand for the heads: field 21 of a record."""
        if self._evidence is None:
            self._evidence = sha256(b"stallmark/heads/1\0", cbor.encode(self.heads()))[:16]
        return self._evidence
