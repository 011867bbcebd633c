"""What a campaign can cost at most: rights in slices, and the size of its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleet.authoring.conditions import leaves_of
from fleet.authoring.engine import cbor, expr, record, reg, rules

_U32 = 0xFFFF_FFFF
_TWO_SLICES = 2  # docs/formats/ruleset.md: a need is covered by at most two
_AMOUNT = 1_000_000_000
_MOST: dict[int, int] = {
    expr.PEOPLE: rules.MAX_PEOPLE, expr.VISITS: 65535, expr.BASKET: _AMOUNT, expr.TIP: _AMOUNT,
    expr.SINCE: expr.MAX_SLOT_MS,
}  # fmt: skip
# Conditions and (negative) event types that bring a basket or a tip along
_BASKETS: set[int] = {expr.BASKET, expr.TIP, -reg.EVENT_TILL_SALE, -reg.EVENT_TIP}


@dataclass(frozen=True, slots=True)
class Right:
    """What the controller mints for a rule: `count` slices of `slice` units (registry: rights units)."""

    rule: str
    unit: int
    slice: int
    count: int

    @property
    def total(self) -> int:
        """The most that can be spent of it, anywhere."""
        return self.slice * self.count

    def as_config(self) -> dict[str, Any]:
        """The entry of a controller's `rights`."""
        return {"rule": self.rule, "unit": self.unit, "slice": self.slice, "count": self.count}


def largest_record(rule: Any) -> int:
    """Bytes of the flash page image that the largest grant or denial of a compiled rule takes: 256 is one
    page.

    Counters of the brick at their largest; amounts of baskets and tips up to 10^9 minor units, where they can
    occur."""
    base: dict[int, Any] = {
        0: 15, 1: bytes(8), 2: _U32, 3: _U32, 4: _U32, 5: 1 << 41, 6: 1 << 41, 7: [3, 65535], 8: bytes(8),
        9: 63, 11: 0xFFFF, 15: bytes(8), 16: _U32, 17: bytes(16), 18: bytes(16),
    }  # fmt: skip
    leaves = leaves_of(rule.when)
    path = (1 << len(leaves)) - 1
    most = max((_MOST[leaf[1][0]] for leaf in leaves), default=255)
    grant = base | {
        10: reg.KIND_GRANT,
        12: [list(one) for one in rule.grants],
        13: [[_U32, amount] for _, amount in rule.need for _ in range(_TWO_SLICES)],
        14: [reg.REASON_GRANTED, 63, path, len(leaves), most, most],
        23: "EUR",
    }
    why = [reg.REASON_NEAR, 63, path, len(leaves), most, most, None, most]
    deny = base | {10: reg.KIND_DENY, 14: why, 23: "EUR"}
    private: dict[int, Any] = {0: bytes(16), 1: bytes(8)}
    if _BASKETS & ({leaf[1][0] for leaf in leaves} | {-event for event in rule.events}):
        private |= {2: [_AMOUNT, 255], 3: _AMOUNT}
    size = len(cbor.encode(private))
    sizes: list[int] = [record.OVERHEAD + len(cbor.encode(public)) + size for public in (grant, deny)]
    return max(sizes)

