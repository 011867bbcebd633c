"""ESP32 entry: MicroPython runs this file at power-on. It never ends in a REPL (PRODUCT.md A9).

`/board.txt` names the board (a key of boards.pins.BOARDS); without it this is an ESP32-S3 with an NFC reader.
"""

import time

import machine
import micropython

DEFAULT_BOARD = "esp32s3-8m-nfc"


def _board():
    try:
        with open("/board.txt") as source:
            return source.read().strip()
    except OSError:
        return DEFAULT_BOARD


def _start():
    micropython.kbd_intr(-1)  # a 03 on the link is data
    from brick.ports.esp32 import Port

    port = Port(_board())  # first: the radio's stack takes its memory before the appliance fills the heap
    from brick import appliance

    appliance.run(port)


try:
    _start()
finally:
    time.sleep_ms(1000)  # a start that fails at once must not become a fast loop of resets
    machine.reset()
