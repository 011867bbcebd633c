"""The port of ESP32 and ESP32-S3 boards: machine and esp32 as run() wants them. Not yet run on hardware."""

import os
import sys
import time

import cryptolib
import esp
import esp32
import machine
from boards import check
from boards.pins import BOARDS
from stallmark.constant import const

from brick import config
from brick.ports.esp32flash import Flash

_EPOCH_2000 = const(946684800)  # seconds from 1970 to MicroPython's epoch on ESP32
_BUILT_AFTER = const(800000000)  # seconds after 2000: a clock before 2025 was never set
_UART_BUFFER = const(2048)  # four frames: bytes go on arriving while flash is erased
_RESET_MS = const(100)
_SPI_BAUD = const(1000000)
_LOUD = const(32768)  # half of the duty cycle
_FULL = const(65535)
_LIGHT_HZ = const(1000)  # no eye sees it flicker
_ADC_READINGS = const(8)


class _Light:
    """Three channels of the LED PWM, so that they can be dimmed; `on`: the level that switches one on."""

    def __init__(self, pins, on):
        self._on = on
        self._bits = (0, 0, 0)
        self._duty = _FULL
        dark = 0 if on else _FULL
        self._pwms = [
            machine.PWM(machine.Pin(number, machine.Pin.OUT, value=1 - on), freq=_LIGHT_HZ, duty_u16=dark)
            for number in pins
        ]

    def set(self, r, g, b):
        """Switch red, green and blue."""
        self._bits = (r, g, b)
        for pwm, bit in zip(self._pwms, self._bits):
            duty = self._duty if bit else 0
            pwm.duty_u16(duty if self._on else _FULL - duty)

    def dim(self, percent):
        """How bright what is lit is, from now on."""
        self._duty = _FULL * percent // 100
        self.set(*self._bits)


class _Sound:
    def __init__(self, number):
        self._pwm = machine.PWM(machine.Pin(number), freq=440, duty_u16=0)

    def tone(self, hz):
        """Sound `hz`, 0 = silent."""
        if hz:
            self._pwm.freq(hz)
        self._pwm.duty_u16(_LOUD if hz else 0)


class _Power:
    """The packs through their dividers. `pins`: {"main": (gpio, times, by), "backup": the same or None, "charging": gpio or
    None, low while the charger works}."""

    def __init__(self, pins):
        self._sources = [self._source(pins.get(name)) for name in ("main", "backup")]
        charging = pins.get("charging")
        self._charging = (
            None if charging is None else machine.Pin(charging, machine.Pin.IN, machine.Pin.PULL_UP)
        )

    @staticmethod
    def _source(found):
        if found is None:
            return None
        gpio, times, by = found
        return machine.ADC(machine.Pin(gpio), atten=machine.ADC.ATTN_11DB), times, by

    def read(self):
        """(main mV, back-up mV, charging), the mean of eight readings each. Raises OSError."""
        charging = None if self._charging is None else not self._charging.value()
        return self._mv(self._sources[0]), self._mv(self._sources[1]), charging

    @staticmethod
    def _mv(source):
        if source is None:
            return None
        adc, times, by = source
        total = 0
        for _ in range(_ADC_READINGS):
            total += adc.read_uv()
        return total * times // (by * 1000 * _ADC_READINGS)


class _Spi:
    """A part on SPI with its chip select."""

    def __init__(self, wires):
        self._select = machine.Pin(wires["cs"], machine.Pin.OUT, value=1)
        self._spi = machine.SPI(
            2,
            baudrate=_SPI_BAUD,
            polarity=0,
            phase=0,
            firstbit=machine.SPI.LSB,
            sck=machine.Pin(wires["sck"]),
            mosi=machine.Pin(wires["mosi"]),
            miso=machine.Pin(wires["miso"]),
        )

    def select(self, on):
        """Chip select; the first one wakes the chip, which takes a moment."""
        self._select.value(0 if on else 1)

    def transfer(self, buffer):
        """Full duplex, in place."""
        self._spi.write_readinto(buffer, buffer)


class _Clock:
    """The RTC keeps running over a reset, not over a power cut."""

    def __init__(self, ticks):
        self._ticks = ticks
        self._start = ticks()

    def uptime_ms(self):
        """Milliseconds since start-up."""
        return self._ticks() - self._start

    def wall_ms(self):
        """Milliseconds since 1970, or None where the RTC was never set."""
        seconds = time.time()
        return (seconds + _EPOCH_2000) * 1000 if seconds > _BUILT_AFTER else None

    def hold(self, wall_ms):
        """Set the RTC, for the next start-up."""
        t = time.gmtime(wall_ms // 1000 - _EPOCH_2000)
        machine.RTC().datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0))


class _Ticks:
    """time.ticks_ms() without its wrap at 2^30 ms; called far more often than that."""

    def __init__(self):
        self._last = time.ticks_ms()
        self._total = 0

    def __call__(self):
        now = time.ticks_ms()
        self._total += time.ticks_diff(now, self._last)
        self._last = now
        return self._total


def _radio():
    """(the radio, switched on, or None; whether it failed). Its stack wants memory that a filled heap no longer leaves
    it (micropython#14293), so this comes before the appliance is loaded (main.py). A radio that fails is a part that
    fails: a start must not end with it, or the brick would start for ever."""
    try:
        import bluetooth
    except ImportError:  # an interpreter built without
        return None, False
    try:
        ble = bluetooth.BLE()
        ble.active(True)
    except (OSError, MemoryError) as error:
        print("the radio does not start:", error)
        return None, True
    return ble, False


def _tried(boots):
    """Whether this start-up tries the radio. After two that failed one goes without it: where that lasts, the radio was to
    blame, and the cable works; where it does not, safe mode has the radio again. Nothing is tried once that failed too."""
    return boots is None or (boots.bad != config.QUIET_BOOTS and boots.bad < config.BARE_BOOTS)


class Port:
    """`board` is a name of boards.pins.BOARDS, `boots` this start-up as main.py has counted it."""

    def __init__(self, board, boots=None):
        pins = BOARDS[board]
        self.flash_bytes = esp.flash_size()
        # Before a pin is touched: another chip has other things on it.
        check.demand(board, pins, getattr(sys.implementation, "_machine", ""), self.flash_bytes)
        self._pins = pins
        self.boots = boots
        self.watchdog = machine.WDT(
            timeout=config.WATCHDOG_MS
        )  # a radio that hangs ends, and is a failed start
        self.radio, self.radio_failed = None, False
        if pins.get("radio", True):
            self.radio, self.radio_failed = _radio() if _tried(boots) else (None, True)
        self._uarts = {}
        self.hardware = board
        self.parts = pins["parts"]
        self.people_capacity = pins["people"]
        self.light = _Light(pins["light"], pins["light_on"])
        self.sound = _Sound(pins["sound"])
        self.ticks_ms = _Ticks()
        self.clock = _Clock(self.ticks_ms)
        self.random = os.urandom
        self.firmware_digest32 = firmware_digest()
        self.reset_reason = machine.reset_cause()
        self.reset = machine.reset
        if pins.get("power") is not None:
            self.power = _Power(pins["power"])
        if pins["nfc_reset"] is not None:
            self._nfc_reset = machine.Pin(pins["nfc_reset"], machine.Pin.OUT, value=1)
            self.reset_part = self._reset_part

    def sleep_ms(self, ms):
        """Light sleep, less than the watchdog's time; the radio is off from now on. Only before a restart: bytes get lost."""
        if self.radio is not None:
            try:
                self.radio.active(False)
            except OSError:
                pass  # it sleeps less deep
            self.radio = None
        machine.lightsleep(ms)

    def flash(self, name):
        """The flash port of a partition. Raises OSError where the board has none of that name."""
        return Flash(name)

    def uart(self, name, baud):
        """UART 1 for the link, 2 for the reader; again with another rate, the same UART."""
        uart = self._uarts.get(name)
        if uart is None:
            wires = self._pins[name]
            uart = machine.UART(
                1 if name == "link" else 2,
                baudrate=baud,
                tx=wires["tx"],
                rx=wires["rx"],
                rxbuf=_UART_BUFFER,
                txbuf=_UART_BUFFER,
            )
            self._uarts[name] = uart
        else:
            uart.init(baudrate=baud)
        return uart

    @property
    def nfc_bus(self):
        """How the reader for tags is wired."""
        return "spi" if "nfc_spi" in self._pins else "hsu"

    def spi(self, name):
        """The SPI bus of a part: SPI 2, 1 MHz, mode 0, low bit first (PN532: at most 5 MHz)."""
        return _Spi(self._pins[name + "_spi"])

    def _reset_part(self, name):
        self._nfc_reset.value(0)
        machine.Timer(0).init(mode=machine.Timer.ONE_SHOT, period=_RESET_MS, callback=self._release)

    def _release(self, _timer):
        self._nfc_reset.value(1)

    @staticmethod
    def make_ecb(key16):
        """AES-128 ECB in the chip's own engine."""
        return cryptolib.aes(key16, 1).encrypt

    @staticmethod
    def make_inverse(key16):
        """The decryptor to it."""
        return cryptolib.aes(key16, 1).decrypt


def firmware_digest():
    """SHA-256 of the application pack, from its header; main.py has compared it with the content."""
    found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="app_a")
    header = bytearray(48)
    found[0].readblocks(0, header, 0)
    return bytes(header[16:])
