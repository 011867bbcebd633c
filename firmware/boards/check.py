"""Is a pin map one that the chip can do? Asked at every start, before a pin is touched, and by the tests.

Sources: ESP32 data sheet 2.2 to 2.4 (strapping, flash and input-only pins) and ESP32-WROVER-E (PSRAM), ESP32-S3 data
sheet 2.3 and 2.4 and ESP32-S3-WROOM-1 (octal PSRAM). ADC 2 does not work beside the radio.
"""

# chip → (highest pin, missing, flash, PSRAM, strapping, USB, input only, ADC 1)
_CHIPS = {
    "esp32": (
        39,
        (20, 24, 28, 29, 30, 31, 37, 38),
        (6, 7, 8, 9, 10, 11),
        (16, 17),
        (0, 2, 5, 12, 15),
        (),
        (34, 35, 36, 39),
        (32, 33, 34, 35, 36, 39),
    ),
    "esp32s3": (
        48,
        (22, 23, 24, 25),
        (26, 27, 28, 29, 30, 31, 32),
        (33, 34, 35, 36, 37),
        (0, 3, 45, 46),
        (19, 20),
        (),
        (1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    ),
}
_REASONS = (
    "is not led out of the chip",
    "belongs to the flash",
    "belongs to the PSRAM",
    "decides at reset how the chip starts",
    "belongs to USB",
)


def uses(pins):
    """[(pin, what for, "in", "out" or "adc")] of a pin map."""
    found = []
    for name in ("link",) + pins["parts"]:
        spi = pins.get(name + "_spi")
        if spi is not None:
            for wire in ("sck", "mosi", "cs"):
                found.append((spi[wire], name + " " + wire.upper(), "out"))
            found.append((spi["miso"], name + " MISO", "in"))
            continue
        found.append((pins[name]["tx"], name + " TX", "out"))
        found.append((pins[name]["rx"], name + " RX", "in"))
    if pins["nfc_reset"] is not None:
        found.append((pins["nfc_reset"], "reset of the reader", "out"))
    for colour, pin in zip(("red", "green", "blue"), pins["light"]):
        found.append((pin, colour + " light", "out"))
    found.append((pins["sound"], "sound", "out"))
    power = pins.get("power") or {}
    for source in ("main", "backup"):
        if power.get(source) is not None:
            found.append((power[source][0], source + " pack", "adc"))
    if power.get("charging") is not None:
        found.append((power["charging"], "charging", "in"))
    return found


def problems(pins):
    """What is wrong with a pin map, in words; empty where nothing is."""
    chip = _CHIPS.get(pins["chip"])
    if chip is None:
        return ["unknown chip {}".format(pins["chip"])]
    highest, *reserved, input_only, adc = chip
    wrong = []
    for part in pins["parts"]:
        buses = (part in pins) + (part + "_spi" in pins)
        if buses != 1:
            wrong.append("{} is wired to {} buses: expected one".format(part, buses))
    if wrong:
        return wrong
    seen = {}
    for pin, what, how in uses(pins):
        if pin in seen:
            wrong.append("GPIO {} is given to {} and to {}".format(pin, seen[pin], what))
        seen[pin] = what
        if type(pin) is not int or pin < 0 or pin > highest:
            wrong.append("{}: there is no GPIO {}".format(what, pin))
            continue
        for numbers, reason in zip(reserved, _REASONS):
            if pin in numbers:
                wrong.append("{}: GPIO {} {}".format(what, pin, reason))
        if how == "out" and pin in input_only:
            wrong.append("{}: GPIO {} is an input only".format(what, pin))
        if how == "adc" and pin not in adc:
            wrong.append("{}: GPIO {} is no input of ADC 1".format(what, pin))
    return wrong


def misfits(board, pins, machine, flash_bytes):
    """What speaks against this pin map on the board that runs, in words. `machine`: what MicroPython says of it, as
    "Generic ESP32S3 module with ESP32S3", or "" where it says nothing; `flash_bytes` as the chip says."""
    wrong = []
    runs = machine.split(" ")[-1].lower().replace("-", "")
    if runs and runs != pins["chip"]:
        wrong.append("it is for an {}, this is an {}".format(pins["chip"], runs))
    for megabytes in (4, 8, 16):
        if "-{}m-".format(megabytes) in board and flash_bytes < megabytes << 20:
            wrong.append("it wants {} MB of flash, here are {}".format(megabytes, flash_bytes >> 20))
    return wrong


def demand(board, pins, machine="", flash_bytes=1 << 30):
    """Raises ValueError with everything that speaks against a pin map."""
    wrong = problems(pins) + misfits(board, pins, machine, flash_bytes)
    if wrong:
        raise ValueError("pin map {}: {}".format(board, "; ".join(wrong)))
