"""keys.json: the host's secrets, and taking out of it what the store holds now."""

import contextlib
import fcntl
import json
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from hostagent import durable
from hostagent.config.fields import Fields, json_object, read
from hostagent.config.model import Keys, LaneKey, LinkKey, OperatorKey, TillKey
from hostagent.errors import ConfigError


def load_keys(path: Path) -> Keys:
    """The secrets. Raises ConfigError, also where others may read the file."""
    f = Fields(path.name, read(path))
    mode = path.stat().st_mode & 0o077
    if mode:
        raise ConfigError(f"{path}: others may read these secrets: run chmod 600 {path}")
    links: list[LinkKey] = []
    for n, entry in enumerate(f.objects("links")):
        link = Fields(f"{path.name}: links[{n}]", entry)
        links.append(
            LinkKey(link.octets("brick", 8), link.integer("epoch", 0, 0xFFFFFFFF), link.octets("key", 32))
        )
    return Keys(
        f.octets("signing_seed", 32),
        f.octets("store_key", 32),
        f.octets("handle_key", 32),
        f.optional("api_token", f.text) or "",
        tuple(links),
        f.optional("lane", lambda name: _lane(f"{path.name}: {name}", f.values[name])),
        f.optional("event_key", lambda name: f.octets(name, 32)),
        f.optional("voucher_seed", lambda name: f.octets(name, 32)),
        _tills(path, f),
        _operators(path, f),
    )


def _lane(where: str, value: Any) -> LaneKey:
    f = Fields(where, json_object(where, value))
    return LaneKey(f.octets("brick", 8), f.octets("root", 32), f.octets("only", 32))


def _tills(path: Path, keys: Fields) -> tuple[TillKey, ...]:
    tills: list[TillKey] = []
    for n, entry in enumerate(keys.optional("tills", keys.objects) or []):
        f = Fields(f"{path.name}: tills[{n}]", entry)
        tills.append(
            TillKey(f.text("name"), f.octets("token_sha256", 32), bool(entry.get("names_customers", False)))
        )
    if len({till.name for till in tills}) != len(tills) or len({till.token for till in tills}) != len(tills):
        raise ConfigError(f"{path.name}: tills: two share one name or one token")
    return tuple(tills)


def _operators(path: Path, keys: Fields) -> tuple[OperatorKey, ...]:
    people: list[OperatorKey] = []
    for n, entry in enumerate(keys.optional("operators", keys.objects) or []):
        f = Fields(f"{path.name}: operators[{n}]", entry)
        people.append(OperatorKey(f.text("name"), f.text("pin_scrypt")))
    return tuple(people)


@contextlib.contextmanager
def keys_alone(path: Path) -> Generator[None]:
    """Nobody else changes keys.json meanwhile: the host forgets link keys in it, commands add some. Raises OSError."""
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def forget_links(path: Path, taken: Iterable[LinkKey]) -> None:
    """Takes provisioning link keys out of keys.json once the store holds them; one that came meanwhile stays.

    Who finds the file later cannot ratchet forward from them to today's key.
    """
    with keys_alone(path):
        _forget(path, {(link.brick.hex(), link.epoch) for link in taken})


def _forget(path: Path, taken: set[tuple[str, int]]) -> None:
    values = read(path)
    held: list[dict[str, Any]] = values.get("links") or []
    left = [link for link in held if (link["brick"].lower(), link["epoch"]) not in taken]
    if len(left) != len(held):
        values["links"] = left
        durable.write(path, (json.dumps(values, indent=1) + "\n").encode())
