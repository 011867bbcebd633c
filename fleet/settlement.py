"""A voucher that two places paid: who of them was first, and whose rental bears the second payment.

docs/formats/voucher.md. Pure: it compares two redemptions as their records tell them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.core import Fields, reg

SERIAL_BYTES = 8
I64 = (1 << 63) - 1
UNKNOWN_SPREAD = 1 << 62  # of a time that only says when the record arrived: it decides nothing
PRACTICE = reg.FLAG_TRAINING | reg.FLAG_SHADOW
EARLIER, CONFIRMED, LOWER_ID, SET_ASIDE = "earlier", "paid by the host", "lower id", "set aside"
MOST_ASIDE = 64  # payments of a serial that wait for a winner; the others are charged and get no settlement


@dataclass(frozen=True, slots=True)
class Redemption:
    """One proven *redeem* record. `ms` ± `spread`: its best time; `confirmed`: a
    host paid it itself, by its own lane, so its spent set was asked; `minor`: what it paid; `host`, `host_seq`: its receipt."""

    serial: bytes
    brick: bytes
    seq: int
    kit: bytes | None
    rental: int
    ms: int
    spread: int
    confirmed: bool
    minor: int
    host: bytes
    host_seq: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A duplicate and its settlement. The loser's customer keeps what was given; the loser's kit and rental
    bear it."""

    winner: Redemption
    loser: Redemption
    reason: str


def settle(one: Redemption, other: Redemption) -> Settled:
    """Who wins of two redemptions of one serial: the same whichever comes first."""
    first, second = sorted((one, other), key=lambda r: (r.ms, r.brick, r.seq))
    if second.ms - first.ms > first.spread + second.spread:
        return Settled(first, second, EARLIER)
    if one.confirmed != other.confirmed:
        first, second = (one, other) if one.confirmed else (other, one)
        return Settled(first, second, CONFIRMED)
    first, second = sorted((one, other), key=lambda r: (r.brick, r.seq))
    return Settled(first, second, LOWER_ID)


def read(
    fields: Fields,
    kit: bytes | None,
    rental: int,
    ms: int,
    basis: int,
    host: bytes,
    host_seq: int,
    lane: bool = False,
) -> Redemption | None:
    """The redemption that a record is, None for any other record and for practice.

    `ms`, `basis`: its best time and where that is from, as its receipt has it. `lane`: its brick is a host's own lane.

    The gateway flag alone proves nothing, any brick can set it; nor does a reserve before it (field 20), which a
    brick that may go alone writes as well where nobody answered."""
    detail = fields.get(24)
    if fields[10] != reg.KIND_REDEEM or fields[0] & PRACTICE or not detail:
        return None
    serial = detail[0]
    if type(serial) is not bytes or len(serial) != SERIAL_BYTES:
        return None
    minor = money(fields)
    spread: int = fields[7][1] if basis == reg.BASIS_BRICK else UNKNOWN_SPREAD
    confirmed = lane and bool(fields[0] & reg.FLAG_GATEWAY)
    return Redemption(serial, fields[1], fields[2], kit, rental, ms, spread, confirmed, minor, host, host_seq)


def money(fields: Fields) -> int:
    """Minor units that a record's grants come to, at most 2⁶³ − 1."""
    grants: list[list[int | None]] = fields.get(12) or []
    return min(sum(grant[2] or 0 for grant in grants), I64)


class Settling:
    """Redemptions as one batch finds and changes them. `stored` gives the one that stands for a serial,
    `stored_aside` those that were set aside while none stood, oldest first; `aside` has those lists as they are now."""

    def __init__(
        self,
        stored: Callable[[bytes], Redemption | None],
        stored_aside: Callable[[bytes], list[Redemption]] = lambda serial: [],
    ) -> None:
        self._stored = stored
        self._stored_aside = stored_aside
        self.standing: dict[bytes, Redemption] = {}
        self.aside: dict[bytes, list[Redemption]] = {}
        self.settled: list[Settled] = []

    def take(self, made: Redemption) -> Settled | None:
        """Takes one without a finding in; the settlement where its serial was paid before. It wins against all that
        were set aside: those are in `settled`, and were charged when they were found."""
        known = self.standing.get(made.serial) or self._stored(made.serial)
        if known is None:
            self.standing[made.serial] = made
            if waiting := self._aside(made.serial):
                self.aside[made.serial] = []
                self.settled += [Settled(made, loser, SET_ASIDE) for loser in waiting]
            return None
        found = settle(known, made)
        self.standing[made.serial] = found.winner
        self.settled.append(found)
        return found

    def set_aside(self, made: Redemption) -> None:
        """Takes one in whose record has another finding, and is charged as that: it never wins. Where none stands for
        its serial it waits for one; alone it does not make the serial spent."""
        known = self.standing.get(made.serial) or self._stored(made.serial)
        if known is not None:
            self.settled.append(Settled(known, made, SET_ASIDE))
        elif len(waiting := self._aside(made.serial)) < MOST_ASIDE:
            self.aside[made.serial] = [*waiting, made]

    def _aside(self, serial: bytes) -> list[Redemption]:
        found = self.aside.get(serial)
        return self._stored_aside(serial) if found is None else found
