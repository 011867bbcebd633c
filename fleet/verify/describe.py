"""What a receipt says, in words: for the terminal and for the receipt page. Pure; no rules needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stallmark import explain, receipt, registry

# ISO 4217 currencies whose minor unit is not a hundredth.
_DECIMALS = {"BHD": 3, "CLP": 0, "ISK": 0, "JPY": 0, "JOD": 3, "KRW": 0, "KWD": 3, "OMR": 3, "TND": 3, "VND": 0}

_BASIS = {
    registry.BASIS_BRICK: "by the brick's own clock",
    registry.BASIS_UPTIME: "by the host's clock and the brick's running time",
    registry.BASIS_RECEIVED: "when the host received it: the brick had no clock",
}
_QUALITY = {
    registry.QUALITY_UNSET: "not set",
    registry.QUALITY_HELD: "kept over a restart",
    registry.QUALITY_HOST: "set by its host",
    registry.QUALITY_CONTROLLER: "signed by the controller",
}
_TRUST = {
    registry.TRUST_ANONYMOUS: "anonymous: it cannot be told from others",
    registry.TRUST_TEXT: "a text that anybody can print",
    registry.TRUST_BARE: "a bare tag number",
    registry.TRUST_ISSUED: "issued by the hub",
    registry.TRUST_VOUCHER: "a signed voucher",
    registry.TRUST_SDM: "a tag that proves itself at every tap",
    registry.TRUST_LIVE: "a tag that answered a challenge",
    registry.TRUST_STAFF: "named by staff",
}
_FLAGS = (
    (registry.FLAG_TRAINING, "training", "Training: made for practice, worth nothing."),
    (registry.FLAG_GATEWAY, "host", "Decided by the host itself, not by a brick."),
    (registry.FLAG_STALE, "stale", "Decided on data older than the rule would like."),
    (registry.FLAG_SHADOW, "shadow", "A trial of a rule in the background: nothing was given."),
)
DECISIONS = (registry.KIND_GRANT, registry.KIND_DENY, registry.KIND_GHOST, registry.KIND_UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Description:
    """The words. Instants are ms since 1970 UTC; digests are hex."""

    kind: str
    outcome: str  # "granted", "nothing this time", "ask at the stall", or "" for what is not a decision
    headline: str
    sentence: str
    grants: tuple[str, ...]
    money: str | None  # the sum of amounts known at the time of the tap
    near: tuple[int, int] | None  # (have, need)
    notes: tuple[str, ...]  # what to know about it: training, stale data …
    event: str
    trust: str
    at_ms: int
    basis: str
    clock: str
    window_ms: int  # start of the five-minute window that it counts in
    terms: str | None
    ruleset: str | None
    rule: int | None
    brick: str
    seq: int
    epoch: int
    host: str
    host_seq: int
    hub: str
    rental: int
    reference: int | None


def money(minor: int, currency: str | None) -> str:
    """`minor` units with their currency: "1.50 EUR"."""
    places = _DECIMALS.get(currency or "", 2)
    sign, digits = "-" if minor < 0 else "", str(abs(minor)).rjust(places + 1, "0")
    amount = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"{sign}{amount} {currency}" if currency else f"{sign}{amount}"


def percent(bps: int) -> str:
    """Basis points as people write them: "15 %", "2.5 %"."""
    whole, rest = divmod(bps, 100)
    return f"{whole}.{rest:02d}".rstrip("0") + " %" if rest else f"{whole} %"


def grant(entry: list[Any], currency: str | None) -> str:
    """One grant `[type, bps or quantity, minor]` in words."""
    kind, amount, minor = entry
    count = amount or 0
    cash = money(minor, currency) if minor else ""
    worth = f" ({cash})" if cash else ""
    words = {
        registry.GRANT_PERCENT_NOW: f"{percent(count)} off, now{worth}",
        registry.GRANT_FIXED_NOW: f"{cash} off, now",
        registry.GRANT_PERCENT_NEXT: f"{percent(count)} off the next visit{worth}",
        registry.GRANT_FIXED_NEXT: f"{cash} off the next visit",
        registry.GRANT_SAMPLE: "a free sample" if count <= 1 else f"{count} free samples",
        registry.GRANT_UPGRADE: "an upgrade",
        registry.GRANT_TIP_MATCH: f"the tip is matched{worth}",
        registry.GRANT_TOKENS: "1 loyalty token" if count == 1 else f"{count} loyalty tokens",
        registry.GRANT_VOUCHER: "a voucher" if count <= 1 else f"{count} vouchers",
        registry.GRANT_UNLOCK: "something unlocked",
        registry.GRANT_DONATION: f"a donation{worth}",
        registry.GRANT_SPLIT: f"a share for others{worth}",
    }
    return words.get(kind, registry.name(registry.GRANT_NAMES, kind))


def _headline(kind: int, outcome: str, grants: tuple[str, ...]) -> str:
    if kind == registry.KIND_GRANT and grants:
        text = " and ".join(grants)
        return text[0].upper() + text[1:]
    if outcome:
        return outcome[0].upper() + outcome[1:]
    return registry.name(registry.KIND_NAMES, kind).capitalize()


def describe(fields: dict[int, Any], record: dict[int, Any], ruleset: Any = None) -> Description:
    """The words for a receipt's payload fields and its record's public map, both checked already."""
    kind: int = record[10]
    decision = kind in DECISIONS
    currency: str | None = record.get(23)
    granted: list[list[Any]] = record.get(12) or []
    grants = tuple(grant(entry, currency) for entry in granted)
    total = sum(entry[2] or 0 for entry in granted)
    why: list[int | None] = [*(record.get(14) or []), *[None] * 8]
    near = (why[4], why[5]) if why[7] and why[4] is not None and why[5] is not None else None
    outcome = explain.outcome(kind) if decision else ""
    event = record.get(11)
    basis = fields[8]
    at_ms = _instant(fields, record)
    return Description(
        kind=registry.name(registry.KIND_NAMES, kind),
        outcome=outcome,
        headline=_headline(kind, outcome, grants),
        sentence=explain.sentence(record, ruleset),
        grants=grants,
        money=money(total, currency) if total else None,
        near=near,
        notes=tuple(text for flag, _, text in _FLAGS if record[0] & flag),
        event=registry.name(registry.EVENT_NAMES, event // 16) if event else "",
        trust=_TRUST.get(event % 16, "of a kind newer than this program") if event else "",
        at_ms=at_ms,
        basis=_BASIS.get(basis, "by a clock newer than this program"),
        clock=_QUALITY.get(record[7][0], "of a kind newer than this program"),
        window_ms=fields[7] * receipt.WINDOW_MS,
        terms=fields[10].hex() if 10 in fields else None,
        ruleset=fields[9].hex() if 9 in fields else None,
        rule=record.get(9),
        brick=record[1].hex(),
        seq=record[2],
        epoch=record[3],
        host=fields[3].hex(),
        host_seq=fields[4],
        hub=fields[16].hex(),
        rental=fields[15],
        reference=record.get(20),
    )


def _instant(fields: dict[int, Any], record: dict[int, Any]) -> int:
    """The best time that the receipt states: the brick's own clock where it counts, else the host's."""
    if fields[8] == registry.BASIS_BRICK and record[5] is not None:
        return record[5]
    return fields[6]
