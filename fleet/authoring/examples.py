"""campaign/2, the examples: who comes when and what must come out, as the vectors of a bundle."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from fleet.authoring import vectors
from fleet.authoring.engine import event, reg
from fleet.authoring.model_base import EVENTS, TRUSTS
from fleet.authoring.reader import Node
from fleet.authoring.schedule import duration, instant

MAX_VECTORS = vectors.MAX_VECTORS
OUTCOMES = {**vectors.OUTCOMES, "ghost": reg.KIND_GHOST, "redeem": reg.KIND_REDEEM}
_GIVEN = {"grant": "granted", "ghost": "control arm", "redeem": "granted"}


def read(
    node: Node, start_ms: int, zone: ZoneInfo | None, rules: list[str], currency: str
) -> list[list[Any]]:
    """Vectors of one example: persons `people[0]` to `people[1]`, one every `every` from `at` on."""
    first, last = (entry.whole(0, 100_000) for entry in node.get("people").items(2, 2))
    if not first <= last < first + MAX_VECTORS:
        raise node.get("people").wrong(f"expected [first, last] of 1 to {MAX_VECTORS} people")
    at = int(instant(node.get("at"), zone, start_ms).timestamp()) * 1000
    every = duration(node.get("every"), 0)
    expected = _expected(node.get("expect"), rules)
    trust = node.get("trust").choice(TRUSTS)
    known = node.get("clock").value == "host"
    about = _about(node, currency)
    out: list[list[Any]] = []
    for step, person in enumerate(range(first, last + 1)):
        happened = event.make(
            type=node.get("on").choice(EVENTS),
            trust=trust,
            subject=None if trust == reg.TRUST_ANONYMOUS else vectors.person8(person),
            wall_ms=at + step * every if known else None,
            quality=reg.QUALITY_HOST if known else reg.QUALITY_UNSET,
            nonce=bytes(8),
            **about,
        )
        out.append([event.to_fields(happened), *expected])
    return out


def _about(node: Node, currency: str) -> dict[str, Any]:
    """What the event brings along."""
    basket, items, tip, signal, reference = (
        node.get(key) for key in ("basket", "items", "tip", "signal", "reference")
    )
    out: dict[str, Any] = {}
    if basket.value is not None:
        out["basket_minor"] = basket.amount(currency)
    if items.value is not None:
        out["items"] = items.value
    if tip.value is not None:
        out["tip_minor"] = tip.amount(currency)
    if reference.value is not None:
        out["reference"] = reference.text(32)
    if signal.value is not None:
        name, value = signal.items(2, 2)
        out["signal"] = [name.text(32), value.whole(-(2**53), 2**53), 0]
    lines = [
        [line.get("item").value, line.get("quantity").value, line.get("money").amount(currency)]
        for line in node.get("lines").items(0, 8)
    ]
    return {**out, "lines": lines} if lines else out


def _expected(node: Node, rules: list[str]) -> tuple[int, int | None, int]:
    outcome = node.get("outcome")
    kind = outcome.choice(OUTCOMES)
    rule, because = node.get("rule"), node.get("because")
    index = None if rule.value is None else rule.choice({name: at for at, name in enumerate(rules)})
    if because.value is None:
        if outcome.value not in _GIVEN:
            raise because.wrong(f"because is missing: one of {', '.join(vectors.REASONS)}")
        return kind, index, vectors.REASONS[_GIVEN[str(outcome.value)]]
    return kind, index, because.choice(vectors.REASONS)


def words(outcome: Any, rules: list[str]) -> str:
    """An outcome (kind, rule index, reason) in words."""
    if outcome is None:
        return "as an event that cannot be read"
    kind, rule, reason = outcome
    name = next((word for word, number in OUTCOMES.items() if number == kind), str(kind))
    because = next((word for word, number in vectors.REASONS.items() if number == reason), str(reason))
    return f"{name} by {'no rule' if rule is None else rules[rule]} ({because})"
