"""Every fault of a PN532, on its UART and on SPI: the reader says what is wrong, goes on where it can, and comes back."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from brick import config
from brick import counters as count
from brick.nfc import reader as reader_module
from brick.nfc.hsu import Hsu
from brick.nfc.pn532 import Pn532
from brick.nfc.reader import Reader
from brick.nfc.spi import Spi
from leapingloop import now_ns, run
from modelline import Desk, ModelLine, Pulse, ticks, until
from stallmark import token
from virtualkit.isodep import CC_FILE, Type4
from virtualkit.othertags import Phone
from virtualkit.pn532 import Chip
from virtualkit.pn532_spi import SpiSide
from virtualkit.tags import ntag215

UID = b"\x04\x11\x22\x33\x44\x55\x66"
OTHER = b"\x04\x99\x88\x77\x66\x55\x44"


class ModelSpi:
    """The SPI bus of a port, with the model's side at its other end."""

    def __init__(self, side: SpiSide) -> None:
        self._side = side

    def select(self, on: bool) -> None:
        self._side.feed(b"\x01" if on else b"\x00")

    def transfer(self, buffer: bytearray) -> None:
        buffer[:] = self._side.feed(b"\x02" + len(buffer).to_bytes(2, "big") + buffer)


class Bench:
    """A chip's model on a bus, its driver, the task, and the desk."""

    def __init__(self, bus: str) -> None:
        self.model = Chip("fast", seed=3, bus=bus, clock=now_ns)
        self.side = SpiSide(self.model)
        wired: Any = Hsu(ModelLine(self.model), ticks) if bus == "hsu" else Spi(ModelSpi(self.side), ticks)
        self.resets = 0
        self.desk = Desk()
        self.chip = Pn532(wired, self._reset)
        self.reader = Reader(self.chip, self.desk, self.desk.counters, ticks)
        self.pulse = Pulse()

    def _reset(self) -> None:
        self.resets += 1
        self.side.reset()

    def count(self, number: int) -> int:
        return self.desk.counters.get(number)

    async def rounds(self, n: int) -> None:
        goal = self.pulse.beats + n
        await until(lambda: self.pulse.beats >= goal, f"{n} polls", 30)

    async def works(self, uid: bytes) -> None:
        """The next customer is served."""
        tag, seen = ntag215(uid), len(self.desk.taps)
        self.model.place(tag)
        await until(lambda: len(self.desk.taps) > seen, "a tap", 30)
        assert self.desk.taps[-1][0] == uid
        self.model.remove(tag)
        await until(lambda: self.reader.state == reader_module.GOOD, "a good reader", 30)
        await self.rounds(config.REMOVED_AFTER + 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls and pauses short, so that a test takes milliseconds."""
    for name, ms in (("POLL_MS", 4), ("COOLDOWN_MS", 60), ("FAULT_RETRY_MS", 10), ("SELF_CHECK_MS", 20)):
        monkeypatch.setattr(config, name, ms)


@asynccontextmanager
async def running(bus: str) -> AsyncIterator[Bench]:
    bench = Bench(bus)
    task = asyncio.create_task(bench.reader.run(bench.pulse))
    try:
        await bench.rounds(3)
        yield bench
        assert not task.done(), task.exception()
    finally:
        task.cancel()


BUSES = pytest.mark.parametrize("bus", ["hsu", "spi"])
# fault, its value, what is counted
# How a driver counts, recovers and ends a fault is above the buses: each fault runs on one of them, and the one that differs
# in how a bus notices it (no answer: HSU waits for bytes, SPI for a ready bit) on both.
LASTING = (
    ("hsu", "silent", True, count.NFC_NO_ACK),
    ("spi", "unplugged", True, count.NFC_NO_ACK),
    ("hsu", "stuck", True, count.NFC_NO_ANSWER),
    ("spi", "stuck", True, count.NFC_NO_ANSWER),
    ("spi", "slow_ms", 400, count.NFC_NO_ANSWER),
    ("hsu", "corrupt_every", 1, None),
    ("spi", "corrupt_every", 1, None),
)


@pytest.mark.parametrize(("bus", "fault", "value", "counted"), LASTING)
def test_a_lasting_fault_is_a_state_and_its_end_is_the_end_of_it(
    bus: str, fault: str, value: Any, counted: int | None
):
    async def test() -> None:
        async with running(bus) as bench:
            await bench.works(UID)
            good = getattr(bench.model.faults, fault)
            setattr(bench.model.faults, fault, value)
            await until(lambda: bench.reader.state == reader_module.FAULT, "the fault", 30)
            assert bench.resets >= 1 and bench.count(count.NFC_HARD_RESETS) == bench.resets
            assert counted is None or bench.count(counted) >= config.SOFT_AFTER
            setattr(bench.model.faults, fault, good)
            await bench.works(OTHER)

    run(test())


# Every command of a tap once; the buses take turns, as what is recovered is above them.
TORN = [(fault, n, ("hsu", "spi")[n % 2]) for fault in ("hang_after", "brown_out_after") for n in range(1, 9)]


@pytest.mark.parametrize(("fault", "command", "bus"), TORN)
def test_a_fault_at_any_command_of_a_tap_is_got_over(bus: str, fault: str, command: int):
    async def test() -> None:
        async with running(bus) as bench:
            setattr(bench.model.faults, fault, command)
            await bench.works(UID)
            await bench.works(OTHER)
            assert bench.desk.taps == [(UID, None), (OTHER, None)], "neither lost nor doubled"
            assert fault != "brown_out_after" or bench.resets == 0, "set up anew without its line"

    run(test())


@BUSES
def test_two_cards_are_trouble_once_and_the_one_that_stays_is_served(bus: str):
    async def test() -> None:
        async with running(bus) as bench:
            tag, other = ntag215(UID), ntag215(OTHER)
            bench.model.field.place(tag)
            bench.model.field.place(other)
            await until(lambda: bench.desk.troubles, "the trouble")
            await bench.rounds(5)
            assert bench.desk.troubles == [count.NFC_TWO_CARDS] and bench.desk.taps == []
            bench.model.remove(tag)
            await until(lambda: bench.desk.taps, "the one that stayed")
            assert bench.desk.taps == [(OTHER, None)]

    run(test())


@BUSES
def test_every_kind_of_card_is_read_on_both_buses(bus: str):
    async def test() -> None:
        message = token.ndef_message(token.tag_payload(UID, b"k" * 32))
        long = token.ndef_message(bytes(200))
        async with running(bus) as bench:
            for card, ndef in (
                (ntag215(UID, message), message),
                (Type4(OTHER, message), message),
                (Type4(b"\x04\x01\x01\x01\x01\x01\x01", long), long),
                (Type4(b"\x04\x02\x02\x02\x02\x02\x02", b""), None),
                (Phone(random.Random(1)), None),
            ):
                seen = len(bench.desk.taps)
                bench.model.place(card)
                await until(lambda n=seen: len(bench.desk.taps) > n, "the tap", 30)
                assert bench.desk.taps[-1][1] == ndef
                bench.model.remove(card)
                await bench.rounds(config.REMOVED_AFTER + 1)
            assert bench.desk.troubles == [] and bench.count(count.NFC_CHIP_STATUS) == 0

    run(test())


@BUSES
def test_a_chip_left_in_the_middle_of_a_command_is_taken_over(bus: str):
    async def test() -> None:
        bench = Bench(bus)
        # The previous program waited for a card without end and was restarted.
        for old in ("5555" + "00" * 14 + "0000FF05FBD4140114010200", "0000FF04FCD44A0100E100"):
            bench.model.feed(bytes.fromhex(old))
        await bench.chip.start()
        assert bench.chip.version == bytes((0x32, 1, 6, 7))
        assert await bench.chip.targets() == []
        await bench.chip.check()

    run(test())


def test_a_bus_that_raises_is_a_fault_like_any_other():
    async def test() -> None:
        async with running("spi") as bench:
            feed = bench.side.feed

            def broken(data: bytes) -> bytes:
                raise OSError(5)

            bench.side.feed = broken  # type: ignore[method-assign]
            await until(lambda: bench.reader.state == reader_module.FAULT, "the fault", 30)
            bench.side.feed = feed  # type: ignore[method-assign]
            await bench.works(UID)

    run(test())


def test_cards_that_answer_nonsense_are_unreadable_and_no_fault_of_the_reader():
    async def test() -> None:
        rng = random.Random(11)
        async with running("hsu") as bench:
            for number in range(20):
                card = Type4(b"\x04" + bytes(5) + bytes((number,)), b"x")
                size = rng.randrange(0, 40)
                card.apdu = lambda command, n=size: rng.randbytes(n) + b"\x90\x00"  # type: ignore[method-assign]
                seen = len(bench.desk.taps) + len(bench.desk.troubles)
                bench.model.place(card)
                await until(
                    lambda n=seen: len(bench.desk.taps) + len(bench.desk.troubles) > n, "an outcome", 30
                )
                bench.model.remove(card)
                await bench.rounds(config.REMOVED_AFTER + 1)
            assert bench.reader.state == reader_module.GOOD and bench.resets == 0

    run(test())


@BUSES
def test_a_slow_card_is_unreadable_and_the_reader_shows_life_all_the_while(
    bus: str, monkeypatch: pytest.MonkeyPatch
):
    async def test() -> None:
        monkeypatch.setattr(config, "CARD_MS", 60)
        async with running(bus) as bench:
            card = Type4(OTHER, bytes(256))
            card._files[CC_FILE] = bytes.fromhex("000f20000f000f0406e10400ff00ff")  # 15 bytes for each answer
            apdu, beats = card.apdu, []

            def watched(command: bytes) -> bytes:
                beats.append(bench.pulse.beats)
                return apdu(command)

            card.apdu = watched  # type: ignore[method-assign]
            bench.model.faults.slow_card_ms = 25
            bench.model.place(card)
            await until(lambda: bench.desk.troubles, "an outcome", 30)
            assert bench.desk.troubles == [count.NFC_UNREADABLE] and bench.count(count.NFC_SLOW) == 1
            assert len(beats) <= 4 and all(a < b for a, b in itertools.pairwise(beats)), "one for each APDU"
            bench.model.faults.slow_card_ms = 0
            bench.model.remove(card)
            await bench.rounds(config.REMOVED_AFTER + 1)
            await bench.works(UID)
            assert bench.reader.state == reader_module.GOOD and bench.resets == 0

    run(test())
