"""Reader and scanner while the brick stands still again and again, as it does where signatures are checked: nothing is broken."""

import asyncio

import pytest
from brick import config
from brick import counters as count
from brick.nfc.hsu import Hsu
from brick.nfc.pn532 import Pn532
from brick.nfc.reader import GOOD, Reader
from brick.qr import command
from leapingloop import now_ns, run, stand_still
from modelline import Desk, ModelLine, Pulse, ticks, until
from scannerbench import Bench, running
from virtualkit.pn532 import Chip
from virtualkit.tags import ntag215

UID = b"\x04\x11\x22\x33\x44\x55\x66"
STALLS = 40


async def signatures(ms: int) -> None:
    """What slices cost a small chip: one piece of work after the other, and others have a turn between two."""
    for _ in range(STALLS):
        stand_still(ms)
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("ms", [90, 160, 500, 1200])
@pytest.mark.parametrize("timing", ["fast", "real"])
def test_a_reader_that_answers_is_not_broken_because_the_brick_stood_still(ms: int, timing: str):
    async def scene() -> None:
        model = Chip(timing, seed=3, clock=now_ns)
        desk = Desk()
        reader = Reader(Pn532(Hsu(ModelLine(model), ticks)), desk, desk.counters, ticks)
        pulse = Pulse()
        task = asyncio.create_task(reader.run(pulse))
        await until(lambda: pulse.beats > 3, "polls")
        work = asyncio.create_task(signatures(ms))
        seen = set()
        while not work.done():
            seen.add(reader.state)
            await asyncio.sleep(0.0005)
        assert seen == {GOOD}
        for number in (count.NFC_NO_ACK, count.NFC_NO_ANSWER, count.NFC_DAMAGED):
            assert desk.counters.get(number) == 0, number
        model.field.place(ntag215(UID))
        await until(lambda: len(desk.taps) == 1, "the tap")
        task.cancel()

    run(scene())


@pytest.mark.parametrize("ms", [90, 500, 1200])
def test_a_scanner_that_answers_is_not_broken_because_the_brick_stood_still(ms: int):
    async def scene() -> None:
        async with running() as bench:
            seen = set()
            for _ in range(6):
                await asyncio.sleep(config.SELF_CHECK_MS / 1000)  # it is checked now and then
                work = asyncio.create_task(signatures(ms))
                while not work.done():
                    seen.add(bench.scanner.state)
                    await asyncio.sleep(0.0005)
            assert seen == {GOOD}
            assert bench.count(count.QR_FAULTS) == 0 and bench.count(count.QR_CONFIGURED) == 1
            bench.sends(b"HELLO\r")
            await until(lambda: bench.desk.codes == [b"HELLO"], "the code")

    run(scene())


async def unseen(bench: Bench, ms: int, data: bytes) -> None:
    """The brick stands still, and `data` lies in the UART. Timers that are over ring first, as MicroPython's loop has it."""
    stand_still(ms)
    await asyncio.sleep(0)
    bench.sends(data)


@pytest.mark.parametrize("stalls", [1, 2, 5])
@pytest.mark.parametrize("ms", [90, 160, 500])
def test_a_code_that_comes_in_while_the_brick_stands_still_arrives_whole(ms: int, stalls: int):
    """Head before, piece by piece meanwhile, end after: what lay unread was no silence."""

    async def scene() -> None:
        async with running() as bench:
            bench.sends(b"HEAD-")
            await asyncio.sleep(0.005)
            for _ in range(stalls):
                await unseen(bench, ms, b"piece-")
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.005)
            bench.sends(b"END\r")
            await until(lambda: bench.desk.codes, "the code")
            assert bench.desk.codes == [b"HEAD-" + stalls * b"piece-" + b"END"]
            assert bench.count(count.QR_LINE_OVERFLOW) == 0

    run(scene())


def test_a_code_whose_end_never_came_is_damaged_all_the_same():
    async def scene() -> None:
        async with running() as bench:
            bench.sends(b"HEAD-")
            await until(lambda: bench.count(count.QR_LINE_OVERFLOW) == 1, "the code that broke off is given up")
            bench.sends(b"ANOTHER\r")
            await until(lambda: bench.desk.codes, "the code")
            assert bench.desk.codes == [b"ANOTHER"]

    run(scene())


@pytest.mark.parametrize("ms", [0, 90, 500])
def test_a_code_that_looks_like_an_answer_is_none_also_where_its_end_lay_unread(ms: int):
    async def scene() -> None:
        async with running() as bench:
            bench.scanner._answer = None
            bench.sends(command.answer(b"\x00"))
            await until(lambda: bench.scanner._answer, "what looks like an answer")
            await unseen(bench, ms, b"\r")
            await until(lambda: bench.count(count.QR_SETUP_CODE), "what it was")
            assert bench.scanner._answer is None and bench.desk.codes == []

    run(scene())
