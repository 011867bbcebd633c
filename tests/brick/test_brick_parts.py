"""Light and sound, supervisor, clock, counters: small parts on their own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from brick import config, indicator
from brick import counters as count
from brick.clock import Clock
from brick.counter_names import NAMES, name
from brick.counters import Counters
from brick.indicator import ASK, BLANK, FAULT, FAULTY, GRANTED, IDENTIFY, NOTHING, Indicator
from brick.supervisor import TASKS, Supervisor
from leapingloop import run
from modelline import Pulse, until
from stallmark import registry as reg

REGISTRY = Path(__file__).parents[2] / "docs" / "formats" / "registry.md"


class Pins:
    """Light and buzzer that keep what was set."""

    def __init__(self) -> None:
        self.edges: list[tuple[int, int, int]] = []
        self.tones: list[int] = []

    def set(self, r: int, g: int, b: int) -> None:
        self.edges.append((r, g, b))

    def tone(self, hz: int) -> None:
        self.tones.append(hz)


def shown(pattern: Any) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Edges and tones of a pattern from its start to the dark after it."""
    pins = Pins()

    async def show() -> None:
        lamp = Indicator(pins, pins)
        task = asyncio.create_task(lamp.run(Pulse()))
        lamp.show(pattern)
        assert pins.edges[-1] != (0, 0, 0), "the first edge is out before anything else runs"
        await until(lambda: not lamp.showing, "the end")
        task.cancel()

    run(show())
    return pins.edges, pins.tones


def test_three_outcomes_differ_in_colour_in_pattern_and_in_sound():
    green, amber, blue = (0, 1, 0), (1, 1, 0), (0, 0, 1)
    assert shown(GRANTED) == ([green, (0, 0, 0)], [880, 1320, 0])
    assert shown(NOTHING) == ([blue, (0, 0, 0)], [330, 0])
    assert shown(ASK)[0] == [amber, (0, 0, 0), amber, (0, 0, 0)]
    assert shown(ASK)[1] == [660, 0, 660, 0]
    assert shown(FAULT)[0] == [(1, 0, 0), (0, 0, 0)]
    assert sum(step[0] for step in GRANTED) == 600


def test_the_next_customer_does_not_wait_for_the_last_ones_light():
    pins = Pins()

    async def show() -> None:
        lamp = Indicator(pins, pins)
        task = asyncio.create_task(lamp.run(Pulse()))
        lamp.show(GRANTED)
        lamp.show(GRANTED)
        assert pins.edges == [(0, 1, 0), (0, 0, 0), (0, 1, 0)], "the same colour again is a new edge"
        lamp.show(ASK)
        assert pins.edges[-1] == (1, 1, 0) and pins.tones[-1] == 660
        await until(lambda: not lamp.showing, "the end of the last pattern")
        assert pins.edges.count((1, 1, 0)) == 2, "nothing of the first ones came after it"
        task.cancel()

    run(show())


def test_a_lasting_state_blinks_between_patterns(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(indicator, "FAULTY", tuple((ms // 20, c, t) for ms, c, t in FAULTY))
    pins = Pins()

    async def show() -> None:
        lamp = Indicator(pins, pins)
        task = asyncio.create_task(lamp.run(Pulse()))
        lamp.background(indicator.FAULTY)
        await until(lambda: pins.edges.count((1, 0, 0)) >= 2, "red twice")
        lamp.show(IDENTIFY)
        await until(lambda: pins.edges.count((1, 1, 1)) == 3, "the pattern")
        seen = pins.edges.count((1, 0, 0))
        await until(lambda: pins.edges.count((1, 0, 0)) > seen, "red again")
        lamp.background(indicator.READY)
        await until(lambda: pins.edges[-1] == (0, 0, 0), "dark")
        task.cancel()

    run(show())
    assert BLANK != FAULTY


class Dog:
    """A watchdog that counts its meals."""

    def __init__(self) -> None:
        self.meals = 0

    def feed(self) -> None:
        self.meals += 1


class Log:
    """A log of start-ups that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def good(self) -> None:
        self.said.append("good")

    def blame(self, place: int) -> None:
        self.said.append(f"late {place}")


def test_the_watchdog_starves_while_a_task_hangs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "FEED_MS", 1)
    now = [0]
    dog, counters, said, boots = Dog(), Counters(), [], Log()
    gate = asyncio.Event()

    async def works(pulse: Any) -> None:
        while True:
            pulse.beat()
            await asyncio.sleep(0)

    async def hangs(pulse: Any) -> None:
        pulse.beat()
        await gate.wait()
        await works(pulse)

    async def watch() -> None:
        keeper = Supervisor(dog, lambda: now[0], counters, said.append, boots)
        keeper.add("works", works, 5000)
        keeper.add("hangs", hangs, 100)
        keeper.add("waits for ever", lambda pulse: asyncio.Event().wait(), None)
        task = asyncio.create_task(keeper.run())
        await until(lambda: dog.meals > 2, "meals")
        now[0] = 1000
        await until(lambda: keeper.late() == ["hangs"], "the late one")
        meals = dog.meals
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert dog.meals == meals and counters.get(count.TASK_LATE) == 1
        gate.set()
        await until(lambda: dog.meals > meals, "meals again")
        task.cancel()

    run(watch())
    assert said == ["task hangs missed its deadline of 100 ms"]
    assert boots.said == [f"late {len(TASKS)}"], "another task than those that have a place of their own"


def test_a_start_up_is_good_after_a_minute_and_what_ends_on_purpose_ends_every_task(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "FEED_MS", 1)
    now, boots = [0], Log()
    ended: list[str] = []

    async def works(pulse: Any) -> None:
        try:
            while True:
                pulse.beat()
                await asyncio.sleep(0)
        finally:
            ended.append("task")

    async def after() -> None:
        ended.append("after")

    async def watch() -> None:
        dog = Dog()
        keeper = Supervisor(dog, lambda: now[0], Counters(), lambda text: None, boots)
        keeper.add("light", works, None)
        task = asyncio.create_task(keeper.run())
        await until(lambda: dog.meals, "the start")
        now[0] = config.GOOD_BOOT_MS - 1
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert boots.said == []
        now[0] += 2
        await until(lambda: boots.said == ["good"], "the good start-up")
        keeper.finish(after)
        await task

    run(watch())
    assert sorted(ended) == ["after", "task"] and boots.said == ["good"]


def test_a_task_that_fails_is_started_again_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "RESTART_MS", 1)
    dog, counters, said = Dog(), Counters(), []
    starts = [0]

    async def fails(_pulse: Any) -> None:
        starts[0] += 1
        raise ValueError("a bug")

    async def watch() -> None:
        keeper = Supervisor(dog, lambda: 0, counters, said.append, Log())
        keeper.add("fails", fails, 100)
        task = asyncio.create_task(keeper.run())
        await until(lambda: starts[0] >= 3, "three starts")
        task.cancel()

    run(watch())
    assert counters.get(count.TASK_RESTARTS) >= 2 and dog.meals
    assert said[0] == "task fails ValueError: a bug; starting it again"


class Source:
    def __init__(self, held: int | None) -> None:
        self.now = 5000
        self.held = held
        self.kept: list[int] = []

    def uptime_ms(self) -> int:
        return self.now

    def wall_ms(self) -> int | None:
        return self.held

    def hold(self, wall_ms: int) -> None:
        self.kept.append(wall_ms)


def test_a_clock_says_how_far_it_can_be_trusted():
    unset = Clock(Source(None))
    assert (unset.wall_ms(), unset.quality) == (None, reg.QUALITY_UNSET)
    source = Source(1_000_000)
    clock = Clock(source)
    assert (clock.wall_ms(), clock.quality) == (1_000_000, reg.QUALITY_HELD)
    source.now += 500
    assert clock.wall_ms() == 1_000_500
    clock.set(900_000, reg.QUALITY_HOST, 20)
    source.now += 10
    assert (clock.wall_ms(), clock.quality, clock.spread_ms) == (900_010, reg.QUALITY_HOST, 20)
    assert source.kept == [900_000]


def test_every_counter_has_its_number_and_name_in_the_registry():
    numbers = {value for key, value in vars(count).items() if key.isupper() and key[0] != "_"}
    assert [number for number, _ in NAMES] == sorted(numbers)
    page = " ".join(REGISTRY.read_text().split("**Diagnostic counters**")[1].split())
    for number, word in NAMES:
        assert f" {number} {word} ·" in page or f" {number} {word}." in page, (number, word)
    assert name(1) == "link noise" and name(250) == "newer than this program (250)"


def test_counters_are_sent_without_the_zeros():
    counters = Counters()
    counters.add(count.BOOTS)
    counters.add(count.LINK_NOISE, 3)
    assert counters.snapshot() == [[1, 3], [70, 1]]
