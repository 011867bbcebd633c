"""How far a threshold of signatures is, in words."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.trust import metadata
from fleet.trust.keyset import Holder


@dataclass(frozen=True, slots=True)
class Waiting:
    """How far one signature threshold is: `of` says whose it is."""

    of: str
    signed: tuple[Holder, ...]
    missing: tuple[Holder, ...]
    threshold: int

    @property
    def met(self) -> bool:
        """Whether enough have signed."""
        return len(self.signed) >= self.threshold

    def words(self) -> str:
        """One sentence."""
        have = metadata.names(self.signed) or "nobody"
        if self.met:
            return f"{self.of}: {len(self.signed)} of {self.threshold} signed ({have})"
        ordinal = ("first", "second", "third", "fourth")[len(self.signed)]
        who = metadata.names(self.missing)
        return f"{self.of}: waiting for the {ordinal} signature of {self.threshold}; signed: {have}; can sign: {who}"
