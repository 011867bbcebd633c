"""The PN532 driver and the reader task on the chip's model: cards, phones, faults, recovery."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from brick import config
from brick import counters as count
from brick.errors import Damaged, NoAck, NoAnswer, PartError
from brick.nfc import reader as reader_module
from brick.nfc.hsu import Hsu
from brick.nfc.pn532 import Pn532, parse_targets
from brick.nfc.reader import Reader
from leapingloop import now_ns, run
from modelline import Desk, ModelLine, Pulse, ticks, until
from stallmark import token
from virtualkit.othertags import Phone, Unreadable, classic
from virtualkit.pn532 import Chip
from virtualkit.tags import ntag215

UID = b"\x04\x11\x22\x33\x44\x55\x66"
OTHER = b"\x04\x99\x88\x77\x66\x55\x44"


class Bench:
    """A chip's model, its driver, the task, and the desk."""

    def __init__(self, timing: str = "fast") -> None:
        self.model = Chip(timing, seed=3, clock=now_ns)
        self.line = ModelLine(self.model)
        self.resets = 0
        self.desk = Desk()
        self.chip = Pn532(Hsu(self.line, ticks), self._reset)
        self.reader = Reader(self.chip, self.desk, self.desk.counters, ticks)
        self.pulse = Pulse()

    def _reset(self) -> None:
        self.resets += 1
        self.model.reset()

    def count(self, number: int) -> int:
        return self.desk.counters.get(number)

    async def rounds(self, n: int) -> None:
        """Waits until the task has polled n more times."""
        goal = self.pulse.beats + n
        await until(lambda: self.pulse.beats >= goal, f"{n} polls")


@asynccontextmanager
async def running(timing: str = "fast") -> AsyncIterator[Bench]:
    bench = Bench(timing)
    task = asyncio.create_task(bench.reader.run(bench.pulse))
    try:
        yield bench
        assert not task.done(), task.exception()
    finally:
        task.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls and pauses short, so that a test takes milliseconds."""
    monkeypatch.setattr(config, "POLL_MS", 4)
    monkeypatch.setattr(config, "COOLDOWN_MS", 60)
    monkeypatch.setattr(config, "FAULT_RETRY_MS", 10)
    monkeypatch.setattr(config, "SELF_CHECK_MS", 20)


def test_start_takes_the_chip_from_whatever_it_was_doing():
    async def test() -> None:
        bench = Bench()
        # The previous program waited for a card without end: retries at their default, then a search.
        bench.line.write(bytes.fromhex("5555" + "00" * 14 + "0000FF05FBD4140114010200"))
        bench.line.write(bytes.fromhex("0000FF04FCD44A0100E100"))
        await bench.chip.start()
        assert bench.chip.version == bytes((0x32, 1, 6, 7))
        assert await bench.chip.targets() == []
        await bench.chip.check()

    run(test())


def test_a_stale_answer_is_skipped():
    async def test() -> None:
        bench = Bench()
        await bench.chip.start()
        bench.line.put(bytes.fromhex("0000FF00FF00") + bytes.fromhex("0000FF06FAD50332010607E800"))
        bench.model.place(ntag215(UID))
        [target] = await bench.chip.targets()
        assert (target.uid, target.sak, target.atqa) == (UID, 0, 0x44)

    run(test())


def test_a_damaged_answer_is_asked_for_again():
    async def test() -> None:
        bench = Bench()
        await bench.chip.start()
        bench.model.faults.corrupt_every = 5
        failed = 0
        for _ in range(40):
            try:
                await bench.chip.check()
            except PartError:
                failed += 1
        assert bench.chip.nacks > 0
        assert failed < 20

    run(test())


def test_no_ack_no_answer_and_nonsense_are_told_apart():
    async def test() -> None:
        bench = Bench()
        await bench.chip.start()
        bench.model.faults.stuck = True
        with pytest.raises(NoAnswer):
            await bench.chip.check()
        bench.model.faults.stuck = False
        bench.model.faults.silent = True
        with pytest.raises(NoAck):
            await bench.chip.check()
        bench.model.faults.silent = False
        bench.model.reset()  # a brown-out: the chip is in another mode now
        with pytest.raises((Damaged, NoAck)):
            await bench.chip.targets()

    run(test())


def test_a_card_is_one_tap_as_long_as_it_lies_there():
    async def test() -> None:
        async with running() as bench:
            bench.model.place(ntag215(UID))
            await until(lambda: bench.desk.taps, "the tap")
            await bench.rounds(30)
            assert bench.desk.taps == [(UID, None)]
            assert bench.reader.state == reader_module.GOOD

    run(test())


def test_an_issued_tag_brings_its_record():
    async def test() -> None:
        message = token.ndef_message(token.tag_payload(UID, b"k" * 32))
        async with running() as bench:
            bench.model.place(ntag215(UID, message))
            await until(lambda: bench.desk.taps, "the tap")
            assert bench.desk.taps == [(UID, message)]

    run(test())


def test_after_the_cooldown_the_same_card_is_a_new_tap_before_it_is_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "COOLDOWN_MS", 600)

    async def test() -> None:
        tag = ntag215(UID)
        async with running() as bench:
            bench.model.place(tag)
            await until(lambda: bench.desk.taps, "the first tap")
            bench.model.remove(tag)
            await bench.rounds(config.REMOVED_AFTER + 2)
            bench.model.place(tag)
            await until(lambda: bench.count(count.NFC_COOLDOWN), "the cooldown")
            assert len(bench.desk.taps) == 1
            bench.model.remove(tag)
            gone = ticks()
            await until(lambda: ticks() - gone > 2 * config.COOLDOWN_MS, "the cooldown's end")
            bench.model.place(tag)
            await until(lambda: len(bench.desk.taps) == 2, "the second tap")

    run(test())


def test_another_card_does_not_wait_for_the_first_ones_cooldown():
    async def test() -> None:
        tag, other = ntag215(UID), ntag215(OTHER)
        async with running() as bench:
            bench.model.place(tag)
            await until(lambda: bench.desk.taps, "the first tap")
            bench.model.remove(tag)
            bench.model.place(other)
            await until(lambda: len(bench.desk.taps) == 2, "the other card")
            assert [uid for uid, _ in bench.desk.taps] == [UID, OTHER]

    run(test())


def test_two_cards_are_trouble_once_and_neither_is_picked():
    async def test() -> None:
        tag, other = ntag215(UID), ntag215(OTHER)
        async with running() as bench:
            await bench.rounds(2)
            bench.model.field.place(tag)
            bench.model.field.place(other)
            await until(lambda: bench.desk.troubles, "the trouble")
            await bench.rounds(10)
            assert bench.desk.troubles == [count.NFC_TWO_CARDS]
            assert bench.desk.taps == []
            bench.model.remove(other)
            await until(lambda: bench.desk.taps, "the one that stayed")
            assert bench.desk.taps == [(UID, None)]

    run(test())


def test_a_phone_with_a_new_number_at_every_poll_is_one_tap():
    async def test() -> None:
        phone = Phone(random.Random(5))
        async with running() as bench:
            bench.model.place(phone)
            await until(lambda: bench.desk.taps, "the tap")
            await bench.rounds(20)
            [(uid, ndef)] = bench.desk.taps
            assert len(uid) == 4 and uid[0] == 8 and ndef is None

    run(test())


def test_the_next_phone_does_not_wait_for_the_last_ones_cooldown():
    async def test() -> None:
        first, second = Phone(random.Random(5)), Phone(random.Random(6))
        async with running() as bench:
            bench.model.place(first)
            await until(lambda: bench.desk.taps, "the first phone")
            bench.model.remove(first)
            await bench.rounds(config.REMOVED_AFTER + 2)
            bench.model.place(second)
            await until(lambda: len(bench.desk.taps) == 2, "the second phone")

    run(test())


def test_a_mifare_classic_card_is_its_number():
    async def test() -> None:
        async with running() as bench:
            bench.model.place(classic(b"\x31\x41\x59\x26"))
            await until(lambda: bench.desk.taps, "the tap")
            assert bench.desk.taps == [(b"\x31\x41\x59\x26", None)]

    run(test())


def test_an_unreadable_tag_is_trouble_once():
    async def test() -> None:
        async with running() as bench:
            tag = Unreadable(UID)
            bench.model.place(tag)
            await until(lambda: bench.desk.troubles, "the trouble")
            await bench.rounds(10)
            assert bench.desk.troubles == [count.NFC_UNREADABLE]
            assert bench.desk.taps == []
            bench.model.remove(tag)
            bench.model.place(ntag215(OTHER))
            await until(lambda: bench.desk.taps, "the next customer")

    run(test())


def test_a_card_that_leaves_while_it_is_read_is_trouble():
    async def test() -> None:
        async with running() as bench:
            await bench.rounds(1)
            tag = Unreadable(UID)
            bench.model.place(tag)
            await until(lambda: bench.count(count.NFC_CHIP_STATUS), "the first failed read")
            bench.model.remove(tag)
            await until(lambda: bench.desk.troubles, "the trouble")
            assert bench.desk.troubles == [count.NFC_UNREADABLE]

    run(test())


def test_a_stubborn_card_is_seen_again_because_the_field_goes_off():
    async def test() -> None:
        tag = ntag215(UID)
        tag.stubborn = True
        async with running() as bench:
            bench.model.place(tag)
            await until(lambda: bench.desk.taps, "the tap")
            await bench.rounds(20)
            assert len(bench.desk.taps) == 1
            assert bench.reader.busy

    run(test())


def test_a_chip_that_hangs_is_reset_by_its_line_and_works_again():
    async def test() -> None:
        async with running() as bench:
            await bench.rounds(3)
            bench.model.hung = True
            await until(lambda: bench.reader.state == reader_module.FAULT, "the fault")
            assert bench.resets >= 1
            await until(lambda: bench.reader.state == reader_module.GOOD, "recovery")
            bench.model.place(ntag215(UID))
            await until(lambda: bench.desk.taps, "a tap after it")
            assert bench.count(count.NFC_HARD_RESETS) == bench.resets
            assert bench.count(count.NFC_NO_ACK) >= 6

    run(test())


def test_a_loose_wire_is_a_state_and_not_the_end():
    async def test() -> None:
        async with running() as bench:
            await bench.rounds(3)
            bench.model.faults.silent = True
            await until(lambda: bench.reader.state == reader_module.FAULT, "the fault")
            bench.model.faults.silent = False
            bench.model.place(ntag215(UID))
            await until(lambda: bench.desk.taps, "a tap after it")
            assert bench.reader.state == reader_module.GOOD

    run(test())


def test_a_brown_out_of_the_chip_is_set_up_anew_without_its_line():
    async def test() -> None:
        async with running() as bench:
            await bench.rounds(3)
            bench.model.reset()
            bench.model.place(ntag215(UID))
            await until(lambda: bench.desk.taps, "a tap after it")
            assert bench.count(count.NFC_SOFT_STARTS) == 2
            assert bench.resets == 0

    run(test())


def test_a_noisy_line_costs_retries_and_no_taps():
    async def test() -> None:
        async with running() as bench:
            bench.model.faults.corrupt_every = 9
            for number in range(12):
                tag = ntag215(b"\x04" + bytes(5) + bytes((number,)))
                bench.model.place(tag)
                seen = bench.desk.taps, bench.desk.troubles
                await until(lambda n=number, s=seen: len(s[0]) + len(s[1]) == n + 1, "an outcome", 30)
                bench.model.remove(tag)
                await bench.rounds(config.REMOVED_AFTER + 1)
            assert len(bench.desk.taps) >= 10

    run(test())


def test_a_chip_that_takes_its_time_is_read_as_well(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "POLL_MS", 60)

    async def test() -> None:
        message = token.ndef_message(token.tag_payload(UID, b"k" * 32))
        async with running("real") as bench:
            await bench.rounds(3)
            bench.model.place(ntag215(UID, message))
            await until(lambda: bench.desk.taps, "the tap")
            assert bench.desk.taps == [(UID, message)]

    run(test())


@pytest.mark.parametrize(
    "data",
    [
        "",
        "01",
        "0101004400",
        "010100440004",
        "01010044000B" + "00" * 11,
        "0101034420041122",
        "01010344200411223344",
    ],
)
def test_a_target_list_that_does_not_add_up_is_damaged(data: str):
    with pytest.raises(Damaged):
        parse_targets(bytes.fromhex(data))


def test_an_answer_to_select_is_skipped_over():
    data = bytes.fromhex("02 01 0344 20 04 08112233 05 78807002 02 0044 00 07 04112233445566")
    assert [target.uid.hex() for target in parse_targets(data)] == ["08112233", "04112233445566"]
