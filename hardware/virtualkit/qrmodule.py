"""A GM65-type QR module on its UART as a model: command frames, settings, reading modes, output.

Sources: the GM65 and GM812 command tables as open drivers use them (cryptoadvance/specter-diy,
GM65_scanner_for_Arduino). A command is `7E 00 · type · length · zone address u16 · data · CRC u16`; type 07
reads, 08 writes, 09 saves, 0A is the heartbeat. The answer is `02 00 00 · length · data · CRC`. The CRC is
CRC-16/XMODEM from the type on (in answers from the third byte); AB CD instead means unchecked. What a real
module says to a wrong CRC is not documented: this one says nothing. The contents of set-up codes are not
published either: here they are `@ZZZZVV` (zone and value in hex) and the pair _SET_CODE_ON, _SET_CODE_OFF.
"""

import random
import time
from binascii import crc_hqx
from collections.abc import Callable

from virtualkit.faults import ScannerFaults
from virtualkit.timing import MS, Clock, Outbox

MODE = 0x0000  # bits 1-0: 0 manual, 1 on command, 2 continuous, 3 when the picture changes
TRIGGER = 0x0002  # bit 0: read once; falls by itself
SETUP_CODES = 0x0003  # 01 set-up codes count, 03 they are text like any other
INTERVAL = 0x0005  # between two readings in continuous mode, in 100 ms
TIMEOUT = 0x0006  # of one reading, in 100 ms; 0 without end
OUTPUT = 0x000D  # bits 1-0: 0 UART, 1 USB keyboard, 3 USB serial
SAME_CODE = 0x0013  # bit 7: the same code again only after bits 6-0 (in 100 ms; 0 never again)
BAUD = 0x002A  # two bytes, low first: 3 MHz divided by the rate
TAIL = 0x0060  # bit 0: tail on; bits 6-5: 0 CR, 1 CRLF, 2 TAB, 3 none
AIM = 0x00D0  # bit 7: "]Q1" before the code
CUT = 0x00B0  # bits 1-0: 0 the whole code, 1 its first bytes (so many as 0x00B1 says), 2 its last (0x00B2), 3 without both
HARDWARE, SOFTWARE, YEAR = 0x00E1, 0x00E2, 0x00E3
FACTORY = 0x00D9  # 50 factory settings, 55 the user's own, 56 these become the user's own

READ, WRITE, SAVE, HEARTBEAT = 7, 8, 9, 0x0A
SUCCESS = bytes.fromhex("02000001003331")
ALIVE = bytes.fromhex("03000001003331")
_BAUD_CLOCK = 3_000_000
_TAILS = (b"\r", b"\r\n", b"\t", b"")
_UNCHECKED = b"\xab\xcd"
_MAX_CODE = 7089  # digits in the largest QR code
_MAX_INPUT = 600
_DECODE = 30 * MS
_UNIT = 100 * MS
_QUIET = 330 * MS

DEFAULTS = {
    MODE: 0xD6,
    TRIGGER: 0,
    SETUP_CODES: 0x01,
    INTERVAL: 10,
    TIMEOUT: 50,
    OUTPUT: 0xA0,
    SAME_CODE: 0x85,
    BAUD: 0x39,
    BAUD + 1: 0x01,
    TAIL: 0x01,
    CUT: 0,
    AIM: 0,
    HARDWARE: 0x64,
    SOFTWARE: 0x69,
    YEAR: 0x14,
}


class QrModule:
    """One module. `feed` takes commands, `show` puts a code in view, `poll` gives answers and output.

    timing   "fast": everything at once; "real": bytes at the pace of the baud rate, 30 ms to decode a picture
    changed  called when something comes into view, so that whoever drives the module polls it
    """

    def __init__(
        self,
        timing: str = "fast",
        clock: Clock = time.monotonic_ns,
        faults: ScannerFaults | None = None,
        seed: int = 0,
    ) -> None:
        self._real = timing == "real"
        self._clock = clock
        self._rng = random.Random(seed)
        self._out = Outbox(self._real, clock)
        self.faults = faults or ScannerFaults()
        self.changed: Callable[[], None] = lambda: None
        self.outputs = 0
        self.answers = 0
        self._plugged = True
        self._saved = dict(DEFAULTS)
        self._users = dict(DEFAULTS)
        self._view: bytes | None = None
        self.reset()

    def reset(self) -> None:
        """Power-on: the saved settings count, and nothing has been read yet."""
        self.zones = dict(self._saved)
        self._next_baud = 0
        self._baud = self._rate()
        self._commanded_at = 0
        self._input = bytearray()
        self._out.clear()
        self._last: bytes | None = None
        self._last_at = 0
        self._ready_at = 0
        self._reading_until: int | None = None

    @property
    def baud(self) -> int:
        """The rate that the module talks at."""
        return self.faults.stuck_baud or self._baud

    def host_baud_changed(self, baud: int) -> None:
        """The firmware's UART changed its rate: nothing to the module."""

    def commands_quiet(self) -> bool:
        """True once the firmware has given commands and, for a third of a second, no more: it is set up."""
        return bool(self._commanded_at) and self._clock() - self._commanded_at > _QUIET

    def show(self, code: bytes) -> None:
        """A code comes into view and stays until `hide`. Of an empty one (b"") only the tail comes out: what real modules
        do is not documented, and this is the harder case for whoever listens."""
        if len(code) > _MAX_CODE:
            raise ValueError(f"a QR code holds at most {_MAX_CODE} characters, not {len(code)}")
        if code != self._view:
            self._last = None if self.zones[MODE] & 3 == 3 else self._last
        self._view = code
        self._ready_at = max(self._ready_at, self._clock() + (_DECODE if self._real else 0))
        self.changed()

    def hide(self) -> None:
        """Nothing is in view."""
        self._view = None

    def feed(self, data: bytes) -> bytes:
        """Bytes from the firmware."""
        if self._away():
            return b""
        self._input += data
        while self._command():
            pass
        del self._input[:-_MAX_INPUT]
        return self.poll()

    def poll(self) -> bytes:
        """Answers and codes that are ready by now."""
        if self._away():
            return b""
        self._look()
        out = self._out.take()
        if self._next_baud and self._out.due() is None and not out:
            self._baud, self._next_baud = self._next_baud, 0
        return b"" if self.faults.silent else out

    def _away(self) -> bool:
        """Whether it hangs on no cable; plugged in again, it starts with what it has saved."""
        if self.faults.unplugged:
            self._plugged = False
        elif not self._plugged:
            self._plugged = True
            self.reset()
        return not self._plugged

    def due(self) -> int | None:
        """When to poll next (monotonic ns), or None."""
        if self.faults.unplugged:
            return None
        times = [self._out.due(), self._next_reading()]
        if self._next_baud:
            times.append(self._clock())
        return min((t for t in times if t is not None), default=None)

    def _rate(self) -> int:
        divisor = self.zones[BAUD] | self.zones[BAUD + 1] << 8
        rate = _BAUD_CLOCK // max(1, divisor)
        named = (1200, 4800, 9600, 14400, 19200, 38400, 57600, 115200)
        return min(named, key=lambda each: abs(each - rate))

    def _command(self) -> bool:
        """Takes one command off the input. False when none is complete."""
        data = self._input
        at = data.find(b"\x7e\x00")
        if at < 0:
            del data[: len(data) - (1 if data.endswith(b"\x7e") else 0)]
            return False
        del data[:at]
        if len(data) < 6:
            return False
        kind, length = data[2], data[3]
        size = 1 if kind in (READ, SAVE, HEARTBEAT) else length
        if len(data) < 8 + size:
            return False
        counted, crc = bytes(data[2 : 6 + size]), bytes(data[6 + size : 8 + size])
        if crc != _UNCHECKED and crc != crc_hqx(counted, 0).to_bytes(2, "big"):
            del data[:2]
            return True
        address = data[4] << 8 | data[5]
        values = bytes(data[6 : 6 + size])
        del data[: 8 + size]
        self._obey(kind, address, values)
        return True

    def _obey(self, kind: int, address: int, values: bytes) -> None:
        self._commanded_at = self._clock()
        if kind == READ:
            self._answer(bytes(self.zones.get(address + i, 0) for i in range(values[0] or 256)))
            return
        if kind == WRITE:
            self._write(address, values)
        elif kind == SAVE:
            self._saved = dict(self.zones)
            self._saved[TRIGGER] = 0
        elif kind != HEARTBEAT:
            return
        self._reply(ALIVE if kind == HEARTBEAT else SUCCESS)

    def _write(self, address: int, values: bytes) -> None:
        if address == FACTORY:
            if values == b"\x50":
                self.zones = dict(DEFAULTS)
            elif values == b"\x55":
                self.zones = dict(self._users)
            elif values == b"\x56":
                self._users = dict(self.zones)
        else:
            self.zones.update((address + i, value) for i, value in enumerate(values))
        if self._rate() != self._baud:
            self._next_baud = self._rate()  # after the answer, which still goes out at the old rate
        if self.zones[TRIGGER] & 1:
            wait = self.zones[TIMEOUT] * _UNIT
            self._reading_until = self._clock() + wait if wait else None

    def _answer(self, data: bytes) -> None:
        counted = bytes((0, len(data) & 0xFF)) + data
        self._reply(b"\x02\x00" + counted + crc_hqx(counted, 0).to_bytes(2, "big"))

    def _reply(self, data: bytes) -> None:
        """An answer to a command."""
        self.answers += 1
        if self.faults.corrupt_answers and not self.answers % self.faults.corrupt_answers:
            at = self._rng.randrange(len(data))
            data = data[:at] + bytes((data[at] ^ 1 << self._rng.randrange(8),)) + data[at + 1 :]
        self._put(data, self.faults.slow_ms * MS)

    def _put(self, data: bytes, later: int = 0) -> None:
        self._out.put(data, self.baud, (MS if self._real else 0) + later)

    def _next_reading(self) -> int | None:
        """When the module reads next while something is in view."""
        mode = self.zones[MODE] & 3
        if self._view is not None and self.faults.stuck:
            return self._ready_at
        if self._view is None or mode == 0 or (mode == 1 and not self.zones[TRIGGER] & 1):
            return None
        if mode == 3 and self._last == self._view:
            return None
        at = self._ready_at
        if mode == 2 and self._last == self._view and self.zones[SAME_CODE] & 0x80:
            pause = self.zones[SAME_CODE] & 0x7F
            if not pause:
                return None
            at = max(at, self._last_at + pause * _UNIT)
        return at

    def _look(self) -> None:
        """Reads what is in view if it is time to."""
        now = self._clock()
        if self.zones[TRIGGER] & 1 and self._reading_until is not None and now >= self._reading_until:
            self.zones[TRIGGER] = 0
        at = self._next_reading()
        if at is None or now < at or self._view is None:
            return
        code = self._view
        self._last, self._last_at = code, now
        self._ready_at = now + (1 if self.faults.stuck else max(1, self.zones[INTERVAL])) * _UNIT
        self.zones[TRIGGER] = 0
        if self._set_up(code):
            return
        for _ in range(1 + self.faults.repeat):
            self._output(code)

    def _set_up(self, code: bytes) -> bool:
        """Obeys a set-up code if those count. True if it was one."""
        if self.zones[SETUP_CODES] & 2:
            return False
        if code in (b"_SET_CODE_ON", b"_SET_CODE_OFF"):
            self.zones[SETUP_CODES] = 3 if code.endswith(b"OFF") else 1
            return True
        if len(code) != 7 or code[:1] != b"@":
            return False
        try:
            raw = bytes.fromhex(code[1:].decode("ascii"))
        except ValueError:
            return False
        self._write(raw[0] << 8 | raw[1], raw[2:])
        return True

    def _part(self, code: bytes) -> bytes:
        """What of a code is put out."""
        first, last = self.zones.get(CUT + 1, 0), self.zones.get(CUT + 2, 0)
        cut = self.zones[CUT] & 3
        if cut == 3:
            return code[first : max(first, len(code) - last)]
        return (code, code[:first], code[max(0, len(code) - last) :])[cut]

    def _output(self, code: bytes) -> None:
        if self.zones[OUTPUT] & 3 in (1, 3):
            return
        tail = self.zones[TAIL]
        head = b"]Q1" if self.zones[AIM] & 0x80 else b""
        data = head + self._part(code) + (_TAILS[tail >> 5 & 3] if tail & 1 else b"")
        self.outputs += 1
        if self.faults.corrupt_every and not self.outputs % self.faults.corrupt_every:
            at = self._rng.randrange(len(data))
            data = data[:at] + bytes((data[at] ^ 1 << self._rng.randrange(8),)) + data[at + 1 :]
        self._put(self._rng.randbytes(self.faults.garbage) + data)
