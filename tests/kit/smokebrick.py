"""MicroPython: the smallest firmware that uses every part of the kit's port; for tests of the kit alone.

A card: its page is programmed, then the light turns green. A code: blue. On the link: `echo …` comes back,
`flash` programs page after page, `time` tells the clock, `crash` raises, `hang` stops the loop.
"""

import json
import sys
import time

from unixport import Port

PARTITIONS = (("keys", 0, 4096), ("journal", 4096, 16 * 4096))
LIST = b"\x00\x00\xff\x04\xfc\xd4\x4a\x01\x00\xe1\x00"
SAM = b"\x55\x55" + bytes(14) + b"\x00\x00\xff\x05\xfb\xd4\x14\x01\x14\x01\x02\x00"
RF_OFF = b"\x00\x00\xff\x04\xfc\xd4\x32\x01\x00\xf9\x00"

with open(sys.argv[1]) as source:
    port = Port(json.load(source), PARTITIONS)
journal = port.flash("journal")
link = port.uart("link", 115200)
nfc = port.uart("nfc", 115200) if "nfc" in port.parts else None
qr = port.uart("qr", 9600) if "qr" in port.parts else None
events = port.uart("events", 115200) if "events" in port.parts else None
state = {"page": 0, "flashing": False}
heard = b""
answer = b""
if nfc:
    nfc.write(SAM)
    time.sleep_ms(50)
    nfc.read(100)
    nfc.write(LIST)
if qr:
    qr.write(b"\x7e\x00\x08\x01\x00\x05\x01\xab\xcd")
port.light.set(0, 0, 0)  # listening


def store():
    page = state["page"]
    state["page"] = page + 1
    if page % 16 == 0:
        journal.erase(page % 256 // 16 * 4096)
    journal.program(page % 256 * 256, b"page %06d" % page)


def obey(line):
    if line.startswith(b"echo "):
        link.write(line[5:] + b"\n")
    elif line == b"flash":
        state["flashing"] = True
    elif line == b"time":
        wall = repr(port.clock.wall_ms())
        link.write(f"{port.clock.uptime_ms()} {wall} {len(port.random(8))}\n")
    elif line == b"reset":
        port.reset_part("nfc")
    elif line == b"crash":
        raise ValueError("as ordered")
    elif line == b"hang":
        while True:
            time.sleep_ms(100)


while True:
    port.watchdog.feed()
    heard += link.read(100) or b""
    while b"\n" in heard:
        line, heard = heard.split(b"\n", 1)
        obey(line)
    if events:
        events.write(events.read(100) or b"")
    if state["flashing"]:
        store()
    if nfc:
        answer += nfc.read(100) or b""
        if b"\xd5\x4b\x01" in answer and answer.endswith(b"\x00"):
            store()
            port.light.set(0, 1, 0)
            port.sound.tone(880)
            time.sleep_ms(20)
            port.light.set(0, 0, 0)
            port.sound.tone(0)
            answer = b""
            nfc.write(RF_OFF)
            time.sleep_ms(20)
            nfc.read(100)
            nfc.write(LIST)
    if qr and (qr.read(200) or b"").endswith(b"\r"):
        port.light.set(0, 0, 1)
        port.light.set(0, 0, 0)
    time.sleep_ms(1)
