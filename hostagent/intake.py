"""Intake: a record from a brick becomes a receipt on the disk, or is named for what is wrong with it.

Checked here: form, sequence, chain, commitment. The record's MAC is the controller's to check: the host
has no record key. What was taken is acknowledged when its group is committed, never before.
"""

import asyncio
import contextlib
import enum
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from hostagent import form
from hostagent.bricks import Brick
from hostagent.chain import Chain
from hostagent.clock import Clock, monotonic_ms
from hostagent.core import FormatError, cbor, receipt, reg
from hostagent.errors import HostError, StoreUnavailable
from hostagent.store import spent, tokens
from hostagent.store.receipts import Gap, Group, Quarantined, Receipts

GROUP_RECORDS = 256
# Records signed and not yet durable, over all bricks. Beyond it bricks send again later.
PENDING_RECORDS = 2048
# Kept as evidence; a brick that fills this is not acknowledged any further.
QUARANTINE_RECORDS = 10_000
COMPARISONS = 64
# SQLite's integers, and those of records: 64 bits with a sign.
MOST_INT = (1 << 63) - 1
log = logging.getLogger("hostagent.intake")


class Outcome(enum.Enum):
    """What became of one record message."""

    TAKEN = "taken"
    REPEAT = "had it already"
    GAP = "earlier records are missing"
    QUARANTINED = "kept aside, not signed"
    BUSY = "cannot be taken now"
    UNREADABLE = "not a record message"


@dataclass
class _Work:
    """A group being filled or committed, and whose records are in it."""

    group: Group = field(default_factory=Group)
    bricks: dict[int, Brick] = field(default_factory=lambda: {})
    size: int = 0
    waiting: list["asyncio.Future[None]"] = field(default_factory=lambda: [])


class Made(NamedTuple):
    """A record made on this host: its parts, and what its receipt says beside it (Chain.add)."""

    seq: int
    public: bytes
    mac: bytes
    private: bytes
    reference: str | None = None
    refers: bytes | None = None
    # Where whoever made it has checked it already.
    checked: form.Form | None = None


# (host seq, receipt16) of each record written; statements with their bindings
Receipted = tuple[tuple[int, bytes], ...]
Statements = Sequence[tuple[str, tuple[Any, ...]]]


class Written(NamedTuple):
    """What became of records made here, and when they are durable."""

    receipts: Receipted
    durable: "asyncio.Future[None]"


@dataclass(frozen=True)
class Durable:
    """What one commit made durable: the bricks that gained, and receipts as (host seq, ms, bytes)."""

    bricks: tuple[Brick, ...]
    receipts: tuple[tuple[int, int, int], ...]


class Intake:
    """One for all bricks. Call `start` inside the event loop; `failed` is done with what stopped it."""

    def __init__(
        self, receipts: Receipts, chain: Chain, clock: Clock, quarantined: int, quarantine_last: int
    ) -> None:
        self._receipts = receipts
        self._chain = chain
        self._clock = clock
        self._quarantined = quarantined
        self._quarantine_last = quarantine_last
        self._open = _Work()
        self._full: deque[_Work] = deque()
        self._committing: _Work | None = None
        self._flush_due = False
        self._comparisons = 0
        self._pending = 0
        self._listeners: list[Callable[[Durable], None]] = []
        # Called with a ruleset's whole digest when a boot record names one.
        self.on_ruleset: Callable[[bytes], None] | None = None
        # False until it is known where this host's chain goes on (a store that replaces a damaged one).
        self.ready = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failed: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Binds to the running loop."""
        self._loop = asyncio.get_running_loop()
        self.failed = self._loop.create_future()

    def listen(self, listener: Callable[[Durable], None]) -> None:
        """`listener(durable)` is called in the loop after every commit."""
        self._listeners.append(listener)

    @property
    def pending(self) -> int:
        """Records signed and not yet durable."""
        return self._pending

    def submit(self, brick: Brick, value: Any) -> Outcome:
        """Takes the value of a record message: [seq, public, mac16, private]."""
        parts = cast(list[Any], value) if isinstance(value, list) else []
        if len(parts) != 4 or type(parts[0]) is not int:
            brick.counters["unreadable"] += 1
            return Outcome.UNREADABLE
        seq: int = parts[0]
        public, mac, private = parts[1], parts[2], parts[3]
        if not (type(public) is bytes and type(mac) is bytes and type(private) is bytes):
            brick.counters["unreadable"] += 1
            return Outcome.UNREADABLE
        if self.busy:
            brick.counters["busy"] += 1
            return Outcome.BUSY
        if seq != brick.next_seq:
            return self._out_of_order(brick, seq, public, mac, private)
        try:
            found = form.check(seq, public, mac, private)
        except FormatError as wrong:
            return self._quarantine(brick, seq, str(wrong), public, mac, private, in_order=True)
        if found.brick != brick.brick:
            reason = f"its public part names brick {found.brick.hex()}"
            return self._quarantine(brick, seq, reason, public, mac, private, in_order=True)
        if brick.last_seq is not None and seq > brick.last_seq:
            reason = f"written after this brick was replaced: it had {brick.last_seq} records then"
            return self._quarantine(brick, seq, reason, public, mac, private, in_order=True)
        ms = self._clock.now_ms()
        try:
            derived = _derived(found.kind, public, private, ms, self._chain.host_seq)
        except (ArithmeticError, LookupError, TypeError, ValueError) as wrong:
            # One brick's record never fails the commit of all: not acknowledged, it would come again and again.
            reason = f"its grants cannot be counted ({type(wrong).__name__})"
            return self._quarantine(brick, seq, reason, public, mac, private, in_order=True)
        if found.prev16 != brick.prev16:
            self._broken_chain(brick, seq)
        if found.kind == reg.KIND_BOOT:
            self._learn_ruleset(public)
        window, basis = self._window(brick, found, ms)
        host_seq = self._chain.host_seq
        cose = self._chain.add(seq, public, mac, found, ms, window, basis)
        self._open.group.rows.append((host_seq, brick.number, seq, ms, cose, private or None))
        self._open.group.also.extend(derived)
        if found.kind == reg.KIND_CLOSE:
            brick.closing = None
        brick.next_seq = seq + 1
        brick.prev16 = form.link(public, mac)
        brick.counters["records"] += 1
        self._touch(brick)
        return Outcome.TAKEN

    @property
    def busy(self) -> bool:
        """Whether records cannot be taken now: too many wait for the disk, or the chain's place is not known."""
        return not self.ready or self._pending >= PENDING_RECORDS

    def write(
        self, brick: Brick, made: Sequence[Made], also: Callable[[Receipted], Statements] | None = None
    ) -> Written:
        """Takes records that this host made itself, all in one transaction with the statements that `also` gives
        for their receipts.

        They are the next of `brick`, in order. Look at `busy` before making them: here they are always taken.
        Raises FormatError for a record that is none: then nothing was taken."""
        assert self._loop is not None
        forms: list[form.Form] = []
        next_seq, prev16 = brick.next_seq, brick.prev16
        for item in made:
            found = item.checked or form.check(item.seq, item.public, item.mac, item.private)
            if item.seq != next_seq or found.brick != brick.brick or found.prev16 != prev16:
                raise FormatError(f"record {item.seq} is not the next of {brick.name}")
            next_seq, prev16 = item.seq + 1, form.link(item.public, item.mac)
            forms.append(found)
        ms = self._clock.now_ms()
        work = self._open
        receipts: list[tuple[int, bytes]] = []
        for item, found in zip(made, forms, strict=True):
            if found.kind == reg.KIND_BOOT:
                self._learn_ruleset(item.public)
            window, basis = self._window(brick, found, ms)
            host_seq = self._chain.host_seq
            cose = self._chain.add(
                item.seq, item.public, item.mac, found, ms, window, basis, item.reference, item.refers
            )
            work.group.rows.append((host_seq, brick.number, item.seq, ms, cose, item.private or None))
            work.group.also.extend(_derived(found.kind, item.public, item.private, ms, host_seq))
            receipts.append((host_seq, self._chain.prev16))
        brick.next_seq, brick.prev16 = next_seq, prev16
        brick.counters["records"] += len(made)
        durable: asyncio.Future[None] = self._loop.create_future()
        work.waiting.append(durable)
        if also is not None:
            work.group.also.extend(also(tuple(receipts)))
        self._touch(brick, max(1, len(made)))
        return Written(tuple(receipts), durable)

    def skip_to(self, brick: Brick, oldest: int) -> None:
        """The brick says that it keeps nothing before `oldest`: what came before is lost to this host."""
        if oldest <= brick.next_seq or not self.ready:
            return
        log.warning("%s: records %d to %d are gone from the brick", brick.name, brick.next_seq, oldest - 1)
        self._open.group.gaps.append(Gap(brick.brick, brick.next_seq, oldest - 1, self._clock.now_ms()))
        brick.counters["lost"] += oldest - brick.next_seq
        brick.next_seq = oldest
        brick.prev16 = None
        self._touch(brick)

    async def drain(self) -> None:
        """Returns when everything taken so far is durable. Raises what `failed` has."""
        assert self.failed is not None and self._loop is not None
        while self._pending:
            committed: asyncio.Future[None] = self._loop.create_future()

            def listener(_: Durable, committed: "asyncio.Future[None]" = committed) -> None:
                if not committed.done():
                    committed.set_result(None)

            self._listeners.append(listener)
            try:
                await asyncio.wait((committed, self.failed), return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._listeners.remove(listener)
            if self.failed.done():
                self.failed.result()

    # --- what is not as expected

    def _out_of_order(self, brick: Brick, seq: int, public: bytes, mac: bytes, private: bytes) -> Outcome:
        if seq > brick.next_seq:
            brick.counters["gaps"] += 1
            return Outcome.GAP
        brick.counters["repeats"] += 1
        if 0 < seq <= brick.durable_seq and self._comparisons < COMPARISONS and self._loop is not None:
            # Same number, same bytes? Looked up beside the traffic; the acknowledgement does not wait for it.
            self._comparisons += 1
            loop = self._loop

            def compare(found: "Future[bytes | None]") -> None:
                loop.call_soon_threadsafe(self._compared, found, brick, seq, public, mac, private)

            self._receipts.find(brick.number, seq).add_done_callback(compare)
        return Outcome.REPEAT

    def _compared(
        self, found: "Future[bytes | None]", brick: Brick, seq: int, public: bytes, mac: bytes, private: bytes
    ) -> None:
        self._comparisons -= 1
        if found.cancelled() or found.exception() is not None:
            return
        cose = found.result()
        if cose is None:
            return
        fields = receipt.parse(cose).fields
        if (fields[1], fields[2]) != (public, mac):
            brick.counters["equivocations"] += 1
            log.error("%s: a second record %d with other bytes", brick.name, seq)
            self._quarantine(brick, seq, "another record with a number already signed", public, mac, private)

    def _quarantine(
        self,
        brick: Brick,
        seq: int,
        reason: str,
        public: bytes,
        mac: bytes,
        private: bytes,
        in_order: bool = False,
    ) -> Outcome:
        """Keeps what cannot be signed. In its turn it takes its number: what follows is not held up."""
        if self._quarantined >= QUARANTINE_RECORDS:
            brick.counters["quarantine_full"] += 1
            return Outcome.BUSY
        log.error("%s: record %d is kept aside: %s", brick.name, seq, reason)
        self._quarantined += 1
        self._quarantine_last += 1
        now_ms = self._clock.now_ms()
        number = self._quarantine_last
        self._open.group.quarantined.append(
            Quarantined(number, now_ms, brick.brick, seq, reason, public, mac, private)
        )
        brick.counters["quarantined"] += 1
        if in_order:
            brick.next_seq = seq + 1
            brick.prev16 = form.link(public, mac)
        self._touch(brick)
        return Outcome.QUARANTINED

    def _broken_chain(self, brick: Brick, seq: int) -> None:
        """Taken all the same: the controller sees the break and names it in the ledger."""
        if brick.prev16 is None:
            return
        brick.counters["chain_breaks"] += 1
        log.error("%s: record %d does not follow from the one before", brick.name, seq)

    def _learn_ruleset(self, public: bytes) -> None:
        """A boot record carries the whole digest; the decisions after it only its first eight bytes."""
        detail = cbor.decode(public).get(24)
        if self.on_ruleset is not None and detail and type(detail[0]) is bytes and len(detail[0]) == 32:
            self.on_ruleset(detail[0])

    def _window(self, brick: Brick, found: form.Form, ms: int) -> tuple[int, int]:
        if found.wall_ms is not None and found.quality >= reg.QUALITY_HOST:
            return found.wall_ms // receipt.WINDOW_MS, reg.BASIS_BRICK
        uptime = brick.uptime(found.boot, monotonic_ms())
        fields = {4: found.boot, 5: found.wall_ms, 6: found.uptime_ms, 7: [found.quality, 0]}
        best, basis = receipt.best_time(fields, ms, found.boot if uptime is not None else None, uptime)
        return best // receipt.WINDOW_MS, basis

    # --- groups

    def _touch(self, brick: Brick, count: int = 1) -> None:
        work = self._open
        work.group.heads[brick.number] = (brick.next_seq, brick.prev16 or b"")
        work.bricks[brick.number] = brick
        work.size += count
        self._pending += count
        if len(work.group.rows) >= GROUP_RECORDS:
            self._full.append(work)
            self._open = _Work()
            self._flush()
        elif not self._flush_due and self._committing is None:
            # What arrives in the same turn of the loop goes to the disk together.
            assert self._loop is not None
            self._flush_due = True
            self._loop.call_soon(self._flush_soon)

    def _flush_soon(self) -> None:
        self._flush_due = False
        self._flush()

    def _flush(self) -> None:
        if self._committing is not None:
            return
        if self._full:
            work = self._full.popleft()
        elif self._open.size:
            work, self._open = self._open, _Work()
        else:
            return
        self._committing = work
        loop = self._loop
        assert loop is not None

        def done(commit: "Future[None]") -> None:
            # The loop is gone when the program ends while the disk refuses: nothing is left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._committed, commit)

        self._receipts.commit(work.group).add_done_callback(done)

    def _committed(self, commit: "Future[None]") -> None:
        work = self._committing
        assert work is not None
        self._committing = None
        error = commit.exception()
        if error is not None:
            self.ready = False
            if self.failed is not None and not self.failed.done():
                self.failed.set_exception(HostError(f"receipts could not be stored: {error}"))
            for waiting in work.waiting:
                if not waiting.done():
                    waiting.set_exception(StoreUnavailable(f"receipts could not be stored: {error}"))
            return
        for number, (next_seq, _) in work.group.heads.items():
            work.bricks[number].durable_seq = next_seq - 1
        self._pending -= work.size
        for waiting in work.waiting:
            if not waiting.done():
                waiting.set_result(None)
        durable = Durable(
            tuple(work.bricks.values()), tuple((row[0], row[3], len(row[4])) for row in work.group.rows)
        )
        self._flush()
        for listener in tuple(self._listeners):
            listener(durable)


def _derived(kind: int, public: bytes, private: bytes, ms: int, host_seq: int) -> Statements:
    """What a record changes beside its receipt: vouchers that it pays, tokens that it gives. Raises OverflowError where
    a number does not fit the store."""
    found = [*spent.statements(kind, public, ms), *tokens.statements(kind, public, private, host_seq)]
    for _, bindings in found:
        for value in bindings:
            if type(value) is int and not -MOST_INT - 1 <= value <= MOST_INT:
                raise OverflowError(value)
    return found
