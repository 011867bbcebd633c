"""Sections of config.json: bricks, authors, printer, limits of tills."""

import os
from pathlib import Path
from typing import Any, cast

from hostagent.config.fields import Fields, json_object, public
from hostagent.config.model import BrickConfig, EndedBrick, Printer, Quorum, TillLimits, TrustSource
from hostagent.errors import ConfigError
from hostagent.window import Window, window


def printer(folder: Path, where: str, value: Any) -> Printer:
    """Where slips are printed. Raises ConfigError."""
    f = Fields(where, json_object(where, value))
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


def trust(folder: Path, where: str, value: Any) -> TrustSource:
    """`{"root": path, "folder": path, "trust" where absent}`. Raises ConfigError."""
    f = Fields(where, json_object(where, value))
    root = folder / f.text("root")
    if not root.is_file():
        raise ConfigError(
            f"{where}: root: {root} is not there; `stallmark fleet keys root --out {root}` writes it"
        )
    return TrustSource(root, folder / (f.optional("folder", f.text) or "trust"))


def updates(where: str, value: Any) -> Window:
    """`{"from": "22:00", "to": "06:00", "zone": "Europe/Berlin"}`. Raises ConfigError."""
    f = Fields(where, json_object(where, value))
    try:
        return window(f.text("from"), f.text("to"), f.optional("zone", f.text) or "")
    except ValueError as wrong:
        raise ConfigError(f"{where}: {wrong}") from None


def till_limits(where: str, value: Any) -> TillLimits:
    """How often a till may ask. Raises ConfigError."""
    f = Fields(where, json_object(where, value))
    return TillLimits(
        float(f.optional("per_second", lambda name: f.integer(name, 1, 10_000)) or TillLimits.per_second),
        f.optional("burst", lambda name: f.integer(name, 1, 10_000)) or TillLimits.burst,
    )


def brick(folder: Path, where: str, entry: dict[str, Any]) -> BrickConfig:
    """One brick and how it is reached. Raises ConfigError."""
    f = Fields(where, entry)
    baud = f.optional("baud", lambda name: f.integer(name, 300, 4_000_000)) or 115200
    links = _links(where, entry.get("links"))
    # The port may be a symbolic name that appears later: it is not resolved here.
    port = Path(os.path.normpath(folder / f.text("port"))) if "serial" in links else None
    return BrickConfig(f.octets("brick", 8), f.text("name"), port, baud, links)


def ended(where: str, entry: dict[str, Any]) -> EndedBrick:
    """A brick that was replaced. Raises ConfigError."""
    f = Fields(where, entry)
    return EndedBrick(
        f.octets("brick", 8),
        f.text("name"),
        f.octets("heir", 8),
        f.integer("at_ms", 0, (1 << 63) - 1),
        f.optional("last_seq", lambda name: f.integer(name, 0, 0xFFFFFFFF)),
    )


def _links(where: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ("serial",)
    links: list[Any] = cast(list[Any], value) if isinstance(value, list) else []
    if not links or len(set(map(str, links))) != len(links) or not set(links) <= {"serial", "ble"}:
        raise ConfigError(
            f'{where}: links: found {value!r}, expected a list of "serial" and "ble", the preferred first'
        )
    return tuple(links)


def quorum(where: str, value: Any) -> Quorum:
    """Public keys by kid8, and how many must have signed. Raises ConfigError."""
    f = Fields(where, json_object(where, value))
    keys: dict[bytes, bytes] = {}
    for n, entry in enumerate(f.objects("keys")):
        key = Fields(f"{where}.keys[{n}]", entry)
        keys[key.octets("kid", 8)] = public(f"{where}.keys[{n}].public", key.values.get("public"))
    return Quorum(f.integer("threshold", 1, max(1, len(keys))), keys)
