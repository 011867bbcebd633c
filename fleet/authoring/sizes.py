"""How large the records of a rule can become in flash: 256 bytes is one page. docs/formats/record.md"""

from __future__ import annotations

from typing import Any

from fleet.authoring import opcodes as expr
from fleet.authoring import wire
from fleet.authoring.engine import cbor, record, reg, rules

PAGE = 256
_U32 = 0xFFFF_FFFF
_U24 = 0xFF_FFFF  # what a tag counts
_TWO_SLICES = 2  # docs/formats/ruleset.md: a need is covered by at most two
_AMOUNT = 1_000_000_000
_LABEL, _REASON = 24, 60  # bytes: docs/formats/record.md
_MOST: dict[int, int] = {
    expr.PEOPLE: rules.MAX_PEOPLE, expr.VISITS: 65535, expr.BASKET: _AMOUNT, expr.TIP: _AMOUNT,
    expr.SINCE: expr.MAX_SLOT_MS,
}  # fmt: skip
_BASKETS: set[int] = {reg.EVENT_TILL_SALE, reg.EVENT_TIP}  # event types that bring a basket or a tip along


def largest_record(
    when: Any,
    grants: Any,
    needs: Any,
    events: Any,
    asked: bool = False,
    arm: bool = False,
    kit_wide: bool = False,
    redeems: bool = False,
    person: bool = False,
) -> int:
    """Bytes of the flash page image that the largest grant or denial of a rule takes.

    `grants` as records have them, [[type, quantity, minor] …]; `needs` [[unit, amount] …]; `asked`: a reserve goes
    before; `arm`: field 19 is there; `kit_wide`: field 21 is; `redeems`: a redeem
    record names its serial; `person`: as the lane writes it when a person answers, with question, label and reason.
    Counters of the brick at their largest; amounts of
    baskets and tips up to 10^9 minor units, where they can occur."""
    base: dict[int, Any] = {
        0: 15, 1: bytes(8), 2: _U32, 3: _U32, 4: _U32, 5: 1 << 41, 6: 1 << 41, 7: [3, 65535], 8: bytes(8),
        9: 63, 11: 0xFFFF, 15: bytes(8), 16: _U32, 17: bytes(16), 18: bytes(16),
        22: 0xFFFF,
    }  # fmt: skip
    base |= {19: [255, 3]} if arm else {}
    base |= {20: _U32} if asked else {}
    base |= {21: bytes(16)} if kit_wide else {}
    leaves = wire.comparisons(when)
    path = (1 << len(leaves)) - 1
    most = max((_MOST.get(wire.sides(leaf)[1][0], _AMOUNT) for leaf in leaves), default=255)
    age = 65535 if kit_wide else None
    grant = base | {
        10: reg.KIND_GRANT,
        12: grants,
        13: [[_U32, amount] for _, amount in needs for _ in range(_TWO_SLICES)],
        14: [reg.REASON_GRANTED, 63, path, len(leaves), most, most, *([age] if kit_wide else [])],
        23: "EUR",
    }
    why = [reg.REASON_NEAR, 63, path, len(leaves), most, most, age, most]
    deny = base | {10: reg.KIND_DENY, 14: why, 23: "EUR"}
    private: dict[int, Any] = {0: bytes(16), 1: bytes(8)}
    private |= {5: _U24} if reg.EVENT_NFC_TAP in events else {}
    detail: list[Any] = [bytes(8)] if redeems else []
    if person:
        question = [bytes(8), _U32, "x" * _LABEL, None, None]
        deny[24] = question
        detail += question
        private[7] = "x" * _REASON
    if detail:
        grant[24] = detail
    if not _BASKETS.isdisjoint(events):
        private |= {2: [_AMOUNT, 255], 3: _AMOUNT}
    size = len(cbor.encode(private))
    return max(record.OVERHEAD + len(cbor.encode(public)) + size for public in (grant, deny))
