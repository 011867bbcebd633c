"""How often a till may ask: so many calls in a second, and a store of them after a quiet time."""

import time
from dataclasses import dataclass, field


@dataclass
class Bucket:
    """`take` is True while there is one left."""

    per_second: float
    burst: int
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left = float(self.burst)
        self._at = time.monotonic()

    def take(self) -> bool:
        """One call."""
        now = time.monotonic()
        self._left = min(float(self.burst), self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
