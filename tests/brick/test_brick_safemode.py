"""A start-up that cannot build the brick goes on in safe mode; safe mode takes no time that cannot be, and keeps none."""

import asyncio
from typing import Any

import pytest
from brick import config, powerup, safemode
from brick import counters as count
from brick.clock import Clock
from stallmark import registry as reg
from stallmark.errors import FormatError

NOW_MS = 1_790_000_100_000


class Blank:
    """Two erased sectors of flash."""

    size = 16 * 4096

    def read_into(self, offset: int, buf: Any) -> None:
        buf[:] = b"\xff" * len(buf)

    def program(self, offset: int, data: bytes) -> None: ...

    def erase(self, offset: int) -> None: ...


class Board:
    """What a port offers, as far as safe mode asks for it; and the bytes that its cable carries."""

    reset_reason = 1
    hardware = "board"
    firmware_digest32 = bytes(32)
    held: int | None = None

    def __init__(self) -> None:
        self.light = self.sound = self.watchdog = self.clock = self
        self.said = b""
        self.fed = 0

    def set(self, r: int, g: int, b: int) -> None: ...

    def tone(self, hz: int) -> None: ...

    def feed(self) -> None:
        self.fed += 1

    def uptime_ms(self) -> int:
        return 5_000

    ticks_ms = uptime_ms

    def wall_ms(self) -> None:
        return None

    def hold(self, wall_ms: int) -> None:
        self.held = wall_ms

    def flash(self, name: str) -> Blank:
        return Blank()

    def uart(self, name: str, baud: int) -> Any:
        return None

    def make_ecb(self, key: bytes) -> Any:
        return None

    def random(self, n: int) -> bytes:
        return bytes(n)


class Boots:
    bad = erases = 0
    safe = False
    culprit = None

    def good(self) -> None: ...


class Identity:
    brick8, link_epoch, link_key, only_key = b"brick--1", 1, bytes(16), None

    def advance_link(self, epoch: int, key: bytes) -> None: ...

    def rekeyed(self, epoch: int, tag: bytes) -> None: ...


class Lamp:
    shown: Any = None

    def background(self, pattern: Any) -> None:
        self.shown = pattern

    async def run(self, pulse: Any) -> None: ...


def safe_brick(board: Board, clock: Clock | None = None) -> Any:
    return safemode.SafeBrick(board, None, print, Lamp(), clock or Clock(board), Identity(), Boots())


@pytest.mark.parametrize("error", [OSError(5), FormatError("rules: something that is none")])
def test_what_keeps_the_brick_from_being_built_leads_to_safe_mode_at_once(error: Exception):
    def broken(*_: Any) -> Any:
        raise error

    board, boots, said = Board(), Boots(), list[str]()
    brick = powerup._made(broken, board, None, said.append, Lamp(), Clock(board), Identity(), boots)
    assert isinstance(brick, safemode.SafeBrick) and boots.safe, "told as safe mode, too"
    assert any(str(error) in line for line in said)


def test_where_safe_mode_cannot_be_built_either_it_is_told(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any) -> Any:
        raise OSError(5)

    monkeypatch.setattr(safemode, "SafeBrick", broken)
    for make in (broken, lambda *_: broken()):
        said: list[str] = []
        assert powerup._made(make, Board(), None, said.append, Lamp(), Clock(Board()), Identity(), Boots()) is None
        assert said


def test_keys_that_cannot_be_read_stay_red_and_are_never_erased(monkeypatch: pytest.MonkeyPatch):
    """The one trouble that safe mode cannot help with: without keys there is no link."""
    told: list[str] = []

    async def trouble(lamp: Any, log: Any, feeding: Any, error: Any) -> None:
        told.append(str(error))
        raise asyncio.CancelledError

    class Store:
        def load(self) -> None:
            raise FormatError("keys: damaged")

    monkeypatch.setattr(powerup, "_trouble", trouble)
    monkeypatch.setattr(powerup, "Line", lambda _: Board())
    monkeypatch.setattr(powerup, "Log", lambda *_: print)
    monkeypatch.setattr(Board, "write", lambda *_: None, raising=False)
    monkeypatch.setattr(powerup.keystore, "KeyStore", lambda _: Store())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(powerup.main(Board(), Boots(), safe_brick))
    assert told == ["keys: damaged"]


def test_safe_mode_takes_a_time_that_can_be_and_keeps_none_over_the_restart():
    board = Board()
    clock = Clock(board)
    brick = safe_brick(board, clock)
    brick._take_clock({0: 86_400_000, 1: 2, 2: 20})
    assert clock.wall_ms() is None and brick.counters.get(count.CLOCK_REFUSED) == 1
    for bad in ({0: NOW_MS, 1: "2", 2: 20}, {0: "x", 1: 2, 2: 20}, {0: NOW_MS, 1: 2}, {0: NOW_MS, 1: None, 2: 20}):
        with pytest.raises(FormatError):
            brick._take_clock(bad)
    brick._take_clock({0: NOW_MS, 1: 9, 2: 20})
    assert clock.wall_ms() == NOW_MS and clock.quality == reg.QUALITY_HOST and board.held is None
    assert NOW_MS > config.EARLIEST_MS
    clock.set(NOW_MS, 2, 20)
    assert board.held == NOW_MS, "only in safe mode"
