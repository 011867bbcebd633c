"""The deciding half of a brick in memory: keys, journal, recorder, state, decider, on flash to be cut."""

import sys
from pathlib import Path
from typing import Any

from brick.asking import Asking
from brick.clock import Clock
from brick.counters import Counters
from brick.decider import Decider
from brick.identity import Identity
from brick.kitwide import Kitwide
from brick.recorder import Recorder
from stallmark import event, keystore, registry, rights
from stallmark.journal import Journal
from stallmark.rules import Ruleset
from stallmark.state import State

sys.path.append(str(Path(__file__).parents[1] / "core"))
from ports import Random
from ramflash import RamFlash

KIT = b"kit-0001"
START_MS = 1_790_000_100_000


class Lamp:
    """Keeps what was shown."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def show(self, pattern: Any) -> None:
        self.shown.append(pattern)


class Source:
    """A port's clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0

    def uptime_ms(self) -> int:
        return self.now

    def wall_ms(self) -> int | None:
        return None


def identity(flash: RamFlash, random: Random) -> Identity:
    """The keys on `flash`, made there if it is blank."""
    store = keystore.KeyStore(flash)
    fields = store.load()
    if fields is None:
        fields = {
            0: b"brick-01", 1: bytes(range(32)), 2: 1, 3: random.bytes(32), 4: 0, 5: bytes(32), 6: 0,
            7: bytes(32), 8: bytes(32), 9: b"event-01", 10: [], 11: 1, 12: KIT, 13: b"hub-0001",
            14: bytes(32), 15: b"host-001", 16: "test", 17: "EUR", 18: 1,
        }  # fmt: skip
        store.save(fields)
    return Identity(store, fields)


class Books:
    """One start-up of the deciding half. `slices`: what the host handed out, in the director's name."""

    def __init__(
        self, flash: RamFlash, keyflash: RamFlash, ruleset: bytes, slices: list[rights.Slice], seed: int
    ) -> None:
        self.random = Random(seed)
        self.journal_flash = flash
        self.source = Source()
        self.clock = Clock(self.source)
        self.clock.set(START_MS, registry.QUALITY_HOST, 0)
        self.lamp = Lamp()
        self.counters = Counters()
        self.ruleset = Ruleset(ruleset)
        self.journal = Journal(flash, 2)
        self.recorder = Recorder(identity(keyflash, self.random), self.journal, self.clock, self.random.bytes)
        ticks = self.source.uptime_ms
        self.decider = Decider(self.recorder, self.clock, self.lamp, self.counters, ticks)
        self.up = False  # a link to the host
        self.posts: list[tuple[int, Any]] = []
        asking = Asking(
            self.decider, self.lamp, lambda: self.up, self._post, self.random.bytes, self.counters, ticks
        )
        self.asking = self.decider.asking = asking
        self.kitwide = Kitwide(
            b"brick-01", self.decider, self.recorder, self.clock, self.counters, self._post,
            lambda state: [state.add_slice(piece, 0) for piece in slices],
        )  # fmt: skip
        self.journal.carry = self.recorder.before_erasing
        self.recorder.connect(self._written, self.decider.carry)
        self.journal.open()
        self.decider.use(self.ruleset, self.rebuilt(self.recorder.replayed))
        self.recorder.settle()
        for piece in slices:
            self.decider.state.add_slice(piece, 0)
        if self.journal.next_seq == 1:
            self.recorder.write(registry.KIND_START, {24: []})
        self.decider.release_open(starting=True)

    def _post(self, kind: int, value: Any) -> None:
        self.posts.append((kind, value))

    def _written(self, entry: Any) -> None:
        self.decider.state.apply(entry)

    def rebuilt(self, also: Any = None) -> State:
        """A state made from nothing but the journal."""
        state = State(self.ruleset)
        for entry in self.journal.records():
            if also is not None:
                also(entry)
            state.apply(entry)
        return state

    def event(self, subject: bytes | None, trust: int = 3, **more: Any) -> Any:
        """A tap now; `more`: other fields of the event."""
        return event.make(
            type=registry.EVENT_NFC_TAP,
            trust=trust,
            subject=subject,
            wall_ms=self.clock.wall_ms(),
            uptime_ms=self.clock.uptime_ms(),
            quality=self.clock.quality,
            spread_ms=0,
            nonce=self.random.bytes(8),
            **more,
        )
