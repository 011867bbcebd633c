"""Rights: what the controller mints for a rule, so that it can never cost more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Right:
    """What the controller mints for a rule: `count` slices of `slice` units (registry: rights units)."""

    rule: str
    unit: int
    slice: int
    count: int

    @property
    def total(self) -> int:
        """The most that can be spent of it, anywhere."""
        return self.slice * self.count

    def as_config(self) -> dict[str, Any]:
        """The entry of a controller's `rights`."""
        return {"rule": self.rule, "unit": self.unit, "slice": self.slice, "count": self.count}
