"""What the bench and the drawings know of each pin map beyond its pins. Data only; no brick loads it.

header   pins of the board in the order in which they stand, name on the silk screen and GPIO
"""

_S3_DEVKIT = {
    "title": "ESP32-S3-DevKitC-1-N8R8",
    "chip": "esp32s3",
    "flash_mib": 8,
    "image": "ESP32_GENERIC_S3-SPIRAM_OCT",
    "usb": "the socket marked UART (CP2102N): flashing, console, link",
    "power_pin": ("5V", "GND", "3V3"),
    "silk": "GPIO {}",
}
_ESP32_DEVKIT = {
    "title": "ESP32-DevKitC V4 (ESP32-WROOM-32E, 4 MB)",
    "chip": "esp32",
    "flash_mib": 4,
    "image": "ESP32_GENERIC",
    "usb": "the only socket (CP2102N): flashing, console, link",
    "power_pin": ("5V", "GND", "3V3"),
    "silk": "IO{}",
}
_XIAO = {
    "title": "Seeed Studio XIAO ESP32S3",
    "chip": "esp32s3",
    "flash_mib": 8,
    "image": "ESP32_GENERIC_S3-SPIRAM_OCT",
    "usb": "the socket is the chip's own USB: flashing; the link is a cable of its own",
    "power_pin": ("5V", "GND", "3V3"),
    "silk": {
        1: "D0",
        2: "D1",
        3: "D2",
        4: "D3",
        5: "D4",
        6: "D5",
        43: "D6",
        44: "D7",
        7: "D8",
        8: "D9",
        9: "D10",
    },
}


def _model(base, parts):
    model = dict(base)
    model["parts"] = parts
    return model


MODELS = {
    "esp32s3-8m-nfc": _model(_S3_DEVKIT, ("nfc",)),
    "esp32s3-8m-qr": _model(_S3_DEVKIT, ("qr",)),
    "esp32s3-8m-nfc-qr": _model(_S3_DEVKIT, ("nfc", "qr")),
    "esp32-4m-nfc": _model(_ESP32_DEVKIT, ("nfc",)),
    "esp32-4m-qr": _model(_ESP32_DEVKIT, ("qr",)),
    "xiao-s3-8m-nfc": _model(_XIAO, ("nfc",)),
}
