"""Makes the parts misbehave, one fault after another, while a market runs: readers, scanners, cables, the air, packs."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from virtualkit import dumps
from virtualkit.airfaults import FAULTS as AIR
from virtualkit.airfaults import AirFaults
from virtualkit.brick import BrickOff, VirtualBrick
from virtualkit.demo.stall import Stall

PARTS = ("reader", "scanner", "cable", "air", "packs")
LASTS_SECONDS = (0.2, 1.5)
CALM_SECONDS = (0.3, 1.2)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. `begin(brick, rng)` starts it and returns what ends it."""

    part: str
    name: str
    begin: Callable[[VirtualBrick, random.Random], Callable[[], None]]


def _setting(
    of: Callable[[VirtualBrick], Any], **wanted: Any
) -> Callable[[VirtualBrick, random.Random], Callable[[], None]]:
    """A fault that is a few fields of a model's faults, put back as they were."""

    def begin(brick: VirtualBrick, rng: random.Random) -> Callable[[], None]:
        faults = of(brick)
        before = {name: getattr(faults, name) for name in wanted}
        _set(faults, wanted)
        return lambda: _set(faults, before)

    return begin


def _set(faults: Any, wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        setattr(faults, name, value)


def _reader(brick: VirtualBrick) -> Any:
    assert brick.nfc is not None
    return brick.nfc.faults


def _scanner(brick: VirtualBrick) -> Any:
    assert brick.scanner is not None
    return brick.scanner.faults


def _two_cards(brick: VirtualBrick, rng: random.Random) -> Callable[[], None]:
    nfc = brick.nfc
    assert nfc is not None
    other = dumps.from_uid(bytes([4, *rng.randbytes(6)]), rng)
    nfc.place(other)
    return lambda: nfc.remove(other)


def _packs(**wanted: Any) -> Callable[[VirtualBrick, random.Random], Callable[[], None]]:
    def begin(brick: VirtualBrick, rng: random.Random) -> Callable[[], None]:
        before = {name: getattr(brick.packs.faults, name) for name in wanted}
        brick.packs.set(**wanted)
        return lambda: brick.packs.set(**before)

    return begin


def _air(change: Callable[[AirFaults], None]) -> Callable[[VirtualBrick, random.Random], Callable[[], None]]:
    def begin(brick: VirtualBrick, rng: random.Random) -> Callable[[], None]:
        assert brick.radio is not None
        faults = brick.radio.air.faults
        before = replace(faults)
        change(faults)
        return lambda: _set(faults, {one.name: getattr(before, one.name) for one in fields(before)})

    return begin


def _cable(**wanted: Any) -> Callable[[VirtualBrick, random.Random], Callable[[], None]]:
    def begin(brick: VirtualBrick, rng: random.Random) -> Callable[[], None]:
        up = _setting(lambda brick: brick.wire.up.faults, **wanted)(brick, rng)
        down = _setting(lambda brick: brick.wire.down.faults, **wanted)(brick, rng)

        def end() -> None:
            up()
            down()

        return end

    return begin


FAULTS = (
    Fault("reader", "silent", _setting(_reader, silent=True)),
    Fault("reader", "acknowledges and never answers", _setting(_reader, stuck=True)),
    Fault("reader", "slow", _setting(_reader, slow_ms=120)),
    Fault("reader", "corrupting", _setting(_reader, corrupt_every=3)),
    Fault("reader", "hangs until it is reset", _setting(_reader, hang_after=3)),
    Fault("reader", "two cards", _two_cards),
    Fault("scanner", "silent", _setting(_scanner, silent=True)),
    Fault("scanner", "unplugged", _setting(_scanner, unplugged=True)),
    Fault("scanner", "slow", _setting(_scanner, slow_ms=300)),
    Fault("scanner", "corrupting", _setting(_scanner, corrupt_every=2, corrupt_answers=3)),
    Fault("scanner", "noise before every code", _setting(_scanner, garbage=40)),
    Fault("scanner", "a stuck trigger", _setting(_scanner, stuck=True)),
    Fault("scanner", "every code again and again", _setting(_scanner, repeat=5)),
    Fault("cable", "bits flipped", _cable(flipped=0.002)),
    Fault("cable", "bytes lost", _cable(dropped=0.002)),
    Fault("cable", "bytes from nowhere", _cable(inserted=0.002)),
    Fault("cable", "doubled", _cable(doubled=0.2)),
    Fault("cable", "slow", _cable(delay_ms=150)),
    Fault("cable", "cut", _cable(cut=True)),
    Fault("packs", "voltage sags", _packs(sag_mv=250)),
    Fault("packs", "swapped while running", _packs(main_absent=True, backup_absent=False)),
    Fault("packs", "the converter is stuck", _packs(stuck=True)),
    Fault("packs", "the converter does not answer", _packs(failing=True)),
    *(Fault("air", name, _air(change)) for name, change in AIR.items()),
)
# A printed code that would set the module's main register, had the firmware not closed set-up codes (virtualkit.qrmodule).
HOSTILE = b"@000000"


class Trouble:
    """Counts what it did, by part and fault."""

    def __init__(self, stall: Stall, parts: Sequence[str], seed: int) -> None:
        self.done: dict[str, int] = {}
        self._stall = stall
        self._rng = random.Random(seed)
        self._possible = [
            (fault, brick)
            for fault in FAULTS
            for brick in stall.kit.bricks
            if fault.part in parts and _has(brick, fault.part)
        ]
        self._hostile = [
            brick for brick in stall.kit.bricks if "scanner" in parts and brick.scanner is not None
        ]

    async def rage(self, until: asyncio.Event) -> None:
        """One fault at a time until `until` is set, each at least once; everything is as before at the end."""
        rng = self._rng
        first = self._one_of_each()
        while first or not until.is_set():
            fault, brick = first.pop() if first else rng.choice(self._possible)
            self._count(fault.part, fault.name)
            end = fault.begin(brick, rng)
            try:
                await asyncio.sleep(rng.uniform(*LASTS_SECONDS))
            finally:
                end()
            await asyncio.sleep(rng.uniform(*CALM_SECONDS))
            if self._hostile and rng.random() < 0.1:
                await self._set_up_code(rng.choice(self._hostile))

    def _one_of_each(self) -> list[tuple[Fault, VirtualBrick]]:
        by_fault: dict[tuple[str, str], list[tuple[Fault, VirtualBrick]]] = {}
        for fault, brick in self._possible:
            by_fault.setdefault((fault.part, fault.name), []).append((fault, brick))
        chosen = [self._rng.choice(places) for places in by_fault.values()]
        self._rng.shuffle(chosen)
        return chosen

    async def _set_up_code(self, brick: VirtualBrick) -> None:
        self._count("scanner", "a hostile set-up code")
        try:
            await brick.scan(HOSTILE, hold_ms=200, seconds=0.3)
        except BrickOff:
            return

    def _count(self, part: str, name: str) -> None:
        self.done[f"{part}: {name}"] = self.done.get(f"{part}: {name}", 0) + 1


def _has(brick: VirtualBrick, part: str) -> bool:
    return {
        "reader": brick.nfc is not None,
        "scanner": brick.scanner is not None,
        "air": brick.radio is not None,
    }.get(part, True)
