"""The link's cable: a null modem that pyserial uses like any serial port, and its faults, seeded."""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from handclock import HandClock
from kitloop import LoopThread
from virtualkit.wire import Lane, Wire

SEED = 20261101


def lane(baud: int = 0, **faults: float) -> tuple[Lane, HandClock]:
    clock = HandClock()
    made = Lane(SEED, baud, clock)
    for name, value in faults.items():
        setattr(made.faults, name, value)
    return made, clock


def passed(made: Lane, chunks: list[bytes]) -> bytes:
    out = b""
    for chunk in chunks:
        made.feed(chunk)
        out += made.take()
    return out


CHUNKS = [random.Random(SEED + i).randbytes(50) for i in range(100)]
WHOLE = b"".join(CHUNKS)


def test_a_good_cable_passes_everything() -> None:
    assert passed(lane()[0], CHUNKS) == WHOLE


@pytest.mark.parametrize(
    ("faults", "check"),
    [
        ({"flipped": 0.05}, lambda out: len(out) == len(WHOLE) and out != WHOLE),
        ({"dropped": 0.05}, lambda out: 0.92 < len(out) / len(WHOLE) < 0.98),
        ({"inserted": 0.05}, lambda out: 1.02 < len(out) / len(WHOLE) < 1.08),
        ({"lost": 0.2}, lambda out: len(out) % 50 == 0 and 0.6 < len(out) / len(WHOLE) < 0.95),
        ({"doubled": 0.2}, lambda out: len(out) % 50 == 0 and 1.05 < len(out) / len(WHOLE) < 1.4),
        ({"cut": True}, lambda out: out == b""),
    ],
)
def test_each_fault_does_what_it_says_and_repeats_with_its_seed(
    faults: dict[str, float], check: Callable[[bytes], bool]
) -> None:
    first, second = passed(lane(**faults)[0], CHUNKS), passed(lane(**faults)[0], CHUNKS)
    assert first == second
    assert check(first)


def test_delay_and_pace_move_the_arrival() -> None:
    made, clock = lane(delay_ms=20)
    made.feed(b"late")
    clock.advance(19)
    assert made.take() == b""
    clock.advance(1)
    assert made.take() == b"late"
    made, clock = lane(baud=9600)
    made.feed(bytes(96))
    assert made.due() == pytest.approx(100e6, rel=0.01)


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    made = LoopThread()
    yield made
    made.stop()


def test_pyserial_talks_across_the_wire_and_sees_the_cable_pulled(thread: LoopThread, tmp_path: Path) -> None:
    async def make() -> Wire:
        return Wire(tmp_path / "brick", tmp_path / "host", SEED)

    wire = thread.run(make())
    with (
        serial.Serial(str(tmp_path / "brick"), 115200, timeout=60) as brick,
        serial.Serial(str(tmp_path / "host"), 115200, timeout=60, exclusive=True) as host,
    ):
        every = bytes(range(256)) * 8
        brick.write(every)
        assert host.read(len(every)) == every
        host.write(every[::-1])
        assert brick.read(len(every)) == every[::-1]
        thread.call(wire.host.unplug)
        assert not (tmp_path / "host").exists()
        with pytest.raises(serial.SerialException):
            host.read(1)
        thread.call(wire.host.plug)
        assert (tmp_path / "host").exists()
    thread.call(wire.close)
    assert os.listdir(tmp_path) == []


def test_a_reader_that_does_not_read_costs_bytes_not_time(thread: LoopThread, tmp_path: Path) -> None:
    async def make() -> Wire:
        return Wire(tmp_path / "brick", tmp_path / "host", SEED)

    wire = thread.run(make())
    start = time.process_time()
    for _ in range(20):
        thread.call(wire.host.write, bytes(4096))
    assert wire.host.overrun > 0
    assert time.process_time() - start < 5
    thread.call(wire.host.flush)
    with serial.Serial(str(tmp_path / "host"), 115200, timeout=60) as host:
        thread.call(wire.host.write, b"fresh")
        assert host.read(5) == b"fresh"
    thread.call(wire.close)
