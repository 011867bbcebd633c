"""The brick's port on MicroPython's unix build: UARTs on pseudo-terminals, flash in a file, pins as lines.

It replaces the bottom only: everything above is the real firmware. CONFIG.json (written by the kit) says
where everything is; `gpio` is a FIFO in which each edge is one line that the kit stamps on arrival:
`L110 57` light, and how many programs of the flash were complete when it was set; `P 57 5378048 256` the 57th
program is complete (offset on the chip, bytes); `T2000` tone in Hz (0 off), `W` watchdog fed, `R nfc` reset pin
pulsed, `B 1` booted (reset reason), `X program 5378048 17` power failed inside an operation (offset, bytes done);
`D40` light at 40 per cent; `Z` the firmware restarts the board.
One process writes them all in order: what a light rests on stands before it.
"""

import os
import select
import struct
import sys
import termios
import time

import cryptolib
from nor import NorChip, NorFile

_SPEEDS_LINUX = {1200: 9, 2400: 11, 4800: 12, 9600: 13, 19200: 14, 38400: 15}
_ENODEV = 19
_SPI_MS = 200
_FEED_MS = 250  # the watchdog's line goes out at most this often


def _speed(baud):
    """The termios code of a baud rate: by name, known on Linux, or the number itself (BSD, macOS)."""
    code = getattr(termios, "B%d" % baud, None)
    if code is None and sys.platform == "linux":
        code = _SPEEDS_LINUX.get(baud)
    return baud if code is None else code


def open_uart(path):
    """A UART as machine.UART behaves: read(n) gives what is there; also good for asyncio.StreamReader."""
    return open(path, "r+b")


def set_baud(uart, baud):
    """Raw bytes at `baud`; the model at the other end hears garbage at any other rate than its own."""
    fd = uart.fileno()
    termios.setraw(fd)
    settings = termios.tcgetattr(fd)
    settings[4] = settings[5] = _speed(baud)
    settings[6][5] = settings[6][6] = 0  # VTIME, VMIN: without this a read blocks the whole loop
    termios.tcsetattr(fd, termios.TCSANOW, settings)


def open_radio(path, dead):
    """(the radio at the kit's socket, switched on, or None where this brick has none; whether it failed).
    `dead`: "power", it does not switch on; "service", it does and then has no memory for a service; None."""
    if path is None and dead is None:
        return None, False
    import bluetooth

    bluetooth.path, bluetooth.dead = path, dead
    ble = bluetooth.BLE()
    try:
        ble.active(True)
    except (OSError, MemoryError):
        return None, True
    return ble, False


class Spi:
    """SPI over the part's pseudo-terminal (virtualkit.pn532_spi): a transfer ends with its answer, or with a loose line's FF."""

    def __init__(self, uart):
        self._uart = uart
        self._poll = select.poll()
        self._poll.register(uart, select.POLLIN)

    def select(self, on):
        """Chip select."""
        if on:  # an answer that came too late must not pass for a new one
            while self._poll.poll(0) and self._uart.read(256):
                pass
        self._uart.write(b"\x01" if on else b"\x00")

    def transfer(self, buffer):
        """Full duplex, in place."""
        self._uart.write(b"\x02" + len(buffer).to_bytes(2, "big") + buffer)
        at = 0
        while at < len(buffer):
            part = self._uart.read(len(buffer) - at) if self._poll.poll(_SPI_MS) else None
            if not part:
                for i in range(at, len(buffer)):
                    buffer[i] = 0xFF
                return
            buffer[at : at + len(part)] = part
            at += len(part)


class Gpio:
    """The lines to the kit: one short write each, whole because it is shorter than PIPE_BUF."""

    def __init__(self, path):
        self._out = open(path, "wb")

    def line(self, text):
        self._out.write(text + "\n")


class Light:
    """The brick's three-colour light. `programs()`: programs of the flash completed so far."""

    def __init__(self, gpio, programs):
        self._gpio = gpio
        self._programs = programs

    def set(self, r, g, b):
        """Switches the three colours, each 0 or 1."""
        self._gpio.line("L%d%d%d %d" % (1 if r else 0, 1 if g else 0, 1 if b else 0, self._programs()))

    def dim(self, percent):
        """How bright it shines from now on."""
        self._gpio.line("D%d" % percent)


class Power:
    """The packs. `path`: 16 bytes that the kit rewrites in place, big-endian: main and back-up millivolts (i32, -1: not
    there), charging (u8, 255: not known), stuck u8, failing u8, 5 unused. A converter is never quiet: readings jitter by
    a few millivolts unless it is stuck."""

    _EIO = 5

    def __init__(self, path):
        self._file = open(path, "rb")
        self._buf = bytearray(16)
        self._jitter = 1

    def read(self):
        """(main mV, back-up mV, charging), None where not known. Raises OSError while the converter fails."""
        self._file.seek(0)
        if self._file.readinto(self._buf) != 16 or self._buf[10]:
            raise OSError(self._EIO)
        main, backup = struct.unpack_from(">ii", self._buf)
        if not self._buf[9]:
            self._jitter = self._jitter * 75 % 65537
        noise = self._jitter % 9 - 4
        charging = self._buf[8]
        return (
            None if main < 0 else main + noise,
            None if backup < 0 else backup + noise,
            None if charging == 255 else bool(charging),
        )


class Sound:
    """The brick's buzzer."""

    def __init__(self, gpio):
        self._gpio = gpio

    def tone(self, hz):
        """Sounds `hz`, 0 = silent."""
        self._gpio.line("T%d" % hz)


class Clock:
    """Market time. `path`: the kit's clock file (8 bytes, milliseconds, big-endian), None for real time.

    A brick has no battery for its clock: it starts with its uptime, and learns the time from a host.
    """

    def __init__(self, path, battery):
        self._file = open(path, "rb") if path else None
        self._buf = bytearray(8)
        self._battery = battery
        self._last = 0
        self._start = self._now()

    def _now(self):
        if self._file is None:
            return time.time_ns() // 1000000
        self._file.seek(0)
        if self._file.readinto(self._buf) == 8:
            self._last = struct.unpack(">q", self._buf)[0]
        return self._last

    def uptime_ms(self):
        """Market milliseconds since the brick started; never falls."""
        return max(0, self._now() - self._start)

    def wall_ms(self):
        """Market time in milliseconds since 1970 if a battery kept the clock, else None."""
        return self._now() if self._battery else None


class Watchdog:
    """Tells the kit that the loop ran; also notices that the kit is gone, so that no brick is left behind."""

    def __init__(self, gpio):
        self._gpio = gpio
        self._last = None
        self._parent = select.poll()
        self._parent.register(sys.stdin, select.POLLIN | select.POLLHUP)

    def feed(self):
        """To be called by the supervisor. Raises SystemExit once the kit has ended."""
        now = time.ticks_ms()
        if self._last is not None and time.ticks_diff(now, self._last) < _FEED_MS:
            return
        self._last = now
        self._gpio.line("W")
        for _, event in self._parent.poll(0):
            if event & select.POLLHUP or not sys.stdin.read(1):
                raise SystemExit(3)


class Port:
    """Everything brick.appliance.run(port) needs of a board; `config` is CONFIG.json as read."""

    def __init__(self, config, partitions):
        gpio = Gpio(config["gpio"])
        self._gpio = gpio
        self.radio, self.radio_failed = open_radio(config.get("radio"), config.get("radio_dead"))
        self._uarts = config["uarts"]
        self._open = {}
        self._partitions = partitions
        self._chip = NorChip(
            config["flash"],
            config.get("control"),
            config.get("cut"),
            lambda operation, offset, done: gpio.line("X %s %d %d" % (operation, offset, done)),
            programmed=lambda count, offset, size: gpio.line("P %d %d %d" % (count, offset, size)),
            program_us=config.get("program_us", 0),
            erase_ms=config.get("erase_ms", 0),
        )
        self.config = config
        self.light = Light(gpio, lambda: self._chip.programs)
        self.sound = Sound(gpio)
        self.clock = Clock(config.get("clock"), config.get("clock_battery", False))
        self.watchdog = Watchdog(gpio)
        self.random = os.urandom
        self.hardware = config["hardware"]
        self.flash_bytes = self._chip.size
        self.firmware_digest32 = bytes.fromhex(config["firmware"])
        self.reset_reason = config.get("reset_reason", 1)
        self.parts = tuple(config["parts"])
        self.nfc_bus = config.get("nfc_bus", "hsu")
        if config.get("power"):
            self.power = power = Power(config["power"])
            if "power_look_ms" in config:  # a pack that is empty within a test
                power.look_ms, power.rest_ms = config["power_look_ms"], config["rest_ms"]
        if "people_capacity" in config:
            self.people_capacity = config["people_capacity"]
        gpio.line("B %d" % self.reset_reason)

    def flash(self, name):
        """The flash port of a partition of boards.partitions. KeyError if the board has none of that name."""
        for partition, offset, size in self._partitions:
            if partition == name:
                return NorFile(self._chip, offset, size)
        raise KeyError(name)

    def uart(self, name, baud):
        """The UART "nfc", "qr" or "link" at `baud`; asked again, the same one at another rate. Or OSError."""
        if name not in self._uarts:
            raise OSError(_ENODEV)
        uart = self._open.get(name)
        if uart is None:
            uart = self._open[name] = open_uart(self._uarts[name])
        set_baud(uart, baud)
        return uart

    def spi(self, name):
        """The SPI bus of a part: `select(on)`, `transfer(buffer)`. Raises OSError."""
        if name not in self._uarts:
            raise OSError(_ENODEV)
        return Spi(self.uart(name, 115200))

    def reset_part(self, name):
        """Pulses the reset pin of a part ("nfc": RSTPD_N low for 100 ms)."""
        self._gpio.line("R " + name)

    def reset(self):
        """The board starts anew: the kit ends this process and starts another one."""
        self._gpio.line("Z")
        while True:
            self.watchdog.feed()
            time.sleep(0.2)

    @staticmethod
    def make_ecb(key):
        """AES-128 ECB: a function from data of 16 n bytes to as many bytes."""
        return cryptolib.aes(key, 1).encrypt

    @staticmethod
    def make_inverse(key):
        """The decryptor to it."""
        return cryptolib.aes(key, 1).decrypt

    @staticmethod
    def ticks_ms():
        """Real milliseconds for time-outs and patterns; on this port they do not wrap in a lifetime."""
        return time.ticks_ms()
