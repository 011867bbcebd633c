"""Pin maps: which GPIO of a board leads where. Data only; firmware, self-test and wiring drawings read the same table.

The link is UART 1 on the pins of the board's USB bridge: MicroPython keeps UART 0 for its REPL, and moving
the pins shuts that REPL out while the appliance runs. UART 2 is left for one part, a reader or a scanner. A reader on SPI
(nfc_spi instead of nfc) leaves it to a scanner: one brick with both.
The XIAO has no bridge: its link is a cable of its own, and its USB socket carries nothing while the appliance runs.
Every map is checked at start and in the tests (boards.check).
"""

# nfc or nfc_spi: how the reader for tags is wired, one of them where "nfc" is among the parts; sck, mosi, miso, cs.
# light: red, green, blue, and the level that switches one on; nfc_reset: RSTPD_N; rx, tx: of the ESP32.
# power: source → (ADC pin, times, by): millivolts at the pin × times / by are the source's; a divider of two
# equal resistors is (2, 1). "charging": pin that is low while the charger works, or None.
BOARDS = {
    "esp32s3-8m-nfc": {
        "chip": "esp32s3",
        "parts": ("nfc",),
        "link": {"tx": 43, "rx": 44},
        "nfc": {"tx": 17, "rx": 18},
        "nfc_reset": 8,
        "light": (4, 5, 6),
        "light_on": 1,
        "sound": 7,
        "power": {"main": (1, 2, 1), "backup": (2, 2, 1), "charging": 9},
        "people": 4000,
    },
    "esp32s3-8m-qr": {
        "chip": "esp32s3",
        "parts": ("qr",),
        "link": {"tx": 43, "rx": 44},
        "qr": {"tx": 17, "rx": 18},
        "nfc_reset": None,
        "light": (4, 5, 6),
        "light_on": 1,
        "sound": 7,
        "power": {"main": (1, 2, 1), "backup": (2, 2, 1), "charging": 9},
        "people": 4000,
    },
    "esp32s3-8m-nfc-qr": {
        "chip": "esp32s3",
        "parts": ("nfc", "qr"),
        "link": {"tx": 43, "rx": 44},
        "nfc_spi": {"sck": 12, "mosi": 11, "miso": 13, "cs": 10},
        "qr": {"tx": 17, "rx": 18},
        "nfc_reset": 8,
        "light": (4, 5, 6),
        "light_on": 1,
        "sound": 7,
        "power": {"main": (1, 2, 1), "backup": (2, 2, 1), "charging": 9},
        "people": 4000,
    },
    "esp32-4m-nfc": {
        "chip": "esp32",
        "parts": ("nfc",),
        "link": {"tx": 1, "rx": 3},
        "nfc": {"tx": 19, "rx": 18},
        "nfc_reset": 4,
        "light": (25, 26, 27),
        "light_on": 1,
        "sound": 33,
        "power": {"main": (34, 2, 1), "backup": (35, 2, 1), "charging": 32},
        "people": 1000,
    },
    "esp32-4m-qr": {
        "chip": "esp32",
        "parts": ("qr",),
        "link": {"tx": 1, "rx": 3},
        "qr": {"tx": 19, "rx": 18},
        "nfc_reset": None,
        "light": (25, 26, 27),
        "light_on": 1,
        "sound": 33,
        "power": {"main": (34, 2, 1), "backup": (35, 2, 1), "charging": 32},
        "people": 1000,
    },
    "xiao-s3-8m-nfc": {
        "chip": "esp32s3",
        "parts": ("nfc",),
        "link": {"tx": 43, "rx": 44},
        "nfc": {"tx": 9, "rx": 8},
        "nfc_reset": 7,
        "light": (2, 4, 5),
        "light_on": 1,
        "sound": 6,
        "power": {"main": (1, 2, 1)},
        "people": 4000,
    },
}
