"""config.json and keys.json of a host, typed; what is wrong with them is said in one sentence."""

import base64
import binascii
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from hostagent.errors import ConfigError

T = TypeVar("T")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


@dataclass(frozen=True)
class BrickConfig:
    """One brick of the kit and the serial port (or pseudo-terminal) on which it is expected."""

    brick: bytes
    name: str
    port: Path
    baud: int = 115200


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
    """The host's secrets: nothing here is ever printed or sent."""

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
class Config:
    """What one host agent is told. Paths are absolute; `poll_s`: seconds between looks for news."""

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

    @property
    def keys_file(self) -> Path:
        """Where the secrets lie."""
        return self.folder / "keys.json"


def load(path: Path) -> Config:
    """Reads config.json and the keys.json beside it. Raises ConfigError."""
    folder = path.resolve().parent
    f = _Fields(path.name, _read(path))
    keys = _load_keys(folder / "keys.json")
    controller = f.text("controller").rstrip("/")
    if not controller.startswith(("http://", "https://")):
        raise ConfigError(
            f"{path.name}: controller is {controller!r}, expected an address like http://127.0.0.1:8780"
        )
    bricks = tuple(
        _brick(folder, f"{path.name}: bricks[{n}]", entry) for n, entry in enumerate(f.objects("bricks"))
    )
    if len({brick.brick for brick in bricks}) != len(bricks) or len({brick.port for brick in bricks}) != len(
        bricks
    ):
        raise ConfigError(f"{path.name}: two bricks share one identity or one port")
    clock_file = f.optional("clock_file", f.text)
    stated = f.optional("lane", lambda name: _object(f"{path.name}: {name}", f.values[name]))
    lane = keys.lane
    if (None if lane is None else lane.brick.hex()) != (None if stated is None else stated.get("brick")):
        raise ConfigError(
            f"{path.name}: lane and keys.json: lane name different bricks: both come from one `stallmark kit new`"
        )
    if lane is not None and lane.brick in {brick.brick for brick in bricks}:
        raise ConfigError(f"{path.name}: lane: this identity is already that of a brick on a port")
    return Config(
        folder=folder,
        name=f.text("name"),
        development=bool(f.values.get("development", False)),
        host=f.octets("host", 8),
        kit=f.octets("kit", 8),
        hub=f.octets("hub", 8),
        event=f.octets("event", 8),
        rental=f.integer("rental", 0, 0xFFFFFFFF),
        store=folder / f.text("store"),
        controller=controller,
        public_url=(f.optional("public_url", f.text) or controller).rstrip("/"),
        listen=f.optional("listen", f.text) or "127.0.0.1",
        port=f.integer("port", 0, 65535),
        clock_file=None if clock_file is None else folder / clock_file,
        terms=f.optional("terms", lambda name: f.octets(name, 16)),
        poll_s=f.optional("poll_s", f.seconds) or 5.0,
        bricks=bricks,
        authors=f.optional("authors", lambda name: _quorum(f"{path.name}: {name}", f.values[name])),
        director=f.optional("director", lambda name: _public(f"{path.name}: {name}", f.values[name])),
        keys=keys,
        printer=f.optional("printer", lambda name: _printer(folder, f"{path.name}: {name}", f.values[name]))
        or Printer(),
        till=f.optional("till", lambda name: _till_limits(f"{path.name}: {name}", f.values[name]))
        or TillLimits(),
    )


def forget_links(path: Path) -> None:
    """Takes the provisioning link keys out of keys.json once the store holds them.

    Who finds the file later cannot ratchet forward from them to today's key.
    """
    values = _read(path)
    if values.get("links"):
        values["links"] = []
        temporary = path.with_suffix(".new")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump(values, out, indent=1)
            out.write("\n")
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _load_keys(path: Path) -> Keys:
    f = _Fields(path.name, _read(path))
    mode = path.stat().st_mode & 0o077
    if mode:
        raise ConfigError(f"{path}: others may read these secrets: run chmod 600 {path}")
    links: list[LinkKey] = []
    for n, entry in enumerate(f.objects("links")):
        link = _Fields(f"{path.name}: links[{n}]", entry)
        links.append(
            LinkKey(link.octets("brick", 8), link.integer("epoch", 0, 0xFFFFFFFF), link.octets("key", 32))
        )
    return Keys(
        f.octets("signing_seed", 32),
        f.octets("store_key", 32),
        f.octets("handle_key", 32),
        f.text("api_token"),
        tuple(links),
        f.optional("lane", lambda name: _lane(f"{path.name}: {name}", f.values[name])),
        f.optional("event_key", lambda name: f.octets(name, 32)),
        f.optional("voucher_seed", lambda name: f.octets(name, 32)),
        _tills(path, f),
        _operators(path, f),
    )


def _lane(where: str, value: Any) -> LaneKey:
    f = _Fields(where, _object(where, value))
    return LaneKey(f.octets("brick", 8), f.octets("root", 32), f.octets("only", 32))


def _tills(path: Path, keys: "_Fields") -> tuple[TillKey, ...]:
    tills: list[TillKey] = []
    for n, entry in enumerate(keys.optional("tills", keys.objects) or []):
        f = _Fields(f"{path.name}: tills[{n}]", entry)
        tills.append(
            TillKey(f.text("name"), f.octets("token_sha256", 32), bool(entry.get("names_customers", False)))
        )
    if len({till.name for till in tills}) != len(tills) or len({till.token for till in tills}) != len(tills):
        raise ConfigError(f"{path.name}: tills: two share one name or one token")
    return tuple(tills)


def _operators(path: Path, keys: "_Fields") -> tuple[OperatorKey, ...]:
    people: list[OperatorKey] = []
    for n, entry in enumerate(keys.optional("operators", keys.objects) or []):
        f = _Fields(f"{path.name}: operators[{n}]", entry)
        people.append(OperatorKey(f.text("name"), f.text("pin_scrypt")))
    return tuple(people)


def _printer(folder: Path, where: str, value: Any) -> Printer:
    f = _Fields(where, _object(where, value))
    kind = f.text("kind")
    if kind not in ("none", "usb", "network", "file"):
        raise ConfigError(f"{where}: kind: found {kind!r}, expected none, usb, network or file")
    usb, network = kind == "usb", kind == "network"
    return Printer(
        kind,
        f.integer("vendor", 0, 0xFFFF) if usb else 0,
        f.integer("product", 0, 0xFFFF) if usb else 0,
        f.text("address") if network else "",
        f.optional("port", lambda name: f.integer(name, 1, 65535)) or 9100,
        folder / f.text("path") if kind == "file" else None,
        f.optional("width", lambda name: f.integer(name, 24, 64)) or 42,
    )


def _till_limits(where: str, value: Any) -> TillLimits:
    f = _Fields(where, _object(where, value))
    return TillLimits(
        float(f.optional("per_second", lambda name: f.integer(name, 1, 10_000)) or TillLimits.per_second),
        f.optional("burst", lambda name: f.integer(name, 1, 10_000)) or TillLimits.burst,
    )


def _brick(folder: Path, where: str, entry: dict[str, Any]) -> BrickConfig:
    f = _Fields(where, entry)
    baud = f.optional("baud", lambda name: f.integer(name, 300, 4_000_000)) or 115200
    # The link may be a symbolic name that appears later: it is not resolved here.
    return BrickConfig(
        f.octets("brick", 8), f.text("name"), Path(os.path.normpath(folder / f.text("port"))), baud
    )


def _quorum(where: str, value: Any) -> Quorum:
    f = _Fields(where, _object(where, value))
    keys: dict[bytes, bytes] = {}
    for n, entry in enumerate(f.objects("keys")):
        key = _Fields(f"{where}.keys[{n}]", entry)
        keys[key.octets("kid", 8)] = _public(f"{where}.keys[{n}].public", key.values.get("public"))
    return Quorum(f.integer("threshold", 1, max(1, len(keys))), keys)


def _public(where: str, value: Any) -> bytes:
    """A public key: base64 text, hex text, or an object with `public`."""
    if isinstance(value, dict):
        value = cast(dict[str, Any], value).get("public")
    if not isinstance(value, str):
        raise ConfigError(f"{where}: expected a public key in base64")
    try:
        key = bytes.fromhex(value) if len(value) == 64 else base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != 32:
        raise ConfigError(f"{where}: expected 32 bytes in base64")
    return key


def _read(path: Path) -> dict[str, Any]:
    try:
        value: Any = json.loads(path.read_text())
    except OSError as failed:
        raise ConfigError(f"{path}: {failed.strerror}; `stallmark kit new` makes a kit's folder") from failed
    except ValueError as failed:
        raise ConfigError(f"{path}: not JSON ({failed})") from failed
    return _object(path.name, value)


def _object(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected an object")
    return cast(dict[str, Any], value)


class _Fields:
    """One JSON object being read: what is missing or of another kind is named."""

    def __init__(self, where: str, values: dict[str, Any]) -> None:
        self.where = where
        self.values = values

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        return None if self.values.get(name) is None else read(name)

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{self.where}: {name}: found {value!r}, expected a text")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        value = self.values.get(name)
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(
                f"{self.where}: {name}: found {value!r}, expected a number from {low} to {high}"
            )
        return value

    def seconds(self, name: str) -> float:
        value = self.values.get(name)
        if type(value) not in (int, float) or not 0.01 <= cast(float, value) <= 86400:
            raise ConfigError(f"{self.where}: {name}: found {value!r}, expected seconds from 0.01 to 86400")
        return float(cast(float, value))

    def octets(self, name: str, size: int) -> bytes:
        value = self.values.get(name)
        if not isinstance(value, str) or not _HEX.fullmatch(value) or len(value) != 2 * size:
            # Never the value itself: it may be a secret.
            raise ConfigError(f"{self.where}: {name}: expected {size} bytes as {2 * size} hex digits")
        return bytes.fromhex(value)

    def objects(self, name: str) -> list[dict[str, Any]]:
        value = self.values.get(name)
        if not isinstance(value, list):
            raise ConfigError(f"{self.where}: {name}: expected a list")
        return [
            _object(f"{self.where}: {name}[{n}]", entry) for n, entry in enumerate(cast(list[Any], value))
        ]
