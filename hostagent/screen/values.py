"""The operator's open values as a person reads and types them: percent, money, pieces, time, each in its bounds."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from hostagent.core import money
from hostagent.openvalues import OpenValue

if TYPE_CHECKING:
    from hostagent.screen.model import Screen

BPS, MINOR, MS = "percent", "money", "time"
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Row:
    """One open value. Numbers are in the ruleset's units (bps, minor, pieces, ms); `who` None: never set; `apart`:
    bricks where another value still holds."""

    index: int
    name: str
    unit: str
    lowest: int
    highest: int
    value: int
    currency: str
    who: str | None
    at_ms: int | None
    apart: tuple[tuple[str, int], ...] = ()

    @property
    def scale(self) -> Decimal:
        """How many of the ruleset's units are one of what a person types."""
        if self.unit == BPS:
            return Decimal(100)
        if self.unit == MINOR:
            return Decimal(10) ** int(money.places(self.currency))
        return Decimal(MINUTE_MS) if self.unit == MS else Decimal(1)

    def number(self, value: int) -> str:
        """A value as it is typed."""
        return f"{(Decimal(value) / self.scale).normalize():f}"

    def text(self, value: int) -> str:
        """A value with its unit."""
        unit = {BPS: " %", MINOR: f" {self.currency}", MS: " min"}.get(self.unit, "")
        return self.number(value) + unit

    def parse(self, text: str) -> int:
        """What was typed, in the ruleset's unit. Raises ValueError for what is no number of that unit."""
        try:
            value = Decimal(str(text).strip().rstrip("%").strip().replace(",", ".")) * self.scale
        except InvalidOperation:
            raise ValueError(f"{text!r} is no number") from None
        if not value.is_finite() or value != value.to_integral_value() or abs(value) > 2**53:
            raise ValueError(f"{text!r} is no number of this unit")
        return int(value)


def rows(screen: "Screen") -> Iterator[Row]:
    """Every open value of the ruleset in use, with what it is now."""
    currency = getattr(screen.ruleset, "currency", None) or ""
    for one in screen.agent.openvalues.current().values():
        yield Row(
            one.index,
            one.name,
            one.unit,
            one.lowest,
            one.highest,
            one.value,
            currency,
            one.who,
            one.at_ms,
            _apart(one),
        )


async def put(screen: "Screen", index: int, value: int, who: str) -> str:
    """Sets one value at every brick and the lane; what each of them said, in words. Raises Refused."""
    said = await screen.agent.openvalues.set({index: value}, who)
    return " · ".join(f"{name}: {words}" for name, words in said.items())


def _apart(one: OpenValue) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(one.bricks.items()))
