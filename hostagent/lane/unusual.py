"""How unusual an event at the till is: the brick's own signals and model, and what records say of them (docs/formats/risk.md)."""

from collections import OrderedDict
from typing import Any

from stallmark import risk as _risk
from stallmark import risktable as _risktable

risk: Any = _risk
MODEL: bytes = _risktable.MODEL
# Events whose record is not written yet: a person may take a while to answer.
WAITING = 256


class Unusual:
    """One Watch for the lane. An event that is decided twice counts once."""

    def __init__(self) -> None:
        self._watch: Any = risk.Watch(MODEL)
        self._found: OrderedDict[bytes, int] = OrderedDict()

    def score(self, event: Any) -> int:
        """0 to 255 for a stamped event."""
        if event.nonce not in self._found:
            score, signal = self._watch.see(event)
            self._found[event.nonce] = risk.field(self._watch.version, score, signal)
            while len(self._found) > WAITING:
                self._found.popitem(last=False)
        return self._found[event.nonce] & 255

    def field(self, event: Any) -> int | None:
        """Field 22 of the event's record, or None where it was never scored here."""
        return self._found.get(event.nonce)

    def granted(self, event: Any) -> None:
        """A bonus was given."""
        self._watch.granted(risk.served_by(event), event.uptime_ms or 0)
