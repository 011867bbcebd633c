"""A bare board on the bench behind one serial port: boot ROM, then MicroPython's own REPL, then the brick's firmware.

All three work on one flash image: what esptool writes is what MicroPython mounts and what the firmware runs from. A
pseudo-terminal has no DTR and RTS lines, so the model takes esptool's first SYNC for "reset with the boot button held",
and the first byte outside a SLIP frame for "reset". In the REPL, `machine.reset()` is a reset.
"""

import asyncio
import contextlib
import hashlib
import os
import random
import shutil
import signal
import struct
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boards import partitions as _partitions

from virtualkit import firmware, interpreter
from virtualkit.bootrom import DEFL_DATA, END, FLASH_DATA, BootRom, RomFaults
from virtualkit.bootrom_chips import ChipModel
from virtualkit.bootrom_flash import RomFlash
from virtualkit.brick import BrickSpec, VirtualBrick
from virtualkit.pty import Pty
from virtualkit.timing import BITS_PER_BYTE, Outbox

_find: Any = getattr(_partitions, "find")  # noqa: B009  the firmware carries no annotations

ROM, REPL, BRICK, DEAD = "boot ROM", "REPL", "brick", "no image"
_SYNC = b"\xc0\x00\x08"
_REPL_HEAP = "2m"
_CONSOLE_BAUD = 115200
_IMAGE_MAGIC = 0xE9


@dataclass
class Meter:
    """Seconds that a real board, wire and flash chip would have taken so far, by what took them."""

    wire_in: float = 0.0
    wire_out: float = 0.0
    turns: int = 0
    turn_ms: float = 2.0
    """From the end of a request to the start of the answer: two USB frames of a bridge, and the chip's own time."""
    flash: float = 0.0
    by_mode: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def seconds(self) -> float:
        """All of it, as if nothing ever overlapped: an upper bound."""
        return self.wire_in + self.wire_out + self.turns * self.turn_ms / 1000 + self.flash

    def took(self, mode: str, seconds: float) -> None:
        """Notes under which mode it fell."""
        self.by_mode[mode] = self.by_mode.get(mode, 0.0) + seconds


class BenchBoard:
    """One board; must be made in a running event loop, `close` ends every process and frees the port.

    `flash` is the image file, made (blank) where it is missing. `paced` makes wire and flash take their time; without it
    they take none, and `meter` adds up what they would have taken. `parts` as in brick.BrickSpec.
    """

    def __init__(
        self,
        run: Path,
        chip: ChipModel,
        flash_bytes: int,
        parts: tuple[str, ...] = ("nfc",),
        faults: RomFaults | None = None,
        paced: bool = False,
        hardware: str = "",
    ) -> None:
        run.mkdir(parents=True, exist_ok=True)
        self.flash = run / "board.flash"
        if not self.flash.exists():
            with self.flash.open("wb") as image:
                for _ in range(flash_bytes // 65536):
                    image.write(b"\xff" * 65536)
        self.port = run / "ttyBoard"
        self.mode = ROM
        self.meter = Meter()
        self.resets = 0
        self.heard = bytearray()
        """What the computer wrote while the brick ran: the first 64 KiB."""
        self.virtual: VirtualBrick | None = None
        self.failed: str | None = None
        self._run = run
        self._chip = chip
        self._parts = parts
        self._hardware = hardware
        self._paced = paced
        self.rom = BootRom(chip, RomFlash(self.flash), faults or RomFaults(), self.unplug)
        self._loop = asyncio.get_running_loop()
        self._in = Outbox(paced)
        self._out = Outbox(paced)
        self._timer: asyncio.TimerHandle | None = None
        self._slip_open = False
        self._busy_until_ms = 0.0
        self._inner = -1
        self._process: asyncio.subprocess.Process | None = None
        self._waiting = bytearray()
        self._boot: asyncio.Task[None] | None = None
        self._pty = Pty(self.port, self._received)
        self._pty.plug()

    def unplug(self) -> None:
        """Pulls the cable, and with it the power."""
        self._pty.unplug()
        self._in.clear()
        self._out.clear()
        self._slip_open = False

    def plug(self) -> None:
        """Puts the cable back: the chip starts anew, in its ROM until somebody talks to it."""
        self.rom = BootRom(self._chip, self.rom.flash, RomFaults())
        self.mode = ROM
        self._pty.plug()

    async def close(self) -> None:
        """Ends everything."""
        if self._timer:
            self._timer.cancel()
        if self._boot:
            self._boot.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._boot
        await self._stop()
        self._pty.close()
        self.rom.flash.close()

    # --- bytes

    def _received(self, data: bytes) -> None:
        seconds = len(data) * BITS_PER_BYTE / self._baud
        self.meter.wire_in += seconds
        self.meter.took(self.mode, seconds)
        self._in.put(data, self._baud)
        self._pump()

    def _send(self, data: bytes, after_ms: float = 0.0) -> None:
        if not data:
            return
        seconds = len(data) * BITS_PER_BYTE / self._baud
        self.meter.wire_out += seconds
        self.meter.took(self.mode, seconds)
        self._out.put(data, self._baud, int(after_ms * 1_000_000) if self._paced else 0)
        self._pump()

    @property
    def _baud(self) -> int:
        return self.rom.baud if self.mode == ROM else _CONSOLE_BAUD

    def _pump(self) -> None:
        """Moves what has arrived, in both directions, and sets the timer for what comes next."""
        self._pty.write(self._out.take())
        data = self._in.take()
        if data:
            self._arrived(data)
            self._pty.write(self._out.take())
        due = [instant for instant in (self._in.due(), self._out.due()) if instant is not None]
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if due:
            self._timer = self._loop.call_later(max(0, min(due) - time.monotonic_ns()) / 1e9, self._pump)

    def _arrived(self, data: bytes) -> None:
        if self.mode != ROM and _SYNC in data:
            self._start(ROM)
        if self.mode == ROM:
            if data[0] == END or self._slip_open:
                self._to_rom(data)
                return
            self._start(None)
        if self.mode == BRICK and len(self.heard) < 65536:
            self.heard += data
        self._waiting += data
        self._flush()

    def _to_rom(self, data: bytes) -> None:
        self._slip_open = data.count(END) % 2 == (0 if self._slip_open else 1)
        before = self.rom.flash.busy_ms
        answer = self.rom.feed(data)
        busy = self.rom.flash.busy_ms - before
        self.meter.flash += busy / 1000
        self.meter.took(self.mode, busy / 1000)
        now = time.monotonic_ns() / 1_000_000
        # The loader answers a block once it has it, and writes while the next one is on its way; the ROM writes first.
        first_answers = self.rom.stub and bool(self.rom.seen) and self.rom.seen[-1] in (FLASH_DATA, DEFL_DATA)
        waits = max(0.0, self._busy_until_ms - now)
        self._busy_until_ms = now + waits + busy
        if answer:
            self.meter.turns += 1
            self._send(answer, waits + self.meter.turn_ms + (0 if first_answers else busy))
        self.rom.settle_baud()

    def _flush(self) -> None:
        """Hands on what waits, once there is somebody to take it."""
        if self._inner < 0 or not self._waiting:
            return
        try:
            done = os.write(self._inner, bytes(self._waiting[:2048]))
        except BlockingIOError:
            done = 0
        except OSError:
            done = len(self._waiting)
        del self._waiting[:done]
        if self._waiting:
            self._loop.call_later(0.002, self._flush)

    def _inner_readable(self) -> None:
        try:
            data = os.read(self._inner, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.meter.turns += 1
            self._send(data)

    # --- starting

    def _start(self, mode: str | None) -> None:
        """Reset into the ROM, or into whatever the flash holds (None)."""
        self._slip_open = False
        self._waiting.clear()
        self.resets += 1
        if mode == ROM:
            self.rom = BootRom(self._chip, self.rom.flash, self.rom.faults, self.unplug)
            self.mode = ROM
        else:
            self.mode = self._what_boots()
        old, self._boot = self._boot, None
        if old is not None:
            old.cancel()
        self._boot = self._loop.create_task(self._go(), name="board starts")

    async def _go(self) -> None:
        await self._stop()
        if self.mode == REPL:
            await self._start_repl()
        elif self.mode == BRICK:
            await self._start_brick()
        self._flush()

    def _what_boots(self) -> str:
        if self.rom.flash.read(self._chip.bootloader_offset, 1) != bytes((_IMAGE_MAGIC,)):
            return DEAD
        offset, size = _find(self.rom.flash.size, "vfs")
        # littlefs keeps small files in its own blocks and names in plain: whether main.py is there can be seen.
        content = self.rom.flash.read(offset, size)
        return BRICK if b"main.py" in content and b"boot.py" in content else REPL

    async def _start_repl(self) -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        program = await asyncio.to_thread(interpreter.find)
        self._process = process = await asyncio.create_subprocess_exec(
            program,
            "-X",
            f"heapsize={_REPL_HEAP}",
            "-i",
            str(firmware.UPY / "repl_main.py"),
            str(self.flash),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            process_group=0,
        )
        os.close(slave)
        self._take_inner(master)
        self._loop.create_task(self._until_reset(process), name="REPL ends")

    async def _until_reset(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        if self._process is process:
            self._inner_readable()
            self._start(None)

    async def _start_brick(self) -> None:
        spec = BrickSpec(
            "board",
            self._parts,
            self.flash,
            hardware=self._hardware,
            timing="real" if self._paced else "fast",
            entry=firmware.UPY / "flashed_main.py",
        )
        self.virtual = virtual = VirtualBrick(spec, self._run / "brick")
        try:
            await virtual.start()
        except Exception as error:  # noqa: BLE001  whatever keeps it from starting is what the test wants to read
            self.failed = str(error)
            return
        inner = os.open(virtual.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(inner)
        self._take_inner(inner)

    def _take_inner(self, handle: int) -> None:
        self._inner = handle
        self._loop.add_reader(handle, self._inner_readable)

    async def _stop(self) -> None:
        if self._inner >= 0:
            self._loop.remove_reader(self._inner)
            os.close(self._inner)
            self._inner = -1
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        virtual, self.virtual = self.virtual, None
        if virtual is not None:
            await virtual.close()


def made_up_image(chip: ChipModel, kilobytes: int = 1700, seed: int = 1) -> bytes:
    """An image as MicroPython publishes them: boot loader, a table at 0x8000, an application at 0x10000.

    Headers and digests are those of a real image (ESP-IDF, "App Image Format"); the content is made up, and compresses
    about as well as machine code does. Offsets count from the chip's boot loader offset.
    """
    base = chip.bootloader_offset
    loader = _segment_image(chip, 20 * 1024, seed)
    application = _segment_image(chip, kilobytes * 1024, seed + 1)
    image = bytearray(b"\xff" * (0x10000 - base))
    image[: len(loader)] = loader
    image[0x8000 - base : 0x8000 - base + 16] = struct.pack("<HBBIII", 0x50AA, 1, 2, 0x9000, 0x6000, 0)
    return bytes(image) + application


def _segment_image(chip: ChipModel, size: int, seed: int) -> bytes:
    rng = random.Random(seed)
    words = [rng.randbytes(4) for _ in range(700)]
    body = b"".join(words[min(699, int(rng.expovariate(0.012)))] for _ in range(size // 4))
    address = 0x3FFF0000 if chip.chip_id is None else 0x3FCD0000
    identity = chip.chip_id or 0
    # magic, segments, mode DIO, 4 MB at 40 MHz, entry; then the extended header with chip and "digest appended"
    head = struct.pack("<BBBBI", _IMAGE_MAGIC, 1, 2, 0x20, address)
    head += struct.pack("<BBBBHBHHBBBBB", 0xEE, 0, 0, 0, identity, 0, 0, 0xFFFF, 0, 0, 0, 0, 1)
    image = head + struct.pack("<II", address, len(body)) + body
    checksum = 0xEF
    for byte in body:
        checksum ^= byte
    image += bytes(15 - len(image) % 16) + bytes((checksum,))
    return image + hashlib.sha256(image).digest()


def remove(run: Path) -> None:
    """Removes a board's folder."""
    shutil.rmtree(run, ignore_errors=True)
