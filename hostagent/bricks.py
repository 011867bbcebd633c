"""What the host knows of each brick of its kit: where its chain stands, what it said, what went wrong."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

from hostagent.clock import monotonic_ms
from hostagent.core import Fields, reg
from hostagent.store.receipts import Head

READER_STATES = ("none", "good", "fault")
BRICK_STATES = ("good", "degraded", "safe")


@dataclass(frozen=True)
class Trusted:
    """What a brick says of whom it trusts: root version (0: none), directive number (0: none) and the first eight bytes of its
    payload's digest, bits (docs/formats/directive.md, *Over the link*)."""

    version: int
    number: int
    order8: bytes | None
    bits: int

    @property
    def words(self) -> str:
        """For people."""
        if self.bits & 2:
            return "flashed before there were roots: its authors alone decide what it installs"
        if self.bits & 4:
            return "damaged: it installs nothing until it is told its first root again"
        if self.version == 0:
            promised = "waits for the root that it was promised, and installs nothing before"
            return promised if self.bits & 8 else "no root yet: its authors alone decide what it installs"
        alarm = "; ALARM: it was shown two directives or roots of one number" if self.bits & 1 else ""
        order = f"directive {self.number}" if self.number else "no directive yet"
        return f"root {self.version}, {order}{alarm}"

    @classmethod
    def parse(cls, value: Any) -> "Trusted | None":
        """Field 15 of a status; None where there is none."""
        entry = _list(value)
        if len(entry) < 5:
            return None
        version, number, bits = _int(entry[0]), _int(entry[2]), _int(entry[4])
        if version is None or number is None or bits is None:
            return None
        return cls(version, number, _octets(entry[3], 8), bits)


@dataclass
class Status:
    """A brick's status message (docs/formats/link.md, kind 2), read leniently: what is missing is None."""

    boot: int | None
    next_seq: int
    oldest_seq: int
    free_pages: int | None
    clock_quality: int
    state: int
    slices: dict[int, int]
    reader: int
    scanner: int
    ruleset: bytes | None
    ruleset8: bytes | None
    firmware: bytes | None
    radio: int = 0
    trust: Trusted | None = None
    at_ms: int = field(default_factory=monotonic_ms)

    @classmethod
    def parse(cls, value: Any) -> "Status | None":
        """The Status of a message's value; None where it is not one."""
        if not isinstance(value, dict):
            return None
        f = cast(Fields, value)
        next_seq, oldest = f.get(1), f.get(2)
        if type(next_seq) is not int or type(oldest) is not int or not 0 <= oldest <= next_seq <= 0xFFFFFFFF:
            return None
        slices: dict[int, int] = {}
        for entry in _list(f.get(9))[:64]:
            pair = _list(entry)
            if len(pair) == 2 and type(pair[0]) is int and type(pair[1]) is int:
                slices[pair[0]] = pair[1]
        return cls(
            boot=_int(f.get(0)),
            next_seq=next_seq,
            oldest_seq=oldest,
            free_pages=_int(f.get(6)),
            clock_quality=_int(f.get(7)) or 0,
            state=_int(f.get(8)) or 0,
            slices=slices,
            reader=_int(f.get(10)) or 0,
            scanner=_int(f.get(11)) or 0,
            ruleset=_octets(f.get(12), 32),
            ruleset8=_octets(f.get(5), 8),
            firmware=_octets(f.get(13), 32),
            radio=_int(f.get(14)) or 0,
            trust=Trusted.parse(f.get(15)),
        )


@dataclass
class Brick:
    """One brick. `next_seq` and `prev16` run ahead of the disk; `durable_seq` is what may be acknowledged.

    `prev16` None: after a gap nobody can fill the next record's chain has nothing to be checked against.
    """

    number: int
    brick: bytes
    name: str
    next_seq: int
    prev16: bytes | None
    durable_seq: int
    ledger_seq: int | None
    ledger_tag: bytes | None
    status: Status | None = None
    diagnostics: dict[str, Any] | None = None
    diagnostics_at_ms: int = 0
    counters: Counter[str] = field(default_factory=Counter[str])
    # The newest record that it offered and that could not be taken then: it is asked for again.
    offered_seq: int = 0
    # Who closes the day, until the brick's close record is here: a link that drops meanwhile must not lose it.
    closing: str | None = None
    bundle_result: tuple[bytes, int, str] | None = None
    # hostagent.slots.Slots, once the brick said where its programs lie.
    slots: Any = None
    slots_ms: int = 0  # since when it says so, but for the bytes of what comes: monotonic ms
    # (summary, tag16) of rules that it tries, as it said it last (hostagent.shadows).
    shadow: tuple[bytes, bytes] | None = None
    warning: str | None = None
    # Replaced by another brick: no rights, and records only up to this one, where it is known (hostagent.ended).
    ended: bool = False
    last_seq: int | None = None
    _boot: int | None = None
    _started_ms: int = 0

    @classmethod
    def of(cls, head: Head, name: str) -> "Brick":
        """A brick as the store left it."""
        return cls(
            head.number,
            head.brick,
            name,
            head.next_seq,
            head.prev16 or None,
            head.next_seq - 1,
            head.ledger_seq,
            head.ledger_tag,
        )

    def heard_uptime(self, boot: int, uptime_ms: int, now_ms: int) -> None:
        """The brick said at `now_ms` (monotonic) that it runs since `uptime_ms` in this boot."""
        started = now_ms - uptime_ms
        # The message that travelled least is the nearest to the truth.
        if boot != self._boot or started < self._started_ms:
            self._boot, self._started_ms = boot, started

    def uptime(self, boot: int, now_ms: int) -> int | None:
        """The brick's uptime at `now_ms` (monotonic), or None where it never said so in this boot."""
        return now_ms - self._started_ms if boot == self._boot else None


def word(words: tuple[str, ...], number: int) -> str:
    """The word for a number of the registry; a newer number is said as such."""
    return words[number] if 0 <= number < len(words) else f"newer than this program ({number})"


CLOCK_WORDS = {
    reg.QUALITY_UNSET: "not set",
    reg.QUALITY_HELD: "held over a restart",
    reg.QUALITY_HOST: "set by the host",
    reg.QUALITY_CONTROLLER: "signed by the controller",
}


def _int(value: Any) -> int | None:
    return value if type(value) is int else None


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _octets(value: Any, size: int) -> bytes | None:
    return value if type(value) is bytes and len(value) == size else None
