"""Start-ups are counted in flash: three that fail in a row are safe mode, and no power cut makes one of them up."""

import contextlib
import random

import pytest
from brick.boots import POWER_ON, RESTARTED, WATCHDOG, Boots

SECTOR = 4096


class Cut(Exception):
    """Power failed."""


class Flash:
    """Two NOR sectors; `cut_in` operations from now power fails inside one, at a random byte."""

    size = 2 * SECTOR

    def __init__(self) -> None:
        self.cells = bytearray(b"\xff" * self.size)
        self.programs = self.erases = 0
        self.cut_in: int | None = None
        self.random = random.Random(1)

    def _part(self, n: int) -> int:
        if self.cut_in is None:
            return n
        self.cut_in -= 1
        return n if self.cut_in else self.random.randrange(n + 1)

    def _over(self) -> None:
        if self.cut_in == 0:
            self.cut_in = None
            raise Cut

    def read_into(self, offset: int, buf: bytearray) -> None:
        buf[:] = self.cells[offset : offset + len(buf)]

    def program(self, offset: int, data: bytes) -> None:
        assert offset // 256 == (offset + len(data) - 1) // 256, "never across a page"
        for place, byte in enumerate(data[: self._part(len(data))], offset):
            self.cells[place] &= byte
        self.programs += 1
        self._over()

    def erase(self, offset: int) -> None:
        n = self._part(SECTOR)
        self.cells[offset : offset + n] = b"\xff" * n
        self.erases += 1
        self._over()


def start(flash: Flash, reason: int = POWER_ON) -> Boots:
    boots = Boots(flash)
    boots.begin(reason, 3)
    assert not boots.trouble
    return boots


def test_three_starts_that_a_watchdog_ends_are_safe_mode_and_one_that_lasts_ends_it():
    flash = Flash()
    assert not start(flash).safe
    assert [start(flash, WATCHDOG).safe for _ in range(3)] == [False, False, True]
    safe = start(flash, POWER_ON)
    assert safe.safe and safe.bad == 3, "switching it off at once does not make it well"
    safe.good()
    again = start(flash, POWER_ON)
    assert not again.safe and again.bad == 0


def test_packs_that_are_pulled_are_no_failed_starts():
    flash = Flash()
    for _ in range(20):
        assert not start(flash, POWER_ON).safe
    start(flash, RESTARTED)
    start(flash, POWER_ON)
    assert start(flash, RESTARTED).bad == 2, "and they hide none"


def test_what_is_ended_on_purpose_is_no_failed_start_and_safe_mode_can_be_ordered():
    flash = Flash()
    for _ in range(5):
        start(flash, RESTARTED).meant()
    assert start(flash, RESTARTED).bad == 0
    start(flash).meant(safe_next=True)
    ordered = start(flash, RESTARTED)
    assert ordered.safe and ordered.bad == 0
    ordered.meant()
    assert not start(flash, RESTARTED).safe


def test_the_task_that_starved_the_watchdog_is_named_at_the_next_start():
    flash = Flash()
    boots = start(flash)
    boots.blame(3)
    boots.blame(5)
    assert start(flash, WATCHDOG).culprit == 3
    assert start(flash, WATCHDOG).culprit is None


def test_a_thousand_starts_take_one_erase_and_lose_no_count():
    flash = Flash()
    for _ in range(2100):
        start(flash).good()
    assert flash.erases == 3 and start(flash).erases == 3
    assert flash.programs <= 2 * 2101 + 6
    for _ in range(2):
        start(flash, WATCHDOG)
    assert start(flash, WATCHDOG).safe


@pytest.mark.parametrize("before", [0, 1018, 1019, 1020])
def test_a_power_cut_at_any_operation_neither_stops_a_start_nor_makes_up_a_failure(before: int):
    used = Flash()
    for _ in range(before):
        start(used).good()
    for operation in range(1, 7):
        for seed in range(12):
            flash = Flash()
            flash.cells[:] = used.cells
            flash.random.seed(seed)
            flash.cut_in = operation
            with contextlib.suppress(Cut):
                start(flash).good()
            flash.cut_in = None
            after = start(flash)
            assert after.bad == 0 and not after.safe
            after.good()
            assert start(flash, WATCHDOG).bad == 0


def test_a_flash_that_fails_does_not_stop_a_start():
    class Dead(Flash):
        def read_into(self, offset: int, buf: bytearray) -> None:
            raise OSError(5)

    boots = Boots(Dead())
    boots.begin(WATCHDOG, 3)
    boots.good()
    boots.meant()
    boots.blame(1)
    assert boots.trouble and not boots.safe
