"""Schedules become bounded slots in UTC: once, every so long, or by an RFC 5545 rule, in the market's zone.

Local times that do not exist (clocks go forward) count with the offset before the gap, and of times that occur
twice the first is meant, as RFC 5545, 3.3.5 has it. A span in days or weeks is by the calendar, one in hours exact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr

from fleet.authoring import opcodes as expr
from fleet.authoring.model import MAX_SLOTS
from fleet.authoring.model_base import DURATION
from fleet.authoring.reader import Node

_PARTS = re.compile(
    r"P(?:(?P<W>\d+)W)?(?:(?P<D>\d+)D)?(?:T(?:(?P<H>\d+)H)?(?:(?P<M>\d+)M)?(?:(?P<S>\d+)S)?)?"
)
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_RULE_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS", "WKST")
_ERA = 7600  # years: 19 × 400, after which the calendar repeats to the weekday. dateutil looks for a day that never
# comes up to the year 9999; moved by this it gives up after at most 400 years instead of 8,000.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Notice:
    """A reminder before a slot opens: for connectors and posters, not for bricks."""

    slot: str
    at_ms: int
    opens_ms: int


def milliseconds(text: str) -> int | None:
    """Of an ISO 8601 duration; None where it is none."""
    found = re.fullmatch(DURATION, text) and _PARTS.fullmatch(text)
    if not found:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000


def duration(node: Node, least: int = 1, most: int = 3660 * 86_400_000) -> int:
    """Milliseconds of the duration at a node, `least` to `most`."""
    found = milliseconds(str(node.value))
    if found is None:
        raise node.wrong(f'found "{node.value}": expected a duration, such as "PT1H15M" or "P30D"')
    if not least <= found <= most:
        days = most // 86_400_000
        bound = f"more than nothing and at most {days} days" if days else f"at most {most // 1000} seconds"
        raise node.wrong(f'found "{node.value}": expected {bound}')
    return found


def zone_of(node: Node) -> ZoneInfo | None:
    """The market's zone, None where none is named."""
    if node.value is None:
        return None
    try:
        return ZoneInfo(str(node.value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise node.wrong(
            f'found "{node.value}": expected a zone of the IANA list, such as "Europe/Berlin"'
        ) from None


def expand(
    name: str, node: Node, zone: ZoneInfo | None, start_ms: int
) -> tuple[list[tuple[int, int]], list[Notice]]:
    """The slots [start ms, end ms) of one schedule, and its reminders."""
    length = node.get("duration")
    duration(length, most=expr.MAX_SLOT_MS)
    begins = _begins(node, zone, start_ms)
    slots: list[tuple[int, int]] = []
    for begin in begins:
        end = _later(begin, str(length.value), zone)
        if slots and _ms(begin) < slots[-1][1]:
            raise node.wrong("repeats before it has ended: make duration shorter, or every longer")
        slots.append((_ms(begin), _ms(end)))
        if not 0 < slots[-1][1] - slots[-1][0] <= expr.MAX_SLOT_MS:
            raise length.wrong("a slot lasts at most 12 days")
    before = [duration(entry) for entry in node.get("notify_before").items(0, 4)]
    return slots, [
        Notice(name, begin - lead, begin) for begin, _ in slots for lead in sorted(before, reverse=True)
    ]


def _ms(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def _later(begin: datetime, span: str, zone: ZoneInfo | None, local: datetime | None = None) -> datetime:
    """`begin` (UTC) and a duration: its days by the calendar of the zone, its hours exact. `local`: the time of day that was
    written, which is not that of `begin` where clocks go forward."""
    found = _PARTS.fullmatch(span)
    assert found is not None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    whole = timedelta(days=7 * weeks + days)
    if whole and zone is not None:
        local = (local or begin.astimezone(zone).replace(tzinfo=None)) + whole
        begin = local.replace(tzinfo=zone).astimezone(UTC)
    else:
        begin += whole
    return begin + timedelta(hours=hours, minutes=minutes, seconds=seconds)


def instant(node: Node, zone: ZoneInfo | None, start_ms: int) -> datetime:
    """A duration after the market's start, an instant with its offset, or local time in the zone."""
    text = str(node.value)
    after = milliseconds(text)
    if after is not None:
        return _EPOCH + timedelta(milliseconds=start_ms + after)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        expected = 'a duration after the start ("PT30M"), "2026-10-03T09:00" or "2026-10-03T09:00:00+02:00"'
        raise node.wrong(f'found "{text}": expected {expected}') from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=_needed(node, zone))
    if not 1970 < found.year < 2200:
        raise node.wrong(f"found the year {found.year}: expected 1971 to 2199")
    return found.astimezone(UTC)


def _needed(node: Node, zone: ZoneInfo | None) -> ZoneInfo:
    if zone is None:
        raise node.wrong('local time needs a zone: write "timezone": "Europe/Berlin" in the campaign')
    return zone


def _begins(node: Node, zone: ZoneInfo | None, start_ms: int) -> list[datetime]:
    """Starts in UTC, at most MAX_SLOTS."""

    def given(key: str) -> bool:
        return node.get(key).value is not None

    if given("start") == given("from"):
        raise node.wrong('expected "start" for a slot that comes once, or "from" and "at"')
    if given("start"):
        first = instant(node.get("start"), zone, start_ms)
        local = None
    else:
        if not given("at"):
            raise node.wrong('at is missing: write the local time of day, "at": "17:00"')
        day, clock = _day(node.get("from")), _clock(node.get("at"))
        local = datetime.combine(day, clock)
        first = local.replace(tzinfo=_needed(node.get("from"), zone)).astimezone(UTC)
    if given("every") and given("rrule"):
        raise node.wrong('expected "every" or "rrule", not both')
    if given("rrule"):
        known = _needed(node.get("rrule"), zone)
        return _by_rule(node, local or first.astimezone(known).replace(tzinfo=None), known)
    if not given("every"):
        if given("count") or given("until"):
            raise node.wrong('repeats need "every": "P1W" or "rrule"')
        return [first]
    every = node.get("every")
    duration(every, least=60_000)
    most, last = _bounds(node, zone)
    out = [first]
    anchor = first
    while len(out) < most:
        # Each from the first, not from the one before: a day lost to a clock change would stay lost.
        anchor = _nth(first, str(every.value), len(out), zone, local)
        if last is not None and anchor > last:
            break
        if len(out) == MAX_SLOTS:
            raise node.wrong(f"more than {MAX_SLOTS} slots: write a smaller count or an earlier until")
        out.append(anchor)
    return out


def _nth(first: datetime, every: str, number: int, zone: ZoneInfo | None, local: datetime | None) -> datetime:
    found = _PARTS.fullmatch(every)
    assert found is not None
    weeks, days, hours, minutes, seconds = (int(part or 0) * number for part in found.groups())
    return _later(first, f"P{7 * weeks + days}DT{hours}H{minutes}M{seconds}S", zone, local)


def _bounds(node: Node, zone: ZoneInfo | None) -> tuple[int, datetime | None]:
    """(most slots, last instant at which one may begin): one of both has to be written."""
    count, until = node.get("count"), node.get("until")
    if count.value is None and until.value is None:
        raise node.wrong('repeats without an end: write "count": 8 or "until": "2026-12-19"')
    last = None
    if until.value is not None:
        local = datetime.combine(_day(until), time(23, 59, 59))
        last = local.replace(tzinfo=_needed(until, zone)).astimezone(UTC)
    return (count.whole(1, MAX_SLOTS) if count.value is not None else MAX_SLOTS + 1), last


def _by_rule(node: Node, local: datetime, zone: ZoneInfo) -> list[datetime]:
    """Starts by an RFC 5545 rule; the schedule's own first day counts only where the rule has it."""
    at = node.get("rrule")
    text = str(at.value).removeprefix("RRULE:")
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        parts[name] = value
    unknown = [part for part in parts if part not in _RULE_PARTS]
    if not re.fullmatch(r"[1-9]\d{0,3}", parts.get("INTERVAL", "1")):  # of 0, dateutil makes an endless loop
        raise at.wrong(f"found INTERVAL={parts['INTERVAL'][:20]}: expected 1 to 9999")
    if unknown or parts.get("FREQ") not in _FREQUENCIES or len(parts) != text.count(";") + 1:
        known = ", ".join(_FREQUENCIES)
        raise at.wrong(
            f'found "{text}": expected a rule such as "FREQ=WEEKLY;BYDAY=SA;COUNT=8", FREQ of {known}'
        )
    until = parts.pop("UNTIL", None)
    last = None
    if until is not None:
        last = _until(at, until, zone)
    elif "COUNT" not in parts:
        most, last = _bounds(node, zone)
        if most <= MAX_SLOTS:
            parts["COUNT"] = str(most)
    rule = ";".join(f"{name}={value}" for name, value in parts.items())
    out: list[datetime] = []
    try:
        for found in rrulestr(rule, dtstart=local.replace(year=local.year + _ERA)):
            moment = found.replace(year=found.year - _ERA, tzinfo=zone).astimezone(UTC)
            if last is not None and moment > last:
                break
            if len(out) == MAX_SLOTS:
                raise at.wrong(f"more than {MAX_SLOTS} slots: write a smaller count or an earlier until")
            out.append(moment)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise at.wrong(f'found "{text}": no rule that can be read ({error})') from None
    if not out:
        raise at.wrong(f'found "{text}": it never comes; look at BYDAY, BYMONTHDAY and until')
    return out


def _until(at: Node, text: str, zone: ZoneInfo) -> datetime:
    for form, utc in (("%Y%m%dT%H%M%SZ", True), ("%Y%m%dT%H%M%S", False), ("%Y%m%d", False)):
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007  (the zone follows)
        except ValueError:
            continue
        if form == "%Y%m%d":
            found = datetime.combine(found.date(), time(23, 59, 59))
        return found.replace(tzinfo=UTC if utc else zone).astimezone(UTC)
    raise at.wrong(f'found UNTIL={text}: expected a day, such as "20261219"')


def _day(node: Node) -> date:
    try:
        found = date.fromisoformat(str(node.value))
    except ValueError:
        raise node.wrong(
            f'found "{node.value}": there is no such day; write one such as "2026-10-03"'
        ) from None
    if not 1970 < found.year < 2200:
        raise node.wrong(f"found the year {found.year}: expected 1971 to 2199")
    return found


def _clock(node: Node) -> time:
    try:
        return time.fromisoformat(str(node.value))
    except ValueError:
        raise node.wrong(f'found "{node.value}": expected a time of day, such as "17:00"') from None
