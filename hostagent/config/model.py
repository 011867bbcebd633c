"""What a host is told, as values: config.json and keys.json, typed."""

from dataclasses import dataclass, field
from pathlib import Path

from hostagent.window import Window


@dataclass(frozen=True)
class BrickConfig:
    """One brick of the kit: how it is reached, the preferred way first, and the serial port (or pseudo-terminal) on which
    it is expected where "serial" is among the ways. `links`: of "serial" and "ble"."""

    brick: bytes
    name: str
    port: Path | None
    baud: int = 115200
    links: tuple[str, ...] = ("serial",)


@dataclass(frozen=True)
class EndedBrick:
    """A brick that was replaced. `last_seq`: the last record that it had written then, as far as anybody knew; `heir`: the
    brick that took its place."""

    brick: bytes
    name: str
    heir: bytes
    at_ms: int
    last_seq: int | None


@dataclass(frozen=True)
class Quorum:
    """Public keys by kid8 and how many of them must have signed."""

    threshold: int
    keys: dict[bytes, bytes]


@dataclass(frozen=True)
class LinkKey:
    """The link key of one brick as the bench handed it over."""

    brick: bytes
    epoch: int
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class LaneKey:
    """The host's own lane, a brick in software: its identity, the root of its rental, its K_only."""

    brick: bytes
    root: bytes = field(repr=False)
    only: bytes = field(repr=False)


@dataclass(frozen=True)
class TillKey:
    """A till or other event source that may ask. `token`: SHA-256 of its bearer token.

    `names_customers`: its customer references are of people that staff or the till know by name (trust 7);
    else they are texts that anybody can make up (trust 1)."""

    name: str
    token: bytes = field(repr=False)
    names_customers: bool = False


@dataclass(frozen=True)
class OperatorKey:
    """A person who may act at the stall's screen. `pin`: scrypt text as keys.json has it."""

    name: str
    pin: str = field(repr=False)


@dataclass(frozen=True)
class Keys:
    """The host's secrets: nothing here is ever printed or sent. `api_token` empty: requests are signed instead."""

    signing_seed: bytes = field(repr=False)
    store_key: bytes = field(repr=False)
    handle_key: bytes = field(repr=False)
    api_token: str = field(repr=False)
    links: tuple[LinkKey, ...] = field(repr=False)
    lane: LaneKey | None = field(default=None, repr=False)
    event_key: bytes | None = field(default=None, repr=False)
    voucher_seed: bytes | None = field(default=None, repr=False)
    tills: tuple[TillKey, ...] = field(default=(), repr=False)
    operators: tuple[OperatorKey, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Printer:
    """Where slips are printed. `kind`: none, usb, network or file; `width`: characters in a line.

    usb: `vendor` and `product`; network: `address` and `port`; file: `path`."""

    kind: str = "none"
    vendor: int = 0
    product: int = 0
    address: str = ""
    port: int = 9100
    path: Path | None = None
    width: int = 42


@dataclass(frozen=True)
class TillLimits:
    """Calls of one till: so many in a second, and so many at once after a quiet time."""

    per_second: float = 50.0
    burst: int = 100


@dataclass(frozen=True)
class TrustSource:
    """Where the root lies that this host believes from the start, and the folder of what it learnt since. docs/trust.md"""

    root: Path
    folder: Path


@dataclass(frozen=True)
class Config:
    """What one host agent is told. Paths are absolute; `poll_s`: seconds between looks for news; `update_lock`: the folder in
    which whoever updates this host looks for a lock (docs/balena.md), None: nobody does; `updates`: the time of day in which
    updates may switch (docs/hostupdate.md), None: at any."""

    folder: Path
    name: str
    development: bool
    host: bytes
    kit: bytes
    hub: bytes
    event: bytes
    rental: int
    store: Path
    controller: str
    public_url: str
    listen: str
    port: int
    clock_file: Path | None
    terms: bytes | None
    poll_s: float
    bricks: tuple[BrickConfig, ...]
    authors: Quorum | None
    director: bytes | None
    keys: Keys
    printer: Printer = Printer()
    till: TillLimits = TillLimits()
    trust: TrustSource | None = None
    ended: tuple[EndedBrick, ...] = ()
    path: Path | None = None
    update_lock: Path | None = None
    updates: Window | None = None

    @property
    def keys_file(self) -> Path:
        """Where the secrets lie."""
        return self.folder / "keys.json"
