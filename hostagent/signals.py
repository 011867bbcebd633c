"""Signals of the kit: the newest value of each, from the lane's durable records (docs/formats/record.md, private field 8)."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from hostagent.core import Fields, reg

# Different signals that are remembered. First goes what no rules known here look at, heard longest ago: a till may send
# any name.
MOST = 64
NAME, VALUE, AGE = range(3)
SIGNAL = 8


class Heard:
    """Newest (value, instant in ms) by name and event type."""

    def __init__(self) -> None:
        self._newest: OrderedDict[tuple[str, int], tuple[int, int]] = OrderedDict()

    def take(
        self, public: Fields, private: Fields, rulesets: Callable[[], Iterable[Any]] = lambda: ()
    ) -> bool:
        """A record of the lane; True where it brings a signal that is not older than what is known. Practice is none.
        `rulesets()`: those in use and on offer."""
        signal = private.get(SIGNAL)
        if signal is None or public.get(5) is None or public[0] & (reg.FLAG_TRAINING | reg.FLAG_SHADOW):
            return False
        key = signal[NAME], public[11] >> 4
        at_ms = public[5] - signal[AGE] * 1000
        if key in self._newest and self._newest[key][1] > at_ms:
            return False  # an older one came late
        self._newest[key] = signal[VALUE], at_ms
        self._newest.move_to_end(key)
        if len(self._newest) > MOST:
            looked_at = {(name, event) for rules in rulesets() for name, event, *_ in rules.signals}
            idle = (known for known in self._newest if known not in looked_at)
            del self._newest[next(idle, next(iter(self._newest)))]
        return True

    def of(self, ruleset: Any) -> list[list[int]]:
        """[[index, value, instant ms] …] of the signals that a ruleset looks at."""
        found: list[list[int]] = []
        for index, (name, event_type, *_) in enumerate(ruleset.signals):
            newest = self._newest.get((name, event_type))
            if newest is not None:
                found.append([index, *newest])
        return found
