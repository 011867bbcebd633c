"""What a receipt says, in words: for the terminal and for the receipt page. Pure; no rules needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stallmark import explain as _explain
from stallmark import money as _money

from fleet.core import Fields, receipt, word
from fleet.core import reg as registry

explain: Any = _explain
money: Any = _money

_BASIS = {
    registry.BASIS_BRICK: "by the brick's own clock",
    registry.BASIS_UPTIME: "when the host received it; the moment itself lies in the window below",
    registry.BASIS_RECEIVED: "when the host received it; the brick had no clock",
}
_QUALITY = {
    registry.QUALITY_UNSET: "not set",
    registry.QUALITY_HELD: "kept over a restart",
    registry.QUALITY_HOST: "set by its host",
    registry.QUALITY_CONTROLLER: "signed by the controller",
}
_TRUST = {
    registry.TRUST_ANONYMOUS: "by a phone or card that cannot be told from others",
    registry.TRUST_TEXT: "with a code that anybody can print",
    registry.TRUST_BARE: "with a bare tag number",
    registry.TRUST_ISSUED: "with a tag or pass issued by the hub",
    registry.TRUST_VOUCHER: "with a signed voucher",
    registry.TRUST_SDM: "with a tag that proves itself at every tap",
    registry.TRUST_LIVE: "with a tag that answered a challenge",
    registry.TRUST_STAFF: "by a person whom staff named",
}
_FLAGS = (
    (registry.FLAG_TRAINING, "Training: made for practice, worth nothing."),
    (registry.FLAG_GATEWAY, "Decided by the host itself, not by a brick."),
    (registry.FLAG_STALE, "Decided on data older than the rule would like."),
    (registry.FLAG_SHADOW, "A trial of a rule in the background: nothing was given."),
)


@dataclass(frozen=True, slots=True)
class Description:
    """The words. Instants are ms since 1970 UTC; digests are hex."""

    kind: str
    outcome: str  # "granted", "nothing this time", "ask at the stall", or "" for what is not a decision
    headline: str
    sentence: str
    why: str  # the sentence without what the headline says already; may be empty
    money: str | None  # the most that it can be worth, where an amount is stated
    near: tuple[int, int] | None  # (have, needed) where something is missing
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


def _headline(kind: int, outcome: str, granted: str) -> str:
    return _capital(granted or outcome or word(registry.KIND_NAMES, kind))


def beside(headline: str, sentence: str) -> str:
    """What a sentence says beyond the headline above it: "Granted: a sample, on visit 3." under "A sample" is
    "On visit 3."; under "Granted" it is "A sample, on visit 3."."""
    _, colon, rest = sentence.partition(": ")
    if not colon:
        return "" if sentence.removesuffix(".") == headline else sentence
    if not sentence.startswith(headline + ": ") and not _capital(rest).startswith(headline):
        return sentence
    said = _capital(rest).removeprefix(headline).lstrip(", ")
    return _capital(said) if said != "." else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def describe(fields: Fields, record: Fields, sentence: str | None = None) -> Description:
    """The words for a receipt's payload fields and its record's public map, both checked already. `sentence`
    is that of somebody who knows the rules."""
    kind: int = record[10]
    entries: list[list[Any]] = record.get(12) or []
    granted = explain.grants(record) if kind == registry.KIND_GRANT and entries else ""
    total = sum(entry[2] or 0 for entry in entries)
    why: list[int | None] = [*(record.get(14) or []), *[None] * 8]
    have, short = why[4], why[7]
    near = (have, have + short) if why[0] == registry.REASON_NEAR and short and have is not None else None
    outcome: str = explain.outcome(kind)
    headline = _headline(kind, outcome, granted)
    said: str = sentence or explain.sentence(record)
    event = record.get(11)
    basis = fields[8]
    at_ms = _instant(fields, record)
    return Description(
        kind=word(registry.KIND_NAMES, kind),
        outcome=outcome,
        headline=headline,
        sentence=said,
        why=beside(headline, said),
        money=money.text(total, record.get(23)) if total else None,
        near=near,
        notes=tuple(text for flag, text in _FLAGS if record[0] & flag),
        event=word(registry.EVENT_NAMES, event // 16) if event else "",
        trust=_TRUST.get(event % 16, "with something newer than this program") if event else "",
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


def _instant(fields: Fields, record: Fields) -> int:
    """The best time that the receipt states: the brick's own clock where it counts, else the host's."""
    if fields[8] == registry.BASIS_BRICK and record[5] is not None:
        return record[5]
    return fields[6]
