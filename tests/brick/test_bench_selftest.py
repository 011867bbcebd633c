"""The self-test of a blank brick with its parts modelled: a fixture's tag and code, broken parts, and a brick with keys."""

import asyncio
import json
import time

import pytest
from brick import selftest as brickside
from test_nfc_faults import ModelSpi
from typer.testing import CliRunner
from virtualkit.brick import BrickSpec, VirtualBrick
from virtualkit.kit import new_flash
from virtualkit.pn532 import Chip
from virtualkit.pn532_spi import SpiSide
from virtualkit.tags import ntag215
from workbench import cli, selftest
from workbench.errors import SelfTestFailed
from workbench.provision import Bench, provision_brick

from tests.brick.benchkit import rental
from tests.kit.kitloop import LoopThread

TAG = bytes.fromhex("04a1b2c3d4e5f6")
CODE = "STALLMARK-TEST"


@pytest.fixture
def brick(tmp_path):
    loop = LoopThread()
    flash = tmp_path / "flash"
    new_flash(flash, 4 << 20)
    made = loop.call(
        lambda: VirtualBrick(BrickSpec("one", ("nfc", "qr"), flash, timing="fast"), tmp_path / "run")
    )
    loop.run(made.start())
    yield loop, made
    loop.run(made.close())
    loop.stop()


def of_parts(brick, fixture, look=None):
    bench = Bench(str(brick.link))
    try:
        selftest.identity(bench, 60)
        return {one.part: one for one in selftest.run(bench, fixture, look)}
    finally:
        bench.close()


def test_a_fixture_proves_reader_and_scanner_and_a_broken_part_is_named(brick, monkeypatch):
    loop, one = brick
    loop.call(one.nfc.place, ntag215(TAG))
    loop.call(one.scanner.show, CODE.encode())
    asked = []

    def look(question):
        asked.append(question)
        return "light" in question

    found = of_parts(one, selftest.Fixture(TAG, CODE, 20), look)
    outcomes = {name: result.outcome for name, result in found.items()}
    assert outcomes.pop("battery") in ("good", "absent")
    assert outcomes == {
        "flash": "good",
        "light": "good",
        "sound": "fault",  # the technician heard nothing
        "reader": "good",
        "scanner": "good",
        "link": "good",
    }
    assert len(asked) == 2
    with pytest.raises(SelfTestFailed, match="sound: the technician"):
        selftest.judge(list(found.values()))

    # Another tag and another code than those that lie on the bench. Only what is looked at is tested: it takes its time.
    reader, scanner, sound = (
        next(part for part in selftest.PARTS if part[1] == name) for name in ("reader", "scanner", "sound")
    )
    monkeypatch.setattr(selftest, "PARTS", (sound, reader, scanner))
    found = of_parts(one, selftest.Fixture(bytes(7), "ANOTHER", 1))
    assert "not the reference" in found["reader"].words and "not the reference" in found["scanner"].words
    assert found["sound"].outcome == "not looked at"
    with pytest.raises(SelfTestFailed) as failed:
        selftest.judge(list(found.values()))
    assert failed.value.parts == ("reader", "scanner")

    # The command says it in words and in JSON, and what is on the port before and after the keys.
    monkeypatch.setattr(selftest, "PARTS", (reader,))
    one.nfc.faults.silent = True
    run = CliRunner().invoke
    done = run(cli.app, ["test", "--port", str(one.link), "--no-look", "--json"])
    assert done.exit_code == 1 and "reader" in done.output
    assert json.loads(done.stdout.splitlines()[0])["parts"]["reader"][0] == "fault"
    assert json.loads(run(cli.app, ["info", "--port", str(one.link), "--json"]).stdout)["state"] == "blank"
    made = provision_brick(str(one.link), rental(), bytes(32), 1_790_000_000_000, 60)
    seen = json.loads(run(cli.app, ["info", "--port", str(one.link), "--json"]).stdout)
    assert (seen["state"], seen["brick"], seen["link epoch"]) == ("has keys", made.brick.hex(), 0)
    done = run(cli.app, ["test", "--port", str(one.link), "--no-look"])
    assert done.exit_code == 1 and "takes no orders from a bench" in done.output


class Silent:
    """A board whose scanner's cable is off: a line that takes everything and says nothing."""

    parts = ("qr",)

    def uart(self, *_):
        return self

    def write(self, data):
        return len(data)

    async def readinto(self, _):
        await asyncio.Event().wait()

    @staticmethod
    def ticks_ms():
        return time.monotonic_ns() // 1_000_000


def test_a_scanner_whose_cable_is_off_is_a_fault_and_no_wait_for_ever(monkeypatch):
    monkeypatch.setattr(brickside, "_SET_UP_MS", 200)
    monkeypatch.setattr(brickside, "Line", lambda uart: uart, raising=False)
    found = asyncio.run(brickside.Bench(Silent(), lambda: None)._run(brickside.SCANNER, 10_000))
    assert found == (brickside.FAULT, "the scanner does not answer at any speed", None)


def test_the_light_shows_its_colours_against_the_blinking_of_a_blank_brick(monkeypatch):
    shown = []

    class Light:
        def set(self, *colour):
            shown.append(colour)

    class Board:
        light = Light()

    async def no_wait(_):
        shown.append("blink")

    monkeypatch.setattr(brickside.aio, "sleep_ms", no_wait)
    assert asyncio.run(brickside.Bench(Board(), lambda: None)._run(brickside.LIGHT, 0))[0] == brickside.GOOD
    assert shown.count("blink") >= 30 and shown[-1] == (0, 0, 0)
    after = [shown[at + 1] for at, one in enumerate(shown) if one == "blink"]
    assert all(isinstance(colour, tuple) for colour in after), "every blink is overwritten at once"
    assert {(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)} <= set(after)


class OnSpi:
    """A board whose reader is on SPI: it has no UART for one."""

    parts = ("nfc", "qr")
    nfc_bus = "spi"

    def __init__(self, chip):
        self._bus = ModelSpi(SpiSide(chip))

    def spi(self, _name):
        return self._bus

    @staticmethod
    def ticks_ms():
        return time.monotonic_ns() // 1_000_000


def test_a_reader_on_spi_is_tested_on_its_own_bus():
    chip = Chip("fast", bus="spi")
    chip.place(ntag215(TAG))
    found = asyncio.run(brickside.Bench(OnSpi(chip), lambda: None)._run(brickside.READER, 20_000))
    assert found[0] == brickside.GOOD and found[2] == TAG, found
