"""The brick's idea of the time of day, and how far it can be trusted (docs/formats/registry.md)."""

from stallmark.numbers import QUALITY_HELD, QUALITY_UNSET


class Clock:
    """Wall time carried on by the uptime counter.

    `source` is the port's clock: `uptime_ms()` never goes back within a start-up, `wall_ms()` is what was
    held over the restart or None; `hold(ms)`, where there is one, keeps the wall time for the next start-up.
    """

    def __init__(self, source):
        self._source = source
        self._hold = getattr(source, "hold", None)
        held = source.wall_ms()
        self._offset = None if held is None else held - source.uptime_ms()
        self.quality = QUALITY_UNSET if held is None else QUALITY_HELD
        self.spread_ms = 0

    def uptime_ms(self):
        """Milliseconds since start-up."""
        return self._source.uptime_ms()

    def wall_ms(self):
        """Milliseconds since 1970 UTC, or None while the clock is unset."""
        return None if self._offset is None else self._source.uptime_ms() + self._offset

    def set(self, wall_ms, quality, spread_ms):
        """Take the host's time, forwards or backwards: a wrong clock must be correctable (MeshCore #1326)."""
        self._offset = wall_ms - self._source.uptime_ms()
        self.quality = quality
        self.spread_ms = spread_ms
        if self._hold is not None:
            self._hold(wall_ms)
