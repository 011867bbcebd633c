"""A clock that only moves when the test says so, in nanoseconds."""

MS = 1_000_000


class HandClock:
    """Call it for the time; `advance` moves it."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: float) -> None:
        """Moves on by milliseconds."""
        self.now += int(ms * MS)
