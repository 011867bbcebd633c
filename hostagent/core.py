"""The shared core (firmware/stallmark) as typed code sees it: its modules carry no annotations, these do."""

from collections.abc import Callable
from typing import Any, Protocol, cast

from brick import counter_names as _counter_names
from stallmark import (
    arms as _arms,
)
from stallmark import (
    base32 as _base32,
)
from stallmark import (
    batch as _batch,
)
from stallmark import (
    bundle as _bundle,
)
from stallmark import (
    byperson as _byperson,
)
from stallmark import (
    cbor as _cbor,
)
from stallmark import (
    decide as _decide,
)
from stallmark import (
    directive as _directive,
)
from stallmark import (
    event as _event,
)
from stallmark import (
    eventof as _eventof,
)
from stallmark import (
    explain as _explain,
)
from stallmark import (
    expr as _expr,
)
from stallmark import (
    frame as _frame,
)
from stallmark import (
    golden as _golden,
)
from stallmark import (
    hostlink as _hostlink,
)
from stallmark import (
    keys as _keys,
)
from stallmark import (
    money as _money,
)
from stallmark import (
    people as _people,
)
from stallmark import (
    pulled as _pulled,
)
from stallmark import (
    receipt as _receipt,
)
from stallmark import (
    record as _record,
)
from stallmark import (
    registry as reg,
)
from stallmark import (
    rental as _rental,
)
from stallmark import (
    rights as _rights,
)
from stallmark import (
    rootmeta as _rootmeta,
)
from stallmark import (
    ruleform as _ruleform,
)
from stallmark import (
    rules as _rules,
)
from stallmark import (
    session as _session,
)
from stallmark import (
    spending as _spending,
)
from stallmark import (
    state as _state,
)
from stallmark import (
    token as _token,
)
from stallmark import (
    trust as _trust,
)
from stallmark import (
    truststate as _truststate,
)
from stallmark import (
    values as _values,
)
from stallmark import (
    voucher as _voucher,
)
from stallmark.errors import FormatError, FullError

arms: Any = _arms
base32: Any = _base32
batch: Any = _batch
bundle: Any = _bundle
byperson: Any = _byperson
cbor: Any = _cbor
counter_names: Any = _counter_names
decide: Any = _decide
directive: Any = _directive
event: Any = _event
eventof: Any = _eventof
explain: Any = _explain
expr: Any = _expr
frame: Any = _frame
golden: Any = _golden
keys: Any = _keys
money: Any = _money
people: Any = _people
pulled: Any = _pulled
receipt: Any = _receipt
record: Any = _record
rental: Any = _rental
rights: Any = _rights
rootmeta: Any = _rootmeta
ruleform: Any = _ruleform
rules: Any = _rules
state: Any = _state
token: Any = _token
trust: Any = _trust
truststate: Any = _truststate
values: Any = _values
voucher: Any = _voucher

# Sealed frames on their way at most, and messages that wait behind them (stallmark.session).
WINDOW: int = cast(Any, _session).WINDOW
QUEUE: int = cast(Any, _session).QUEUE

# Slices that a brick holds at a time (stallmark.spending).
SLICES_HELD: int = cast(Any, _spending).MAX_HELD

Fields = dict[int, Any]
Frame = tuple[int, bytes]
Event = tuple[Any, ...]


class FrameReader(Protocol):
    """stallmark.frame.Reader: cuts a byte stream into frames."""

    noise: int
    oversize: int
    unknown_version: int
    frames: int

    def feed(self, data: bytes) -> list[Frame]: ...


class HostLink(Protocol):
    """stallmark.hostlink.HostLink: the host's end of one link."""

    brick8: bytes | None
    refusal: str | None
    handshakes: int
    bad_handshakes: int
    unexpected: int
    strays: int

    @property
    def up(self) -> bool: ...
    @property
    def room(self) -> int: ...
    @property
    def bad_tags(self) -> int: ...
    @property
    def resends(self) -> int: ...
    @property
    def repeats(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def unreadable(self) -> int: ...

    def send(self, kind: int, value: Any, id: int | None = None, now_ms: int = 0) -> int: ...
    def notice(self, code: int, text: str = "", now_ms: int = 0) -> None: ...
    def events(self) -> list[Event]: ...
    def receive(self, type: int, body: bytes, now_ms: int) -> list[Event]: ...
    def poll(self, now_ms: int) -> list[bytes]: ...
    def next_due(self, now_ms: int) -> int: ...


def frame_type(data: bytes) -> int:
    """The type of a complete frame (stallmark.frame.type_of)."""
    return cast(int, frame.type_of(data))


def new_reader() -> FrameReader:
    """A frame reader at the start of a byte stream."""
    return cast(FrameReader, _frame.Reader())


def new_host_link(
    host8: bytes,
    find: Callable[[bytes], dict[int, bytes] | None],
    commit: Callable[[bytes, int, bytes], None],
    drop: Callable[[bytes, int], None],
    make_ecb: Callable[[bytes], Callable[[bytes], bytes]],
    random: Callable[[int], bytes],
    rekey: Callable[[bytes], tuple[int, bytes] | None] | None = None,
    refuse: Callable[[bytes], str | None] | None = None,
) -> HostLink:
    """The host's end of a link; see stallmark.hostlink.HostLink."""
    make: Any = _hostlink.HostLink
    return cast(HostLink, make(host8, find, commit, drop, make_ecb, random, rekey, refuse))


__all__ = [
    "QUEUE",
    "WINDOW",
    "Event",
    "Fields",
    "FormatError",
    "Frame",
    "FrameReader",
    "FullError",
    "HostLink",
    "arms",
    "base32",
    "batch",
    "bundle",
    "byperson",
    "cbor",
    "counter_names",
    "decide",
    "directive",
    "event",
    "eventof",
    "explain",
    "expr",
    "frame",
    "frame_type",
    "golden",
    "keys",
    "money",
    "new_host_link",
    "new_reader",
    "people",
    "pulled",
    "receipt",
    "record",
    "reg",
    "rental",
    "rights",
    "rootmeta",
    "rules",
    "state",
    "token",
    "trust",
    "truststate",
    "values",
    "voucher",
]
