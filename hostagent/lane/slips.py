"""Numbered paper slips: rights set aside beforehand, paid once each, given back when they are not used."""

import hmac
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hostagent.core import Fields, arms, base32, byperson, decide, event, reg
from hostagent.lane.draft import Also, Draft, LaneUnready, Pending

if TYPE_CHECKING:
    from hostagent.lane.lane import Lane

# As many as a state remembers of open reserves, less some for a busy minute.
MOST = 96
MARK = b"stallmark/slip/1\0"
# Detail of a slip's reserve: [label of who, grants]
WHO, GRANTS = 0, 1


class Slip(NamedTuple):
    """One slip. `number`: seq of its reserve; `code`: what is printed on it and typed or scanned at the till;
    `grants`: as field 12 of a record; `currency` of its money."""

    number: int
    code: str
    rule: int
    grants: list[list[Any]]
    currency: str | None


class NoSlip(LaneUnready):
    """These slips cannot be made, or this is none."""


def code(key: bytes, brick: bytes, number: int) -> str:
    """The slip's text: its number, and eight letters that only this host can make."""
    mark = hmac.digest(key, MARK + brick + number.to_bytes(4), "sha256")[:5]
    return f"SLIP-{number}-{base32.encode(mark)}"


def reserve(lane: "Lane", rule: int, count: int, who: str) -> tuple[list[Slip], Pending]:
    """Sets rights of a rule aside for `count` slips; where they do not go round, for none. Raises NoSlip, LaneUnready."""
    lane.check()
    ruleset = lane.ruleset
    if lane.training:
        raise NoSlip("no slips in training: nothing is set aside then")
    if ruleset is None or not 0 <= rule < len(ruleset.rules):
        raise NoSlip("no such rule is in use here")
    if ruleset.rules[rule].experiment is not None:
        raise NoSlip("this rule is part of an experiment: a slip is nobody whose arm could be known")
    room = MOST - len(lane.state.open_reserves())
    if not 0 < count <= room:
        raise NoSlip(f"{count} slips: at most {room} more can be open at a time; give unused ones back first")
    made: list[Slip] = []
    while True:
        fields, opens = _one(lane, rule, who)
        if fields is None:
            numbers = [slip.number for slip in made]
            if numbers:
                give_back(lane, numbers)
            raise NoSlip(f"rights for {len(made)} of {count} slips only: {opens}")
        drafts = [Draft(reg.KIND_RIGHTS, {13: [[number, 0] for number in opens]})] if opens else []
        pending = lane.answer(
            [*drafts, Draft(reg.KIND_RESERVE, fields)], [], None, fields[15], None, "set aside"
        )
        seq = pending.answer.records[-1][0]
        made.append(Slip(seq, lane.slip_code(seq), rule, fields[24][GRANTS], ruleset.currency))
        if len(made) == count:
            return made, pending


def _one(lane: "Lane", rule: int, who: str) -> tuple[Fields | None, Any]:
    """(fields of a reserve, slices that it opens), or (None, why not)."""
    asked = lane.stamp(event.make(type=reg.EVENT_OPERATOR_ENTRY, trust=reg.TRUST_STAFF, nonce=_nonce(lane)))
    asked = asked._replace(subject=lane.pseudonym(asked.nonce))
    question = lane.brick8, lane.brick.next_seq, None
    decision: Any = byperson.operator(
        lane.ruleset, lane.state, asked, rule, question, lane.staff.label(who), True
    )
    if decision.kind != reg.KIND_GRANT:
        return None, lane.words(decide.record_fields(lane.ruleset, asked, decision))
    fields: Fields = decide.reserve_fields(lane.ruleset, asked, decision)
    fields[24] = [lane.staff.label(who), [list(grant) for grant in decision.grants]]
    return fields, decision.opens


def _nonce(lane: "Lane") -> bytes:
    """Of a slip whose pseudonym is not in the holdout: nobody is known of whom that could be true."""
    while True:
        nonce = os.urandom(8)
        holdout = lane.ruleset.holdout
        if holdout is None or holdout[1] >= 9_000 or not arms.held_out(lane.ruleset, lane.pseudonym(nonce)):
            return nonce


def open_slips(lane: "Lane") -> list[Slip]:
    """Slips that are neither paid nor given back."""
    found: list[Slip] = []
    for seq, rule, _ in lane.state.open_reserves():
        fields = lane.slipbook.reserves.get(seq)
        if fields is not None:
            currency = None if lane.ruleset is None else lane.ruleset.currency
            found.append(Slip(seq, lane.slip_code(seq), rule, fields[24][GRANTS], currency))
    return found


def states(lane: "Lane") -> list[tuple[int, int, str]]:
    """(number, rule index, state) of every slip, newest first: open, redeemed, or released where nothing is set
    aside for it any more."""
    open_now = {seq for seq, _, _ in lane.state.open_reserves()}
    return [
        (seq, fields[9], "redeemed" if seq in lane.slipbook.paid else "open" if seq in open_now else "released")
        for seq, fields in sorted(lane.slipbook.reserves.items(), reverse=True)
    ]


def pay(lane: "Lane", text: str, who: str, also: Also | None = None) -> Pending:
    """A slip comes back: its grant, or a denial where it was used. Raises NoSlip for what is none of this host's."""
    lane.check()
    number = read(lane, text)
    fields = lane.slipbook.reserves.get(number)
    about: Fields = {
        8: None if fields is None else fields.get(8),
        9: None if fields is None else fields.get(9),
        11: reg.EVENT_OPERATOR_ENTRY * 16 + reg.TRUST_STAFF,
        20: number,
    }
    if fields is None or lane.state.reserve(number) is None:
        # Its letters are this host's: a slip that is not remembered any more was used long ago.
        why = [reg.REASON_VOUCHER_SPENT] if fields is None else [reg.REASON_VOUCHER_SPENT, fields.get(9)]
        drafts = [Draft(reg.KIND_DENY, {**about, 14: why, 15: os.urandom(8)})]
        return lane.answer(drafts, [], None, drafts[0].fields[15], also)
    nonce: bytes = fields[15]
    about |= {
        12: fields[24][GRANTS],
        14: [reg.REASON_PERSON, fields[9]],
        15: nonce,
        23: lane.currency_of(fields[24][GRANTS]),
    }
    return lane.answer([Draft(reg.KIND_GRANT, about, {1: lane.pseudonym(nonce)})], [], None, nonce, also)


def give_back(lane: "Lane", numbers: Sequence[int]) -> Pending:
    """Slips that were not used: their rights are free again. Raises LaneUnready where none is open."""
    lane.check()
    drafts: list[Draft] = []
    for seq, _, parts in lane.state.open_reserves():
        fields = lane.slipbook.reserves.get(seq)
        if seq in numbers and fields is not None:
            same = {name: fields[name] for name in (8, 9, 11, 15) if name in fields}
            drafts.append(Draft(reg.KIND_RELEASE, {**same, 13: parts, 20: seq}))
    if not drafts:
        raise NoSlip("none of these slips is open")
    return lane.answer(drafts, [], None, bytes(8), None, "given back")


def read(lane: "Lane", text: str) -> int:
    """The number of a slip's code. Raises NoSlip."""
    parts = text.strip().upper().split("-")
    if len(parts) == 3 and parts[0] == "SLIP" and parts[1].isdecimal() and len(parts[1]) <= 10:
        number = int(parts[1])
        if 0 < number <= 0xFFFFFFFF and hmac.compare_digest(lane.slip_code(number), "-".join(parts)):
            return number
    raise NoSlip("this is no slip of this host: check its number and letters")


__all__ = ["NoSlip", "Slip", "give_back", "open_slips", "pay", "reserve", "states"]
