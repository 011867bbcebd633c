"""Instants, ages and refusals of rentals in words; and reading instants that people type."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fleet.alerts.judge import span
from fleet.errors import Refused
from fleet.rentals import states

MOST_MS = 1 << 48


def when(at_ms: int) -> str:
    """UTC to the minute."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def ago(since_ms: int | None, now_ms: int) -> str:
    """How long so far."""
    return "nobody knows since when" if since_ms is None else f"for {span(max(0, now_ms - since_ms))}"


def demand(
    table: dict[tuple[str, str], str], what: str, state: str, since_ms: int, verb: str, now_ms: int
) -> str:
    """The state after a verb. Raises Refused 409 that says what it is, for how long, and what the verb is for."""
    found = states.after(table, state, verb)
    if found is None:
        right = " or ".join(states.wanted(table, verb))
        raise Refused(409, f"{what} is {state} {ago(since_ms, now_ms)}: {verb} is for one that is {right}")
    return found


def read_instant(text: str, zone: str = "") -> int:
    """Milliseconds of an instant such as 2026-05-01T08:00+02:00, 2026-05-01T06:00Z, or 2026-05-01T08:00 in a zone. A time that
    a change of clocks skips, or that it makes twice, is refused. Raises Refused 422."""
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            if not zone:
                raise Refused(
                    422, f"{text} says no zone: add Z or +02:00, or name one with --zone Europe/Berlin"
                )
            place = ZoneInfo(zone)
            both = [found.replace(tzinfo=place, fold=fold) for fold in (0, 1)]
            real = {
                one.timestamp() for one in both
                if one.astimezone(UTC).astimezone(place).replace(tzinfo=None, fold=0) == found
            }  # fmt: skip
            if len(real) != 1:
                how = "does not exist" if not real else "happens twice"
                raise Refused(
                    422, f"{text} {how} in {zone}, where clocks change then: say it with Z or +02:00"
                )
            ms = round(real.pop() * 1000)
        else:
            ms = round(found.timestamp() * 1000)
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        raise Refused(
            422, f"{text!r} is no instant such as 2026-05-01T08:00Z, or {zone!r} is no zone"
        ) from None
    if not 0 < ms < MOST_MS:
        raise Refused(422, f"{text} is no instant of this age")
    return ms
