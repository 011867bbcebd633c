"""The serial boot ROM of an ESP32 or ESP32-S3, and the flasher stub that esptool loads into it; sans-IO.

`feed(bytes)` gives the bytes of the answers. Protocol: esptool documentation, "Serial Protocol": SLIP frames of
direction, operation, length, checksum, data; answers carry 4 status bytes from the ROM, 2 from the stub.
The stub's own code is taken in and not run: from its entry on, the model answers as the stub does.
"""

import functools
import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from virtualkit.bootrom_chips import JEDEC, NO_FLASH, ChipModel
from virtualkit.bootrom_flash import BLOCK, SECTOR, RomFlash

END = 0xC0
_END = b"\xc0"
MAX_FRAME = 2 * 0x4000 + 64  # every byte of a packet may be escaped
_SYNC = b"\x07\x07\x12\x20"
_INVALID = b"\x01\x05"  # "received message is invalid"
_FAILED = b"\x01\x06"
_CHECKSUM_WRONG = b"\x01\x07"
_USR = 1 << 18  # bit of the flash controller's command register: run what was set up
_READ_ID = 0x9F
_CHECKSUM_SEED = 0xEF

FLASH_BEGIN, FLASH_DATA, FLASH_END, MEM_BEGIN, MEM_END, MEM_DATA = range(2, 8)
SYNC, WRITE_REG, READ_REG, SPI_SET_PARAMS, SPI_ATTACH = 0x08, 0x09, 0x0A, 0x0B, 0x0D
READ_SLOW, CHANGE_BAUD, DEFL_BEGIN, DEFL_DATA, DEFL_END, MD5, SECURITY = (
    0x0E,
    0x0F,
    0x10,
    0x11,
    0x12,
    0x13,
    0x14,
)
ERASE_ALL, ERASE_REGION, READ_FLASH = 0xD0, 0xD1, 0xD2


@dataclass
class RomFaults:
    """What can be wrong with a board on the bench.

    silent          nothing is ever answered (no power, not in download mode, the wrong cable)
    refuses_stub    code loaded into RAM does not start
    unplug_after    so many data packets, then `unplugged` is called
    spoil_write     one bit of the n-th written block is wrong in flash (a worn or fake chip)
    spoil_answer    one byte of the n-th answer is changed on the wire
    no_flash        the flash chip does not answer
    """

    silent: bool = False
    refuses_stub: bool = False
    unplug_after: int | None = None
    spoil_write: int | None = None
    spoil_answer: int | None = None
    no_flash: bool = False


class Inflate(Protocol):
    """What zlib.decompressobj() gives."""

    def decompress(self, data: bytes, /) -> bytes:
        """The next plain bytes."""
        ...


@dataclass
class _Download:
    """A write under way. `inflate` is None where data come as they are."""

    at: int
    end: int
    inflate: Inflate | None = None
    erased_to: int = 0


@dataclass
class BootRom:
    """One chip in download mode. `unplugged()` is called when a fault pulls the cable."""

    chip: ChipModel
    flash: RomFlash
    faults: RomFaults = field(default_factory=RomFaults)
    unplugged: Callable[[], None] = lambda: None
    baud: int = 115200
    stub: bool = False
    packets: int = 0
    answers: int = 0
    seen: list[int] = field(default_factory=list[int])
    """Operations in the order in which they came: what a test reads."""

    def __post_init__(self) -> None:
        self._registers = dict(self.chip.registers)
        self._frame: bytearray | None = None
        self._download: _Download | None = None
        self._ram: dict[int, bytes] = {}
        self._reading: tuple[bytes, int, int] | None = None
        self._next_baud: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Takes bytes from the wire; returns those of the answers."""
        out = bytearray()
        *ended, rest = data.split(_END)
        for piece in ended:
            frame, self._frame = self._frame, bytearray()
            if frame is not None and (frame or piece):
                out += self._packet(_unescaped(bytes(frame + piece)))
        if self._frame is not None and len(self._frame) < MAX_FRAME:  # between frames: noise
            self._frame += rest
        return bytes(out)

    def settle_baud(self) -> int | None:
        """The rate to change to once the last answer has left; None: no change."""
        rate, self._next_baud = self._next_baud, None
        if rate is not None:
            self.baud = rate
        return rate

    def _packet(self, packet: bytes) -> bytes:
        if self.faults.silent:
            return b""
        if self._reading is not None:
            return self._read_on(packet)
        if len(packet) < 8 or packet[0] != 0:
            return b""
        operation, length, checksum = struct.unpack_from("<xBHI", packet)
        data = packet[8 : 8 + length]
        self.seen.append(operation)
        if operation in (FLASH_DATA, DEFL_DATA):
            self.packets += 1
            if self.faults.unplug_after is not None and self.packets > self.faults.unplug_after:
                self.unplugged()
                return b""
        try:
            return self._run(operation, data, checksum)
        except (struct.error, IndexError, ValueError, zlib.error):
            return self._answer(operation, status=_FAILED)

    def _run(self, operation: int, data: bytes, checksum: int) -> bytes:
        if operation == SYNC:
            if data[:4] != _SYNC:
                return b""
            # Somebody new at the other end, who has reset the chip (lines that a model on a pseudo-terminal does not see).
            self.stub, self._download, self._next_baud, self.baud = False, None, None, 115200
            return self._answer(operation, value=0x20120707) * 8
        if operation in (FLASH_DATA, DEFL_DATA, MEM_DATA) and checksum & 0xFF != _checksum(data[16:]):
            return self._answer(operation, status=_CHECKSUM_WRONG)
        known = _HANDLERS.get(operation)
        if known is None or (operation >= ERASE_ALL and not self.stub):
            return self._unknown(operation)
        return known(self, data)

    def _answer(self, operation: int, value: int = 0, data: bytes = b"", status: bytes = b"\0\0") -> bytes:
        body = data + status + (b"" if self.stub else b"\0\0")
        self.answers += 1
        frame = slip(struct.pack("<BBHI", 1, operation, len(body), value) + body)
        if self.answers == self.faults.spoil_answer:
            frame = frame[:4] + bytes((frame[4] ^ 0x10,)) + frame[5:]
        return frame

    def _unknown(self, operation: int) -> bytes:
        """The stub answers once. The ROM says eight times, and without naming the operation, that it knows no such thing."""
        return self._answer(operation, status=_INVALID) if self.stub else self._answer(0, status=_INVALID) * 8

    # --- registers, RAM, identity

    def _write_reg(self, data: bytes) -> bytes:
        address, value, mask, _ = struct.unpack("<IIII", data[:16])
        self._registers[address] = value & mask
        if address == self.chip.spi_base and value & _USR:
            code = self._registers.get(self.chip.usr2, 0) & 0xFF
            identity = NO_FLASH if self.faults.no_flash else JEDEC[self.flash.size]
            self._registers[self.chip.w0] = identity if code == _READ_ID else 0
            self._registers[address] = 0
        return self._answer(WRITE_REG)

    def _read_reg(self, data: bytes) -> bytes:
        return self._answer(READ_REG, self._registers.get(struct.unpack("<I", data[:4])[0], 0))

    def _security(self, _data: bytes) -> bytes:
        if self.chip.chip_id is None:
            return self._unknown(SECURITY)
        return self._answer(SECURITY, data=struct.pack("<IB7sII", 0, 0, bytes(7), self.chip.chip_id, 0))

    def _mem_begin(self, _data: bytes) -> bytes:
        return self._answer(MEM_BEGIN)

    def _mem_data(self, data: bytes) -> bytes:
        self._ram[struct.unpack_from("<I", data, 4)[0]] = data[16:]
        return self._answer(MEM_DATA)

    def _mem_end(self, data: bytes) -> bytes:
        stay, entry = struct.unpack("<II", data[:8])
        out = self._answer(MEM_END)
        if not stay and entry and not self.faults.refuses_stub:
            self.stub = True
            out += slip(b"OHAI")
        return out

    def _change_baud(self, data: bytes) -> bytes:
        self._next_baud = struct.unpack_from("<I", data)[0]
        return self._answer(CHANGE_BAUD)

    # --- flash

    def _spi_attach(self, _data: bytes) -> bytes:
        return self._answer(SPI_ATTACH)

    def _spi_params(self, _data: bytes) -> bytes:
        return self._answer(SPI_SET_PARAMS)

    def _begin(self, operation: int, data: bytes, inflate: Inflate | None) -> bytes:
        size, _, _, offset = struct.unpack("<IIII", data[:16])
        if size and (offset + size > self.flash.size or self.faults.no_flash):
            return self._answer(operation, status=_FAILED)
        self._download = _Download(offset, offset + size, inflate, offset)
        if size and not self.stub:  # the ROM erases first, the stub as it goes on
            self.flash.erase_range(offset, size)
            self._download.erased_to = -(-self._download.end // SECTOR) * SECTOR
        return self._answer(operation)

    def _flash_begin(self, data: bytes) -> bytes:
        return self._begin(FLASH_BEGIN, data, None)

    def _defl_begin(self, data: bytes) -> bytes:
        return self._begin(DEFL_BEGIN, data, zlib.decompressobj())

    def _data(self, operation: int, data: bytes) -> bytes:
        under_way = self._download
        if under_way is None:
            return self._answer(operation, status=_FAILED)
        block = data[16 : 16 + struct.unpack_from("<I", data)[0]]
        if under_way.inflate is not None:
            block = under_way.inflate.decompress(block)
        block = block[: max(0, under_way.end - under_way.at)] if self.stub else block
        end = under_way.at + len(block)
        last = -(-under_way.end // SECTOR) * SECTOR
        while under_way.erased_to < end:  # as the stub does: whole blocks where it can, else sectors
            whole = under_way.erased_to % BLOCK == 0 and under_way.erased_to + BLOCK <= last
            self.flash.erase_range(under_way.erased_to, BLOCK if whole else SECTOR)
            under_way.erased_to += BLOCK if whole else SECTOR
        if self.packets == self.faults.spoil_write and block:
            block = bytes((block[0] ^ 0x01,)) + block[1:]
        self.flash.program(under_way.at, block)
        under_way.at = end
        return self._answer(operation)

    def _flash_data(self, data: bytes) -> bytes:
        return self._data(FLASH_DATA, data)

    def _defl_data(self, data: bytes) -> bytes:
        return self._data(DEFL_DATA, data)

    def _flash_end(self, _data: bytes) -> bytes:
        self._download = None
        return self._answer(FLASH_END)

    def _defl_end(self, _data: bytes) -> bytes:
        self._download = None
        return self._answer(DEFL_END)

    def _md5(self, data: bytes) -> bytes:
        address, size = struct.unpack("<II", data[:8])
        digest = hashlib.md5(self.flash.read(address, size), usedforsecurity=False)
        return self._answer(MD5, data=digest.digest() if self.stub else digest.hexdigest().encode())

    def _erase_all(self, _data: bytes) -> bytes:
        self.flash.erase_chip()
        return self._answer(ERASE_ALL)

    def _erase_region(self, data: bytes) -> bytes:
        offset, size = struct.unpack("<II", data[:8])
        self.flash.erase_range(offset, size)
        return self._answer(ERASE_REGION)

    def _read_slow(self, data: bytes) -> bytes:
        address, size = struct.unpack("<II", data[:8])
        return self._answer(READ_SLOW, data=self.flash.read(address, min(size, 64)).ljust(64, b"\xff"))

    def _read_flash(self, data: bytes) -> bytes:
        address, size, block, _ = struct.unpack("<IIII", data[:16])
        content = self.flash.read(address, size)
        self._reading = (content, 0, block)
        return self._answer(READ_FLASH) + self._read_on(struct.pack("<I", 0))

    def _read_on(self, packet: bytes) -> bytes:
        """The reader acknowledges how much it has; the next block follows, at last the MD5."""
        assert self._reading is not None
        content, _, block = self._reading
        have = struct.unpack("<I", packet[:4])[0]
        if have >= len(content):
            self._reading = None
            return slip(hashlib.md5(content, usedforsecurity=False).digest())
        return slip(content[have : have + block])


_HANDLERS: dict[int, Callable[[BootRom, bytes], bytes]] = {
    FLASH_BEGIN: BootRom._flash_begin,  # pyright: ignore[reportPrivateUsage]
    FLASH_DATA: BootRom._flash_data,  # pyright: ignore[reportPrivateUsage]
    FLASH_END: BootRom._flash_end,  # pyright: ignore[reportPrivateUsage]
    MEM_BEGIN: BootRom._mem_begin,  # pyright: ignore[reportPrivateUsage]
    MEM_END: BootRom._mem_end,  # pyright: ignore[reportPrivateUsage]
    MEM_DATA: BootRom._mem_data,  # pyright: ignore[reportPrivateUsage]
    WRITE_REG: BootRom._write_reg,  # pyright: ignore[reportPrivateUsage]
    READ_REG: BootRom._read_reg,  # pyright: ignore[reportPrivateUsage]
    SPI_SET_PARAMS: BootRom._spi_params,  # pyright: ignore[reportPrivateUsage]
    SPI_ATTACH: BootRom._spi_attach,  # pyright: ignore[reportPrivateUsage]
    READ_SLOW: BootRom._read_slow,  # pyright: ignore[reportPrivateUsage]
    CHANGE_BAUD: BootRom._change_baud,  # pyright: ignore[reportPrivateUsage]
    DEFL_BEGIN: BootRom._defl_begin,  # pyright: ignore[reportPrivateUsage]
    DEFL_DATA: BootRom._defl_data,  # pyright: ignore[reportPrivateUsage]
    DEFL_END: BootRom._defl_end,  # pyright: ignore[reportPrivateUsage]
    MD5: BootRom._md5,  # pyright: ignore[reportPrivateUsage]
    SECURITY: BootRom._security,  # pyright: ignore[reportPrivateUsage]
    ERASE_ALL: BootRom._erase_all,  # pyright: ignore[reportPrivateUsage]
    ERASE_REGION: BootRom._erase_region,  # pyright: ignore[reportPrivateUsage]
    READ_FLASH: BootRom._read_flash,  # pyright: ignore[reportPrivateUsage]
}


def slip(payload: bytes) -> bytes:
    """One SLIP frame (RFC 1055 bytes, with an END on either side)."""
    body = payload.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + body + b"\xc0"


def _unescaped(frame: bytes) -> bytes:
    return frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")


def _xor(one: int, other: int) -> int:
    return one ^ other


def _checksum(data: bytes) -> int:
    return functools.reduce(_xor, data, _CHECKSUM_SEED)
