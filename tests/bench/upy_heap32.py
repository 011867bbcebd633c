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
        elif type(one).__name__ == "array":
            most = max(most, {"B": 1, "H": 2, "q": 8}.get(str(one)[7], 4) * len(one))
        elif hasattr(one, "__dict__"):
            todo.extend(one.__dict__.values())
    return most


PEOPLE, SLICES = 500, 512  # as many as are remembered at most, under these rules
part, bundle_path = "PART", "/rules.smbundle"
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
from stallmark import bundle, event
from stallmark.pages import Pages
from stallmark.rules import Ruleset, READING
from stallmark.state import State
from brick.unload import unload
import brick.assembly as assembly

if part == "nfc":
    import brick.nfc.hsu
    import brick.nfc.pn532
    import brick.nfc.reader
    import brick.tags
else:
    import brick.qr.scanner
    import brick.voucherdesk
found = bundle.split(open(bundle_path, "rb").read())[1]
START = State(Ruleset(found)).ruleset.slots[0][0]  # whatever reading rules loads, and forgets again
del found, bundle
unload("stallmark.bundle", *READING)
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
# The bundle is in its slot, as an installation leaves it; then what a start does.
slots, found, size = ROOT._installer._slots, open(bundle_path, "rb"), 0
slots.begin(found.seek(0, 2))
found.seek(0)
while True:
    piece = found.read(256)
    if not piece:
        break
    slots.write(size, piece)
    size += len(piece)
slots.finish(slots.candidate().digest)
del slots, found, piece
ruleset = ROOT._installer.load()
ROOT._decider.use(ruleset, State(ruleset))
del ruleset
gc.collect()
# ---
rules = gc.mem_alloc() - code
first_largest = largest()


def come(first, last):
    """People, each for the first time, at the till."""
    for number in range(first, last):
        subject = ((number + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
        ROOT._decider.decide(event.make(
            type=3, trust=3, subject=subject, wall_ms=START + 1000 * number, uptime_ms=1000 * number, quality=2, spread_ms=40,
            nonce=number.to_bytes(8, "big"), basket_minor=900, items=2,
        ))  # fmt: skip


come(0, 100)
gc.collect()
# ---
come(100, 250)
gc.collect()
# ---
come(250, 400)
gc.collect()
# ---
come(400, PEOPLE)
gc.collect()
# ---
people = gc.mem_alloc() - code
state = ROOT._decider.state
assert state._people.table.used == PEOPLE, state._people.table.used
for slice_id in range(SLICES):  # that something is spent of each is remembered for the whole rental
    state.rights.spend(slice_id, 1, slice_id)
assert state.rights._known.used == SLICES
del state
gc.collect()
# ---
full, largest_full = gc.mem_alloc() - code, largest()
# The same rules once more, tried beside those in use: as a trial is once its bundle was checked.
from brick import shadow
from brick import shadowtold

gc.collect()
# ---
before = gc.mem_alloc()
tried_code = before - code - full
slots, size = ROOT._installer._slots, 0
file = open(bundle_path, "rb")
slots.begin(file.seek(0, 2))
file.seek(0)
while True:
    piece = file.read(256)
    if not piece:
        break
    slots.write(size, piece)
    size += len(piece)
head = slots.candidate().read(0, 4)
at = 4 + int.from_bytes(head, "big")
uses = shadow.Uses(
    ROOT._directing.identity, ROOT._directing, ROOT._installer, slots, ROOT._journal, ROOT._outbox, ROOT._decider,
    ROOT._clock, ROOT._counters, print, ROOT._allotment.hand_out, None, 1,
)  # fmt: skip
trial = ROOT._decider.shadow = shadow.Shadow(uses, (bytes(32), size, 1 << 52, bytes(16)))
trial._ruleset = Ruleset(Pages(slots.candidate(), at, size - at))
del file, piece, head, slots, uses
unload(*READING)
gc.collect()
# ---
tried_rules = gc.mem_alloc() - before
trial._rules_state = State(trial._ruleset)
trial._rules_state.rights = shadow._Lent(trial._ruleset.units)
trial._records = ROOT._journal.records()
trial.state = shadow.shadow.READING
gc.collect()
# ---
for _ in range(8):
    trial.step()
gc.collect()
# ---
for _ in range(8):
    trial.step()
gc.collect()
# ---
for _ in range(40):
    if trial.state == shadow.shadow.READING:
        trial.step()
gc.collect()
# ---
assert trial.state == shadow.shadow.RUNNING and trial._rules_state._people.table.used == PEOPLE
print(json.dumps({
    "code": code - begun, "objects": objects, "with rules": rules, "people": people, "full": full,
    "largest": first_largest, "largest full": largest_full, "maxsize": sys.maxsize, "tried code": tried_code,
    "tried rules": tried_rules, "tried": gc.mem_alloc() - before, "largest tried": largest(),
}))  # fmt: skip
