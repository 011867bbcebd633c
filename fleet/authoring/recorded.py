"""Recorded streams of events: JSON Lines, or compact CBOR; read by kit, in place. docs/rule-library.md"""

from __future__ import annotations

import json
import mmap
import re
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from stallmark.errors import StallmarkError

from fleet.authoring.engine import FormatError, cbor, event, reg

FORMAT = "stallmark-events/1"
MAGIC = FORMAT.encode() + b"\n"  # of a compact stream
EVENTS = {name: number for number, name in reg.EVENT_NAMES}
TRUSTS = {name: number for number, name in reg.TRUST_NAMES}
LANE = "lane"  # a brick of this name is its kit's gateway lane
MAX_KITS = 100_000  # of one replay: the index of a kit takes about 400 bytes
TOLD_EVERY = 20_000  # events between two reports of progress
_KIT = re.compile(rb'(?<!\\)"kit":\s*"((?:[^"\\]|\\.)*)"')
_NAMES = (
    "wall_ms",
    "uptime_ms",
    "quality",
    "spread_ms",
    "basket_minor",
    "items",
    "tip_minor",
    "lines",
    "signal",
)
_PLAIN = frozenset((*_NAMES, "reference", "boot", "seq", "token_counter"))
_BYTES = frozenset(("subject", "nonce", "staff", "source"))


class StreamError(StallmarkError):
    """A recorded stream that cannot be read; the message says where and what was expected."""


class Source(NamedTuple):
    """Where an event was seen."""

    hub: str
    kit: str
    brick: str


@dataclass(slots=True)
class Index:
    """Where each kit's events stand in a stream."""

    path: Path
    compact: bool
    start_ms: int | None = None  # the market's start, where the stream says it
    sources: list[Source] = field(default_factory=list[Source])  # of a compact stream
    kits: dict[str, array[int]] = field(
        default_factory=dict[str, "array[int]"]
    )  # start, end, start, end … in bytes
    counts: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def count(self) -> int:
        """Events in all."""
        return sum(self.counts.values())

    def add(self, kit: str, start: int, end: int) -> None:
        """One event more; runs of one kit's events are one."""
        runs = self.kits.get(kit)
        if runs is None:
            if len(self.kits) == MAX_KITS:
                raise StreamError(
                    f"{self.path}: more than {MAX_KITS:,} kits: replay parts of it, each with some kits"
                )
            runs = self.kits[kit] = array("Q")
            self.counts[kit] = 0
        if runs and runs[-1] == start:
            runs[-1] = end
        else:
            runs.extend((start, end))
        self.counts[kit] += 1


def index(path: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Index:
    """Reads a stream once and notes where the events of each kit are; `progress` hears (bytes done, of).

    Memory: 16 bytes for each run of events of one kit. Raises StreamError."""
    with opened(path) as data:
        if data[: len(MAGIC)] == MAGIC:
            return _index_compact(path, data, progress)
        return _index_lines(path, data, progress)


@contextmanager
def opened(path: Path) -> Generator[mmap.mmap | bytes]:
    """The bytes of a stream, read by the operating system as they are wanted. Raises StreamError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise StreamError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


# --- JSON Lines


def _index_lines(path: Path, data: Any, progress: Callable[[int, int], None]) -> Index:
    found = Index(path, compact=False)
    at = number = 0
    total = len(data)
    names: dict[bytes, str] = {}
    while at < total:
        end = data.find(b"\n", at)
        end = total if end < 0 else end + 1
        line = bytes(data[at:end])
        number += 1
        if line.strip():
            named = _KIT.findall(line)
            if number == 1 and b'"format"' in line and not named:
                found.start_ms = _head(line)
            elif len(named) == 1:
                if named[0] not in names:
                    names[named[0]] = json.loads(b'"' + named[0] + b'"')
                found.add(names[named[0]], at, end)
            else:
                found.add(_kit(line, number, path), at, end)
        at = end
        if not number % TOLD_EVERY:
            progress(at, total)
    progress(total, total)
    return found


def _kit(line: bytes, number: int, path: Path) -> str:
    """The kit of a line in which the quick look found none, or more than one."""
    try:
        value: Any = json.loads(line)
        kit: Any = value.get("kit", "kit")
    except (ValueError, AttributeError, RecursionError):
        raise StreamError(f"{path}, line {number}: expected one JSON object with an event") from None
    if not isinstance(kit, str):
        raise StreamError(f"{path}, line {number}: kit is {kit!r}, expected a text")
    return kit


def _head(line: bytes) -> int | None:
    value: Any = json.loads(line)
    if value.get("format") != FORMAT:
        raise StreamError(f"a stream of format {value.get('format')!r}: expected {FORMAT}")
    return cast("int | None", value.get("start_ms"))


def from_line(line: bytes, number: int = 0) -> tuple[Source, Any]:
    """Source and Event of a JSON line: the names of docs/formats/event.md; bytes as hex, types and trust as numbers or
    as their names in the registry. Raises StreamError."""
    try:
        value: dict[str, Any] = json.loads(line)
        return _event(value, number)
    except (ValueError, TypeError, AttributeError, KeyError, FormatError) as error:
        raise StreamError(
            f"an event that cannot be read ({error}): {line[:120].decode(errors='replace')}"
        ) from None


def _event(value: dict[str, Any], number: int) -> tuple[Source, Any]:
    given: dict[str, Any] = {}
    hub, kit, brick = "hub", "kit", "brick"
    for name, found in value.items():
        if found is None:
            continue
        if name in _PLAIN:
            given[name] = found
        elif name in _BYTES:
            given[name] = bytes.fromhex(found)
        elif name == "type":
            given[name] = EVENTS[found] if isinstance(found, str) else found
        elif name == "trust":
            given[name] = TRUSTS[found] if isinstance(found, str) else found
        elif name == "hub":
            hub = found
        elif name == "kit":
            kit = found
        elif name == "brick":
            brick = found
        else:
            raise ValueError(f"{name} is no member of an event")
    if "wall_ms" in given:
        given.setdefault("quality", reg.QUALITY_HOST)
    given.setdefault("nonce", (number & (1 << 64) - 1).to_bytes(8, "big"))
    made = event.make(**given)
    event.from_fields(event.to_fields(made))
    return Source(hub, kit, brick), made


def to_line(source: Source, e: Any) -> str:
    """The JSON line of an event."""
    value: dict[str, Any] = {"hub": source.hub, "kit": source.kit, "brick": source.brick}
    for name, found in zip(e._fields, e, strict=True):
        if found is not None and name != "nonce":
            value[name] = found.hex() if isinstance(found, bytes) else found
    return json.dumps(value, separators=(",", ":"))


# --- compact


def _index_compact(path: Path, data: Any, progress: Callable[[int, int], None]) -> Index:
    at = len(MAGIC)
    try:
        size = int.from_bytes(data[at : at + 4], "big")
        start_ms, sources = cbor.decode(bytes(data[at + 4 : at + 4 + size]), 4, 1 << 20)
        found = Index(path, True, start_ms, [Source(*one) for one in sources])
    except (FormatError, TypeError, ValueError) as error:
        raise StreamError(f"{path}: the head of the stream cannot be read: {error}") from None
    at += 4 + size
    kits = [source.kit for source in found.sources]
    total = len(data)
    number = 0
    while at < total:
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        which = int.from_bytes(data[at : at + 2], "big")
        if end > total or which >= len(kits):
            raise StreamError(f"{path}: event {number + 1}, at byte {at}, is cut off or of an unknown source")
        found.add(kits[which], at, end)
        at = end
        number += 1
        if not number % TOLD_EVERY:
            progress(at, total)
    progress(total, total)
    return found


def head(start_ms: int | None, sources: Iterable[Source]) -> bytes:
    """The head of a compact stream: format name, line end, u32 length, CBOR `[start ms or null, [[hub, kit, brick] …]]`."""
    made: bytes = cbor.encode([start_ms, [list(source) for source in sources]])
    return MAGIC + len(made).to_bytes(4, "big") + made


def to_compact(which: int, e: Any) -> bytes:
    """An event of source number `which`: u16 source, u16 length, event in CBOR."""
    data: bytes = event.encode(e)
    return which.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


# --- reading one kit


def events_of(found: Index, kit: str, data: Any) -> Iterator[tuple[Source, Any]]:
    """The events of a kit in the order of the stream. Raises StreamError."""
    runs = found.kits[kit]
    number = 0
    for start, end in zip(runs[::2], runs[1::2], strict=True):
        at = start
        while at < end:
            number += 1
            if found.compact:
                last = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
                source = found.sources[int.from_bytes(data[at : at + 2], "big")]
                try:
                    yield source, event.decode(data[at + 4 : last])
                except FormatError as error:
                    raise StreamError(
                        f"{found.path}: the event at byte {at} cannot be read: {error}"
                    ) from None
            else:
                last = data.find(b"\n", at, end) + 1 or end
                yield from_line(data[at:last], number)
            at = last


def write(
    path: Path, start_ms: int | None, sources: list[Source], events: Iterable[tuple[int, Any]], compact: bool
) -> int:
    """Writes a stream; `events` are (source number, Event). The count. Raises OSError."""
    count = 0
    with path.open("wb") as file:
        if compact:
            file.write(head(start_ms, sources))
        else:
            file.write(json.dumps({"format": FORMAT, "start_ms": start_ms}).encode() + b"\n")
        for which, one in events:
            _put(file, compact, which, sources, one)
            count += 1
    return count


def _put(file: IO[bytes], compact: bool, which: int, sources: list[Source], one: Any) -> None:
    file.write(to_compact(which, one) if compact else to_line(sources[which], one).encode() + b"\n")
