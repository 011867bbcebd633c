"""Vouchers are checked in pieces, from tables and without; damaged tables cost time, never a wrong answer."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from brick import counters as count
from brick import indicator
from brick.counters import Counters
from brick.voucherdesk import VoucherDesk
from leapingloop import run
from modelline import Pulse, until
from nacl.signing import SigningKey
from stallmark import comb, ed25519, voucher
from stallmark.combstore import BASE, CombStore
from virtualkit import firmware  # noqa: F401 - puts the firmware on the path

sys.path.insert(0, str(Path(__file__).parents[2] / "hardware" / "virtualkit" / "upy"))
from nor import NorChip, NorFile

ISSUER = SigningKey(bytes(31) + b"\x07")  # a development key
PUBLIC = ISSUER.verify_key.encode()
SECTORS = 12


def made(serial: int, forged: bool = False) -> voucher.Voucher:
    data = voucher.payload(
        voucher.kid4(PUBLIC), serial.to_bytes(8, "big"), 7, 200, b"kit-0001", 2_000_000_000
    )
    signature = ISSUER.sign(b"other" if forged else voucher.message(data)).signature
    return voucher.parse(voucher.text(data, signature))


class Lamp:
    def __init__(self) -> None:
        self.shown: list[Any] = []

    def show(self, pattern: Any) -> None:
        self.shown.append(pattern)


class Bench:
    def __init__(self, path: Path | None) -> None:
        self.lamp = Lamp()
        self.counters = Counters()
        self.chip = None if path is None else NorChip(str(path))
        self.flash = None if self.chip is None else NorFile(self.chip)
        self.issuers: tuple[bytes, ...] = (PUBLIC,)
        self.quiet = True
        self.desk = VoucherDesk(
            self.flash, lambda: self.issuers, self.lamp, lambda ms: self.quiet, self.counters
        )
        self.answers: list[tuple[int, bool]] = []
        self.pulse = Pulse()

    def offer(self, serial: int, forged: bool = False) -> bool:
        return self.desk.offer(made(serial, forged), self.done)

    def done(self, found: voucher.Voucher, good: bool) -> None:
        self.answers.append((int.from_bytes(found.serial, "big"), good))

    async def tables(self, number: int = 2) -> None:
        await until(lambda: self.counters.get(count.TABLES_MADE) >= number, "the tables", 60)


@asynccontextmanager
async def running(path: Path | None) -> AsyncIterator[Bench]:
    bench = Bench(path)
    task = asyncio.create_task(bench.desk.run(bench.pulse))
    try:
        yield bench
        assert not task.done(), task.exception()
    finally:
        task.cancel()


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    path = tmp_path / "combs.bin"
    path.write_bytes(b"\xff" * SECTORS * 4096)
    return path


def test_good_and_false_are_told_apart_with_tables_and_without(flash: Path):
    async def test() -> None:
        async with running(flash) as bench:
            bench.quiet = False
            assert bench.offer(1) and bench.offer(2, forged=True)
            assert bench.lamp.shown == [indicator.WORKING] * 2, "at once"
            await until(lambda: len(bench.answers) == 2, "two answers")
            assert not bench.counters.get(count.TABLES_MADE), "somebody was there"
            bench.quiet = True
            await bench.tables()
            assert bench.offer(3) and bench.offer(4, forged=True)
            await until(lambda: len(bench.answers) == 4, "four answers")
            assert bench.answers == [(1, True), (2, False), (3, True), (4, False)]
            assert not bench.counters.get(count.TABLES_DAMAGED)

    run(test())


def test_tables_are_made_once_and_used_after_a_start(flash: Path, monkeypatch: pytest.MonkeyPatch):
    async def test() -> None:
        async with running(flash) as bench:
            await bench.tables()
        with monkeypatch.context() as patch:
            patch.setattr(ed25519, "checking", lambda *_: pytest.fail("the tables are there"))
            async with running(flash) as again:
                again.offer(1)
                await until(lambda: again.answers, "an answer")
                assert again.answers == [(1, True)]
                assert again.chip is not None
                assert (again.chip.programs, again.chip.erases) == (0, 0)

    run(test())


def test_damaged_tables_are_noticed_replaced_and_never_decide(flash: Path):
    async def test() -> None:
        async with running(flash) as bench:
            await bench.tables()
            assert bench.flash is not None
            bench.offer(1)
            await until(lambda: bench.answers, "an answer")
            rows = 4096 + 3 * 4096  # the issuer's table: all its bits fall
            for at in range(rows, rows + 3 * 4096, 256):
                bench.flash.program(at, bytes(256))
            bench.offer(2)
            await until(lambda: len(bench.answers) == 2, "an answer")
            bench.offer(3, forged=True)
            await until(lambda: len(bench.answers) == 3, "an answer")
            assert bench.answers == [(1, True), (2, True), (3, False)]
            assert bench.counters.get(count.TABLES_DAMAGED) == 1
            await bench.tables(3)
            assert CombStore(bench.flash).wanted((PUBLIC,)) is None
        with flash.open("r+b") as image:  # and while the power was off
            image.seek(rows)
            image.write(bytes(4096))
        async with running(flash) as again:
            again.quiet = False
            again.offer(4)
            await until(lambda: again.answers, "an answer")
            assert again.answers == [(4, True)] and again.counters.get(count.TABLES_DAMAGED) == 1
            again.quiet = True
            await again.tables(1)

    run(test())


def test_without_the_partition_and_with_flash_that_fails_vouchers_are_still_checked(flash: Path):
    async def test() -> None:
        async with running(None) as bench:
            bench.offer(1)
            await until(lambda: bench.answers, "an answer")
            assert bench.answers == [(1, True)]
        async with running(flash) as bench:
            assert bench.chip is not None
            bench.chip.program = bench.chip.read_into = _broken  # pyright: ignore[reportAttributeAccessIssue]
            await until(lambda: bench.counters.get(count.FLASH_ERRORS), "the error")
            bench.offer(1)
            bench.offer(2, forged=True)
            await until(lambda: len(bench.answers) == 2, "answers")
            assert bench.answers == [(1, True), (2, False)]
            errors = bench.counters.get(count.FLASH_ERRORS)
            await asyncio.sleep(0.05)
            assert bench.counters.get(count.FLASH_ERRORS) == errors, "it does not try for ever"

    run(test())


def _broken(*_: Any) -> None:
    raise OSError(5)


def test_a_key_that_gets_no_table_is_tried_once(flash: Path):
    async def test() -> None:
        async with running(flash) as bench:
            bench.issuers = (b"\x02" + bytes(31), PUBLIC)
            await bench.tables()
            bench.offer(1)
            await until(lambda: bench.answers, "an answer")
            assert bench.answers == [(1, True)]
            assert bench.chip is not None
            done = bench.chip.erases
            await asyncio.sleep(0.05)
            assert bench.chip.erases == done

    run(test())


def test_only_two_wait_and_everything_else_goes_on_meanwhile(flash: Path):
    async def test() -> None:
        async with running(flash) as bench:
            bench.quiet = False
            turns = 0
            assert bench.offer(1) and bench.offer(2)
            assert not bench.offer(3)
            assert bench.counters.get(count.VOUCHER_CROWDED) == 1
            beats = bench.pulse.beats
            while len(bench.answers) < 2:
                turns += 1
                await asyncio.sleep(0)
            assert turns > 20 and bench.pulse.beats - beats > 20
            assert bench.offer(4)
            await until(lambda: len(bench.answers) == 3, "the next one")

    run(test())


def test_a_voucher_for_which_there_is_no_memory_is_counted_and_the_next_one_checked(
    monkeypatch: pytest.MonkeyPatch,
):
    def none_left(*_: Any) -> None:
        raise MemoryError

    async def test() -> None:
        async with running(None) as bench:
            with monkeypatch.context() as patch:
                patch.setattr(ed25519, "checking", none_left)
                bench.offer(1)
                await until(lambda: bench.counters.get(count.VOUCHER_UNCHECKED), "the count")
                assert bench.lamp.shown[-1] == indicator.ASK
            bench.offer(2)
            await until(lambda: bench.answers, "an answer")
            assert bench.answers == [(2, True)]

    run(test())


def test_no_step_of_a_check_reads_more_than_a_few_rows(flash: Path):
    """What stands still between two steps is bounded: 4 columns, at most 16 rows of 96 bytes."""
    reads = [0]
    store = CombStore(NorFile(NorChip(str(flash))))
    for key in (BASE, PUBLIC):
        for _ in store.build(key, (PUBLIC,)):
            pass
    one = made(5)

    def counted(rows: Any) -> Any:
        def row(number: int, buffer: bytearray) -> None:
            reads[0] += 1
            rows(number, buffer)

        return row

    base, signer = counted(store.rows(BASE)), counted(store.rows(PUBLIC))
    most = seen = 0
    for _ in comb.checking(PUBLIC, voucher.message(one.payload), one.signature, base, signer):
        most, seen = max(most, reads[0] - seen), reads[0]
    assert reads[0] == 74 and most <= 16
