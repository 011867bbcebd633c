"""The records of one event on a brick, and what decisions on it would have had to write."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2

from virtualkit.core import event, rules
from virtualkit.reference.flashimage import FlashRecord

GRANT, DENY, GHOST, REDEEM, UNCERTAIN, RESERVE, RELEASE, BOOT = 1, 2, 3, 4, 14, 15, 16, 17
ANSWERS = (GRANT, DENY, GHOST, REDEEM, UNCERTAIN)
MUST_ASK = 2
_MOST_BASKETS = 64
_AGE = 6  # place of the data's age in *why*: when others' news came is in no record


def baskets(private: Mapping[int, Any]) -> list[list[list[Any]] | None]:
    """What may have been in the basket: records name items and how many there were in all, not how many of each."""
    codes: list[int | str] = private.get(4) or []
    items: int | None = (private.get(2) or [None, None])[1]
    if not codes or items is None or items < len(codes):
        return [None]
    cuts = itertools.combinations(range(1, items), len(codes) - 1)
    found: list[list[list[Any]] | None] = []
    for cut in itertools.islice(cuts, _MOST_BASKETS):
        ends = (0, *cut, items)
        found.append([[code, ends[at + 1] - ends[at], 0] for at, code in enumerate(codes)])
    return found


def as_event(
    fields: Mapping[int, Any], private: Mapping[int, Any], lines: list[list[Any]] | None = None
) -> Any:
    """The event that a decision record answered. `lines`: one of `baskets`."""
    basket = private.get(2) or [None, None]
    return event.make(
        type=fields[11] >> 4,
        trust=fields[11] & 15,
        subject=private.get(1),
        wall_ms=fields[5],
        uptime_ms=fields[6],
        quality=fields[7][0],
        spread_ms=fields[7][1],
        nonce=fields.get(15),
        basket_minor=basket[0],
        items=basket[1],
        tip_minor=private.get(3),
        lines=lines,
    )


def tidy(value: Any) -> Any:
    """An empty list and an absent field are the same on a page; tuples are arrays."""
    return cbor2.dumps(value) if value else None


def _why(why: Sequence[Any] | None) -> list[Any]:
    """Without the age of others' data, and without absent ends."""
    kept = list(why or [])
    if len(kept) > _AGE:
        kept[_AGE] = None
    while kept and kept[-1] is None:
        kept.pop()
    return kept


def said_by(fields: Mapping[int, Any]) -> tuple[Any, ...]:
    """What a record says was decided; of a reserve, what was set aside."""
    parts: list[Any] = [fields[10], fields.get(9), fields.get(13), _why(fields.get(14))]
    if fields[10] != RESERVE:
        parts += [fields.get(12), fields.get(19), fields.get(23), fields.get(24)]
    return tuple(tidy(part) for part in parts)


def expected(
    ruleset: Any, happened: Any, decisions: Sequence[Any], reserved: set[int]
) -> tuple[list[Any], list[Any]]:
    """What decisions lead to at once: reserves of those that had to ask, or did (`reserved`: their rules), then the records of
    the others."""
    asking = [one for one in decisions if one.ask == MUST_ASK or one.rule in reserved]
    reserves = [said_by(rules.reserve_fields(ruleset, happened, one)) for one in asking]
    plain = [said_by(rules.record_fields(ruleset, happened, one)) for one in decisions if one not in asking]
    return reserves, plain


@dataclass
class Group:
    """The records of one event: of one nonce, up to a restart. `cut`: the brick stopped, or found no room, within it."""

    records: list[FlashRecord]
    cut: bool

    @property
    def first(self) -> FlashRecord:
        """The record whose event is decided again."""
        return self.records[0]

    @property
    def reserved(self) -> set[int]:
        """Rules whose rights were set aside while the host was asked."""
        return {one.fields[9] for one in self.records if one.fields[10] == RESERVE}

    @property
    def risk(self) -> int | None:
        """How unusual the event was, as its records say: the score alone."""
        return next((one.fields[22] & 0xFF for one in self.records if 22 in one.fields), None)

    @property
    def evidence(self) -> bytes | None:
        """What the event's records say of others' heads."""
        return next((one.fields[21] for one in self.records if 21 in one.fields), None)

    def comes_of(self, reserves: Sequence[Any], plain: Sequence[Any]) -> bool:
        """Whether the records are those of these reserves and of these other decisions, in order."""
        ended: set[int] = set()
        said_reserves: list[Any] = []
        said_plain: list[Any] = []
        for one in self.records:
            kind = one.fields[10]
            if kind == RESERVE:
                said_reserves.append(said_by(one.fields))
            elif kind == RELEASE:
                ended.add(self._rule_of(one.fields[20]))
            elif 20 not in one.fields and one.fields.get(9) not in ended:
                said_plain.append(said_by(one.fields))
        if self.cut:
            return said_reserves == list(reserves[: len(said_reserves)]) and said_plain == list(
                plain[: len(said_plain)]
            )
        return said_reserves == list(reserves) and said_plain == list(plain)

    def _rule_of(self, seq: int) -> int:
        return next((one.fields.get(9, -1) for one in self.records if one.seq == seq), -1)

    def broken(self) -> str | None:
        """What is wrong with ends of reserves: each has one, and gives or gives back what was set aside."""
        reserves = {one.seq: one for one in self.records if one.fields[10] == RESERVE}
        for one in self.records:
            named = one.fields.get(20)
            if named is None or one.fields[10] == RESERVE:
                continue
            reserve = reserves.pop(named, None)
            if reserve is None:
                return f"seq {one.seq} ends reserve {named}, which is not open"
            if one.fields[10] == RELEASE and one.fields.get(13) != reserve.fields.get(13):
                return f"seq {one.seq} gives back {one.fields.get(13)} of {reserve.fields.get(13)}"
            if one.fields[10] != RELEASE and 13 in one.fields:
                return f"seq {one.seq} spends again what reserve {named} had set aside"
        if reserves and not self.cut:
            return f"reserve {min(reserves)} has no end"
        return None


def groups(records: Sequence[FlashRecord]) -> dict[int, Group]:
    """The events among a brick's records, by the seq of their first decision or reserve."""
    found: dict[int, Group] = {}
    open_group: Group | None = None
    for one in records:
        fields = one.fields
        if fields[10] == BOOT:
            if open_group is not None:
                open_group.cut = True
            open_group = None
        if fields[10] not in (*ANSWERS, RESERVE, RELEASE) or 15 not in fields:
            continue
        nonce = fields[15]
        if open_group is not None and open_group.first.fields[15] == nonce:
            open_group.records.append(one)
        elif fields[10] != RELEASE:
            open_group = found[one.seq] = Group([one], False)
    if open_group is not None:
        open_group.cut = True  # nobody saw whether it was whole
    return found
