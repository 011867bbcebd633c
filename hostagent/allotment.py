"""Which brick gets which slice of rights: pure, over what is in memory. docs/rights.md, *At the host*

A slice is given to one brick, once and for good. A brick is kept at two slices of a rule with something left in
them, but takes a second one only while every other brick of the kit can still get its first. Where the forecast had
a brick in mind for a slice, that brick gets it; another one only when it has nothing left at all. Only who can use a
rule is meant by all this, and nobody is given more slices than it has places for.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hostagent.core import SLICES_HELD, reg
from hostagent.store.slices import Slice

WANTED = 2


@dataclass
class Held:
    """One slice in memory."""

    slice: Slice
    brick: bytes | None
    result: int | None
    # Why it must go to nobody, if there is a reason.
    withheld: str | None
    # The disk has not confirmed the assignment: the slice is not sent, and no other brick gets it.
    unconfirmed: bool = False
    # When the brick answered to it in this session of the link; None: not yet.
    answered: int | None = None
    # Whom the forecast had in mind.
    hint: bytes | None = None
    # How many slices its brick kept when it had no room for this one.
    full_at: int = SLICES_HELD


class Allotment:
    """All slices of a kit, and what bricks said of theirs.

    `bricks`: those of the kit, in their order; `connected(brick)`: whether its link is up and it said what it has
    left; `left(brick)`: that, by slice; `suits(brick, rule8)`: whether it can ever grant by a rule. All times are
    market ms."""

    def __init__(
        self,
        bricks: Callable[[], Iterable[bytes]],
        connected: Callable[[bytes], bool],
        left: Callable[[bytes], dict[int, int]],
        suits: Callable[[bytes, bytes], bool] = lambda brick, rule: True,
    ) -> None:
        self.slices: dict[int, Held] = {}
        self._suits = suits
        self._bricks = bricks
        self._connected = connected
        self._left = left
        # Order of what bricks say: a status counts for a slice only if it came after the brick took the slice.
        self._order = 0
        self._status_order: dict[bytes, int] = {}

    # --- what bricks say

    def heard_status(self, brick: bytes) -> None:
        """A brick said what it has left."""
        self._order += 1
        self._status_order[brick] = self._order

    def heard_result(self, brick: bytes, number: int, result: int, now_ms: int = 0) -> Held | None:
        """A brick answered to a slice: the slice, where the answer is news and it is this brick's."""
        held = self.slices.get(number)
        if held is None or held.brick != brick:
            return None
        self._order += 1
        held.answered = self._order
        if result == reg.SLICE_HELD:
            result = reg.SLICE_OK
        news = held.result != result
        held.result = result
        if result == reg.SLICE_NO_ROOM:
            held.full_at = self._places(brick, now_ms)
        return held if news else None

    def refused_by(self, brick: bytes, now_ms: int) -> list[Held]:
        """What a brick refused in this session, as far as it has not ended."""
        return [
            held
            for held in self.slices.values()
            if held.brick == brick
            and held.answered is not None
            and held.result != reg.SLICE_OK
            and held.slice.expires > now_ms
        ]

    # --- who gets what

    def own(self, brick: bytes, now_ms: int) -> list[Held]:
        """What is sent to a brick at the start of a session: all that it may still spend. What it refused because its rules do
        not have the rule is offered again once it says that it has other rules: a brick checks signatures for seconds."""
        found: list[Held] = []
        for held in self.slices.values():
            if held.brick == brick:
                if held.answered is not None and held.result == reg.SLICE_UNKNOWN_RULE:
                    continue
                held.answered = None
                if held.slice.expires > now_ms and not held.unconfirmed:
                    found.append(held)
        return found

    def no_room(self, brick: bytes, now_ms: int) -> list[Held]:
        """What a brick refused because it was full, as far as there are places for it now."""
        kept = self._places(brick, now_ms)
        refused = [
            held
            for held in self.slices.values()
            if held.brick == brick
            and held.result == reg.SLICE_NO_ROOM
            and held.answered is not None
            and held.slice.expires > now_ms
            and kept < held.full_at
        ]
        return refused[: max(0, SLICES_HELD - kept)]

    def next_for(self, brick: bytes, now_ms: int) -> Held | None:
        """The slice that a brick gets next, if it is there, needs one and has a place for it."""
        if not self._connected(brick):
            return None
        free: dict[bytes, list[Held]] = {}
        have: Counter[bytes] = Counter()
        left, said = self._left(brick), self._status_order.get(brick, 0)
        for held in self.slices.values():
            if held.slice.expires <= now_ms:
                continue
            rule, owner = held.slice.rule, held.brick
            if owner is None:
                if held.withheld is None:
                    free.setdefault(rule, []).append(held)
            elif owner == brick:
                if held.result == reg.SLICE_NO_ROOM:
                    return None  # that one comes first
                have[rule] += self._may_spend(held, left, said)
        if not free or self._places(brick, now_ms) >= SLICES_HELD:
            return None
        # Of every rule the first slice, then second ones: there are more rules than places.
        for rule in sorted(free, key=lambda rule: (have[rule], rule)):
            if have[rule] >= WANTED or not self._suits(brick, rule):
                continue
            given = {held.brick for held in self.slices.values() if held.slice.rule == rule}
            if brick in given:
                others = [other for other in self._bricks() if self._suits(other, rule)]
                if len(free[rule]) <= sum(other not in given for other in others):
                    continue
            # A slice that was meant for another one is for when nothing is left here.
            fit = [
                held
                for held in free[rule]
                if not have[rule]
                or held.hint is None
                or held.hint == brick
                or not self._suits(held.hint, rule)
            ]
            if fit:
                return min(fit, key=lambda held: (held.hint != brick, held.hint is not None, held.slice.id))
        return None

    def _places(self, brick: bytes, now_ms: int) -> int:
        """How many slices a brick keeps in mind, as it says and as are on their way to it."""
        left, said = self._left(brick), self._status_order.get(brick, 0)
        kept = {
            number
            for number, amount in left.items()
            if amount and (number not in self.slices or self.slices[number].slice.expires > now_ms)
        }
        kept |= {
            number
            for number, held in self.slices.items()
            if held.brick == brick
            and held.slice.expires > now_ms
            and held.result in (None, reg.SLICE_OK)
            and self._may_spend(held, left, said)
        }
        return len(kept)

    @staticmethod
    def _may_spend(held: Held, left: dict[int, int], said: int) -> bool:
        """Whether its brick has something left of a slice: as it says, or the slice is on its way to it."""
        # A brick that has just started knows of none of its slices until they are sent anew; one that refuses a
        # slice (it has not got the rule yet) is not given the whole stock to refuse.
        pending = held.answered is None or said < held.answered or held.result != reg.SLICE_OK
        return pending or left.get(held.slice.id, 0) > 0
