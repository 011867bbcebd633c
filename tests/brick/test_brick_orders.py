"""What a host may order of the clock: any time but one that cannot be."""

import pytest
from brick import config
from brick import counters as count
from brick.clock import Clock
from brick.counters import Counters
from brick.orders import Orders
from stallmark import numbers as reg
from stallmark.errors import FormatError

SIGNED_MS = 1_790_000_000_000


class Source:
    """A board that has just started."""

    ms = 5_000

    def uptime_ms(self):
        return self.ms

    def wall_ms(self):
        return None


class Recorder:
    """Keeps what is to be recorded."""

    def __init__(self):
        self.written = []

    def write(self, kind, fields, *more):
        self.written.append((kind, fields))
        return True


def orders():
    clock, counters = Clock(Source()), Counters()
    made = Orders(clock, Recorder(), None, None, counters, lambda: None, lambda: SIGNED_MS, lambda order: None)
    return made, clock, counters


@pytest.mark.parametrize("wrong_ms", [0, 86_400_000, SIGNED_MS - config.CLOCK_SLACK_MS - 1])
def test_a_time_before_anything_was_signed_is_refused_and_counted(wrong_ms):
    made, clock, counters = orders()
    made.clock({0: wrong_ms, 1: reg.QUALITY_HOST, 2: 50})
    assert clock.wall_ms() is None and clock.quality == reg.QUALITY_UNSET
    made.clock({0: SIGNED_MS + 60_000, 1: reg.QUALITY_HOST, 2: 50})
    made.clock({0: wrong_ms, 1: reg.QUALITY_HOST, 2: 50})
    assert clock.wall_ms() == SIGNED_MS + 60_000
    assert dict(counters.snapshot())[count.CLOCK_REFUSED] == 2


def test_a_time_far_ahead_is_mended_by_the_next_one_and_one_beyond_all_bounds_is_no_message():
    made, clock, _ = orders()
    made.clock({0: 4_070_908_800_000 - 1, 1: reg.QUALITY_HOST, 2: 50})  # 2098
    made.clock({0: SIGNED_MS, 1: reg.QUALITY_HOST, 2: 50})
    assert clock.wall_ms() == SIGNED_MS
    with pytest.raises(FormatError):
        made.clock({0: config.LATEST_MS + 1, 1: reg.QUALITY_HOST, 2: 50})
