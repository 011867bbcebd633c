"""Kits and bricks by their names where a rollout tells of them: its log knows their numbers alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from fleet.config import Config
from fleet.desired import rows

_NUMBER = re.compile(r"(brick )?\b([0-9a-f]{16})\b")


def of_all(connection: Connection, config: Config) -> dict[str, str]:
    """Number in hex → name: kits as they are configured, bricks as their hosts call them."""
    found: dict[str, str] = {}
    for row in rows.reports(connection).values():
        bricks: list[dict[str, Any]] = json.loads(row.body).get("bricks", [])
        found |= {one["brick"]: one["name"] for one in bricks if one.get("name")}
    return found | {one.kit.hex(): one.name for one in config.kits}


def named(text: str, names: Mapping[str, str]) -> str:
    """The text with names in the place of numbers that have one."""

    def word(found: re.Match[str]) -> str:
        name = names.get(found[2])
        # "brick brick-2" is said once.
        return found[0] if name is None else name if name.startswith("brick") else f"{found[1] or ''}{name}"

    return _NUMBER.sub(word, text) if names else text
