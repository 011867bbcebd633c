"""A brick takes a root, a directive and an 8 kB ruleset, with its own parts; prints one JSON object. Run by bench_install.

Arguments: flash image, JSON with the envelopes."""

import gc
import json
import sys
from time import clock

from brick.counters import Counters
from brick.directing import Directing
from brick.install import Installer
from nor import NorChip, NorFile
from stallmark import ed25519
from stallmark.slot import Slots
from stallmark.state import State


def ticks_us():
    """Microseconds of CPU time: the machine may be busy with others."""
    return int(clock() * 1000000)


def ticks_diff(later, earlier):
    return later - earlier


PARTS = (("trust", 0, 8192), ("rules_a", 8192, 65536), ("rules_b", 73728, 65536))
PIECE = 256


class Identity:
    """What an installer asks of a brick's keys."""

    def __init__(self, given):
        self.brick8, self.kit8 = bytes.fromhex(given["brick"]), bytes.fromhex(given["kit"])
        self.rental = 1
        self.authors = [(bytes.fromhex(kid), bytes.fromhex(public)) for kid, public in given["authors"]]
        self.threshold = 2
        self.control_key = bytes(32)
        self.director = bytes(32)
        self.first_root = bytes.fromhex(given["first_root"])


class Clock:
    def wall_ms(self):
        return None


class Bench:
    """The brick's side of the wire, and times of what it does."""

    def __init__(self, chip, given):
        self.said = []
        self.counters = Counters()
        self.longest = 0

        def flash(name):
            for part, offset, size in PARTS:
                if part == name:
                    return NorFile(chip, offset, size)
            raise KeyError(name)

        nothing = lambda *given: None  # noqa: E731
        self.directing = Directing(
            flash, Identity(given), "bench board", ed25519.verify, self.post, nothing, nothing, self.counters
        )
        slots = Slots(flash("rules_a"), flash("rules_b"))
        self.installer = Installer(
            slots, self.directing, Clock(), self.post, self.activate, nothing, self.counters
        )
        self.installer.load()

    def post(self, kind, value):
        self.said.append((kind, value))

    async def activate(self, ruleset):
        self.began_activation = ticks_us()
        self.state = State(ruleset, None)
        self.ruleset = ruleset

    def _timed(self, step):
        began = ticks_us()
        step()
        self.longest = max(self.longest, ticks_diff(ticks_us(), began))

    def tell(self, what, digest8, envelope):
        """µs from the last piece to the answer: signatures, checks, flash."""
        self.directing.told({0: what, 1: digest8, 2: len(envelope)})
        while not self.directing.waiting:
            _, value = self.said.pop()
            at = value[1]
            self.directing.piece({0: digest8, 1: at, 2: envelope[at : at + PIECE]})
        began = ticks_us()
        while self.directing.waiting:
            self._timed(lambda: self.directing.step(self.installer.installed, self.installer.floor_ms))
        took = ticks_diff(ticks_us(), began)
        assert self.said.pop()[1][1] == 1
        return took

    def install(self, digest8, data):
        """µs of checking the envelope, of writing, of checking the artefact and switching, of activating."""
        out = [0, 0, 0, 0]
        self.installer.offered({0: digest8, 1: len(data), 2: 1})
        while self.installer.busy:
            last = self.said.pop() if self.said else None
            if last is not None:
                at = last[1][1]
                assert last[0] == 3, last
                self.installer.chunk({0: digest8, 1: at, 2: data[at : at + PIECE]})
            heavy = self.installer.heavy
            began = ticks_us()
            run(self.installer.step())
            took = ticks_diff(ticks_us(), began)
            out[2 if self.installer.installed is not None else 0 if heavy else 1] += took
            self.longest = max(self.longest, took)
        assert self.said[-1][1][1] == 1, self.said
        out[3] = ticks_diff(ticks_us(), self.began_activation)
        out[2] -= out[3]
        return out


def run(step):
    try:
        step.send(None)
    except StopIteration:
        return
    raise RuntimeError("an install waits for nothing")


def main(path, given):
    with open(given) as file:
        given = json.load(file)
    bench = Bench(NorChip(path), given)
    gc.collect()
    found = {"setup": gc.mem_alloc()}
    root, order, data = [bytes.fromhex(given[name]) for name in ("root", "order", "data")]
    root8, order8, data8 = [bytes.fromhex(given[name]) for name in ("root8", "order8", "data8")]
    del given
    found["root"] = bench.tell(1, root8, root)
    found["directive"] = bench.tell(2, order8, order)
    found["install"] = bench.install(data8, data)
    found["longest"] = bench.longest
    del root, order, data
    gc.collect()
    found["after"] = gc.mem_alloc()
    print(json.dumps(found))


gc.threshold(32768)
main(*sys.argv[1:])
