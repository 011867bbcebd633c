"""From a receipt in the store to what its page shows: words, warnings and every field by name. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from fleet.core import Fields, receipt
from fleet.public import PublicReceipt
from fleet.verify import check, describe

TONES = {"granted": "good", "nothing this time": "calm", "ask at the stall": "warn"}
KIND_TONES = {"void": "bad", "refund": "bad"}

FIELD_NAMES = {
    2: "record MAC",
    3: "host",
    4: "host sequence",
    5: "previous receipt",
    6: "host time, ms",
    7: "event window",
    8: "time basis",
    9: "ruleset",
    10: "terms",
    11: "holder",
    12: "tax lines",
    13: "funder",
    14: "till reference",
    15: "rental",
    16: "hub",
    17: "attachments",
    18: "refers to receipt",
    19: "announced, odds",
}
RECORD_NAMES = {
    0: "flags",
    1: "brick",
    2: "sequence",
    3: "key epoch",
    4: "start-up",
    5: "clock, ms",
    6: "running time, ms",
    7: "clock quality, ± ms",
    8: "ruleset",
    9: "rule",
    10: "kind",
    11: "event and trust",
    12: "grants",
    13: "rights",
    14: "why",
    15: "nonce",
    16: "rental",
    17: "commitment to the private part",
    18: "previous record",
    19: "experiment, arm",
    20: "refers to record",
    21: "evidence",
    22: "risk",
    23: "currency",
    24: "detail",
}


def utc(ms: int) -> str:
    """An instant in ms since 1970 as `2026-09-21 10:15:00 UTC`."""
    return _instant(ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(ms: int) -> str:
    """The same for machines: `2026-09-21T10:15:00.250Z`."""
    return _instant(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(ms: int) -> datetime:
    """Instants beyond year 9999 are shown as its last: a page must not fail on a wild clock."""
    return datetime.fromtimestamp(min(ms, 253_402_300_799_000) / 1000, UTC)


def tone(outcome: str, kind: str) -> str:
    """Which shape and colour: good, calm, warn or bad."""
    return TONES.get(outcome) or KIND_TONES.get(kind, "calm")


def plain(value: Any) -> str:
    """A field's value as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return "[" + ", ".join(map(plain, cast("list[Any]", value))) + "]"
    return "none" if value is None else str(value)


def receipt_page(found: PublicReceipt, sentence: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Everything that the template of the receipt page needs. Raises FormatError where the record cannot be
    read by this program."""
    parsed = check.parse(found.cose)
    said = describe.describe(parsed.fields, parsed.record, sentence)
    raw = [*_named(parsed.fields, FIELD_NAMES, ""), *_named(parsed.record, RECORD_NAMES, "record: ")]
    names = {host["host"]: host.get("name") or host["host"] for host in keys.get("hosts", [])}
    return {
        "said": said,
        "tone": tone(said.outcome, said.kind),
        "warnings": list(_warnings(found)),
        "host_name": names.get(said.host, said.host),
        "short": receipt.short(found.cose).hex(),
        "index": found.index,
        "ledger_size": found.ledger_size,
        "received_ms": found.received_ms,
        "proof": found.proof is not None,
        "reversed": found.reversed_by,
        "raw": raw,
    }


def _named(fields: Fields, names: dict[int, str], before: str) -> list[tuple[str, str]]:
    """Fields by name, in order, without a payload's version and the record in it."""
    hidden = (0, 1) if not before else ()
    return [
        (before + names.get(key, f"field {key}"), plain(value))
        for key, value in fields.items()
        if key not in hidden
    ]


def _warnings(found: PublicReceipt) -> list[str]:
    """What the controller knows against this receipt, as of its newest published entry."""
    lines: list[str] = []
    if found.duplicate_of is not None:
        index = found.duplicate_of
        lines.append(f"Entry {index} is an earlier receipt of the same record, and the one that counts.")
    lines += [
        f"The controller set this record aside: {word}. It counts in no sum." for word in found.findings
    ]
    return lines


def epoch_of(cose: bytes) -> tuple[bytes, int]:
    """(brick8, record key epoch) of a receipt. Raises FormatError."""
    record = check.parse(cose).record
    return record[1], record[3]
