"""Store and forward: closes batches, hands them over in order, survives whatever the controller does.

A batch is durable, with number and chain, before it is posted for the first time; it is posted with the same
bytes until the controller has it. While one waits no other is closed: after an outage batches are full.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hostagent import batches
from hostagent.answers import Conflict, Mark, PrivateKey, Standing
from hostagent.backoff import Backoff
from hostagent.batches import Losses
from hostagent.bricks import Brick
from hostagent.clock import Clock
from hostagent.controller import Controller
from hostagent.errors import ControllerError, StoreUnavailable
from hostagent.exchangelog import Lists
from hostagent.intake import Durable
from hostagent.signer import Signer
from hostagent.store.outbox import Closed, Outbox, StoredKey
from hostagent.store.receipts import Receipts

CLOSE_S = 1.0
KEYS_AT_ONCE = 500
log = logging.getLogger("hostagent.forwarder")


@dataclass
class Said:
    """The last thing that went wrong, in plain words; `at` monotonic seconds."""

    kind: str
    text: str
    at: float


def _nothing(_why: str) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


class Forwarder:
    """The one task that talks to the controller about receipts."""

    def __init__(
        self,
        outbox: Outbox,
        receipts: Receipts,
        controller: Controller,
        signer: Signer,
        clock: Clock,
        bricks: dict[bytes, Brick],
        host: bytes,
        event: bytes,
        losses: Callable[[], Losses],
        backoff: Backoff | None = None,
        close_s: float = CLOSE_S,
    ) -> None:
        self._outbox = outbox
        self._receipts = receipts
        self._controller = controller
        self._signer = signer
        self._clock = clock
        self._bricks = bricks
        self._host = host
        self._event = event
        self._losses = losses
        self._backoff = backoff or Backoff()
        self.close_s = close_s
        self._wake = asyncio.Event()
        self._aligned = False
        # The chain of batches: number and prev32 of the next one, first receipt not in a batch.
        self.number = 1
        self.prev = bytes(32)
        self.next_seq = 1
        # Receipts durable and in no batch: the newest, bytes, since when (monotonic s), the first's window.
        self._newest = 0
        self._open_bytes = 0
        self._open_since = 0.0
        self._open_window: int | None = None
        self.accepted = 0
        self.trouble: Said | None = None
        self.reached_at: float | None = None
        self.on_marks: Callable[[list[Brick]], None] | None = None
        # The lists of heads that records' field 21 names.
        self.lists = Lists()
        # Given where the store cannot say how the host's chain goes on: the controller has to.
        self.adopt: Callable[[Standing], Awaitable[None]] | None = None
        # What is held while a batch is closed (hostagent.updatelock).
        self.during: Callable[[str], contextlib.AbstractContextManager[None]] = _nothing

    async def load(self) -> None:
        """Takes up the chain where the store left it."""
        last = await asyncio.wrap_future(self._outbox.last())
        if last is not None:
            self.number, self.prev, self.next_seq = last.number + 1, batches.link(last), last.last_seq + 1
        newest = await asyncio.wrap_future(self._receipts.last())
        if newest is not None and newest[0] >= self.next_seq:
            self._note(newest[0], 0, self._clock.now_ms())

    def start_at(self, number: int, prev: bytes, next_seq: int) -> None:
        """Where a chain without batches in this store goes on."""
        self.number, self.prev, self.next_seq = number, prev, next_seq
        self._newest = max(self._newest, next_seq - 1)

    def durable(self, durable: Durable) -> None:
        """Receipts came onto the disk."""
        if durable.receipts:
            self._note(
                durable.receipts[-1][0], sum(row[2] for row in durable.receipts), durable.receipts[0][1]
            )

    async def run(self) -> None:
        """Forwards until cancelled."""
        while True:
            try:
                if not self._aligned:
                    await self._align_first()
                waiting = await asyncio.wrap_future(self._outbox.waiting())
                if waiting is None:
                    await self._until_due()
                    waiting = await self._close_next()
                await self._post(waiting)
            except ControllerError as failed:
                await self._failed(failed.kind, str(failed))
            except StoreUnavailable as failed:
                await self._failed("disk", f"the outbox cannot be written: {failed}")
                # What of it reached the disk after all, only the disk knows.
                await self.load()

    # --- closing

    @property
    def _open_count(self) -> int:
        return max(0, self._newest - self.next_seq + 1)

    def _note(self, newest: int, size: int, ms: int) -> None:
        if not self._open_count:
            self._open_since = time.monotonic()
            self._open_window = ms // batches.WINDOW_MS
        self._newest = max(self._newest, newest)
        self._open_bytes += size
        self._wake.set()

    def _due_in(self) -> float | None:
        """Seconds until the open batch closes; None while there is nothing in it."""
        if not self._open_count:
            return None
        full = self._open_count >= batches.MAX_RECEIPTS or self._open_bytes >= batches.MAX_BYTES
        if full or self._clock.now_ms() // batches.WINDOW_MS != self._open_window:
            return 0.0
        return max(0.0, self._open_since + self.close_s - time.monotonic())

    async def _until_due(self) -> None:
        while (due := self._due_in()) != 0.0:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it may swallow the cancellation that ends this task.
                async with asyncio.timeout(due):
                    await self._wake.wait()

    async def _close_next(self) -> Closed:
        newest, began, window = self._newest, time.monotonic(), self._clock.now_ms() // batches.WINDOW_MS
        last = self.next_seq + batches.MAX_RECEIPTS - 1
        rows = batches.cut(await asyncio.wrap_future(self._receipts.span(self.next_seq, last)))
        subjects = list(dict.fromkeys(batches.subject_of(row.private) for row in rows if row.private))
        known = await asyncio.wrap_future(self._outbox.keys(self._event, subjects))
        fresh = [batches.new_key(self._event, subject) for subject in subjects if subject not in known]
        keys: dict[bytes, StoredKey] = known | {key.subject: key for key in fresh}
        # Made each time: a brick may get a place while the host runs.
        numbers = {brick.number: brick.brick for brick in self._bricks.values()}
        closed = await asyncio.to_thread(
            batches.close,
            rows,
            numbers,
            keys,
            self.number,
            self.prev,
            self._host,
            self._signer.kid,
            self._clock.now_ms(),
            self._losses(),
            self._signer.sign,
        )
        evidence = batches.named(rows, self.lists.get)
        with self.during("a batch is closed"):
            await asyncio.wrap_future(self._outbox.close(closed, fresh, evidence.lists, evidence.newest))
        for number, digest in evidence.newest.items():
            self.lists.in_batch(numbers[number], digest)
        self.number, self.prev, self.next_seq = closed.number + 1, batches.link(closed), closed.last_seq + 1
        self._open_bytes = 0
        # What did not fit has waited long enough: it goes at once. What came meanwhile waits in its turn.
        self._open_since, self._open_window = began, None if closed.last_seq < newest else window
        return closed

    # --- handing over

    async def _post(self, closed: Closed) -> None:
        while keys := await asyncio.wrap_future(self._outbox.unposted_keys(KEYS_AT_ONCE)):
            await self._controller.post_private_keys(
                [PrivateKey(key.id, key.event, key.subject or None, key.key) for key in keys]
            )
            await asyncio.wrap_future(self._outbox.posted([key.id for key in keys]))
        rows = await asyncio.wrap_future(self._receipts.span(closed.first_seq, closed.last_seq))
        try:
            evidence = await asyncio.wrap_future(self._outbox.evidence(closed.number))
            body = await asyncio.to_thread(batches.body, closed, rows, evidence)
            marks = await self._controller.post_batch(body, closed.number)
        except Conflict as conflict:
            if conflict.expected is None or conflict.prev is None:
                standing = await self._controller.standing()
            else:
                standing = Standing(conflict.expected, conflict.prev, None, None)
            await self._align(standing)
            if standing.number > closed.number:
                # It has this batch after all, and will not repeat its answer: the next one brings the marks.
                await self._accepted(closed.number, [])
            return
        await self._accepted(closed.number, marks)

    async def _accepted(self, number: int, marks: list[Mark]) -> None:
        await asyncio.wrap_future(
            self._outbox.accept(number, [(mark.brick, mark.ledger_seq, mark.tag) for mark in marks])
        )
        self._reached()
        self.accepted += 1
        gained: list[Brick] = []
        for mark in marks:
            brick = self._bricks.get(mark.brick)
            if brick is not None and (brick.ledger_seq is None or brick.ledger_seq < mark.ledger_seq):
                brick.ledger_seq, brick.ledger_tag = mark.ledger_seq, mark.tag
                gained.append(brick)
        if gained and self.on_marks is not None:
            self.on_marks(gained)

    # --- finding the place again

    async def _align_first(self) -> None:
        """Once after a start: both sides compare where they stand before anything new is closed."""
        if self.adopt is None and self.number == 1 and not self._open_count:
            # A host that never had a receipt has nothing to compare; it need not wait for the controller.
            self._aligned = True
            return
        standing = await self._controller.standing()
        if self.adopt is not None:
            await self.adopt(standing)
            self.adopt = None
        await self._align(standing)
        self._reached()
        self._aligned = True

    async def _align(self, standing: Standing) -> None:
        """Goes on from where the controller stands. Raises ControllerError where its past is another."""
        if standing.number > self.number:
            raise ControllerError(
                "fork",
                f"the controller has batch {standing.number - 1} of this host, "
                f"the store only {self.number - 1}: the store is an older copy; "
                "the hub has to give this host a new identity",
            )
        before = None
        if standing.number > 1:
            before = await asyncio.wrap_future(self._outbox.batch(standing.number - 1))
        if standing.number == self.number:
            expected = self.prev
        else:
            expected = bytes(32) if before is None else batches.link(before)
        if standing.prev != expected:
            raise ControllerError(
                "fork",
                f"the controller holds another batch {standing.number - 1} of this host than its store",
            )
        # A batch that it has and whose answer was lost is posted once more: the same answer, with its marks.
        waiting = await asyncio.wrap_future(self._outbox.waiting())
        if standing.number < (self.number if waiting is None else waiting.number):
            log.warning("the controller went back to batch %d: sending again from there", standing.number)
            await asyncio.wrap_future(self._outbox.reopen(standing.number))

    async def _failed(self, kind: str, text: str) -> None:
        if self.trouble is None or self.trouble.text != text:
            log.warning("%s", text)
        self.trouble = Said(kind, text, time.monotonic())
        await asyncio.sleep(self._backoff.next())

    def _reached(self) -> None:
        self.reached_at = time.monotonic()
        self.trouble = None
        self._backoff.reset()
