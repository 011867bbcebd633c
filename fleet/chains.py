"""Judges records, brick by brick: MAC, sequence, chain, key epoch, slices. Nothing here keeps a record out.

What is wrong is a finding: named by a leaf of its own, and the receipt is excluded from money. A record
that its MAC does not prove to be its brick's changes nothing that is known of that brick.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest

from sqlalchemy.exc import SQLAlchemyError

from fleet.core import Fields, leaf, record, reg
from fleet.errors import FleetError
from fleet.ingest import Taken
from fleet.keys import RecordKeys, Root
from fleet.settlement import I64, PRACTICE, Redemption, Settled, Settling, money
from fleet.settlement import read as read_redemption
from fleet.spending import TAKES_BACK, Holder, Reserve, Slice, Spending

EPOCH_RECORDS = 1024
MAX_GAPS = 64  # kept apart for each brick; the two newest are taken together beyond that
ZERO8 = bytes(8)
ZERO16 = bytes(16)
UNPROVEN = 1  # bit 0 of a receipt's findings: nothing proves that its brick made it, so it changed nothing

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Ended:
    """A record epoch that is over: its last seq, and the tree size from which all of it is in the tree."""

    last_seq: int
    ready: int | None = None


@dataclass(slots=True)
class BrickState:
    """What is known of a brick's chain. Gaps are `[first, last]`, ascending; `withheld` are the ended epochs
    whose key is not published yet."""

    brick: bytes
    head_seq: int = 0
    head_link: bytes = ZERO16
    epoch: int = 0  # that the next record is made under
    epoch_first: int = 1  # seq of its first record
    epoch_exact: bool = True
    gaps: list[list[int]] = field(default_factory=list[list[int]])
    withheld: dict[int, Ended] = field(default_factory=dict[int, Ended])

    @property
    def mark(self) -> int:
        """Every record up to here is held: what the brick may forget."""
        return self.gaps[0][0] - 1 if self.gaps else self.head_seq

    def copy(self) -> BrickState:
        """One that may be changed while the batch is not yet durable."""
        return BrickState(
            self.brick,
            self.head_seq,
            self.head_link,
            self.epoch,
            self.epoch_first,
            self.epoch_exact,
            [list(gap) for gap in self.gaps],
            {epoch: Ended(end.last_seq, end.ready) for epoch, end in self.withheld.items()},
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A record that is held already: leaf index, chain values after and before it, SHA-256 of its receipt."""

    index: int
    link: bytes
    prev: bytes
    digest: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Charge:
    """What a rental bears because a record was set aside: rights that it took without the budget, or a voucher
    that was paid before. `part`: the slice, 0 where it is none; `unit` 0: of a slice that was never minted."""

    code: int
    kit: bytes | None
    rental: int
    brick: bytes
    seq: int
    part: int
    unit: int
    amount: int


@dataclass(slots=True)
class Verdict:
    """What a batch changes: the bricks' states, finding payloads (and their codes), slices, reserves, the roots
    that bricks were stepped to, vouchers and their settlements, payments that were set aside and wait for a winner
    (all of a serial), what rentals are charged, and earlier records (brick, seq) that a settlement sets aside."""

    states: dict[bytes, BrickState]
    findings: list[bytes] = field(default_factory=list[bytes])
    codes: list[int] = field(default_factory=list[int])
    slices: dict[int, Slice] = field(default_factory=dict[int, Slice])
    reserves: dict[tuple[bytes, int], Reserve] = field(default_factory=dict[tuple[bytes, int], Reserve])
    roots: list[Root] = field(default_factory=list[Root])
    redemptions: dict[bytes, Redemption] = field(default_factory=dict[bytes, Redemption])
    settled: list[Settled] = field(default_factory=list[Settled])
    aside: dict[bytes, list[Redemption]] = field(default_factory=dict[bytes, list[Redemption]])
    charges: list[Charge] = field(default_factory=list[Charge])
    set_aside: list[tuple[bytes, int]] = field(default_factory=list[tuple[bytes, int]])


class Judge:
    """Judges one batch. `state` gives a brick's state, `held` the proven records that are stored for a
    brick and seq (more than one only where it equivocated), `kit` the kit that a brick is of, `minted` a
    slice by its number, `reserved` what a brick's record of that seq set aside, `redeemed` the redemption that
    stands for a voucher's serial, `lane` whether a brick is a host's own lane, `revoked` whether a
    record (brick, seq, its receipt) came after its brick was revoked, and counts as an unknown one's, `aside` the
    payments of a serial that were set aside while no redemption stood for it."""

    def __init__(
        self,
        keys: RecordKeys,
        state: Callable[[bytes], BrickState],
        held: Callable[[bytes, int], list[Held]],
        kit: Callable[[bytes], bytes | None],
        minted: Callable[[int], Slice | None],
        reserved: Callable[[bytes, int], Reserve | None] = lambda brick, seq: None,
        redeemed: Callable[[bytes], Redemption | None] = lambda serial: None,
        lane: Callable[[bytes], bool] = lambda brick: False,
        revoked: Callable[[bytes, int, Taken], bool] = lambda brick, seq, taken: False,
        aside: Callable[[bytes], list[Redemption]] = lambda serial: [],
    ) -> None:
        self._aside = aside
        self._revoked = revoked
        self._keys = keys
        self._state = state
        self._held = held
        self._kit = kit
        self._minted = minted
        self._reserved = reserved
        self._redeemed = redeemed
        self._lane = lane
        self._host = ZERO8
        self._start()

    def _start(self) -> None:
        self._here: dict[tuple[bytes, int], tuple[int, Taken]] = {}
        self._forks: dict[bytes, int] = {}  # equivocations of this batch: chain value → place
        self._spending = Spending(self._minted, self._reserved)
        self._settling = Settling(self._redeemed, self._aside)
        self.verdict = Verdict(
            {},
            slices=self._spending.changed,
            reserves=self._spending.reserves,
            redemptions=self._settling.standing,
            settled=self._settling.settled,
            aside=self._settling.aside,
        )

    def judge(self, host: bytes, receipts: Iterable[Taken]) -> Verdict:
        """Fills in `link`, `findings` and `duplicate_…` of each receipt; returns what else they change.

        A record that cannot be judged for a reason nobody thought of counts as unreadable: no record of one
        brick may keep the batches of its host out."""
        self._host = host
        batch = list(receipts)
        while (bad := self._all_of(batch)) is not None:
            batch[bad].record = None
            self._keys.forget(self.verdict.roots)
            for taken in batch:
                taken.unjudge()
            self._start()
        return self.verdict

    def _all_of(self, batch: list[Taken]) -> int | None:
        """Judges one after another; stops at one that cannot be judged and returns its place."""
        for at, taken in enumerate(batch):
            try:
                self._one(at, taken)
            except (FleetError, OSError, SQLAlchemyError, MemoryError):  # not the record's fault
                raise
            except Exception:  # whatever it was, the host's other bricks go on
                logger.exception("receipt %d cannot be judged, it counts as unreadable", taken.host_seq)
                return at
        return None

    def _one(self, at: int, taken: Taken) -> None:
        fields = taken.record
        if fields is None:
            self._unproven(taken, reg.FINDING_UNREADABLE, ZERO8, 0)
            return
        brick: bytes = fields[1]
        seq: int = fields[2]
        taken.link = record.link(taken.public, taken.mac)
        if not self._keys.knows(brick) or self._revoked(brick, seq, taken):
            self._unproven(taken, reg.FINDING_UNKNOWN_BRICK, brick, seq)
            return
        state = self.verdict.states.get(brick)
        if state is None:
            state = self.verdict.states[brick] = self._state(brick).copy()
        key = self._keys.mac_key(brick, fields[3])
        if key is None or not compare_digest(record.mac(key, taken.public), taken.mac):
            self._unproven(taken, reg.FINDING_MAC_WRONG, brick, seq)
            return
        held = self._all(brick, seq) if seq <= state.head_seq else []
        if self._same(taken, held):
            return
        if fields[3] < state.epoch and fields[3] not in state.withheld:  # published: anyone can make it now
            self._unproven(taken, reg.FINDING_EPOCH_ORDER, brick, seq)
            return
        if held:
            self._find(taken, reg.FINDING_EQUIVOCATION, brick, seq, held[0].digest())
            self._forks[taken.link] = at
            holder = self._holder(brick, fields)
            self._charge(reg.FINDING_EQUIVOCATION, fields, holder)
            self._paid_aside(taken, fields, holder)
            return
        if seq <= state.head_seq:
            self._late(state, taken, seq, fields)
        else:
            self._next(state, taken, seq, fields)
        self._here[brick, seq] = (at, taken)
        self._effects(state, taken, fields)

    # --- sequence and chain

    def _next(self, state: BrickState, taken: Taken, seq: int, fields: Fields) -> None:
        """A record beyond the head."""
        missing = seq - state.head_seq - 1
        if missing:
            self._find(taken, reg.FINDING_GAP, state.brick, state.head_seq + 1)
            _open_gap(state, state.head_seq + 1, seq - 1)
        elif fields[18] != state.head_link:
            self._find(taken, reg.FINDING_CHAIN_BROKEN, state.brick, seq)
        if not _epoch(state, seq, fields[3], missing):
            self._find(taken, reg.FINDING_EPOCH_ORDER, state.brick, seq)
        state.head_seq, state.head_link = seq, taken.link
        counted = state.epoch_exact and seq - state.epoch_first + 1 >= EPOCH_RECORDS
        if fields[3] == state.epoch and (fields[10] in (reg.KIND_CLOSE, reg.KIND_RENTAL) or counted):
            state.withheld[state.epoch] = Ended(seq)
            state.epoch += 1
            state.epoch_first, state.epoch_exact = seq + 1, True
            if fields[10] == reg.KIND_RENTAL and fields.get(24):
                self.verdict.roots.append(self._keys.step(state.brick, state.epoch, fields[24][0]))

    def _late(self, state: BrickState, taken: Taken, seq: int, fields: Fields) -> None:
        """A record that a gap has waited for."""
        before = [held.link for held in self._all(state.brick, seq - 1)]
        after = [held.prev for held in self._all(state.brick, seq + 1)]
        if (before and fields[18] not in before) or (after and taken.link not in after):
            self._find(taken, reg.FINDING_CHAIN_BROKEN, state.brick, seq)
        _close_gap(state, seq, seq)

    def _all(self, brick: bytes, seq: int) -> list[Held]:
        """The proven records of a brick and seq, stored or earlier in this batch."""
        here = self._here.get((brick, seq))
        if here is None:
            return self._held(brick, seq)
        at, taken = here
        assert taken.record is not None
        return [Held(-1 - at, taken.link, taken.record[18], lambda: sha256(taken.cose).digest())]

    def _same(self, taken: Taken, held: list[Held]) -> bool:
        """True where the very same record is held already: it counts once."""
        for other in held:
            if other.link == taken.link:
                if other.index < 0:
                    taken.duplicate_at = -1 - other.index
                else:
                    taken.duplicate_of = other.index
                return True
        if held and taken.link in self._forks:
            taken.duplicate_at = self._forks[taken.link]
            return True
        return False

    # --- what follows

    def _effects(self, state: BrickState, taken: Taken, fields: Fields) -> None:
        if fields[10] == reg.KIND_LOST and fields.get(24):
            first, last = fields[24]
            _close_gap(state, first, last)
        brick = state.brick
        spends, pays = self._spending.concerns(fields), fields[10] == reg.KIND_REDEEM
        if not spends and not pays:
            return
        holder = self._holder(brick, fields)
        codes: list[int] = []
        if spends:
            codes, after = self._spending.judge(fields, holder, lambda seq: _in_gap(state, seq))
            for code in codes:
                self._find(taken, code, brick, fields[2])
            if not taken.findings:
                self._spending.take(after)
        if taken.findings:  # the record is set aside: its rental bears what it gave
            self._charge(codes[0] if codes else _first(taken.findings), fields, holder)
            self._paid_aside(taken, fields, holder)
        elif pays:  # only now is all known that may set the record aside
            self._redeem(taken, fields, holder)

    def _holder(self, brick: bytes, fields: Fields) -> Holder:
        return Holder(brick, self._kit(brick), self._keys.rental(brick, fields[3]))

    def _redemption(self, taken: Taken, fields: Fields, holder: Holder) -> Redemption | None:
        return read_redemption(
            fields,
            holder.kit,
            holder.rental,
            taken.market_ms,
            taken.fields[8],
            self._host,
            taken.host_seq,
            self._lane(holder.brick),
        )

    def _paid_aside(self, taken: Taken, fields: Fields, holder: Holder) -> None:
        """A voucher paid by a record that is set aside: it was charged as what was found; who won is said, too."""
        made = self._redemption(taken, fields, holder)
        if made is not None:
            self._settling.set_aside(made)

    def _redeem(self, taken: Taken, fields: Fields, holder: Holder) -> None:
        """A voucher is paid once: of two that were, one is found and charged to its rental."""
        made = self._redemption(taken, fields, holder)
        settled = None if made is None else self._settling.take(made)
        if settled is None:
            return
        code, loser = reg.FINDING_VOUCHER_TWICE, settled.loser
        if loser is made:
            self._find(taken, code, loser.brick, loser.seq)
        else:
            earlier = self._here.get((loser.brick, loser.seq))
            if earlier is None:
                self.verdict.set_aside.append((loser.brick, loser.seq))
            else:
                earlier[1].findings |= 1 << code
            self.verdict.codes.append(code)
            self.verdict.findings.append(
                leaf.encode_finding(code, loser.brick, loser.seq, loser.host, loser.host_seq, None)
            )
        self.verdict.charges.append(
            Charge(code, loser.kit, loser.rental, loser.brick, loser.seq, 0, reg.UNIT_MINOR, loser.minor)
        )

    def _charge(self, code: int, fields: Fields, holder: Holder) -> None:
        """Nothing that a set-aside record gave away is the budget's: its rental bears all of it. What rests on no
        slice of its own (a voucher, a grant that names a reserve) counts as money."""
        spent: dict[int, int] = {}
        kind: int = fields[10]
        if kind not in (reg.KIND_RIGHTS, reg.KIND_RELEASE, *TAKES_BACK) and not fields[0] & PRACTICE:
            rights: list[list[int]] = fields.get(13) or []
            for number, amount in rights:
                spent[number] = spent.get(number, 0) + amount
            if code == reg.FINDING_RESERVE or (
                not rights and (kind == reg.KIND_REDEEM or (kind == reg.KIND_GRANT and fields.get(20)))
            ):
                spent[0] = money(fields)
        for number, amount in spent.items():
            one = self._minted(number)
            unit = reg.UNIT_MINOR if number == 0 else 0 if one is None else one.unit
            if amount:
                self.verdict.charges.append(
                    Charge(
                        code,
                        holder.kit,
                        holder.rental,
                        holder.brick,
                        fields[2],
                        number,
                        unit,
                        min(amount, I64),
                    )
                )

    def _unproven(self, taken: Taken, code: int, brick: bytes, seq: int) -> None:
        taken.findings |= UNPROVEN
        self._find(taken, code, brick, seq)

    def _find(self, taken: Taken, code: int, brick: bytes, seq: int, evidence: bytes | None = None) -> None:
        if code != reg.FINDING_GAP:  # which says nothing against the record that shows it
            taken.findings |= 1 << code
        self.verdict.codes.append(code)
        self.verdict.findings.append(
            leaf.encode_finding(code, brick, seq, self._host, taken.host_seq, evidence)
        )


def _first(findings: int) -> int:
    """The lowest code in a receipt's findings."""
    return (findings & -findings).bit_length() - 1


def _epoch(state: BrickState, seq: int, epoch: int, missing: int) -> bool:
    """Takes in the epoch of a record beyond the head; False where it is out of order."""
    if epoch == state.epoch:
        return True
    if epoch < state.epoch:  # its key is still secret, so its brick made it, but not when it should have
        return False
    first_unseen = state.head_seq + 1
    in_order = epoch - state.epoch <= missing or (
        not missing and not state.epoch_exact and epoch == state.epoch + 1
    )
    for ended in range(state.epoch, epoch):
        state.withheld[ended] = Ended(seq - 1)
    state.epoch = epoch
    state.epoch_exact = not missing
    state.epoch_first = first_unseen if missing else seq
    return in_order


def _open_gap(state: BrickState, first: int, last: int) -> None:
    if len(state.gaps) >= MAX_GAPS:
        state.gaps[-1][1] = last
    else:
        state.gaps.append([first, last])


def _in_gap(state: BrickState, seq: int) -> bool:
    """Whether a record of this seq is still waited for."""
    return any(first <= seq <= last for first, last in state.gaps)


def _close_gap(state: BrickState, first: int, last: int) -> None:
    """These seqs are no longer waited for."""
    gaps: list[list[int]] = []
    for low, high in state.gaps:
        if high < first or low > last:
            gaps.append([low, high])
            continue
        if low < first:
            gaps.append([low, first - 1])
        if high > last:
            gaps.append([last + 1, high])
    state.gaps = gaps
