"""What the host tells bricks beside records, time, rules and rights, in order of need; and what they ask back.

Answers go out before everything but acknowledgements. Short messages (open values, practice, signals, revocations)
wait for room; the exchange and balances go only over a link that has nothing else on its way, one at a time, so
that an acknowledgement never stands behind more than one of them.
"""

import asyncio
import itertools
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hostagent.asking import Asking
from hostagent.bricks import Brick
from hostagent.clock import Clock, monotonic_ms
from hostagent.core import Fields, reg
from hostagent.directing import Directing
from hostagent.errors import StoreUnavailable
from hostagent.exchange import Exchange, Message
from hostagent.openvalues import OpenValues
from hostagent.shadows import Shadows
from hostagent.signals import Heard
from hostagent.staff import NOBODY
from hostagent.steps import Steps
from hostagent.store import tokens
from hostagent.store.records import Stored
from hostagent.store.store import Store
from hostagent.store.tokens import Tokens
from hostagent.tagside import TagSide

ANSWERS = 16
SHORT = 64
SUBJECT = 6
REVOKED_AT_ONCE = 64
# Kept here, and of these told: a brick remembers so many (stallmark.spent).
REVOKED_MOST = 1_024
REVOKED_TOLD = 256
SIGNALS_AT_ONCE = 16
BALANCES_AT_ONCE = 40
BALANCES_KEPT = 8_192
# People whose balance is known at once, about 10 MB: those whose balance changed last. Of others the store alone knows; they
# count as having none until the next start.
PEOPLE_MOST = 65_536
# Where no balance changes an empty message says so often that they still hold: as with people, a third of the 60 s
# from which decisions say that they looked at old data.
BALANCES_FRESH_MS = 20_000
META_REVOKED = "revoked"
log = logging.getLogger("hostagent.telling")


@dataclass
class _Queue:
    """What waits for one brick. `linked`: over this link it has said its status."""

    answers: deque[Message] = field(default_factory=lambda: deque(maxlen=ANSWERS))
    # At most SHORT: what is too much for it is replaced by everything that holds.
    short: deque[Message] = field(default_factory=deque[Message])
    # Subjects whose balance changed since it was told, oldest first.
    balances: OrderedDict[bytes, None] = field(default_factory=OrderedDict[bytes, None])
    # When message 42 was sent last over this link.
    balances_ms: int | None = None
    linked: bool = False
    # The rules whose signals it is told, and those that it was told of them; the message is made when it is sent.
    signals8: bytes | None = None
    signals: list[list[int]] = field(default_factory=list[list[int]])
    signals_due: bool = False


class Telling:
    """One for a host. `flush(brick8)` lets a brick's session look for something to send."""

    def __init__(
        self,
        store: Store,
        bricks: dict[bytes, Brick],
        clock: Clock,
        exchange: Exchange,
        asking: Asking,
        lane: Callable[[], Any],
        flush: Callable[[bytes], None],
    ) -> None:
        self._store = store
        self._bricks = bricks
        self._clock = clock
        self._exchange = exchange
        self._asking = asking
        self._lane = lane
        self._flush = flush
        self._queues: dict[bytes, _Queue] = {}
        self.openvalues: OpenValues
        self._heard = Heard()
        self._began = False
        # Rules by digest8, None where they are not known here.
        self.rules: Callable[[bytes], Any] = lambda digest8: None
        # Every ruleset known here: in use, on offer, and a few that were.
        self.rulesets: Callable[[], list[Any]] = list
        self._sums = Tokens(store)
        self._tokens: OrderedDict[bytes, int] = OrderedDict()
        # Receipts up to this one were counted before the start.
        self._loaded = 0
        # Up to which of its records each brick's tokens are in these sums; what is durable may not be yet.
        self._counted: dict[bytes, int] = {}
        kept = store.meta.get(META_REVOKED)
        self._revoked: bytes = kept if isinstance(kept, bytes) else b""
        self.practice: str | None = None
        # Keys of tags and their read counters, where this kit's bricks know tags (hostagent.tagside).
        self.tags: TagSide | None = None
        # Roots and directives for bricks.
        self.directing: Directing | None = None
        # Rules that bricks try beside those in use.
        self.shadows: Shadows | None = None
        # Orders to step to another rental.
        self.steps: Steps | None = None
        # What bricks and records are told of who did something (hostagent.staff).
        self.label: Callable[[str], str] = lambda name: NOBODY

    def _queue(self, brick8: bytes) -> _Queue:
        return self._queues.setdefault(brick8, _Queue())

    # --- what sessions ask

    def link_up(self, brick: Brick) -> None:
        """A new link: what was on its way over the old one is told anew or asked anew."""
        self._queues[brick.brick] = _Queue(balances=OrderedDict.fromkeys(self._newest()))
        if self.directing is not None:
            self.directing.linked(brick)
        if self.shadows is not None:
            self.shadows.linked(brick)

    def status(self, brick: Brick) -> None:
        """A brick said what it decides by; the first time over a link it is told everything that holds."""
        queue = self._queue(brick.brick)
        anew, queue.linked = not queue.linked, True
        self._exchange.status(brick, anew)
        if anew:
            self._everything(brick.brick, queue)
            if self.tags is not None:
                self.tags.linked(brick)
            order = None if self.steps is None else self.steps.message(brick.brick)
            if order is not None:
                self._append(brick.brick, queue, (reg.MSG_STEP, order))
        ruleset8 = None if brick.status is None else brick.status.ruleset8
        if ruleset8 is not None and ruleset8 != queue.signals8:
            if not anew:  # a brick with other rules has a new state: of balances it knows none
                queue.balances = OrderedDict.fromkeys(self._newest())
            queue.signals8, queue.signals, queue.signals_due = ruleset8, [], True
        due = self.openvalues.due(brick)
        if due is not None and all(kind != reg.MSG_PARAMETERS for kind, _ in queue.short):
            self._append(brick.brick, queue, due)

    def _everything(self, brick8: bytes, queue: _Queue) -> None:
        """Practice, revocations and keys of tags, as they are now; open values and signals have ways of their own."""
        queue.short.append(self._practice_message())
        queue.short.extend(self._revocations(self._revoked[-SUBJECT * REVOKED_TOLD :], True))
        if self.tags is not None:
            queue.short.extend(self.tags.keys_for(brick8))

    def _append(self, brick8: bytes, queue: _Queue, message: Message) -> None:
        """One more short message. None is dropped: where too many wait, the brick is told everything that holds."""
        if len(queue.short) >= SHORT:
            queue.short.clear()
            self._everything(brick8, queue)
            brick = self._bricks.get(brick8)
            if brick is not None:
                brick.counters["told_anew"] += 1
                due = self.openvalues.due(brick)
                if due is not None:
                    queue.short.append(due)
        queue.short.append(message)

    def message(self, brick: Brick, kind: int, value: Fields) -> bool:
        """A message of a brick; False where it is none for this part."""
        if kind == reg.MSG_ASK:
            self._asking.ask(brick, value, lambda answer: self._reply(brick, answer))
        elif kind == reg.MSG_PARAMETERS_RESULT:
            self.openvalues.answered(brick, value)
        elif self.steps is not None and kind == reg.MSG_STEPPED:
            self.steps.heard(brick, value)
        elif self.directing is not None and kind in (reg.MSG_TRUST_WANTED, reg.MSG_TRUST_RESULT):
            self._trusted(brick, self.directing.message(brick, kind, value))
        elif self.shadows is not None and kind == reg.MSG_SHADOWED:
            return self.shadows.message(brick, value)
        else:
            return False
        return True

    def _trusted(self, brick: Brick, piece: Message | None) -> None:
        """A piece of a root or directive that a brick asked for: it may say that nothing is to be installed."""
        queue = self._queues.get(brick.brick)
        if queue is not None and piece is not None:
            queue.answers.append(piece)
            self._flush(brick.brick)

    def _reply(self, brick: Brick, answer: Fields) -> None:
        queue = self._queues.get(brick.brick)
        if queue is not None:
            queue.answers.append((reg.MSG_ANSWER, answer))
            self._flush(brick.brick)

    def urgent(self, brick: Brick) -> Message | None:
        """An answer that a customer waits for, a root or directive."""
        queue = self._queue(brick.brick)
        if queue.answers:
            return queue.answers.popleft()
        # Before slices and rules: it says whose they may be, and may say that nothing is to be installed.
        return self.directing.next_for(brick) if self.directing is not None and queue.linked else None

    def soon(self, brick: Brick) -> Message | None:
        """A short message."""
        queue = self._queue(brick.brick)
        if not queue.linked:
            return None
        if queue.short:
            return queue.short.popleft()
        return self._signals(queue) or (None if self.shadows is None else self.shadows.next_for(brick))

    def idle(self, brick: Brick) -> Message | None:
        """Something for a link that has nothing else on its way."""
        queue = self._queue(brick.brick)
        if not queue.linked:
            return None
        told = self._exchange.next_for(brick) or (None if self.tags is None else self.tags.next_for(brick))
        if told is not None:
            return told
        # While the store is still being read sums are too low.
        if not self._exchange.caught_up:
            return None
        now = monotonic_ms()
        if not queue.balances:
            fresh = queue.balances_ms is not None and now - queue.balances_ms < BALANCES_FRESH_MS
            if fresh or not self._exchange.asks_balance(brick):
                return None
        queue.balances_ms = now
        entries = b""
        for _ in range(min(BALANCES_AT_ONCE, len(queue.balances))):
            subject = queue.balances.popitem(last=False)[0]
            entries += subject + self._tokens.get(subject, 0).to_bytes(4, "big")
        return reg.MSG_BALANCES, {0: self._clock.now_ms(), 1: self._counted.get(brick.brick, 0), 2: entries}

    def tell(self, brick8: bytes, kind: int, value: Any) -> bool:
        """Queues a short message; False where there is no link."""
        queue = self._queues.get(brick8)
        if queue is None or not queue.linked:
            return False
        self._append(brick8, queue, (kind, value))
        self._flush(brick8)
        return True

    def link_down(self, brick: Brick) -> None:
        """The link is gone: nothing can be queued for it."""
        self._queues.pop(brick.brick, None)
        if self.directing is not None:
            self.directing.unlinked(brick)

    def _everybody(self, message: Message) -> None:
        for brick8 in list(self._queues):
            self.tell(brick8, *message)

    async def another_rental(self) -> None:
        """Balances and revocations of the rental before are forgotten, in the store, too. Raises StoreUnavailable."""
        await asyncio.wrap_future(self._sums.forget())
        await asyncio.wrap_future(self._store.set_meta({META_REVOKED: b""}))
        self._tokens.clear()
        self._revoked = b""
        for brick8, queue in self._queues.items():
            queue.balances.clear()
            if queue.linked:
                for message in self._revocations(b"", True):
                    self._append(brick8, queue, message)
        lane = self._lane()
        if lane is not None:
            lane.state.revoke(True, b"")

    # --- training

    async def training(self, on: bool, who: str) -> list[str]:
        """Practice on or off, at every brick and the lane: decisions are flagged and nothing is spent. Names of those
        that were reached; the others are told with their next link. Off after a restart of the host."""
        self.practice = who[:24] if on else None
        reached: list[str] = []
        for brick in self._bricks.values():
            if self.tell(brick.brick, *self._practice_message()):
                reached.append(brick.name)
        lane = self._lane()
        if lane is not None:
            lane.training = on
            reached.append(lane.brick.name)
        return reached

    def _practice_message(self) -> Message:
        return reg.MSG_TRAINING, {
            0: self.practice is not None,
            1: self.label(self.practice) if self.practice else "",
        }

    def lane_anew(self, lane: Any) -> None:
        """The lane begins with a new state, after a start or with other rules: it is told what holds."""
        lane.state.revoke(True, self._revoked[-SUBJECT * REVOKED_TOLD :])
        self._signals_at_lane(lane)
        entries = b"".join(short + self._tokens[short].to_bytes(4, "big") for short in self._newest())
        self._balances_at_lane(lane, entries)

    # --- signals

    def _hear(self, stored: Stored) -> None:
        """A record of the lane is durable: the signal that it carries every brick learns whose rules look at it."""
        lane = self._lane()
        if lane is None or stored.brick != lane.brick8:
            return
        private: Fields = stored.record.private_fields or {}
        if not self._heard.take(stored.record.fields, private, self._looking):
            return
        if self._exchange.caught_up:
            self._signals_at_lane(lane)
            self._signals_everywhere()

    def _looking(self) -> list[Any]:
        """Rules that somebody decides by, or may soon."""
        used = {queue.signals8 for queue in self._queues.values() if queue.signals8 is not None}
        lane = self._lane()
        known = [*self.rulesets(), *map(self.rules, used), None if lane is None else lane.ruleset]
        return [ruleset for ruleset in known if ruleset is not None]

    def _signals_everywhere(self) -> None:
        """Bricks whose rules look at what is new have something to be sent."""
        for brick8, queue in list(self._queues.items()):
            if queue.linked and self._known_signals(queue) != queue.signals:
                queue.signals_due = True
                self._flush(brick8)

    def _signals(self, queue: _Queue) -> Message | None:
        """Message 41 with what is known now, where the brick does not have it."""
        if not queue.signals_due:
            return None
        queue.signals_due = False
        known = self._known_signals(queue)
        if not known or known == queue.signals:
            return None
        queue.signals = known
        return reg.MSG_SIGNALS, {0: known, 1: queue.signals8}

    def _known_signals(self, queue: _Queue) -> list[list[int]]:
        # A brick with other rules has another signal under this index, or none.
        ruleset = None if queue.signals8 is None else self.rules(queue.signals8)
        return [] if ruleset is None else self._heard.of(ruleset)[:SIGNALS_AT_ONCE]

    def _signals_at_lane(self, lane: Any) -> None:
        if lane.ruleset is not None:
            for signal in self._heard.of(lane.ruleset):
                lane.state.signals(*signal)

    # --- balances

    async def load(self) -> None:
        """Takes up everybody's sums. Once, before any record is taken or read. A disk that refuses to have the receipts
        of an older program counted: then they are, as far as they are read (exchange.LOOK_BACK)."""
        try:
            if not self._sums.whole:
                await asyncio.wrap_future(self._sums.count())
            known = await asyncio.wrap_future(self._sums.load(PEOPLE_MOST))
        except StoreUnavailable as failed:
            log.warning("balances are counted from the newest receipts alone: %s", failed)
            return
        self._tokens, self._counted, self._loaded = OrderedDict(known.sums), known.counted, known.host_seq

    def _newest(self) -> list[bytes]:
        return list(itertools.islice(reversed(self._tokens), BALANCES_KEPT))[::-1]

    def recorded(self, stored: Stored) -> None:
        """A record is here: tokens that it gave, or took back, count everywhere."""
        self._hear(stored)
        if stored.host_seq <= self._loaded:
            return  # counted before the start
        self._counted[stored.brick] = stored.record.seq
        found = tokens.change(stored.record.fields, stored.record.private_fields or {})
        if found is None:
            return
        short, by = found
        self._tokens[short] = tokens.changed(self._tokens.get(short, 0), by)
        self._tokens.move_to_end(short)
        while len(self._tokens) > PEOPLE_MOST:
            self._tokens.popitem(last=False)
        for brick8, queue in self._queues.items():
            # It knows what it gave itself; but not what was before its restart, where its journal has gone on.
            if brick8 != stored.brick or not self._exchange.caught_up:
                queue.balances[short] = None
                while len(queue.balances) > BALANCES_KEPT:
                    queue.balances.popitem(last=False)
        lane = self._lane()
        # What it gave itself the lane knows; but it cannot take back what earlier sums already counted.
        if lane is not None and (lane.brick8 != stored.brick or by < 0):
            entry = short + self._tokens[short].to_bytes(4, "big")
            self._balances_at_lane(lane, entry)

    def tokens(self, subject8: bytes) -> int:
        """Loyalty tokens of a subject, as far as records have been read."""
        return self._tokens.get(subject8[:SUBJECT], 0)

    def news(self) -> None:
        """Everything that is durable has been read: the lane's balances hold as of now."""
        lane = self._lane()
        if self._exchange.caught_up and not self._began:
            # Out of the store: what was heard before this program started.
            self._began = True
            self._signals_everywhere()
        if lane is not None and self._exchange.caught_up:
            self._signals_at_lane(lane)
            self._balances_at_lane(lane, b"")

    def _balances_at_lane(self, lane: Any, entries: bytes) -> None:
        lane.state.balances(self._clock.now_ms(), self._counted.get(lane.brick8, 0), entries)

    # --- revocations

    @property
    def revoked(self) -> int:
        """How many subjects are revoked."""
        return len(self._revoked) // SUBJECT

    def is_revoked(self, subject8: bytes) -> bool:
        """Whether this subject is."""
        return subject8[:SUBJECT] in self._subjects()

    async def revoke(self, subject8: bytes, who: str) -> None:
        """A subject gets nothing any more, at every brick and the lane; durable. Raises StoreUnavailable."""
        short = subject8[:SUBJECT]
        if short in self._subjects():
            return
        whole = (self._revoked + short)[-SUBJECT * REVOKED_MOST :]
        await asyncio.wrap_future(self._store.set_meta({META_REVOKED: whole}))
        log.info("%s revoked a pass", self.label(who))
        self._revoked = whole
        for message in self._revocations(short, False):
            self._everybody(message)
        lane = self._lane()
        if lane is not None:
            lane.state.revoke(False, short)

    def _subjects(self) -> list[bytes]:
        return [self._revoked[at : at + SUBJECT] for at in range(0, len(self._revoked), SUBJECT)]

    @staticmethod
    def _revocations(entries: bytes, first: bool) -> list[Message]:
        size = SUBJECT * REVOKED_AT_ONCE
        parts = [entries[at : at + size] for at in range(0, len(entries), size)] or [b""]
        return [
            (reg.MSG_REVOKED, {0: first and number == 0, 1: part})
            for number, part in enumerate(parts)
            if part or first
        ]
