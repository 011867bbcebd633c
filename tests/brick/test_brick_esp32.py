"""The port of real boards on stand-ins for machine and esp32: dimming, sleep, and the radio after failed starts."""

import importlib
import sys
from types import ModuleType
from typing import Any

import pytest
from brick import config
from brick.boots import RESTARTED, Boots
from test_brick_boots import Flash

BOARD = "esp32s3-8m-nfc"


class Partition:
    TYPE_DATA = 1

    @staticmethod
    def find(_kind: int, label: str) -> list[Any]:
        return [Partition()]

    def readblocks(self, *_: Any) -> None: ...


class Chip:
    """What machine and bluetooth do, written down in order."""

    def __init__(self) -> None:
        self.did: list[tuple[Any, ...]] = []
        self.duty: dict[int, int] = {}
        self.flash_bytes = 8 << 20

    def modules(self) -> dict[str, ModuleType]:
        chip = self

        class Pin:
            OUT = IN = PULL_UP = 1

            def __init__(self, number: int, *_: Any, **__: Any) -> None:
                self.number = number

            def value(self, *level: int) -> int:
                chip.did += [("pin", self.number, *level)] if level else []
                return 0

        class Pwm:
            def __init__(self, pin: Pin, freq: int, duty_u16: int) -> None:
                self.number = pin.number
                self.duty_u16(duty_u16)

            def duty_u16(self, duty: int) -> None:
                chip.duty[self.number] = duty

            def freq(self, hz: int) -> None: ...

        class Adc:
            ATTN_11DB = 3

            def __init__(self, *_: Any, **__: Any) -> None: ...

        class Ble:
            def active(self, on: bool) -> None:
                chip.did.append(("radio", on))

        machine: Any = ModuleType("machine")
        machine.Pin, machine.PWM, machine.ADC = Pin, Pwm, Adc

        class Spi:
            LSB = 1

            def __init__(self, number: int, sck: Pin, mosi: Pin, miso: Pin, **more: Any) -> None:
                pins = (sck.number, mosi.number, miso.number)
                chip.did.append(("spi", number, pins, more["firstbit"] == Spi.LSB))

            def write_readinto(self, out: bytes, into: bytearray) -> None:
                chip.did.append(("transfer", bytes(out)))
                into[:] = bytes(len(into))

        machine.SPI = Spi
        machine.UART = lambda number, **more: chip.did.append(("uart", number, more["tx"], more["rx"]))
        machine.WDT = lambda timeout: chip.did.append(("watchdog", timeout))
        machine.reset = machine.reset_cause = lambda: 1
        machine.lightsleep = lambda ms: chip.did.append(("sleep", ms))
        esp32: Any = ModuleType("esp32")
        esp32.Partition = Partition
        bluetooth: Any = ModuleType("bluetooth")
        bluetooth.BLE = Ble
        time: Any = ModuleType("time")
        time.ticks_ms, time.ticks_diff = lambda: 0, lambda a, b: a - b
        cryptolib = ModuleType("cryptolib")
        esp: Any = ModuleType("esp")
        esp.flash_size = lambda: chip.flash_bytes
        return {
            "esp": esp,
            "machine": machine,
            "esp32": esp32,
            "bluetooth": bluetooth,
            "cryptolib": cryptolib,
            "time": time,
        }


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch):
    made = Chip()
    for name, module in made.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("brick.ports.esp32", "brick.ports.esp32flash"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield made
    for name in ("brick.ports.esp32", "brick.ports.esp32flash"):
        sys.modules.pop(name, None)


def port_of(boots: Any = None, board: str = BOARD) -> Any:
    return importlib.import_module("brick.ports.esp32").Port(board, boots)


def test_a_pin_map_of_another_board_touches_no_pin(chip: Chip, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.implementation, "_machine", "Generic ESP32 module with ESP32", raising=False)
    with pytest.raises(ValueError, match=r"it is for an esp32s3, this is an esp32$"):
        port_of()
    monkeypatch.setattr(
        sys.implementation, "_machine", "Generic ESP32S3 module with Octal-SPIRAM with ESP32S3"
    )
    chip.flash_bytes = 4 << 20
    with pytest.raises(ValueError, match="it wants 8 MB of flash, here are 4"):
        port_of()
    assert not chip.did and not chip.duty
    chip.flash_bytes = 16 << 20
    assert port_of().flash_bytes == 16 << 20, "what the chip says, not what the name says"


def test_a_reader_on_spi_leaves_the_uart_to_a_scanner(chip: Chip):
    port = port_of(board="esp32s3-8m-nfc-qr")
    assert port.nfc_bus == "spi" and port.parts == ("nfc", "qr") and port_of().nfc_bus == "hsu"
    chip.did.clear()
    bus = port.spi("nfc")
    port.uart("qr", 9600)
    port.uart("link", 115200)
    assert chip.did == [("spi", 2, (12, 11, 13), True), ("uart", 2, 17, 18), ("uart", 1, 43, 44)]
    chip.did.clear()
    bus.select(True)
    data = bytearray(b"\x02\x00")
    bus.transfer(data)
    bus.select(False)
    assert chip.did == [("pin", 10, 0), ("transfer", b"\x02\x00"), ("pin", 10, 1)] and data == bytes(2)


def test_the_light_dims_what_is_lit_and_nothing_else(chip: Chip):
    light = port_of().light
    red, green, blue = 4, 5, 6
    light.set(1, 0, 1)
    assert [chip.duty[pin] for pin in (red, green, blue)] == [65535, 0, 65535]
    light.dim(40)
    assert [chip.duty[pin] for pin in (red, green, blue)] == [26214, 0, 26214]
    light.set(0, 1, 0)
    assert [chip.duty[pin] for pin in (red, green, blue)] == [0, 26214, 0]
    light.dim(100)
    assert chip.duty[green] == 65535


def test_a_light_that_a_low_level_switches_on_dims_the_other_way_round(chip: Chip):
    port_of()
    light = sys.modules["brick.ports.esp32"]._Light((21, 22, 23), 0)  # pyright: ignore
    assert [chip.duty[pin] for pin in (21, 22, 23)] == [65535, 65535, 65535], "dark from the start"
    light.set(1, 0, 0)
    light.dim(20)
    assert [chip.duty[pin] for pin in (21, 22, 23)] == [65535 - 13107, 65535, 65535]


def test_at_rest_the_radio_is_off_and_the_chip_sleeps(chip: Chip):
    port = port_of()
    chip.did.clear()
    port.sleep_ms(5000)
    port.sleep_ms(5000)
    assert chip.did == [("radio", False), ("sleep", 5000), ("sleep", 5000)]
    assert config.WATCHDOG_MS > 5000


def test_the_watchdog_runs_before_the_radio_is_tried(chip: Chip):
    port_of()
    assert chip.did == [("watchdog", config.WATCHDOG_MS), ("radio", True)]


def test_after_two_failed_starts_one_goes_without_the_radio(chip: Chip):
    flash, tried, safe = Flash(), [], []
    for _ in range(7):
        boots = Boots(flash)
        boots.begin(RESTARTED, config.BAD_BOOTS)
        port = port_of(boots)
        tried.append(port.radio is not None)
        safe.append(boots.safe)
        assert port.radio_failed == (port.radio is None), "said to the host"
    assert tried == [True, True, False, True, True, False, False]
    assert safe == [False, False, False, True, True, True, True]
