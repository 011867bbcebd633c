"""Whatever a QR module does: the brick reads what can be read, says what is wrong, and comes back by itself."""

import asyncio
from typing import Any

import pytest
from brick import config
from brick import counters as count
from brick.qr import command, scanner
from leapingloop import run
from modelline import ticks, until
from scannerbench import Bench, running
from virtualkit import qrmodule

ANSWER_MS = 40
SET_UP_CODES = (b"@000D01", b"@00B001", b"@00D080", b"@006000", b"@002A39", b"@000000", b"_SET_CODE_ON")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs short, so that a test takes milliseconds."""
    monkeypatch.setattr(scanner, "_ANSWER_MS", ANSWER_MS)
    monkeypatch.setattr(scanner, "_SILENCE_MS", 30)
    monkeypatch.setattr(config, "FAULT_RETRY_MS", 10)
    monkeypatch.setattr(config, "SELF_CHECK_MS", 40)
    monkeypatch.setattr(config, "QR_REPEAT_MS", 200)
    monkeypatch.setattr(config, "QR_STUCK_MS", 300)


async def reads(bench: Bench, code: bytes) -> None:
    bench.model.show(code)
    await until(lambda: code in bench.desk.codes, f"{code!r}")
    bench.model.hide()


# name, what to set on the model's faults, and whether it is said as a fault (else it is borne)
FAULTS = [
    ("silent", {"silent": True}, True),
    ("unplugged", {"unplugged": True}, True),
    ("another speed than it says", {"stuck_baud": 38400}, True),
    ("every answer corrupted", {"corrupt_answers": 1}, True),
    ("every third answer corrupted", {"corrupt_answers": 3}, False),
    ("answers late", {"slow_ms": ANSWER_MS // 2}, False),
    ("answers after they were given up", {"slow_ms": ANSWER_MS + 15}, False),
    ("garbage before codes", {"garbage": 3}, False),
    ("every other code corrupted", {"corrupt_every": 2}, False),
    ("each code three times", {"repeat": 2}, False),
]


def test_each_fault_is_said_or_borne_and_over_when_it_is_over():
    async def one(name: str, faults: dict[str, Any], said: bool) -> None:
        async with running() as bench:
            await reads(bench, b"BEFORE")
            ready, zones = bench.count(count.QR_CONFIGURED), dict(bench.model.zones)
            for fault, value in faults.items():
                setattr(bench.model.faults, fault, value)
            if said:
                await until(lambda: bench.scanner.state == scanner.FAULT, f"{name}: the fault", 30)
                assert bench.count(count.QR_FAULTS), name
            else:
                looked = bench.model.answers
                await until(
                    lambda: bench.model.answers > looked + 6, f"{name}: three looks at the module", 30
                )
            for fault in faults:
                setattr(bench.model.faults, fault, 0)
            await until(lambda: bench.scanner.state == scanner.GOOD, f"{name}: recovery", 30)
            if said:
                await until(lambda: bench.count(count.QR_CONFIGURED) > ready, f"{name}: the set-up", 30)
            await reads(bench, b"AFTER")
            assert bench.model.zones == zones, f"{name}: and nothing is set otherwise than before"

    async def test() -> None:
        await asyncio.gather(*(one(*fault) for fault in FAULTS))

    run(test())


def test_a_module_that_was_slow_from_the_start_is_set_up_right():
    """An answer that comes after its command was given up is not taken for the next one's."""

    async def one(slow: int) -> None:
        bench = Bench()
        bench.model.faults.slow_ms = slow
        bench.model.zones[qrmodule.OUTPUT] = 0x55  # unlike any other zone
        bench.model.zones[qrmodule.MODE] = 0xD6
        bench.model.zones[qrmodule.BAUD] = bench.model._saved[qrmodule.BAUD] = 0x1A  # at 115,200 already
        bench.model.zones[qrmodule.BAUD + 1] = bench.model._saved[qrmodule.BAUD + 1] = 0
        bench.model._baud = 115200
        task = asyncio.create_task(bench.scanner.run(bench.pulse))
        await until(lambda: bench.count(count.QR_CONFIGURED), "the set-up", 40)
        wanted = {
            qrmodule.SETUP_CODES: 0x02,
            qrmodule.OUTPUT: 0x54,
            qrmodule.MODE: 0x16,
            qrmodule.SAME_CODE: 0x05,
            qrmodule.TAIL: 0x01,
            qrmodule.INTERVAL: 0x01,
            qrmodule.TIMEOUT: 0x00,
        }
        assert {zone: bench.model.zones[zone] for zone in wanted} == wanted, slow
        task.cancel()

    async def test() -> None:
        await asyncio.gather(one(ANSWER_MS // 2), one(ANSWER_MS + 15))

    run(test())


@pytest.mark.parametrize("baud", [9600, 57600])
def test_a_module_that_keeps_its_own_speed_is_used_at_it(baud: int):
    async def test() -> None:
        bench = Bench()
        bench.model.faults.stuck_baud = baud
        task = asyncio.create_task(bench.scanner.run(bench.pulse))
        await until(
            lambda: bench.scanner.state == scanner.GOOD and bench.count(count.QR_CONFIGURED), "the set-up"
        )
        assert bench.cable.host == baud and bench.count(count.QR_OWN_SPEED)
        await reads(bench, b"SLOWLY")
        assert bench.model.zones[qrmodule.SETUP_CODES] & 2
        task.cancel()

    run(test())


def test_a_stuck_trigger_is_said_and_other_codes_are_still_read():
    async def test() -> None:
        async with running() as bench:
            bench.model.faults.stuck = True
            bench.model.show(b"POSTER")
            await until(lambda: bench.scanner.state == scanner.FAULT, "the fault")
            assert bench.count(count.QR_STUCK) == 1 and bench.desk.codes == [b"POSTER"]
            answers = bench.model.answers
            await until(lambda: bench.model.answers > answers, "a look at its settings all the same")
            await reads(bench, b"CUSTOMER")
            bench.model.faults.stuck = False
            await until(lambda: bench.scanner.state == scanner.GOOD, "the end")

    run(test())


def test_codes_by_turns_are_repeats_too():
    async def test() -> None:
        async with running() as bench:
            for _ in range(8):
                for code in (b"ONE", b"TWO", b"THREE", b"FOUR"):
                    bench.sends(code + b"\r")
            await until(lambda: bench.count(count.QR_REPEAT) == 28, "the repeats")
            assert bench.desk.codes == [b"ONE", b"TWO", b"THREE", b"FOUR"]
            bench.sends(b"FIVE\rONE\r")
            await until(lambda: len(bench.desk.codes) == 6, "of more than four the oldest is forgotten")

    run(test())


def test_a_set_up_code_shown_before_the_brick_starts_is_undone():
    """The module is as it came from the shop, so the code counts; the brick's start sets every zone that matters."""

    async def one(code: bytes) -> None:
        bench = Bench()
        bench.model.show(code)
        bench.model.poll()
        bench.model.hide()
        task = asyncio.create_task(bench.scanner.run(bench.pulse))
        await until(lambda: bench.count(count.QR_CONFIGURED), f"the set-up after {code!r}", 30)
        await reads(bench, b"WHOLE CODE")
        assert bench.desk.codes == [b"WHOLE CODE"], code
        task.cancel()

    async def test() -> None:
        await asyncio.gather(*(one(code) for code in SET_UP_CODES))

    run(test())


def test_a_code_that_looks_like_an_answer_is_never_taken_for_one():
    """Printed bytes of an answer, read in the very moment of a question: the scanner would pass for closed, and is not."""

    async def test() -> None:
        bench = Bench()
        attacked = [True]
        feed = bench.cable.feed
        forged = command.answer(b"\x02") + b"\r"

        def answer_twice(data: bytes) -> bytes:
            out = feed(data)
            asks = bytes((7, 1, 0, qrmodule.SETUP_CODES))
            return out + forged if attacked[0] and asks in data and out.startswith(command.ANSWER_HEAD) else out

        bench.cable.feed = answer_twice  # pyright: ignore[reportAttributeAccessIssue]
        task = asyncio.create_task(bench.scanner.run(bench.pulse))
        await until(lambda: bench.count(count.QR_SETUP_CODE) > 3, "the attack")
        assert bench.scanner.state == scanner.FAULT or bench.model.zones[qrmodule.SETUP_CODES] & 2
        assert not bench.count(count.QR_CONFIGURED)
        attacked[0] = False
        await until(lambda: bench.count(count.QR_CONFIGURED), "the set-up", 30)
        assert bench.model.zones[qrmodule.SETUP_CODES] & 2, "closed indeed"
        task.cancel()

    run(test())


def test_an_empty_code_a_while_after_an_answer_is_an_empty_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(config, "SELF_CHECK_MS", 60_000)  # no question in between
    monkeypatch.setattr(scanner, "_SILENCE_MS", 60_000)

    async def test() -> None:
        async with running() as bench:
            heard = bench.scanner._heard_at
            await until(lambda: ticks() - heard > 100, "the last answer to be old")
            bench.sends(b"\r")
            await until(lambda: bench.desk.codes or bench.count(count.QR_SETUP_CODE), "the code")
            assert bench.desk.codes == [b""] and not bench.count(count.QR_SETUP_CODE)

    run(test())


def test_a_code_on_its_way_is_not_given_up_because_a_question_was():
    async def test() -> None:
        async with running() as bench:
            for part in (b"HALF ", b"A ", b"CODE\r"):
                bench.sends(part)
                await asyncio.sleep(0.012)
            await until(lambda: bench.desk.codes, "the code")
            assert bench.desk.codes == [b"HALF A CODE"]

    run(test())


def test_a_zone_that_changes_by_itself_is_noticed_and_set_again():
    async def one(zone: int, mask: int, value: int) -> None:
        async with running() as bench:
            bench.model.zones[zone] ^= mask
            await until(
                lambda: bench.count(count.QR_CONFIGURED) == 2, f"the second set-up, zone {zone:x}", 30
            )
            assert bench.model.zones[zone] & mask == value, zone

    async def test() -> None:
        await asyncio.gather(*(one(*setting) for setting in scanner.SETTINGS))

    run(test())
