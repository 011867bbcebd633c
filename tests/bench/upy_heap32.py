"""A whole brick in memory on a 32-bit MicroPython: what its modules and its objects take. Run by heap32.mjs; prints JSON.

This build collects only between two runs of the interpreter: each part up to a line of `# ---` is one run.
"""
# ruff: noqa: B905, E402, F401, I001, SIM115 - what is imported where is what is measured; files stay open for the flash to live in

import asyncio
import gc
import json
import sys

sys.path[:0] = ["/lib"]


class Flash:
    """A partition in a file, outside the heap."""

    def __init__(self, name, size):
        self.size = size
        self._file = open("/flash-" + name, "w+b")
        block = b"\xff" * 1024
        for _ in range(size // 1024):
            self._file.write(block)

    def read_into(self, at, buffer):
        self._file.seek(at)
        self._file.readinto(buffer)

    def program(self, at, data):
        self._file.seek(at)
        old = self._file.read(len(data))
        self._file.seek(at)
        self._file.write(bytes(a & b for a, b in zip(old, data)))

    def erase(self, at):
        self._file.seek(at)
        self._file.write(b"\xff" * 4096)


class Uart:
    """A port to nowhere."""

    def read(self, n=0):
        return b""

    def readinto(self, buffer):
        return 0

    def write(self, data):
        return len(data)

    def ioctl(self, *_):
        return 0


class Stream:
    """In the place of asyncio's, which this build leaves out."""

    def __init__(self, uart):
        self.s = uart


asyncio.StreamReader = Stream


class Part:
    """Light, sound, watchdog, clock: whatever is asked, nothing happens."""

    def set(self, *_):
        pass

    tone = feed = dim = set

    def uptime_ms(self):
        return 1000

    def wall_ms(self):
        return None


class Port:
    """What brick.ports asks of a board."""

    def __init__(self, partitions, parts):
        self._partitions = partitions
        self.light = self.sound = self.watchdog = self.clock = Part()
        self.parts = parts
        self.hardware = "esp32s3-8m"
        self.flash_bytes = 8 << 20
        self.firmware_digest32 = bytes(32)
        self.reset_reason = 1
        self.nfc_bus = "hsu"
        self.power = None

    def flash(self, name):
        for partition, _, size in self._partitions:
            if partition == name:
                return Flash(name, size)
        raise KeyError(name)

    def uart(self, name, baud):
        return Uart()

    def reset_part(self, name):
        pass

    def ticks_ms(self):
        return 0

    def random(self, n):
        return bytes(n)

    def make_ecb(self, key):
        return lambda data: data

    make_inverse = make_ecb


def largest():
    """Bytes of the largest buffer that our modules' objects hold, of what can be reached by attributes."""
    seen, todo, most = set(), [ROOT], 0
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, (bytes, bytearray)):
            most = max(most, len(one))
        elif isinstance(one, (list, tuple, set)):
            most = max(most, 4 * len(one))
            todo.extend(one)
        elif isinstance(one, dict):
            most = max(most, 8 * len(one))
            todo.extend(one.values())
        elif hasattr(one, "typecode") or type(one).__name__ == "array":
            most = max(most, 4 * len(one))
        elif hasattr(one, "__dict__"):
            todo.extend(one.__dict__.values())
    return most


part, rules_path = "PART", "/rules.smr"
gc.collect()
# ---
begun = gc.mem_alloc()
from boards import partitions
from brick import config
from brick.boots import counted
from brick.clock import Clock
from brick.identity import Identity
from brick.indicator import Indicator
from brick.line import Line
from brick.log import Log
from stallmark import keystore
from stallmark.rules import Ruleset
from stallmark.state import State
import brick.assembly as assembly

if part == "nfc":
    import brick.nfc.hsu
    import brick.nfc.pn532
    import brick.nfc.reader
    import brick.tags
else:
    import brick.qr.scanner
    import brick.voucherdesk
Ruleset(open(rules_path, "rb").read())  # whatever reading rules loads, and forgets again
gc.collect()
# ---
code = gc.mem_alloc()

port = Port(partitions.table(8 << 20), (part,))
store = keystore.KeyStore(port.flash("keys"))
store.save({
    keystore.BRICK: b"brick--1", keystore.ROOT: bytes(32), keystore.RENTAL: 1, keystore.ONLY: bytes(32),
    keystore.LINK_EPOCH: 0, keystore.LINK_KEY: bytes(32), keystore.RECORD_EPOCH: 0, keystore.RECORD_CHAIN: bytes(32),
    keystore.EVENT_KEY: bytes(32), keystore.EVENT: bytes(8), keystore.AUTHORS: [[bytes(8), bytes(32)]], keystore.THRESHOLD: 1,
    keystore.KIT: bytes(8), keystore.HUB: bytes(8), keystore.DIRECTOR: bytes(32), keystore.HOST: bytes(8),
    keystore.HARDWARE: "esp32s3-8m", keystore.CURRENCY: "EUR", keystore.FIRST_BOOT: 1,
})  # fmt: skip
line = Line(Uart())
boots = counted(port.flash, 1, config.BAD_BOOTS)
ROOT = assembly.Brick(
    port, line, Log(line.write, port.ticks_ms), Indicator(port.light, port.sound), Clock(port.clock),
    Identity(store, store.load()), boots,
)  # fmt: skip
gc.collect()
# ---
objects = gc.mem_alloc() - code
ruleset = Ruleset(open(rules_path, "rb").read())
ROOT._decider.use(ruleset, State(ruleset))
del ruleset
gc.collect()
# ---
whole = gc.mem_alloc() - code
print(json.dumps({"code": code - begun, "objects": objects, "with rules": whole, "largest": largest(), "maxsize": sys.maxsize}))
