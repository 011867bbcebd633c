"""The QR module's commands and lines, and the scanner task: set-up, hostile codes, a module that restarts."""

import asyncio

import pytest
from brick import config
from brick import counters as count
from brick.qr import command, scanner
from brick.qr.lines import ANSWER, CODE, OVERFLOW, Lines
from brick.qr.scanner import Scanner
from hypothesis import given, settings
from hypothesis import strategies as st
from leapingloop import run
from modelline import ticks, until
from scannerbench import Bench, Cable, running
from virtualkit import qrmodule


def test_commands_are_the_manuals_bytes():
    assert command.read(command.ZONE_BAUD, 2) == bytes.fromhex("7E000701002A02D80F")
    assert command.save() == bytes.fromhex("7E000901000000DEC8")
    assert command.write(0x00D9, b"\x50") == bytes.fromhex("7E00080100D95081D3")
    assert command.answer(b"\x00") == bytes.fromhex("02000001003331")
    assert command.answer(b"\x39\x01") == bytes.fromhex("020000023901C14C")


def split(data: bytes, step: int = 64, keep: int = 129, limit: int = 4096) -> list[tuple[int, bytes]]:
    """What Lines finds in `data`."""
    lines = Lines(keep, limit)
    out = []
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        out += lines.feed(piece, len(piece))
    return out


def test_codes_end_at_cr_lf_or_both():
    assert split(b"one\rtwo\nthree\r\nfour\r\r\n") == [
        (CODE, b"one"), (CODE, b"two"), (CODE, b"three"), (CODE, b"four"), (CODE, b""),
    ]  # fmt: skip


def test_answers_stand_between_codes_whatever_bytes_they_hold():
    answer = command.answer(b"\x0d\x0a")
    for step in (1, 3, 64):
        assert split(b"one\r" + answer + command.answer(b"\x00") + b"two\r", step) == [
            (CODE, b"one"), (ANSWER, b"\x0d\x0a"), (ANSWER, b"\x00"), (CODE, b"two"),
        ]  # fmt: skip


def test_what_only_begins_like_an_answer_is_a_code():
    assert split(b"\x02\x00\x00\x01\x00\x33\x32\r") == [(CODE, b"\x02\x00\x00\x01\x00\x33\x32")]
    assert split(b"\x02hello\r") == [(CODE, b"\x02hello")]
    assert split(b"\x02\x00\x00\x63abc\r") == [(CODE, b"\x02\x00\x00\x63abc")]


def test_a_long_code_is_cut_and_an_endless_one_given_up_once():
    assert split(b"x" * 4000 + b"\rnext\r") == [(CODE, b"x" * 129), (CODE, b"next")]
    assert split(b"x" * 9000 + b"\rnext\r") == [(OVERFLOW, b""), (CODE, b"next")]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.integers(1, 64))
def test_no_bytes_hurt_the_lines(data: bytes, step: int):
    found = split(data, step, keep=20, limit=100)
    assert all(len(code) <= 20 for _, code in found)
    assert split(data + b"\r\rSM1.TEST\r", step, keep=20, limit=100)[-1] == (CODE, b"SM1.TEST")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs short, so that a test takes milliseconds."""
    monkeypatch.setattr(scanner, "_ANSWER_MS", 40)
    monkeypatch.setattr(scanner, "_SILENCE_MS", 30)
    monkeypatch.setattr(config, "FAULT_RETRY_MS", 10)
    monkeypatch.setattr(config, "SELF_CHECK_MS", 40)
    monkeypatch.setattr(config, "QR_REPEAT_MS", 200)


def test_a_factory_new_module_is_found_and_set_up():
    async def test() -> None:
        async with running() as bench:
            zones = bench.model.zones
            assert zones[qrmodule.SETUP_CODES] & 2, "set-up codes closed"
            assert zones[qrmodule.TAIL] == 1, "CR at the end"
            assert zones[qrmodule.MODE] & 0xC3 == 2, "reads by itself, without its own light and sound"
            assert zones[qrmodule.OUTPUT] & 3 == 0
            assert bench.model.baud == bench.cable.host == 115200
            assert bench.model._saved[qrmodule.SETUP_CODES] & 2, "also after a restart of the module"
            assert bench.scanner.state == scanner.GOOD

    run(test())


def test_a_module_that_is_set_up_already_is_left_alone():
    async def test() -> None:
        async with running() as bench:
            model = bench.model
        model.reset()
        again = Bench()
        again.model = model
        again.cable = Cable(model)
        again.scanner = Scanner(again.cable.open, again.desk, again.desk.counters, ticks)
        task = asyncio.create_task(again.scanner.run(again.pulse))
        await until(lambda: again.count(count.QR_CONFIGURED), "the set-up")
        task.cancel()
        assert again.cable.bauds == [115200]
        for write_or_save in (b"\x7e\x00\x08", b"\x7e\x00\x09"):
            assert write_or_save not in again.cable.line.written

    run(test())


def test_a_code_comes_through_and_its_repeats_do_not():
    async def test() -> None:
        async with running() as bench:
            bench.model.faults.repeat = 2
            bench.model.show(b"SM1.HELLO")
            await until(lambda: bench.count(count.QR_REPEAT) >= 2, "the repeats")
            assert bench.desk.codes == [b"SM1.HELLO"]
            bench.model.show(b"SM1.OTHER")
            await until(lambda: len(bench.desk.codes) == 2, "another code")

    run(test())


def test_the_same_code_counts_again_once_it_was_away():
    async def test() -> None:
        async with running() as bench:
            bench.sends(b"AGAIN\r")
            await until(lambda: bench.desk.codes, "the code")
            gone = ticks()
            await until(lambda: ticks() - gone > 250, "the pause")
            bench.sends(b"AGAIN\r")
            await until(lambda: len(bench.desk.codes) == 2, "the code again")

    run(test())


def test_set_up_codes_shown_to_the_scanner_change_nothing():
    async def test() -> None:
        async with running() as bench:
            before = dict(bench.model.zones)
            for code in (b"_SET_CODE_ON", b"@000000", b"@006000"):
                seen = len(bench.desk.codes)
                bench.model.show(code)
                await until(lambda n=seen: len(bench.desk.codes) > n, "the code as text")
            assert bench.model.zones == before

    run(test())


@pytest.mark.parametrize("length", [1, 128, 129, 4000])
def test_codes_of_every_length_arrive_cut_at_one_byte_too_many(length: int):
    async def test() -> None:
        async with running() as bench:
            bench.sends(b"z" * length + b"\r")
            await until(lambda: bench.desk.codes, "the code")
            assert bench.desk.codes == [b"z" * min(length, 201)]

    run(test())


def test_a_code_without_its_end_does_not_spoil_the_next():
    async def test() -> None:
        async with running() as bench:
            bench.sends(b"torn off in the midd")
            await until(lambda: bench.count(count.QR_LINE_OVERFLOW), "silence")
            bench.sends(b"WHOLE\r")
            await until(lambda: bench.desk.codes, "the code")
            assert bench.desk.codes == [b"WHOLE"]

    run(test())


def test_a_module_that_restarts_is_set_up_again():
    async def test() -> None:
        async with running() as bench:
            bench.model._saved = dict(qrmodule.DEFAULTS)  # somebody reset it to its factory settings
            bench.model.reset()
            await until(lambda: bench.count(count.QR_CONFIGURED) == 2, "the second set-up")
            assert bench.model.zones[qrmodule.SETUP_CODES] & 2
            bench.model.show(b"AFTER")
            await until(lambda: bench.desk.codes, "a code after it")

    run(test())


def test_a_module_that_is_silent_is_a_state_and_comes_back():
    async def test() -> None:
        async with running() as bench:
            bench.model.faults.silent = True
            await until(lambda: bench.scanner.state == scanner.FAULT, "the fault")
            assert bench.count(count.QR_FAULTS)
            bench.model.faults.silent = False
            await until(lambda: bench.scanner.state == scanner.GOOD, "recovery")
            bench.model.show(b"AFTER")
            await until(lambda: bench.desk.codes, "a code after it")

    run(test())


def test_a_module_that_only_talks_is_still_heard():
    async def test() -> None:
        bench = Bench()
        bench.model.faults.silent = True
        task = asyncio.create_task(bench.scanner.run(bench.pulse))
        await until(lambda: bench.scanner.state == scanner.FAULT, "the fault")
        bench.sends(b"HELLO\r")
        await until(lambda: bench.desk.codes, "the code")
        task.cancel()

    run(test())


def test_garbage_before_a_code_costs_that_code_only():
    async def test() -> None:
        async with running() as bench:
            bench.model.faults.garbage = 7
            bench.model.show(b"FIRST")
            await until(lambda: bench.desk.codes, "something")
            bench.model.faults.garbage = 0
            bench.model.show(b"SECOND")
            await until(lambda: b"SECOND" in bench.desk.codes, "the next code")

    run(test())
