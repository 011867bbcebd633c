"""A compiled ruleset in plain words: what is explained is read back from the bytes that bricks decide by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fleet.authoring import conditions, wire
from fleet.authoring import opcodes as expr
from fleet.authoring.engine import explain, money, reg, word
from fleet.authoring.report import NEEDS_RIGHTS, Report, RuleReport

TOKENS = {
    reg.TRUST_ANONYMOUS: "any token, even one that cannot be told from others",
    reg.TRUST_TEXT: "any code or tag that can be told from others",
    reg.TRUST_BARE: "any tag, blank ones too",
    reg.TRUST_ISSUED: "a tag or pass that the hub issued",
}


def ruleset(data: bytes, report: Report) -> list[str]:
    """Paragraphs of a ruleset of version 1: the campaign, then its rules in the order in which they are tried."""
    found = wire.read(data)
    slots = "; ".join(f"{_instant(start)} to {_instant(end)}" for start, end in found[4])
    head = f"{found[8] or found[1]} ({found[1]}, revision {found[2]}): open {slots or 'never'}."
    out = [head, "Rules are tried in this order; the first that grants wins."]
    for number, (one, said) in enumerate(zip(found[5], report.rules, strict=True), 1):
        out.append(f"{number}. {rule(one, said, found[3])}")
    return out


def rule(one: dict[int, Any], said: RuleReport, currency: str) -> str:
    """One rule (its wire form) in sentences."""
    name, events, trust, _, when, latch, grants, _, limit, policy = (one[key] for key in range(10))
    gives = " and ".join(explain.grant(kind, size, minor, currency) for kind, size, minor in grants)
    on = " or ".join(word(reg.EVENT_NAMES, event) for event in events)
    parts = [f"{name} gives {gives}, on {on}"]
    if when[0] != expr.ALWAYS:
        lasting = ", and from then on to the end of the slot" if latch else ""
        parts.append(f"when {conditions.words(when, currency)}{lasting}")
    often = "as often as wanted" if not limit else "once" if limit == 1 else f"{limit} times"
    parts.append(f"{often} for each person in each slot")
    token = TOKENS.get(trust, f"a token of class {word(reg.TRUST_NAMES, trust)} or better")
    text = f"{', '.join(parts)}. It takes {token}."
    if conditions.people_needed(when):
        counted = TOKENS.get(one[12], word(reg.TRUST_NAMES, one[12]))
        text += f" Only who comes with {counted} counts as a person."
    refuses = "refuses" if policy == reg.KIND_DENY else "says: ask at the stall"
    text += f" When something is not known, the brick {refuses}."
    return f"{text} Offline: {offline(said, currency)}."


def offline(said: RuleReport, currency: str) -> str:
    """Class and worst case of a rule in words."""
    if said.offline != NEEDS_RIGHTS:
        return said.offline
    most: list[str] = []
    if said.minor:
        most.append(money.text(said.minor, currency))
    if said.pieces:
        most.append("1 piece" if said.pieces == 1 else f"{said.pieces} pieces")
    return f"{NEEDS_RIGHTS}; it can never cost more than {' and '.join(most)}"


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
