"""A credit for the next visit is a voucher: the rule that pays it is made here, so that nobody can forget it. docs/campaign.md"""

from __future__ import annotations

from typing import Any

from fleet.authoring.built import Built
from fleet.authoring.engine import reg
from fleet.authoring.given import Given
from fleet.authoring.reader import Node
from fleet.authoring.report import NEEDS_HOST, Cause
from fleet.authoring.tables import Tables

NEXT = "+next"  # after the id of the rule that gives it; no author can write it
FIRST_SERIES = 60_000  # of such vouchers; authors have the series below
MAX_ID = 32 - len(NEXT)
_NAMES = ("percent_next", "money_next")
_STRICT = 3


def gives_next(rule: Node) -> bool:
    """Whether a rule gives a credit for the next visit."""
    return any(grant.has(name) for grant in rule.get("grants").items(1, 4) for name in _NAMES)


def check(node: Node, tables: Tables) -> None:
    """What a rule that gives such a credit needs; raises where it is not there."""
    grants = [grant for grant in node.get("grants").items(1, 4) if any(grant.has(name) for name in _NAMES)]
    if len(grants) > 1:
        raise grants[1].wrong("one credit for the next visit in a rule: write another rule for the second")
    if len(str(node.get("id").value).encode()) > MAX_ID:
        text = f"at most {MAX_ID} bytes where a rule gives a credit for the next visit: the rule that pays it is named after it"
        raise node.get("id").wrong(text)
    if not tables.root.get("voucher_issuers").value:
        text = (
            "a credit for the next visit is a voucher of the host: name the host's voucher key as an issuer"
        )
        raise grants[0].wrong(f'{text}: "voucher_issuers": ["…"]')


def made(built: list[Built], tables: Tables) -> list[Built]:
    """The rules that pay such credits, in the order of the rules that give them."""
    out: list[Built] = []
    for one in built:
        given = next((given for given in one.grants if given.name in _NAMES), None)
        if given is not None:
            out.append(_companion(one, given, FIRST_SERIES + len(out), tables))
    return out


def _companion(one: Built, given: Given, series: int, tables: Tables) -> Built:
    own: list[Any] = [reg.GRANT_FIXED_NOW, 1, 0]
    if given.name == "percent_next":
        own = [reg.GRANT_PERCENT_NOW, given.code[1], 0]
    code: dict[int, Any] = {
        0: one.id + NEXT, 1: [reg.EVENT_QR_SCAN, reg.EVENT_TILL_SALE], 2: reg.TRUST_VOUCHER, 3: _all_slots(tables.slots),
        4: [0], 5: False, 6: [own], 7: [], 8: [], 9: [reg.KIND_UNCERTAIN, _STRICT, 0, 0],
        10: [[None, None, None] for _ in tables.languages], 11: one.code[11], 12: reg.TRUST_ISSUED, 13: None, 14: None, 15: [],
        16: one.code[16], 17: one.code[17], 18: 0, 19: None, 20: series, 21: None,
    }  # fmt: skip
    name = "percent_now" if given.name == "percent_next" else "money_now"
    text = "without the host's yes no credit of an earlier visit is paid"
    cause = Cause(NEEDS_HOST, f"{one.node.pointer}/grants", text)
    return Built(one.node, code, [Given(own, 0, 0, 0, name, "undo")], [], [cause], companion=True)


def _all_slots(slots: list[list[int]]) -> list[int]:
    """Every slot; of slots that overlap, which no rule may have, the longer."""
    out: list[int] = []
    for index in sorted(range(len(slots)), key=lambda at: slots[at][0] - slots[at][1]):
        start, end = slots[index]
        if all(slots[other][1] <= start or end <= slots[other][0] for other in out):
            out.append(index)
    return sorted(out)
