"""One virtual brick: process, reader, scanner, cable, light and flash, and customers who tap and scan."""

import asyncio
import contextlib
import importlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virtualkit import firmware
from virtualkit.brick_process import POWER_ON, RESTARTED, BrickProcess, Cut
from virtualkit.pins import Edge, Light, Pins, Writes
from virtualkit.pn532 import Chip
from virtualkit.pn532_spi import SpiSide
from virtualkit.power import PowerModel
from virtualkit.pty import PartPort
from virtualkit.qrmodule import QrModule
from virtualkit.rf import Tag
from virtualkit.wire import Wire

if TYPE_CHECKING:
    from virtualkit.air import Air
    from virtualkit.radio import Radio

DEFAULT_HEAP = 768 * 1024
"""The demo's market day runs in about 460 KiB; its first installation worked in 560 and not in 500. A ruleset that replaces one
of its size also wants room for both and for two tables of people (75 KB): estimated, not measured.
`python -m tests.bench brick` finds the first."""
SETTLE_SECONDS = 3.0
ANSWER_SECONDS = 3.0
ARRIVAL_SECONDS = 0.1
_BAUD = 115200
_W25Q = {"program_us": 700, "erase_ms": 45}  # typical times of such a flash chip


class BrickOff(RuntimeError):
    """The brick has no power, or not the part that was asked for."""


def hardware_name(flash_bytes: int) -> str:
    """What a virtual brick calls its board."""
    return f"virtual-esp32-{flash_bytes // (1024 * 1024)}M"


@dataclass(frozen=True)
class BrickSpec:
    """What kind of brick: `parts` of "nfc", "qr" and, for benches, "events"; `flash` an existing image.

    timing  "real": baud rates, radio and flash take their time; "fast": they take none
    nfc_bus "hsu" or "spi": how the PN532 is wired
    heap    bytes of MicroPython heap; the 64-bit port needs about twice those of an ESP32
    source, entry  as in BrickProcess
    links   "serial", "ble": what the host reaches it by; the firmware has its serial line in any case
    extra   further keys of CONFIG.json
    """

    name: str
    parts: tuple[str, ...]
    flash: Path
    hardware: str = ""
    timing: str = "real"
    heap: int = DEFAULT_HEAP
    seed: int = 0
    clock: Path | None = None
    nfc_bus: str = "hsu"
    source: Path | None = None
    entry: Path | None = None
    links: tuple[str, ...] = ("serial",)
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Shown:
    """What a customer saw: the outcome (None: no light in time), and when: `ms` after the card came."""

    outcome: str | None
    ms: float | None
    at_ns: int
    edge: Edge | None


class VirtualBrick:
    """A brick with all its parts; must be made in a running event loop, `close` removes everything.

    nfc      the PN532 model (place, remove, faults) or None
    scanner  the QR module model (show, hide, faults) or None
    wire     the link's cable; `link` is the path of its host end
    radio    its place in the virtual air, or None without "ble" among its links
    light    edges with monotonic nanoseconds; `light.listeners`; `bright` its per cent
    packs    the model of its two packs (set)
    patience seconds for which a customer waits for a light, unless said otherwise
    overlooked  outcomes that no customer takes for an answer, see pins.Light.outcome_after
    writes   completed programs of the flash, in one order with the edges; `writes.follow`
    """

    def __init__(self, spec: BrickSpec, run: Path, air: "Air | None" = None) -> None:
        flash_bytes = spec.flash.stat().st_size
        unknown = set(spec.parts) - {"nfc", "qr", "events"}
        if unknown:
            raise ValueError(f"{spec.name}: there is no part called {', '.join(sorted(unknown))}")
        self.spec = spec
        self.name = name = spec.name
        self.powered = False
        self.light = Light()
        self.writes = Writes()
        self.tone = 0
        self.bright = 100
        self.restarts = 0
        self._restarting: asyncio.Task[None] | None = None
        self.nfc: Chip | None = None
        self.scanner: QrModule | None = None
        self.taps = 0
        self.patience = ANSWER_SECONDS
        self.overlooked: frozenset[str] = frozenset()
        self._rng = random.Random(spec.seed)
        self._one_at_a_time = asyncio.Lock()
        self._ports: dict[str, PartPort] = {}
        run.mkdir(parents=True, exist_ok=True)
        real = spec.timing == "real"
        uarts = {"link": str(run / f"{name}.uart")}
        self.link = run / f"{name}.link"
        self.wire = Wire(Path(uarts["link"]), self.link, spec.seed, _BAUD if real else 0)
        self.radio: Radio | None = None
        if "ble" in spec.links:
            if air is None:
                raise ValueError(f"{name}: a brick with a radio needs an air")
            # bumble takes half a second to load, and only radios need it.
            self.radio = importlib.import_module("virtualkit.radio").Radio(air, name, run / f"{name}.radio")
        self.events = run / f"{name}.events"
        self._bench: Wire | None = None
        for number, part in enumerate(spec.parts, 1):
            path = run / f"{name}.{part}"
            uarts[part] = str(path)
            seed = spec.seed * 16 + number
            if part == "nfc":
                self.nfc = Chip(spec.timing, seed=seed, bus=spec.nfc_bus)
                model = SpiSide(self.nfc) if spec.nfc_bus == "spi" else self.nfc
                self._ports[part] = PartPort(model, path, time.monotonic_ns)
            elif part == "qr":
                self.scanner = QrModule(spec.timing, seed=seed)
                self._ports[part] = PartPort(self.scanner, path, time.monotonic_ns)
            else:
                uarts[part] = str(run / f"{name}.events-uart")
                self._bench = Wire(Path(uarts[part]), self.events)
        self._pins = Pins(run / f"{name}.gpio", self._line)
        self.packs = PowerModel(run / f"{name}.power")
        config: dict[str, Any] = {
            "name": name,
            "flash": str(spec.flash),
            "flash_bytes": flash_bytes,
            "hardware": spec.hardware or hardware_name(flash_bytes),
            "firmware": firmware.digest(spec.source).hex(),
            "parts": list(spec.parts),
            "nfc_bus": spec.nfc_bus,
            "uarts": uarts,
            "gpio": str(self._pins.path),
            "clock": str(spec.clock) if spec.clock else None,
            "power": str(self.packs.path),
            "radio": None if self.radio is None else str(self.radio.path),
        }
        config |= (_W25Q if real else {}) | spec.extra
        self.process = BrickProcess(name, config, run, spec.heap, spec.source, spec.entry)
        self.process.ended = self._ended

    async def start(self, reset_reason: int = POWER_ON, cut: tuple[int, int] | None = None) -> None:
        """Power on. Raises brick_process.BrickCrashed, interpreter.InterpreterMissing."""
        self._power(True)
        try:
            if self.radio is not None:
                await self.radio.start()
            await self.process.start(reset_reason, cut)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Power off between two flash operations."""
        if self._restarting is not None:
            self._restarting.cancel()
            self._restarting = None
        await self.process.stop()
        self._power(False)

    async def power_cut(self, seed: int) -> Cut:
        """Power off inside a flash operation if there is one within 50 ms; says what was torn."""
        cut = await self.process.power_cut(random.Random(seed))
        self._power(False)
        return cut

    async def close(self) -> None:
        """Power off, and every port and file of `run` but logs and configuration is gone."""
        await self.stop()
        self.packs.close()
        for port in self._ports.values():
            port.close()
        self.wire.close()
        if self.radio is not None:
            await self.radio.close()
        if self._bench:
            self._bench.close()
        self._pins.close()

    async def ready(self, seconds: float = 30.0) -> None:
        """Waits until reader and scanner are set up and looking for customers. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not self._looking():
            self.process.check()
            if loop.time() > deadline:
                late = f"{self.name} is not ready after {seconds:.0f} s"
                raise TimeoutError(f"{late} (log: {self.process.log})")
            await asyncio.sleep(0.02)

    async def tap(self, tag: Tag, hold_ms: int | None = None, seconds: float | None = None) -> Shown:
        """A customer holds a card to the reader: until the light shows something, or for `hold_ms`.

        Raises BrickOff, brick_process.BrickCrashed.
        """
        nfc = self.nfc
        if nfc is None:
            raise BrickOff(f"{self.name} has no NFC reader")
        return await self._visit(lambda: nfc.place(tag), lambda: nfc.remove(tag), hold_ms, seconds)

    async def scan(self, code: bytes, hold_ms: int | None = None, seconds: float | None = None) -> Shown:
        """A customer shows a code: until the light shows something, or for `hold_ms`.

        Raises BrickOff, brick_process.BrickCrashed, ValueError for a code that no QR code can hold.
        """
        scanner = self.scanner
        if scanner is None:
            raise BrickOff(f"{self.name} has no QR scanner")
        return await self._visit(lambda: scanner.show(code), scanner.hide, hold_ms, seconds)

    async def _visit(
        self, come: Callable[[], None], go: Callable[[], None], hold_ms: int | None, seconds: float | None
    ) -> Shown:
        async with self._one_at_a_time:
            self.process.check()
            if not self.powered:
                raise BrickOff(f"{self.name} is switched off")
            patience = self.patience if seconds is None else seconds
            await self.light.settled(max(patience, SETTLE_SECONDS))
            if self.spec.timing == "real":  # nobody comes in step with the reader's polls
                await asyncio.sleep(self._rng.random() * ARRIVAL_SECONDS)
            self.taps += 1
            began = time.monotonic_ns()
            come()
            leaving = None
            if hold_ms is not None:
                leaving = asyncio.get_running_loop().call_later(hold_ms / 1000, go)
            try:
                edge = await self.light.outcome_after(began, patience, self.overlooked)
                if leaving:
                    await asyncio.sleep(max(0.0, leaving.when() - asyncio.get_running_loop().time()))
            finally:
                if leaving:
                    leaving.cancel()
                go()
            self.process.check()
            if edge is None:
                return Shown(None, None, began, None)
            return Shown(edge.outcome, (edge.at_ns - began) / 1e6, began, edge)

    def _looking(self) -> bool:
        reader = self.nfc is None or self.nfc.searches > 0
        return self.process.running and reader and (self.scanner is None or self.scanner.commands_quiet())

    def _power(self, on: bool) -> None:
        self.powered = on
        if not on:
            self._pins.drain()
        for port in self._ports.values():
            port.power(on)
        self.wire.flush()
        if self._bench:
            self._bench.flush()
        self.light.power(on)
        self.tone = 0

    def _ended(self) -> None:
        """The process is over: whoever waits for its light waits in vain."""
        self._power(False)

    def _line(self, text: str, at_ns: int) -> None:
        word, _, rest = text.partition(" ")
        with contextlib.suppress(ValueError, IndexError):
            if word == "W":
                self.process.fed()
            elif word == "B":
                self.writes.booted()
                self.process.booted()
            elif word == "P":
                self.writes.took(rest.split())
            elif word == "X":
                self.process.torn(rest.split())
            elif word == "R":
                self._reset_part(rest)
            elif word == "Z":
                if self._restarting is None:
                    self._restarting = asyncio.get_running_loop().create_task(self._restart(), name=f"{self.name} restarts")
            elif word.startswith("D"):
                self.bright = int(word[1:])
            elif word.startswith("L"):
                self.light.took(word[1:], at_ns, rest)
            elif word.startswith("T"):
                self.tone = int(word[1:])

    async def _restart(self) -> None:
        """The firmware asked for it: the same board, its reset reason says so."""
        await self.process.stop()
        self._power(False)
        self.restarts += 1
        self._restarting = None
        await self.start(RESTARTED)

    def _reset_part(self, part: str) -> None:
        if part in self._ports:
            self._ports[part].model.reset()
