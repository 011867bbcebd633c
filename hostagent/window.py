"""The time of day in which a stall lets updates switch: outside of it bricks are told to hold (message 55)."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LEAST_MIN = 30  # a shorter one would never let anything through
_DAY = 24 * 60
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, minutes of the day, over midnight where `end` is smaller; `zone`: "" is the machine's own."""

    start: int
    end: int
    zone: str = ""

    def wait_s(self, now_ms: int) -> int:
        """Seconds until it is open, 0 while it is; at most a day."""
        now = dt.datetime.fromtimestamp(now_ms / 1000, ZoneInfo(self.zone) if self.zone else None)
        second = now.hour * 3600 + now.minute * 60 + now.second
        if (second - self.start * 60) % (_DAY * 60) < (self.end - self.start) % _DAY * 60:
            return 0
        return (self.start * 60 - second) % (_DAY * 60)

    def words(self) -> str:
        """ "22:00 to 06:00"."""
        return f"{self.start // 60:02}:{self.start % 60:02} to {self.end // 60:02}:{self.end % 60:02}"


def window(start: str, end: str, zone: str) -> Window:
    """Of texts such as "22:00". Raises ValueError with what is wrong."""
    found: list[int] = []
    for text in (start, end):
        time = _TIME.fullmatch(text)
        if time is None:
            raise ValueError(f'{text!r} is no time of day: expected one such as "22:00"')
        found.append(int(time[1]) * 60 + int(time[2]))
    if (found[1] - found[0]) % _DAY < LEAST_MIN:
        raise ValueError(f"{start} to {end}: at least {LEAST_MIN} minutes, or nothing would ever be updated")
    if zone:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'{zone!r} is no time zone: expected one such as "Europe/Berlin"') from None
    return Window(found[0], found[1], zone)
