"""campaign/2, what a rule says beside its decision: messages, tax, funder, odds."""

from __future__ import annotations

import re
from typing import Any

from fleet.authoring.given import basis_points
from fleet.authoring.reader import Node

PLACEHOLDERS = ("missing", "have", "need", "amount", "percent", "minutes", "what")
_HOLDER = re.compile(r"\{([^{}]*)\}")


def messages(node: Node, languages: list[str]) -> list[list[str | None]]:
    """Field 10: granted, denied, near in each language."""
    for language, texts in node.members(64):
        if language not in languages:
            raise texts.wrong(f'found the language "{language}": write it into languages too')
    out: list[list[str | None]] = []
    for language in languages:
        if not node.has(language):
            out.append([None, None, None])
            continue
        row: list[str | None] = []
        for name in ("granted", "denied", "near"):
            part = node.get(language).get(name)
            row.append(None if part.value is None else part.text(160))
            for holder in _HOLDER.findall(row[-1] or ""):
                if holder not in PLACEHOLDERS:
                    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                    raise part.wrong(f"found {{{holder}}}: expected one of {known}")
        out.append(row)
    return out


def once(node: Node, most: int) -> list[Node]:
    """The entries of a list, none twice."""
    entries = node.items(1, most)
    for at, entry in enumerate(entries):
        if entry.value in [other.value for other in entries[:at]]:
            raise entry.wrong(f'"{entry.value}" stands twice: leave one out')
    return entries


def tax(node: Node) -> list[Any] | None:
    """Field 16: code and rate."""
    if node.value is None:
        return None
    rate = node.get("rate")
    return [node.get("code").text(12), None if rate.value is None else _share(rate)]


def funder(node: Node) -> list[Any] | None:
    """Field 17: party and reimbursed share."""
    if node.value is None:
        return None
    part = node.get("reimbursed")
    return [node.get("party").text(24), 0 if part.value is None else _share(part)]


def _share(node: Node) -> int:
    bps = basis_points(node)
    if bps > 10_000:
        raise node.wrong(f'found "{node.value}": expected at most 100 percent')
    return bps


def odds(node: Node) -> list[int] | None:
    """Field 19: n in of."""
    if node.value is None:
        return None
    first, _, of = str(node.value).partition(" in ")
    if int(first) > int(of):
        raise node.wrong(f'found "{node.value}": expected no more than 1 in 1')
    return [int(first), int(of)]
