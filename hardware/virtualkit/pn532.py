"""The PN532 on its high-speed UART as a model: bytes in, bytes out, time as an argument (UM0701-02).

What a driver has to live with is here: the byte lost while waking, the ACK that aborts, the command that
comes while the chip is still busy with the last one, the wait without end, a card left active.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from virtualkit import pn532_frames as frames
from virtualkit.faults import ReaderFaults
from virtualkit.initiator import ATTEMPT, FIELD_UP, Initiator
from virtualkit.pn532_frames import Control
from virtualkit.rf import Field, Tag
from virtualkit.timing import MS, Clock, Outbox

BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000)
FIRMWARE = bytes((0x32, 0x01, 0x06, 0x07))
_EXECUTION = MS // 2
_AFTER_ABORT = 1 * MS
AUTO_POLL_UNIT = 150 * MS
_RF_COMMANDS = frozenset((0x32, 0x40, 0x42, 0x44, 0x46, 0x4A, 0x4E, 0x50, 0x52, 0x54, 0x56, 0x60, 0x8C))


@dataclass
class _Search:
    """An InListPassiveTarget or InAutoPoll that waits for a card. `left`: attempts, None without end."""

    code: int
    at_most: int
    uid: bytes
    left: int | None
    next_at: int


class _SyntaxError(Exception):
    """The chip does not understand the command."""


class Chip:
    """One PN532. `feed` takes what the host sent, `poll` what time brings; both give bytes for the host.

    timing   "fast": everything at once; "real": bytes at the pace of the baud rate, RF times of a real card
    bus      "hsu", or "spi": frames are fetched one by one (pn532_spi), not at a UART's pace
    changed  called when a card comes, so that whoever drives the chip polls it; may be replaced
    """

    def __init__(
        self,
        timing: str = "fast",
        clock: Clock = time.monotonic_ns,
        faults: ReaderFaults | None = None,
        seed: int = 0,
        bus: str = "hsu",
    ) -> None:
        self._real = timing == "real"
        self._clock = clock
        self._rng = random.Random(seed)
        self._out = Outbox(self._real and bus == "hsu", clock)
        self._reader = frames.FrameReader()
        self.faults = faults or ReaderFaults()
        self.field = Field()
        self.initiator = Initiator(self.field)
        self.changed: Callable[[], None] = lambda: None
        self.commands = 0
        self.searches = 0
        """Searches for cards since power-on."""
        self._sent = 0
        self.reset()

    def reset(self) -> None:
        """Power-on or a pulse on RSTPD_N: everything forgotten, asleep until the first byte."""
        self.baud = 115200
        self.hung = False
        self.searches = 0
        self._next_baud: int | None = None
        self._awake = False
        self._normal = False
        self._search: _Search | None = None
        self._busy_until = 0
        self._deaf_until = 0
        self._attempts: int | None = None
        self._last = b""
        self._out.clear()
        self._reader.clear()
        self.initiator.reset()

    def place(self, tag: Tag) -> None:
        """A card comes to the reader."""
        self.field.place(tag)
        self.changed()

    def remove(self, tag: Tag) -> None:
        """A card goes away."""
        self.field.remove(tag)

    def host_baud_changed(self, baud: int) -> None:
        """The host's UART has another rate: that commits SetSerialBaudRate, even if its ACK got lost."""
        if baud == self._next_baud:
            self.baud, self._next_baud = baud, None

    def feed(self, data: bytes) -> bytes:
        """Bytes from the host."""
        self.hear(data)
        return self.poll()

    def hear(self, data: bytes) -> None:
        """Bytes from the host; what comes of them waits to be fetched."""
        if self.faults.unplugged:
            return
        if not self._awake and data:
            self._awake = True
            data = data[self.faults.lost_on_wake :]
        if self._clock() < self._deaf_until:
            data = b""
        for item in self._reader.feed(data):
            self._handle(item)

    def poll(self) -> bytes:
        """What has become ready by now."""
        if self._search:
            self._look(self._search)
        out = self._out.take()
        return b"" if self._mute else out

    def next_frame(self) -> bytes:
        """The next whole frame that is ready, on SPI."""
        if self._search:
            self._look(self._search)
        out = self._out.take_one()
        return b"" if self._mute else out

    @property
    def _mute(self) -> bool:
        return self.faults.silent or self.faults.unplugged or self.hung

    def due(self) -> int | None:
        """When to poll next (monotonic ns), or None: not before something changes."""
        search, times = self._search, [self._out.due()]
        if search and (search.left is not None or self._clock() < search.next_at):
            times.append(search.next_at)
        times = [t for t in times if t is not None]
        return min(times) if times else None

    def _handle(self, item: Control | bytes) -> None:
        if item is Control.ACK:
            self._acknowledged()
        elif item is Control.NACK:
            self._out.put(self._last, self.baud)
        elif self._search or self._clock() < self._busy_until:
            # Still busy with the last command: that one is given up, and this one is lost with it.
            self._abort()
        else:
            self._command(bytes(item))

    def _acknowledged(self) -> None:
        if self._next_baud is not None and self._out.due() is None:
            self.baud, self._next_baud = self._next_baud, None
        elif self._search or self._out.due() is not None:
            self._abort()
            deaf = self.faults.deaf_after_abort_ms
            if deaf < 0:
                deaf = _AFTER_ABORT / MS if self._real else 0
            self._deaf_until = self._clock() + int(deaf * MS)

    def _abort(self) -> None:
        self._search = None
        self._busy_until = 0
        self._next_baud = None
        self._out.drop()

    def _command(self, payload: bytes) -> None:
        self.commands += 1
        if self.faults.hang_after:
            self.faults.hang_after -= 1
            self.hung = self.hung or not self.faults.hang_after
        if self.faults.brown_out_after:
            self.faults.brown_out_after -= 1
            if not self.faults.brown_out_after:
                self.reset()
                return
        received = len(payload) * 10_000_000_000 // self.baud if self._real else 0
        self._out.put(self._spoilt(frames.ACK), self.baud, received, kept=True)
        if self.faults.stuck:
            return
        try:
            if payload[0] != frames.HOST or len(payload) < 2:
                raise _SyntaxError
            answer, took = self._execute(payload[1], payload[2:])
        except (_SyntaxError, IndexError):
            self._send(frames.SYNTAX_ERROR, 0)
            return
        if answer is not None:
            self._respond(payload[1], answer, took)

    def _respond(self, code: int, answer: bytes, took: int) -> None:
        self._send(frames.build(bytes((frames.CHIP, code + 1)) + answer), took, code == 0x40)
        if code == 0x16:
            self._awake = False
            self._reader.clear()
            self.initiator.reset()

    def _send(self, frame: bytes, took: int, of_card: bool = False) -> None:
        self._last = frame
        delay = (_EXECUTION + took if self._real else 0) + self.faults.slow_ms * MS
        delay += self.faults.slow_card_ms * MS if of_card else 0
        self._out.put(self._spoilt(frame), self.baud, delay)
        self._busy_until = self._clock() + delay

    def _spoilt(self, frame: bytes) -> bytes:
        self._sent += 1
        if not self.faults.corrupt_every or self._sent % self.faults.corrupt_every:
            return frame
        at = self._rng.randrange(len(frame))
        return frame[:at] + bytes((frame[at] ^ 1 << self._rng.randrange(8),)) + frame[at + 1 :]

    def _execute(self, code: int, data: bytes) -> tuple[bytes | None, int]:
        """The response's data (None: comes later) and the time it takes besides the execution itself."""
        chip = self.initiator
        if code in _RF_COMMANDS and not self._normal:
            raise _SyntaxError  # before SAMConfiguration the chip is in LowVbat mode
        match code:
            case 0x00:  # Diagnose: line echo; ROM, RAM and the rest are good
                return (data if data[0] == 0 else b"\x00"), 0
            case 0x02:
                return FIRMWARE, 0
            case 0x04:
                targets = b"".join(bytes((number, 0, 0, 0)) for number in chip.targets)
                return bytes((0, self.field.on, len(chip.targets))) + targets + b"\x80", 0
            case 0x06:
                pairs = range(0, len(data), 2)
                return bytes(chip.read_register(data[i] << 8 | data[i + 1]) for i in pairs), 0
            case 0x08:
                for i in range(0, len(data), 3):
                    chip.registers[data[i] << 8 | data[i + 1]] = data[i + 2]
                return b"", 0
            case 0x0C:
                return b"\x3f\x07\x00", 0
            case 0x0E:
                return b"", 0
            case 0x10:
                self._next_baud = BAUD_RATES[data[0]]
                return b"", 0
            case 0x12:
                chip.rats = bool(data[0] & 0x10)
                return b"", 0
            case 0x14:
                self._normal = data[0] == 1
                return b"", 0
            case 0x16:
                return b"\x00", 0
            case 0x32:
                self._configure(data[0], data[1:])
                return b"", 0
            case 0x40:
                return chip.data_exchange(data[0], data[1:])
            case 0x42:
                return chip.communicate_thru(data)
            case 0x44 | 0x52:
                return chip.release(data[0], keep=code == 0x44), 0
            case 0x54:
                return chip.select(data[0]), 0
            case 0x4A:
                if data[0] not in (1, 2) or data[1] > 4:
                    raise _SyntaxError
                # No card of this kit answers the other modulations.
                return self._find(code, 0 if data[1] else data[0], data[2:], self._attempts)
            case 0x60:
                at_most = 2 if any(kind in (0x00, 0x10, 0x20, 0x40) for kind in data[2:]) else 0
                rounds = None if data[0] == 0xFF else data[0] * data[1] * AUTO_POLL_UNIT // ATTEMPT
                return self._find(code, at_most, b"", rounds)
            case 0x46 | 0x4E | 0x50 | 0x56:
                return b"\x01", chip.timeout_ns
            case 0x8C:
                return self._find(code, 0, b"", None)
            case _:
                raise _SyntaxError

    def _configure(self, item: int, data: bytes) -> None:
        if item == 0x01:
            self.field.switch(bool(data[0] & 1))
        elif item == 0x02 and len(data) >= 3:
            self.initiator.timeout_ns = (100_000 << data[2] - 1) if data[2] else 10_000 * MS
        elif item == 0x05 and len(data) >= 3:
            self._attempts = None if data[2] == 0xFF else data[2] + 1

    def _find(self, code: int, at_most: int, uid: bytes, attempts: int | None) -> tuple[bytes | None, int]:
        """Starts looking for cards; what is there already is found at once."""
        up = 0 if self.field.on or not self._real else FIELD_UP
        self.field.switch(True)
        self.searches += 1
        self._search = _Search(code, at_most, uid, attempts, self._clock() + up)
        self._look(self._search)
        return None, 0

    def _look(self, search: _Search) -> None:
        """The attempts that are due; ends the search with what was found, or after the last one."""
        for _ in range(2):  # a card left active falls back at the first and is found at the second
            if self._search is not search or self._clock() < search.next_at:
                return
            found = self.initiator.try_list(search.at_most, search.uid) if search.at_most else None
            if search.left is not None:
                search.left -= 1
                search.next_at += ATTEMPT if self._real else 0
            if found or search.left == 0:
                self._search = None
                self._found(search, found)
        if search.left and not self._real:  # no time passes, so nothing new can come
            self._search = None
            self._found(search, None)

    def _found(self, search: _Search, found: bytes | None) -> None:
        numbers = self.initiator.targets if found else {}
        answer = bytes((len(numbers),)) + (found or b"")
        if search.code == 0x60 and found:
            described = (self.initiator.describe(number) for number in numbers)
            answer = bytes((len(numbers),)) + b"".join(bytes((0x10, len(d))) + d for d in described)
        self._respond(search.code, answer, ATTEMPT)
