"""The label of a spare: its one-time code as a QR and in letters, for which kit, until when. For its owner alone."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from sqlalchemy import Connection

from fleet.config import Config
from fleet.enrolment import codes, pending
from fleet.enrolment.pending import BRICK, HOST
from fleet.errors import ConfigError


def ready(path: Path) -> None:
    """Asked before a code is made, as it is shown once. Raises ConfigError where no label could be drawn there."""
    from workbench import label
    from workbench.errors import ToolMissing

    try:
        label.ready()
    except ToolMissing as missing:
        raise ConfigError(str(missing)) from None
    if path.suffix.lower() != ".png" or not path.absolute().parent.is_dir():
        raise ConfigError(f"--label {path}: expected the name of a .png in a folder that is there")


def kit_name(connection: Connection, config: Config, kind: str, device: bytes) -> str:
    """Of the kit that a spare is for; its number where it has no name."""
    kit = next((one.kit for one in config.bricks if kind == BRICK and one.brick == device), None)
    if kit is None:
        found = pending.one(connection, HOST, device)
        kit = bytes.fromhex(found["kit"]) if found is not None and found["kit"] else bytes(8)
    return next((one.name for one in config.kits if one.kit == kit and one.name), kit.hex())


def write(path: Path, code: str, kind: str, device: bytes, kit: str, until_ms: int) -> None:
    """Draws it, readable by its owner alone. Raises OSError."""
    from workbench import label

    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    path.chmod(0o600)
    until = dt.datetime.fromtimestamp(until_ms // 1000, dt.UTC).date()
    which = label.short_code(device) if kind == BRICK else device.hex()
    lines = ((code, 72), (f"spare {kind} {which}", 34), (f"for {kit}", 34), (f"counts once, to {until}", 30))
    label.draw_label(path, codes.QR + code.replace("-", ""), lines)
