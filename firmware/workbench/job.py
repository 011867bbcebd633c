"""What a bench is given for one kit and one rental, as a file: whom its bricks trust, and how to reach the controller.

`stallmark fleet bench` writes it. It holds the event key and the bench's credential: mode 0600, and gone with the rental.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from workbench.errors import BenchError
from workbench.provision import Rental
from workbench.selftest import Fixture

FORMAT = 1


@dataclass(frozen=True, repr=False)
class Job:
    """One kit's worth of bricks. `sealing`: the controller's X25519 key that roots are sealed to, 32 bytes."""

    rental: Rental
    kit_name: str
    controller: str
    token: str
    sealing: bytes
    fixture: Fixture
    development: bool = False


def load(path: Path) -> Job:
    """Raises BenchError with the place and the remedy."""
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise BenchError(f"{path} can be read by others and holds secrets: chmod 600 {path}")
        value = json.loads(path.read_text())
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}; `stallmark fleet bench` writes this file") from error
    except ValueError as error:
        raise BenchError(f"{path} is no JSON: {error}") from error
    try:
        return _job(cast("dict[str, Any]", value))
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(
            f"{path} is no bench file of format {FORMAT}: {error!r}; have it written again"
        ) from error


def _job(value: dict[str, Any]) -> Job:
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']}")
    fixture = value.get("fixture") or {}
    tag = fixture.get("tag")
    rental = Rental(
        int(value["rental"]),
        bytes.fromhex(value["event_key"]),
        bytes.fromhex(value["event"]),
        [(bytes.fromhex(kid), bytes.fromhex(public)) for kid, public in value["authors"]],
        int(value["threshold"]),
        bytes.fromhex(value["kit"]),
        bytes.fromhex(value["hub"]),
        bytes.fromhex(value["director"]),
        bytes.fromhex(value["host"]),
        str(value["currency"]),
        bytes.fromhex(value["first_root"]) if value.get("first_root") else None,
    )
    return Job(
        rental,
        str(value["kit_name"]),
        str(value["controller"]).rstrip("/"),
        str(value["token"]),
        bytes.fromhex(value["sealing"]),
        Fixture(
            None if tag is None else bytes.fromhex(tag), fixture.get("code"), float(fixture.get("seconds", 0))
        ),
        bool(value.get("development", False)),
    )
