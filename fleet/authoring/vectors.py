"""A campaign's golden examples: who taps when and what must come out, as the vectors of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from fleet.authoring.engine import event, golden, reg
from fleet.authoring.reader import Node

MAX_VECTORS: int = golden.MAX_VECTORS
OUTCOMES = {"grant": reg.KIND_GRANT, "deny": reg.KIND_DENY, "uncertain": reg.KIND_UNCERTAIN}
REASONS = {name: number for number, name in reg.REASON_NAMES}
_EVENTS = {name: number for number, name in reg.EVENT_NAMES if number}
_TRUSTS = {name: number for number, name in reg.TRUST_NAMES}


def person8(number: int) -> bytes:
    """The pseudonym of a made-up person."""
    return sha256(b"stallmark/golden/1\0" + number.to_bytes(4, "big")).digest()[:8]


def read(node: Node, start_ms: int, rules: list[str], currency: str) -> list[list[Any]]:
    """Vectors of one example.

    {"at": "PT1M", "people": [1, 20], "every": "PT1M", "on": "NFC tap", "trust": "issued", "basket": "5.00",
    "clock": "host" or "unset", "expect": {"outcome": "grant", "rule": id, "because": reason}}"""
    node.keys("at", "people", "every", "on", "trust", "basket", "clock", "expect", "note")
    first, last = (entry.whole(0, 1000) for entry in node.get("people").items(2, 2))
    if not first <= last < first + MAX_VECTORS:
        raise node.get("people").wrong(f"expected [first, last] of 1 to {MAX_VECTORS} people")
    at = node.get("at").instant(start_ms)
    every = node.get("every", "PT1S").duration()
    kind, rule, reason = _expected(node.get("expect"), rules)
    trust = node.get("trust", "issued").choice(_TRUSTS)
    known = node.get("clock", "host").choice({"host": 1, "unset": 0})
    basket = node.get("basket", None)
    out: list[list[Any]] = []
    for step, person in enumerate(range(first, last + 1)):
        happened = event.make(
            type=node.get("on", "NFC tap").choice(_EVENTS),
            trust=trust,
            subject=None if trust == reg.TRUST_ANONYMOUS else person8(person),
            wall_ms=at + step * every if known else None,
            quality=reg.QUALITY_HOST if known else reg.QUALITY_UNSET,
            nonce=bytes(8),
            basket_minor=None if basket.value is None else basket.amount(currency),
        )
        out.append([event.to_fields(happened), kind, rule, reason])
    return out


def _expected(node: Node, rules: list[str]) -> tuple[int, int | None, int]:
    node.keys("outcome", "rule", "because")
    kind = node.get("outcome").choice(OUTCOMES)
    rule = node.get("rule", None)
    index = None if rule.value is None else rule.choice({name: at for at, name in enumerate(rules)})
    because = node.get("because", "granted" if kind == reg.KIND_GRANT else None)
    return kind, index, because.choice(REASONS)


def words(outcome: Sequence[Any] | None, rules: list[str]) -> str:
    """An outcome (kind, rule index, reason) in words: "grant by welcome-sample (granted)"."""
    if outcome is None:
        return "as an event that cannot be read"
    kind, rule, reason = outcome
    name = next((word for word, number in OUTCOMES.items() if number == kind), str(kind))
    because = next((word for word, number in REASONS.items() if number == reason), str(reason))
    return f"{name} by {'no rule' if rule is None else rules[rule]} ({because})"
