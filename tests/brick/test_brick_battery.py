"""Two packs, one level: neither a sag, a swapped pack nor a stuck gauge misleads the brick; an empty one ends in order."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from brick import battery, config, supervisor
from brick import counters as count
from brick.clock import Clock
from brick.counters import Counters
from brick.power import EMPTY, FULL, LOW, SAVING, Power
from brick.switchoff import recovered, rest
from stallmark import registry as reg


class Port:
    """The board's converter: what it reads next."""

    def __init__(self, main: int | None = 4000, backup: int | None = None, charging: bool | None = None) -> None:
        self.main, self.backup, self.charging = main, backup, charging
        self.noise = 0
        self.broken = False

    def read(self) -> tuple[int | None, int | None, bool | None]:
        if self.broken:
            raise OSError(5)
        self.noise = (self.noise + 3) % 7
        main = None if self.main is None else self.main + self.noise
        return main, self.backup, self.charging


class Part:
    """Stands for what is told to save."""

    last_at = 0
    sparing = False
    poll_ms = 0
    bright = 100

    def dim(self, percent: int) -> None:
        self.bright = percent


def made(port: Port) -> Power:
    return Power(port, lambda: 0, Counters(), lambda text: None)


def seconds(power: Power, n: int) -> int:
    for _ in range(n):
        power.look()
    return power.level


def test_the_curve_rises_in_whole_numbers_from_empty_to_full():
    found = [battery.percent(mv) for mv in range(2900, 4300)]
    assert found == sorted(found) and found[0] == 0 and found[-1] == 100
    assert battery.percent(3630) == 30 and battery.percent(3675) == 35


def test_the_level_falls_with_the_pack_and_rises_above_where_it_fell():
    port = Port(3900)
    power = made(port)
    assert seconds(power, 20) == FULL
    for mv, level in ((3560, SAVING), (3390, LOW), (3120, EMPTY)):
        port.main = mv
        assert seconds(power, 30) == level
    port.main = 3400
    assert seconds(power, 30) == LOW, "not yet five per cent above where empty began, and low after that"
    port.main = 3560
    assert seconds(power, 30) == SAVING
    port.main = 3700
    assert seconds(power, 30) == FULL


def test_a_sag_under_load_changes_nothing():
    port = Port(3700)
    power = made(port)
    seconds(power, 10)
    for _ in range(50):
        port.main = 3150
        assert seconds(power, 2) == FULL
        port.main = 3700
        assert seconds(power, 5) == FULL


def test_a_pack_is_swapped_while_the_other_carries_the_brick():
    port = Port(3500, backup=4000)
    power = made(port)
    assert seconds(power, 20) == FULL, "the better of the two counts"
    port.main = None
    assert seconds(power, 20) == FULL and power.facts()[2] is None
    port.main = 4100
    assert seconds(power, 5) == FULL and power._counters.get(count.PACK_SWAPS) == 2


def test_a_supply_is_no_pack_that_runs_down():
    assert seconds(made(Port(3120, backup=5010)), 60) == FULL
    assert seconds(made(Port(3120, charging=True)), 60) == FULL


@pytest.mark.parametrize("wrong", ["beyond", "failing", "absent"])
def test_a_broken_gauge_stops_nobody_and_is_told(wrong: str):
    port = Port(9000 if wrong == "beyond" else None)
    port.broken = wrong == "failing"
    power = made(port)
    assert seconds(power, 400) == FULL
    assert power.percent is None and power.believable == (wrong == "absent")
    assert bool(power._counters.get(count.GAUGE_ERRORS)) == (wrong == "failing")


def test_a_gauge_that_is_stuck_is_found_out_after_minutes():
    power = made(Port(None, backup=3120))
    seconds(power, 5)
    assert power.believable
    power.level = FULL
    seconds(power, 300)
    assert not power.believable and power.percent is None
    assert seconds(power, 30) == FULL, "nobody is sent home for a reading that cannot be true"


@pytest.mark.parametrize("backup", [3050, 3390, 3560, 4000])
@pytest.mark.parametrize("wrong", ["stuck", "beyond", "failing at times"])
def test_a_broken_gauge_beside_a_flat_pack_does_not_switch_the_brick_off(wrong: str, backup: int):
    """Nobody knows what the other pack holds: the brick saves, and goes on until it stops by itself."""
    port = Port(9000 if wrong == "beyond" else 3900, backup)
    power = made(port)
    for number in range(600):
        port.noise = number % 3  # what read() makes of it hides no stuck gauge
        if wrong == "stuck":
            port.noise = 4  # and then the same to the millivolt
        port.broken = wrong == "failing at times" and number % 3 > 0
        port.backup = backup + number % 3
        assert power.look() in (True, False) and power.level <= SAVING
    assert wrong == "failing at times" or not power.believable
    assert power._counters.get(count.PACK_SWAPS) == 0, "no pack was taken out"


def test_a_gauge_that_fails_or_jumps_once_is_no_swapped_pack():
    port = Port(3900, backup=4000)
    power = made(port)
    seconds(power, 10)
    port.broken = True
    seconds(power, 1)
    assert not power.believable and power.facts()[5] is False
    port.broken, port.main = False, 7000
    seconds(power, 1)
    port.main = 3900
    seconds(power, 5)
    assert power.believable and power._counters.get(count.PACK_SWAPS) == 0


def test_a_reading_that_cannot_be_wakes_no_brick():
    assert not recovered((7000, 3050, None)) and recovered((7000, 3900, None))


def test_every_task_of_the_brick_has_its_place_in_the_log_of_start_ups():
    source = "".join(path.read_text() for path in Path(supervisor.__file__).parent.rglob("*.py"))
    assert set(re.findall(r'supervisor\.add\(\s*"([a-z ]+)"', source)) <= set(supervisor.TASKS)


def test_each_level_leaves_out_more():
    port = Port(4000)
    power = made(port)
    lamp, reader, decider, chores = Part(), Part(), Part(), Part()
    ended: list[int] = []
    power.connect(lamp, reader, decider, chores, lambda: None, lambda: ended.append(1))
    seen = []
    for mv in (4000, 3560, 3390):
        port.main = mv
        seconds(power, 30)
        power._apply()
        seen.append((lamp.bright, reader.poll_ms, decider.sparing, chores.sparing))
    assert seen == [(100, config.POLL_MS, False, False), (40, 120, False, False), (20, 180, True, True)]
    assert not ended


def test_nobody_came_for_minutes_so_the_reader_looks_seldomer_on_a_pack_only():
    for port, poll in ((Port(4000), config.LONELY_POLL_MS), (Port(4000, backup=5000), config.POLL_MS)):
        power = Power(port, lambda: 10 * 60_000, Counters(), lambda text: None)
        reader = Part()
        power.connect(Part(), reader, Part(), Part(), lambda: None, lambda: None)
        seconds(power, 20)
        power._apply()
        assert reader.poll_ms == poll


def test_an_empty_brick_sleeps_until_a_pack_is_charged(monkeypatch: pytest.MonkeyPatch):
    assert recovered((3500, None, None)) and recovered((None, 4000, None)) and recovered((3100, None, True))
    assert not recovered((3200, 120, False)) and not recovered((None, None, None))

    class Board:
        """Light, sound, watchdog and power of a board at once."""

        def __init__(self) -> None:
            self.light = self.sound = self.watchdog = self.power = self
            self.said: list[Any] = []
            self.naps = 0

        def set(self, r: int, g: int, b: int) -> None:
            self.said.append((r, g, b))

        def tone(self, hz: int) -> None:
            self.said.append(hz)

        def feed(self) -> None:
            pass

        def read(self) -> tuple[int | None, None, None]:
            self.naps += 1
            return (3150 if self.naps < 7 else 3900), None, None

        def sleep_ms(self, ms: int) -> None:
            assert ms < config.WATCHDOG_MS

        def reset(self) -> None:
            self.said.append("reset")

    board = Board()
    asyncio.run(rest(board))
    assert board.said == [(0, 0, 0), 0, "reset"] and board.naps == 9


class Source:
    def __init__(self, held: int | None = None) -> None:
        self.now, self.held = 1000, held

    def uptime_ms(self) -> int:
        return self.now

    def wall_ms(self) -> int | None:
        return self.held


def test_a_time_that_is_not_corrected_grows_vague_and_the_drift_is_measured():
    source = Source()
    clock = Clock(source)
    assert clock.age_ms is None and clock.spread_ms == 0
    clock.set(10_000_000, reg.QUALITY_HOST, 20)
    source.now += 3_600_000
    assert clock.spread_ms == 20 + 180, "fifty parts in a million of an hour"
    clock.set(10_000_000 + 3_600_000 + 72, reg.QUALITY_HOST, 20)
    assert clock.drift_ppm == 20 and clock.spread_ms == 20
    source.now += 3_600_000
    clock.set(5_000, reg.QUALITY_HOST, 20)
    assert clock.drift_ppm == 20, "a host that jumps says nothing of our crystal"
    assert Clock(Source(5)).spread_ms == config.HELD_MS
