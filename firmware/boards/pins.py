"""Pin maps: which GPIO of a board leads where. Data only; harness drawings and firmware read the same table.

The link is UART 1 on the pins of the board's USB bridge: MicroPython keeps UART 0 for its REPL, and moving
the pins shuts that REPL out while the appliance runs. UART 2 is left for one part, a reader or a scanner.
"""

# light: red, green, blue, and the level that switches one on; nfc_reset: RSTPD_N; rx, tx: of the ESP32.
BOARDS = {
    "esp32s3-8m-nfc": {
        "parts": ("nfc",),
        "link": {"tx": 43, "rx": 44},
        "nfc": {"tx": 17, "rx": 18},
        "nfc_reset": 8,
        "light": (4, 5, 6),
        "light_on": 1,
        "sound": 7,
        "people": 4000,
    },
    "esp32s3-8m-qr": {
        "parts": ("qr",),
        "link": {"tx": 43, "rx": 44},
        "qr": {"tx": 17, "rx": 18},
        "nfc_reset": None,
        "light": (4, 5, 6),
        "light_on": 1,
        "sound": 7,
        "people": 4000,
    },
    "esp32-4m-nfc": {
        "parts": ("nfc",),
        "link": {"tx": 1, "rx": 3},
        "nfc": {"tx": 17, "rx": 16},
        "nfc_reset": 4,
        "light": (25, 26, 27),
        "light_on": 1,
        "sound": 33,
        "people": 1000,
    },
    "esp32-4m-qr": {
        "parts": ("qr",),
        "link": {"tx": 1, "rx": 3},
        "qr": {"tx": 17, "rx": 16},
        "nfc_reset": None,
        "light": (25, 26, 27),
        "light_on": 1,
        "sound": 33,
        "people": 1000,
    },
}
