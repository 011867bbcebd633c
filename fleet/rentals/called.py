"""Bricks and hosts of rentals by their names: in what commands tell, and in the items that people type."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import Connection

from fleet.config import Config
from fleet.rollouts import names

_NUMBER = re.compile(r"(brick |brick:|host |host:|kit )?\b([0-9a-f]{16})\b(?! \()")


def called(connection: Connection, config: Config) -> dict[str, str]:
    """Number in hex → name of kits, bricks and hosts, of those that have one."""
    return {one.host.hex(): one.name for one in config.hosts if one.name} | names.of_all(connection, config)


def told(text: str, known: Mapping[str, str]) -> str:
    """The text with names in front of numbers: "brick-1 (01ea2aec8eb02ce3)"."""

    def word(found: re.Match[str]) -> str:
        name, before = known.get(found[2]), found[1] or ""
        if not name:
            return found[0]
        same = before.endswith(" ") and name.startswith(before.strip())
        return f"{'' if same else before}{name} ({found[2]})"

    return _NUMBER.sub(word, text)


def number(item: str, kit: bytes, connection: Connection, config: Config) -> str:
    """An item by number where it was typed by name: "brick:brick-1" of this kit; others as they are."""
    kind, _, name = item.partition(":")
    mine = {
        "brick": {one.brick.hex() for one in config.bricks if one.kit == kit},
        "host": {one.host.hex() for one in config.hosts if one.kit == kit},
    }.get(kind, set[str]())
    found = [one for one, word in called(connection, config).items() if one in mine and word == name]
    return f"{kind}:{found[0]}" if len(found) == 1 else item
