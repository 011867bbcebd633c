"""The controller's configuration: config.json for what may be seen, keys.json (mode 0600) for what may not.

config.json, relative paths from its own folder:
  {"development": bool, "origin": text, "database": path or SQLAlchemy URL, "ledger": path, "address": text,
   "port": int, "public_url": text, "clock_file": path or null, "name": text, "keys": "keys.json",
   "names": [host or host:port, …],                                                   by which hosts know it: docs/enrolment.md
   "kits": [{"kit": hex8, "name": text, "rental": int, "rights": [right …], "forecast": [expected …]}],
   "rights": [right …],                                                               the same for every kit
   "authors": {"threshold": int, "keys": [{"kid": hex8, "public": base64}]}, "witnesses": [vkey …],
   "people": {"origin": text, "proxies": [text]},                                     fleet/people/settings.py, docs/people.md
   "host_os": {…},                                                                    fleet/hostos/settings.py, docs/balena.md
   "rules": "rules", "terms": "terms", "trust": "trust"}                              folders; trust: docs/trust.md
  right: {"rule": id, "unit": 1, "slice": amount of one at most, "count": how many: the budget is slice × count,
          "expires_ms": instant or absent, "life_ms": how long a slice lives, absent: to the end, or a week,
          "reserve_bps": part kept back until three quarters of the rest are spent, 0 where absent,
          "least": the smallest slice that is worth minting, 1 where absent}
  expected: {"brick": hex8, "hour": int, "takers": int, "rule": id, every rule where absent}    docs/rights.md
keys.json:
  {"checkpoint_seed": key, "director_seed": key, "seal_key": key,
   "hosts": [{"host": hex8, "public": key, "name": text, "token_sha256": key, "kit": hex8}],
   "bricks": [{"brick": hex8, "root": hex (R of the rental in a nacl SecretBox), "rental": int, "kit": hex8,
               "first_epoch": int, 0 where absent, "lane": true for a host's own lane}],
   "event_keys": [{"event": hex8, "key": hex (sealed)}],
   "admin_token_sha256": key, of development kits without "people" in config.json only}
A key is 32 bytes as 64 hex characters or as base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from nacl.bindings import crypto_sign_seed_keypair

from fleet.errors import ConfigError
from fleet.hostos import settings as hostos
from fleet.people.settings import People

DEFAULT_PORT = 8780
MOST_RESERVE_BPS = 9000
SLICE_LIFE_MS = 7 * 24 * 3_600_000  # of a slice without an expiry of its own: a market week


@dataclass(frozen=True, slots=True)
class Right:
    """A budget: `amount` × `count` of a unit, in slices of at most `amount`."""

    rule: str
    unit: int
    amount: int
    count: int
    expires_ms: int | None
    life_ms: int | None = None
    reserve_bps: int = 0
    least: int = 1

    @property
    def total(self) -> int:
        """The most that can ever be spent of it."""
        return self.amount * self.count

    def expires(self, now_ms: int) -> int:
        """When a slice that is minted now expires: after its life, and no later than the budget itself."""
        life = now_ms + (self.life_ms or SLICE_LIFE_MS)
        if self.expires_ms is None:
            return life
        return self.expires_ms if self.life_ms is None else min(life, self.expires_ms)


@dataclass(frozen=True, slots=True)
class Expected:
    """So many people are expected to take a rule's bonus at a brick in an hour; hours only order."""

    brick: bytes
    hour: int
    takers: int
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Kit:
    """One kit under this controller."""

    kit: bytes
    name: str
    rental: int
    rights: tuple[Right, ...]
    forecast: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """A host that may deliver batches, and the digest of its bearer token."""

    host: bytes
    public: bytes
    name: str
    token_sha256: bytes  # empty: it signs its requests (docs/enrolment.md)
    kit: bytes
    rental: int | None = None  # that its credential is of; None: of keys.json, whatever the rental

    @property
    def kid(self) -> bytes:
        """Eight bytes: what a COSE header calls the key."""
        return kid8(self.public)


@dataclass(frozen=True, slots=True, repr=False)
class Brick:
    """A brick and the sealed root of the rental that it began with here."""

    brick: bytes
    sealed_root: bytes
    rental: int
    kit: bytes
    first_epoch: int
    lane: bool = False


@dataclass(frozen=True, slots=True)
class Authors:
    """Who signs rulesets: public keys by kid, and how many must."""

    threshold: int
    keys: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What keys.json holds. Never printed."""

    checkpoint_seed: bytes
    director_seed: bytes
    seal_key: bytes
    event_keys: Mapping[bytes, bytes]  # event8 to sealed key

    @property
    def director_public(self) -> bytes:
        """32 bytes."""
        return crypto_sign_seed_keypair(self.director_seed)[0]


MOST_NAMES = 8
_NAME = re.compile(r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the controller is started with."""

    development: bool
    name: str
    origin: str
    database: Path | str
    ledger: Path
    address: str
    port: int
    public_url: str
    clock_file: Path | None
    rules: Path
    terms: Path
    trust: Path
    kits: tuple[Kit, ...]
    authors: Authors
    witnesses: tuple[str, ...]
    hosts: tuple[Host, ...]
    bricks: tuple[Brick, ...]
    secrets: Secrets = field(repr=False)
    people: People = field(default_factory=People)
    alerts: Path = Path("alerts.json")  # where they are sent: fleet/alerts/settings.py
    host_os: hostos.HostOs = field(default_factory=hostos.HostOs)
    names: tuple[str, ...] = ()  # by which hosts know it besides public_url: they sign it (docs/enrolment.md)


def kid8(public: bytes) -> bytes:
    """SHA-256(public key)[:8]."""
    return hashlib.sha256(public).digest()[:8]


def load(path: Path) -> Config:
    """Reads config.json and the key file beside it. Raises ConfigError with the place and the remedy."""
    top = _Reader(path, _json(path))
    folder = path.resolve().parent
    keys_path = folder / top.text("keys", "keys.json")
    _owner_only(keys_path)
    secret = _Reader(keys_path, _json(keys_path))
    shared = tuple(_right(item) for item in top.items("rights"))
    port = top.number("port", DEFAULT_PORT)
    database = top.text("database", "stallmark.db")
    clock = top.text("clock_file", "")
    return Config(
        development=top.flag("development"),
        name=top.text("name", "Stallmark"),
        origin=top.text("origin"),
        database=database if "://" in database else folder / database,
        ledger=folder / top.text("ledger", "ledger"),
        address=top.text("address", "127.0.0.1"),
        port=port,
        public_url=top.text("public_url", f"http://127.0.0.1:{port}").rstrip("/"),
        clock_file=folder / clock if clock else None,
        rules=folder / top.text("rules", "rules"),
        terms=folder / top.text("terms", "terms"),
        trust=folder / top.text("trust", "trust"),
        kits=tuple(_kit(item, shared) for item in top.items("kits")),
        authors=_authors(top.part("authors")),
        witnesses=tuple(top.texts("witnesses")),
        hosts=tuple(_host(item) for item in secret.items("hosts")),
        bricks=tuple(_brick(item) for item in secret.items("bricks")),
        secrets=Secrets(
            secret.key("checkpoint_seed"),
            secret.key("director_seed"),
            secret.key("seal_key"),
            {item.octets("event", 8): item.octets("key") for item in secret.items("event_keys")},
        ),
        people=_people(top, secret),
        alerts=folder / "alerts.json",
        host_os=_host_os(folder, top.part("host_os")),
        names=tuple(_names(top)),
    )


def _host_os(folder: Path, part: _Reader) -> hostos.HostOs:
    token = part.text("token_file", "")
    return hostos.made(
        part.place,
        part.text("provider", hostos.NONE),
        part.text("api", hostos.CLOUD),
        folder / token if token else None,
        part.text("application", ""),
        part.number("deadline_s", hostos.DEADLINE_S),
    )


def _names(top: _Reader) -> list[str]:
    found = [one.lower() for one in top.texts("names")]
    if len(found) > MOST_NAMES or not all(_NAME.fullmatch(one) for one in found):
        raise ConfigError(
            f"{top.place}: 'names' must be at most {MOST_NAMES} of host or host:port, as hosts know this controller"
        )
    return found


def _people(top: _Reader, secret: _Reader) -> People:
    configured = top.has("people")
    open_to_all = top.flag("development") and not configured and secret.has("admin_token_sha256")
    part = top.part("people")
    return People(
        configured,
        part.text("origin", "").rstrip("/"),
        tuple(part.network(one) for one in part.texts("proxies")),
        secret.key("admin_token_sha256") if open_to_all else None,
    )


def _kit(item: _Reader, shared: tuple[Right, ...]) -> Kit:
    own = tuple(_right(right) for right in item.items("rights"))
    forecast = tuple(_expected(cell) for cell in item.items("forecast"))
    return Kit(item.octets("kit", 8), item.text("name", ""), item.number("rental"), own + shared, forecast)


def _right(item: _Reader) -> Right:
    right = Right(
        item.text("rule"),
        item.number("unit"),
        item.number("slice"),
        item.number("count"),
        item.number("expires_ms", 0) or None,
        item.number("life_ms", 0) or None,
        item.number("reserve_bps", 0),
        item.number("least", 1),
    )
    if not right.amount or not right.least:
        raise ConfigError(f"{item.place}: 'slice' and 'least' must be at least 1")
    if right.reserve_bps > MOST_RESERVE_BPS:
        raise ConfigError(f"{item.place}: 'reserve_bps' must be at most {MOST_RESERVE_BPS}")
    return right


def _expected(item: _Reader) -> Expected:
    return Expected(
        item.octets("brick", 8), item.number("hour", 0), item.number("takers"), item.text("rule", "") or None
    )


def _host(item: _Reader) -> Host:
    host = Host(
        item.octets("host", 8),
        item.key("public"),
        item.text("name", ""),
        item.key("token_sha256"),
        item.octets("kit", 8),
    )
    if host.host != host.kid:
        raise ConfigError(f"{item.place}: host must be SHA-256(public)[:8], {host.kid.hex()}")
    return host


def _brick(item: _Reader) -> Brick:
    return Brick(
        item.octets("brick", 8),
        item.octets("root"),
        item.number("rental"),
        item.octets("kit", 8),
        item.number("first_epoch", 0),
        item.flag("lane"),
    )


def _authors(part: _Reader) -> Authors:
    keys = tuple((item.octets("kid", 8), item.key("public")) for item in part.items("keys"))
    for kid, public in keys:
        if kid != kid8(public):
            raise ConfigError(f"{part.place}: kid {kid.hex()} does not belong to its public key")
    return Authors(part.number("threshold", len(keys)), keys)


class _Reader:
    """One JSON object, read with the place of every fault."""

    def __init__(self, place: Path | str, value: Any) -> None:
        self.place = str(place)
        if not isinstance(value, dict):
            raise ConfigError(f"{self.place}: expected a JSON object")
        self._value = cast("dict[str, Any]", value)

    def has(self, name: str) -> bool:
        return self._value.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        value = self._value.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise ConfigError(f"{self.place}: {name!r} must be text")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        value = self._value.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ConfigError(f"{self.place}: {name!r} must be a whole number from 0 on")
        return value

    def flag(self, name: str) -> bool:
        value = self._value.get(name, False)
        if not isinstance(value, bool):
            raise ConfigError(f"{self.place}: {name!r} must be true or false")
        return value

    def octets(self, name: str, size: int | None = None) -> bytes:
        try:
            value = bytes.fromhex(self.text(name))
        except ValueError:
            raise ConfigError(f"{self.place}: {name!r} must be hexadecimal") from None
        if size is not None and len(value) != size:
            raise ConfigError(f"{self.place}: {name!r} must be {size} bytes, {2 * size} hex characters")
        return value

    def key(self, name: str) -> bytes:
        value = self.text(name)
        try:
            key = bytes.fromhex(value) if len(value) == 64 else base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error):
            key = b""
        if len(key) != 32:
            raise ConfigError(f"{self.place}: {name!r} must be 32 bytes, as 64 hex characters or base64")
        return key

    def part(self, name: str) -> _Reader:
        return _Reader(f"{self.place}: {name}", self._value.get(name) or {})

    def items(self, name: str) -> Iterator[_Reader]:
        for number, value in enumerate(self._list(name)):
            yield _Reader(f"{self.place}: {name}[{number}]", value)

    def texts(self, name: str) -> Iterator[str]:
        for value in self._list(name):
            if not isinstance(value, str):
                raise ConfigError(f"{self.place}: {name!r} must be a list of texts")
            yield value

    def network(self, text: str) -> str:
        try:
            return str(ipaddress.ip_network(text))
        except ValueError:
            raise ConfigError(f"{self.place}: {text[:64]!r} is no address and no network") from None

    def _list(self, name: str) -> list[Any]:
        value: Any = self._value.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ConfigError(f"{self.place}: {name!r} must be a list")
        return cast("list[Any]", value)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; `stallmark kit new` makes one") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None


def _owner_only(path: Path) -> None:
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    if mode & 0o077:
        raise ConfigError(f"{path} holds secrets and can be read by others: chmod 600 {path}")
