"""Waiting between attempts: exponential with full jitter, so that hosts do not all come back at once."""

import random


class Backoff:
    """`next()` gives 0 s to a cap that doubles from `first` to `most`; `reset()` after a success."""

    def __init__(self, first: float = 0.5, most: float = 60.0, rng: random.Random | None = None) -> None:
        self._first = first
        self._most = most
        self._rng = rng or random.SystemRandom()
        self.failures = 0

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        cap = min(self._most, self._first * 2 ** min(self.failures, 32))
        self.failures += 1
        return self._rng.uniform(0, cap)

    def reset(self) -> None:
        """The last attempt succeeded."""
        self.failures = 0
