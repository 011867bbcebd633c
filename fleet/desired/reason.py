"""One reason why a kit is as it is, with its age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `since_ms`: market ms, None where nobody knows; `brick`: whose it is, None for the kit."""

    code: str
    text: str
    since_ms: int | None = None
    brick: str | None = None
    do: str = ""

    def as_json(self, now_ms: int) -> dict[str, Any]:
        """With its age in seconds."""
        age = None if self.since_ms is None else max(0, now_ms - self.since_ms) // 1000
        return {
            "code": self.code, "text": self.text, "since_ms": self.since_ms, "age_s": age, "brick": self.brick, "do": self.do,
        }  # fmt: skip
