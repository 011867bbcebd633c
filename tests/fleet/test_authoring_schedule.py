"""Schedules: repeating slots keep their local hour over a change of clocks, and nothing repeats without an end."""

import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.authoring.reader import Attempt, Node
from fleet.authoring.schedule import expand, milliseconds

BERLIN = ZoneInfo("Europe/Berlin")
START = 1_790_000_000_000
EMPTY: dict[str, Any] = {
    "start": None, "from": None, "at": None, "every": None, "rrule": None, "count": None, "until": None,
    "notify_before": [], "duration": "PT30M",
}  # fmt: skip


def slots(zone: ZoneInfo | None = BERLIN, **given: Any) -> tuple[list[tuple[str, int]], list[str]]:
    """([(start in UTC, minutes)], errors) of one schedule; `from_` for from."""
    node = Node(EMPTY | {name.rstrip("_"): value for name, value in given.items()})
    found: list[tuple[int, int]] = []
    with Attempt():
        found, _ = expand("drop", node, zone, START)
    said = [
        (datetime.fromtimestamp(a // 1000, UTC).strftime("%m-%d %H:%M"), (b - a) // 60_000) for a, b in found
    ]
    return said, [str(problem) for problem in node.problems]


def test_a_weekly_drop_keeps_its_local_hour() -> None:
    found, _ = slots(from_="2026-10-10", at="17:00", every="P1W", count=4)
    assert found == [("10-10 15:00", 30), ("10-17 15:00", 30), ("10-24 15:00", 30), ("10-31 16:00", 30)]
    by_rule, _ = slots(from_="2026-10-10", at="17:00", rrule="FREQ=WEEKLY;COUNT=4")
    assert by_rule == found


def test_hours_that_do_not_exist_and_hours_that_come_twice() -> None:
    spring, _ = slots(from_="2027-03-27", at="02:30", every="P1D", count=3)
    assert [start for start, _ in spring] == [
        "03-27 01:30",
        "03-28 01:30",
        "03-29 00:30",
    ]  # 02:30 is 03:30 that night
    autumn, _ = slots(from_="2026-10-24", at="02:30", every="P1D", count=3)
    assert [start for start, _ in autumn] == ["10-24 00:30", "10-25 00:30", "10-26 01:30"]  # the first 02:30


def test_days_are_by_the_calendar_and_hours_exact() -> None:
    assert slots(from_="2026-10-24", at="09:00", duration="P1D")[0] == [("10-24 07:00", 25 * 60)]
    assert slots(from_="2026-10-24", at="09:00", duration="PT24H")[0] == [("10-24 07:00", 24 * 60)]


def test_every_so_many_minutes_is_exact_over_the_change_of_clocks() -> None:
    found, _ = slots(from_="2026-10-25", at="01:00", every="PT1H", count=4)
    assert [start for start, _ in found] == ["10-24 23:00", "10-25 00:00", "10-25 01:00", "10-25 02:00"]


def test_until_is_included() -> None:
    found, _ = slots(from_="2026-10-03", at="17:00", every="P1D", until="2026-10-05")
    assert len(found) == 3
    assert len(slots(from_="2026-10-03", at="17:00", rrule="FREQ=DAILY;UNTIL=20261005")[0]) == 3
    assert len(slots(from_="2026-10-03", at="17:00", rrule="FREQ=DAILY;UNTIL=20261005T150000Z")[0]) == 3
    assert len(slots(from_="2026-10-03", at="17:00", rrule="FREQ=DAILY;UNTIL=20261005T145959Z")[0]) == 2


def test_a_slot_that_comes_once() -> None:
    for start in ("2026-10-03T09:00", "2026-10-03T09:00:00+02:00", "2026-10-03T07:00:00Z"):
        assert slots(start=start)[0] == [("10-03 07:00", 30)]
    assert slots(zone=None, start="PT1H")[0] == [("09-21 15:13", 30)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"from_": "2026-10-03", "at": "17:00", "every": "P1D"}, "repeats without an end"),
        ({"from_": "2026-10-03", "at": "17:00", "rrule": "FREQ=DAILY"}, "repeats without an end"),
        ({"from_": "2026-10-03", "at": "17:00", "count": 3}, 'need "every"'),
        ({"from_": "2026-10-03", "at": "17:00", "every": "PT20M", "count": 3}, "before it has ended"),
        ({"from_": "2026-10-03", "at": "17:00", "every": "PT30M", "until": "2028-10-03"}, "more than 250"),
        ({"from_": "2026-02-30", "at": "17:00"}, "no such day"),
        ({"from_": "2026-10-03", "at": "25:00"}, "a time of day"),
        ({"from_": "2026-10-03"}, "at is missing"),
        ({}, 'expected "start"'),
        ({"start": "tomorrow"}, "expected a duration after the start"),
        ({"start": "PT0S", "duration": "P13D"}, "at most 12 days"),
        ({"start": "PT0S", "duration": "PT0S"}, "more than nothing"),
        ({"start": "2026-10-03T09:00", "zone": None}, "needs a zone"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, Any], says: str) -> None:
    found, errors = slots(**given)
    assert not found and any(says in error for error in errors), errors


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY;COUNT=3", "FREQ=DAILY;INTERVAL=0;COUNT=3", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
        "FREQ=DAILY;INTERVAL=0;BYMONTH=2;BYMONTHDAY=30;COUNT=1", "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2", "FREQ=DAILY;BYDAY=XX;COUNT=1", "FREQ=DAILY;FREQ=DAILY;COUNT=1",
        "FREQ=DAILY;COUNT=99999999999999999999", "FREQ=DAILY;BYEASTER=1;COUNT=2", "COUNT=3", "", "X" * 200,
        "FREQ=MONTHLY;BYSETPOS=366;COUNT=1", "FREQ=DAILY;UNTIL=never",
    ],
)  # fmt: skip
def test_hostile_rules_end_quickly_with_a_word(rule: str) -> None:
    before = time.process_time()
    found, errors = slots(from_="2026-10-03", at="17:00", rrule=rule)
    assert not found and errors
    assert (
        time.process_time() - before < 5
    )  # a rule that never comes costs dateutil a search of 400 years, not of 8,000


def test_a_first_slot_that_clocks_skip_is_an_hour_later_that_day_alone() -> None:
    """On 30 March 2025 there is no 02:30 in Berlin."""
    for more in ({"every": "P1D", "count": 2}, {"rrule": "FREQ=DAILY;COUNT=2"}):
        found, _ = expand("drop", Node(EMPTY | {"from": "2025-03-30", "at": "02:30"} | more), BERLIN, START)
        times = [datetime.fromtimestamp(start // 1000, BERLIN).strftime("%d %H:%M") for start, _ in found]
        assert times == ["30 03:30", "31 02:30"]


@settings(deadline=None, max_examples=100)
@given(
    day=st.dates(datetime(2025, 1, 1).date(), datetime(2027, 12, 1).date()),
    hour=st.integers(0, 23),
    count=st.integers(1, 20),
    step=st.integers(1, 9),
)
def test_slots_are_in_order_and_keep_the_local_time(day: Any, hour: int, count: int, step: int) -> None:
    node = Node(EMPTY | {"from": str(day), "at": f"{hour:02}:30", "every": f"P{step}D", "count": count})
    found, _ = expand("drop", node, BERLIN, START)
    assert len(found) == count and found == sorted(found)
    for start, end in found:
        local = datetime.fromtimestamp(start // 1000, BERLIN)
        exists = datetime(local.year, local.month, local.day, hour, 30, tzinfo=BERLIN)
        gap = exists.astimezone(UTC).astimezone(BERLIN).hour != hour
        assert end - start == 1_800_000 and (gap or (local.hour, local.minute) == (hour, 30))


def test_durations() -> None:
    assert milliseconds("P1W") == 7 * 86_400_000 and milliseconds("P1DT1H") == 90_000_000
    assert all(
        milliseconds(text) is None for text in ("P", "PT", "P1M", "1H", "P1DT", "PT1D", "", "P-1D", "P1W1D")
    )
