"""The brick's idea of the time of day, and how far it can be trusted (docs/formats/registry.md, docs/appliance.md)."""

from stallmark.constant import const
from stallmark.numbers import QUALITY_HELD, QUALITY_HOST, QUALITY_UNSET

from brick import config

_MEASURE_MS = const(60000)  # a drift is measured over at least this long
_MILLION = const(1000000)


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
        self._spread_ms = 0 if held is None else config.HELD_MS
        self._set_at = None if held is None else source.uptime_ms()
        self.drift_ppm = None  # how fast this brick's counter runs against the host's time: + slow, - fast

    def uptime_ms(self):
        """Milliseconds since start-up."""
        return self._source.uptime_ms()

    def wall_ms(self):
        """Milliseconds since 1970 UTC, or None while the clock is unset."""
        return None if self._offset is None else self._source.uptime_ms() + self._offset

    @property
    def spread_ms(self):
        """How far the time may be off either way: as given at the last correction, and growing since."""
        if self._set_at is None:
            return self._spread_ms
        return self._spread_ms + self.age_ms * config.DRIFT_PPM // _MILLION

    @property
    def age_ms(self):
        """Milliseconds since the last correction (or start-up, of a held time), None while unset."""
        return None if self._set_at is None else self._source.uptime_ms() - self._set_at

    def set(self, wall_ms, quality, spread_ms, keep=True):
        """Take the host's time, forwards or backwards: a wrong clock must be correctable (MeshCore #1326). `keep`: the next
        start-up may go on with it."""
        uptime_ms = self._source.uptime_ms()
        age_ms = self.age_ms
        if age_ms is not None and age_ms >= _MEASURE_MS and self.quality >= QUALITY_HOST:
            error_ms = wall_ms - uptime_ms - self._offset
            if abs(error_ms) <= config.CLOCK_STEP_MS:  # more is a step of the host's clock, not our crystal
                self.drift_ppm = error_ms * _MILLION // age_ms
        self._offset = wall_ms - uptime_ms
        self._set_at = uptime_ms
        self.quality = quality
        self._spread_ms = spread_ms
        if keep and self._hold is not None:
            self._hold(wall_ms)
