"""Refund and void: what was granted is taken back, once, and never more of it than was given."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hostagent.core import Fields, base32, receipt, reg
from hostagent.errors import HostError
from hostagent.intake import Statements
from hostagent.lane import answers
from hostagent.lane.answers import LaneAnswer
from hostagent.lane.draft import Also, Draft, LaneUnready, Pending, cut
from hostagent.lane.taken import GRANTED, REVERSALS, Given
from hostagent.store import spent
from hostagent.store.records import Records, Stored

if TYPE_CHECKING:
    from hostagent.lane.lane import Lane

EVENTS = {reg.KIND_VOID: reg.EVENT_VOID, reg.KIND_REFUND: reg.EVENT_REFUND}


class NothingGiven(HostError):
    """There is no grant under this receipt or reference: nothing to take back."""


class Practice(HostError):
    """Practice and real sales do not mix: nothing was given then, and nothing real is taken back."""


async def by_link(lane: "Lane", records: Records, link: str) -> list[Given]:
    """The grants of the event whose receipt a look-up link names, whichever brick made them; all of one nonce.

    Raises NothingGiven."""
    text = link.rstrip("/").rsplit("/", 1)[-1].strip().upper()
    try:
        handle: bytes = base32.decode(text)
    except ValueError as wrong:
        raise NothingGiven("this is no receipt link: expected 26 letters and digits after /r/") from wrong
    found = await asyncio.wrap_future(records.held_by(receipt.holder(handle)))
    if found is None:
        raise NothingGiven("this host has no such receipt: look it up where it was given")
    nonce = found.record.fields.get(15)
    near = await asyncio.wrap_future(
        records.of(found.brick, (max(1, found.record.seq - 8), found.record.seq + 8))
    )
    same = [item for item in near if item.record.fields.get(15) == nonce] if nonce else [found]
    return await known(lane, [item for item in same if item.record.fields[10] in GRANTED])


async def known(lane: "Lane", stored: Sequence[Stored]) -> list[Given]:
    """What the lane knows of these granting records. Raises NothingGiven where there are none."""
    if not stored:
        raise NothingGiven("nothing was granted under this receipt: there is nothing to take back")
    return [await lane.remember(item) for item in stored]


async def begin(
    lane: "Lane",
    given: Sequence[Given],
    kind: int,
    minor: int | None,
    who: str,
    reason: str,
    reference: str | None = None,
    also: Also | None = None,
) -> Pending:
    """Takes back what was `given`: all of it (`minor` None), or in proportion to `minor` units of the basket.

    One void or refund record for each granting record. Where everything is back already: a denial, reason 32. With
    the whole of a grant its vouchers end, in the same transaction; one that was paid before stays, and so does whatever
    its rule leaves with the customer.
    Raises LaneUnready, StoreUnavailable, Practice, NothingGiven where a part was asked for and no basket is known."""
    lane.check()
    if any(item.fields[0] & reg.FLAG_TRAINING for item in given):
        raise Practice("this sale was practice: nothing was given, so there is nothing to take back")
    if lane.training:
        raise Practice("practice is on and this sale was real: end practice first, then take it back")
    if minor is not None and kind == reg.KIND_VOID:
        raise NothingGiven("a void takes back the whole sale: give no amount")
    if minor is not None and any(item.basket is None for item in given):
        raise NothingGiven("the basket of this sale is not known here: only all of it can be refunded")
    nonce = os.urandom(8)
    # One at a time: what a voucher is promised to must be what takes its grant back.
    async with lane.reversing:
        given = [lane.given.get((item.brick, item.seq), item) for item in given]
        ends: list[tuple[list[bytes], list[int]]] = []
        try:
            for item in given:
                whole = not item.over and item.reverse(minor)[1] is None
                ends.append(await lane.withdraw(item.fields, nonce) if whole else ([], []))
            lane.check()
            return _write(lane, given, ends, (kind, minor, who, reason, reference), nonce, also)
        except BaseException:
            if any(serials for serials, _ in ends):
                with contextlib.suppress(HostError):  # else they are free again when the host starts
                    await lane.keep_vouchers(nonce)
            raise


def _write(
    lane: "Lane",
    given: Sequence[Given],
    ends: Sequence[tuple[list[bytes], list[int]]],
    asked: tuple[int, int | None, str, str, str | None],
    nonce: bytes,
    also: Also | None,
) -> Pending:
    kind, minor, who, reason, reference = asked
    same: Fields = {11: EVENTS[kind] * 16 + reg.TRUST_STAFF, 15: nonce}
    drafts: list[Draft] = []
    for item, (_, paid) in zip(given, ends, strict=True):
        private: Fields = {1: item.private[1]} if 1 in item.private else {}
        private[7] = cut(reason, 60)
        own = item.brick == lane.brick8
        about: Fields = {**same, 9: item.fields.get(9), 20: item.seq if own else None}
        if item.fields.get(8) is not None:
            about[8] = item.fields[8]
        if item.over:
            why = (
                [reg.REASON_REVERSED] if item.fields.get(9) is None else [reg.REASON_REVERSED, item.fields[9]]
            )
            drafts.append(Draft(reg.KIND_DENY, {**about, 14: why}, private, reference, item.receipt16))
            continue
        parts, so_far = item.reverse(minor, paid)
        about[12] = parts
        # Rights of a voucher that was paid, or of what stays with the customer, are spent for good.
        about[13] = item.fields.get(13) if so_far is None and not paid and not item.kept else None
        about[23] = item.fields.get(23)
        about[24] = [item.brick, item.seq, so_far, lane.staff.label(who), None]
        drafts.append(Draft(kind, about, private, reference, item.receipt16))
    reversed_ = any(draft.kind in REVERSALS for draft in drafts)
    outcome = "reversed" if reversed_ else answers.outcome(reg.KIND_DENY)

    def with_vouchers(answer: LaneAnswer) -> Statements:
        ended = [
            spent.withdrawn(serial, lane.brick8, seq)
            for (serials, _), (seq, _) in zip(ends, answer.records, strict=True)
            for serial in serials
        ]
        return [*(() if also is None else also(answer)), *ended]

    stay = sum(len(paid) for _, paid in ends)
    return lane.answer(drafts, [], None, nonce, with_vouchers, outcome, stay)


def taken_now(records: Sequence[Fields]) -> tuple[int, list[str]]:
    """Of a reversal's records: (minor units of credit taken back, everything else in words)."""
    credit, rest = 0, list[str]()
    for fields in records:
        if fields[10] not in REVERSALS:
            continue
        for grant in fields.get(12) or ():
            if grant[0] in answers.NOW:
                credit += grant[2] or 0
            else:
                rest.append(answers.grant_words(grant, fields.get(23)))
    return credit, rest


__all__ = ["LaneUnready", "NothingGiven", "Practice", "begin", "by_link", "known", "taken_now"]
