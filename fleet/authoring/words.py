"""A compiled ruleset in plain words: what is explained is read back from the bytes that bricks decide by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fleet.authoring import conditions
from fleet.authoring.engine import explain, expr, money, reg, rules, word
from fleet.authoring.report import NEEDS_RIGHTS, Report, RuleReport

_TOKENS = {
    reg.TRUST_ANONYMOUS: "any token, even one that cannot be told from others",
    reg.TRUST_TEXT: "any code or tag that can be told from others",
    reg.TRUST_BARE: "any tag, blank ones too",
    reg.TRUST_ISSUED: "a tag or pass that the hub issued",
}


def ruleset(data: bytes, report: Report) -> list[str]:
    """Paragraphs: the campaign, then its rules in the order in which they are tried."""
    found = rules.Ruleset(data)
    slots = "; ".join(f"{_instant(start)} to {_instant(end)}" for start, end in found.slots)
    head = f"{found.market or found.id} ({found.id}, revision {found.rev}): open {slots or 'never'}."
    out = [head, "Rules are tried in this order; the first that grants wins."]
    for number, (one, said) in enumerate(zip(found.rules, report.rules, strict=True), 1):
        out.append(f"{number}. {rule(one, said, found)}")
    return out


def rule(one: Any, said: RuleReport, found: Any) -> str:
    """One rule (stallmark.rules.Rule) in sentences."""
    currency: str = found.currency
    gives = " and ".join(explain.grant(kind, size, minor, currency) for kind, size, minor in one.grants)
    events = " or ".join(word(reg.EVENT_NAMES, event) for event in one.events)
    parts = [f"{one.id} gives {gives}, on {events}"]
    if one.when[0] != expr.ALWAYS:
        lasting = ", and from then on to the end of the slot" if one.latch else ""
        parts.append(f"when {conditions.words(one.when, currency)}{lasting}")
    limit = "as often as wanted" if not one.limit else "once" if one.limit == 1 else f"{one.limit} times"
    parts.append(f"{limit} for each person in each slot")
    token = _TOKENS.get(one.trust, f"a token of class {word(reg.TRUST_NAMES, one.trust)} or better")
    text = f"{', '.join(parts)}. It takes {token}."
    if conditions.people_needed(one.when):
        counted = _TOKENS.get(one.people_trust, word(reg.TRUST_NAMES, one.people_trust))
        text += f" Only who comes with {counted} counts as a person."
    policy = "refuses" if one.policy == reg.KIND_DENY else "says: ask at the stall"
    text += f" When something is not known, the brick {policy}."
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
