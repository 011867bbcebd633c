"""Rights as docs/formats/ruleset-1.md says them, over every slice that the host ever gave a brick; which of them the brick had in
memory at an instant is not in its records, so that is for the caller to vary."""

from collections.abc import Sequence
from typing import Any

Key = tuple[int, int]
"""Rule index and unit."""


class _NeverKnown:
    """The engine keeps here what it found a rule's rights to be; here it is to look every time."""

    def __getitem__(self, rule: int) -> int:
        return 0

    def __setitem__(self, rule: int, found: int) -> None:
        pass


class Held:
    """In the place of an engine state's `rights`. `visible`: how many slices of each rule and unit count as held, in the order in
    which the brick first spent from them; `asked`: what decisions looked at since it was emptied."""

    def __init__(self, slices: Sequence[Any], rule8: Sequence[bytes]) -> None:
        self.order: dict[Key, list[Any]] = {}
        for piece in slices:
            for rule, name in enumerate(rule8):
                if name == piece.rule:
                    self.order.setdefault((rule, piece.unit), []).append(piece)
        self.visible: dict[Key, int] = {}
        self.asked: set[Key] = set()
        self.enough = _NeverKnown()
        self.forget()

    def forget(self) -> None:
        """Another rental begins."""
        self._spent: dict[int, int] = {}

    # --- what records say

    def spend(self, slice_id: int, amount: int, seq: int) -> None:
        del seq
        self._spent[slice_id] = self._spent.get(slice_id, 0) + amount

    def carry(self, slice_id: int, total: int, seq: int) -> None:
        del seq
        self._spent[slice_id] = max(self._spent.get(slice_id, 0), total)

    def release(self, parts: Sequence[Sequence[int]]) -> None:
        for slice_id, amount in parts:
            self._spent[slice_id] = max(self._spent.get(slice_id, 0) - amount, 0)

    # --- what a decision asks

    def opens(self, parts: Sequence[Sequence[int]]) -> list[int]:
        """Slices among parts of which no record speaks yet."""
        return [part[0] for part in parts if part[0] not in self._spent]

    def had(self, rule: int, unit: int) -> bool:
        return bool(self._visible(rule, unit))

    def available(self, rule: int, unit: int) -> int:
        return sum(self._left(piece) for piece in self._visible(rule, unit))

    def cover(self, rule: int, unit: int, amount: int) -> list[list[int]] | None:
        pieces = sorted(
            (piece for piece in self._visible(rule, unit) if self._left(piece)),
            key=lambda p: (p.expires, p.id),
        )
        for first, piece in enumerate(pieces):
            left = self._left(piece)
            if left >= amount:
                return [[piece.id, amount]]
            for other in pieces[first + 1 :]:
                if left + self._left(other) >= amount:
                    return [[piece.id, left], [other.id, amount - left]]
        return None

    def _visible(self, rule: int, unit: int) -> list[Any]:
        key = (rule, unit)
        self.asked.add(key)
        return self.order.get(key, [])[: self.visible.get(key, 0)]

    def _left(self, piece: Any) -> int:
        return max(piece.amount - self._spent.get(piece.id, 0), 0)
