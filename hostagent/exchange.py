"""The exchange inside a kit: what one brick or the lane has recorded, all the others come to know.

Fed from the store, so only by what is durable. A ruleset that somebody in the kit decides by has a `Book`: the
entries of every source under its slots. Each brick gets them from scratch after its restart, after a change of its
rules and with every new link; what it knows already it passes over. Isolated bricks keep their own lower bounds.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hostagent.bricks import Brick, Status
from hostagent.clock import Clock, monotonic_ms
from hostagent.core import Fields, people, reg, ruleform, state
from hostagent.errors import HostError
from hostagent.exchangelog import Heads, Lists, Log, encoded
from hostagent.store.heads import HeadsTold, Standing, Told
from hostagent.store.records import Records, Stored

# Rulesets told at a time: the one in use, and the next while it is being installed.
BOOKS = 3
PAGE = 500
# Of an old store only so many of the newest receipts are read at the start.
LOOK_BACK = 50_000
# A source that has nothing new says so this often: its data are current, not old.
FRESH_MS = 20_000
# After the store refused to keep what a brick is about to be told.
NOTE_AGAIN_S = 1.0
Message = tuple[int, Any]
log = logging.getLogger("hostagent.exchange")


@dataclass
class Book:
    """Everything that one ruleset makes of the kit's records. `read`: host seq up to which it is filled."""

    ruleset: Any
    read: int
    # Whoever came in an earlier rental of the kit is nobody's business any more.
    rental: int = 0
    logs: dict[bytes, Log] = field(default_factory=lambda: {})
    ready: bool = False

    def __post_init__(self) -> None:
        # Whether its conditions look at loyalty tokens.
        self.asks_balance: bool = any(
            rule.flags & ruleform.BALANCES or rule.early for rule in self.ruleset.rules
        )
        # Whether its records name what they looked at (stallmark.decision): else nobody asks for lists of heads.
        self.names_heads: bool = any(rule.flags & ruleform.COUNTS_KIT for rule in self.ruleset.rules)

    def add(self, stored: Stored) -> None:
        """One more record."""
        self.read = stored.host_seq
        fields: Fields = stored.record.fields
        known = self.logs.setdefault(stored.brick, Log())
        known.add(fields[2], self._entries(stored, fields))

    def _entries(self, stored: Stored, fields: Fields) -> bytes:
        if fields[16] < self.rental:
            return b""
        told: Fields = fields
        if fields.get(8) != self.ruleset.digest8:
            # Its rule numbers mean other rules: the person came, nothing else is known here.
            told = {key: value for key, value in fields.items() if key != 9}
        entries: bytes = people.of_record(
            self.ruleset.slots, told, stored.record.private_fields, self.ruleset.leads
        )
        return entries


@dataclass
class Receiver:
    """How far one brick has been told. `ready`: the next message, which may go out: what it leads to is durable."""

    heads: Heads
    boot: int | None = None
    ruleset8: bytes | None = None
    cursors: dict[bytes, int] = field(default_factory=lambda: {})
    told_ms: dict[bytes, int] = field(default_factory=lambda: {})
    turn: int = 0
    messages: int = 0
    ready: Message | None = None
    # Grows with every start-up and link: what was made ready for an earlier one is not sent.
    epoch: int = 0
    noting: bool = False

    def begin(self) -> None:
        """It is told from scratch."""
        self.cursors.clear()
        self.epoch += 1
        self.ready, self.noting = None, False

    def as_told(self) -> Callable[[], None]:
        """Puts it back to how far it has been told now, where the next message does not go out."""
        heads, cursors, told_ms, turn = self.heads.copy(), self.cursors.copy(), self.told_ms.copy(), self.turn

        def back() -> None:
            self.heads, self.cursors, self.told_ms, self.turn = heads, cursors, told_ms, turn

        return back


class Exchange:
    """One for a host. `ruleset(digest8)` finds the rules of a brick; `lane()` is the host's own lane or None;
    `connected(brick8)` says whether a brick's link is up. `on_record(stored)` is called for each durable record."""

    def __init__(
        self,
        records: Records,
        kept: HeadsTold,
        newest: Callable[[], int],
        bricks: dict[bytes, Brick],
        clock: Clock,
        ruleset: Callable[[bytes], Any],
        lane: Callable[[], Any],
        connected: Callable[[bytes], bool],
    ) -> None:
        self._records = records
        self._kept = kept
        self._newest = newest
        self._bricks = bricks
        self._clock = clock
        self._ruleset = ruleset
        self._lane = lane
        self._connected = connected
        self._wake = asyncio.Event()
        self._receivers: dict[bytes, Receiver] = {}
        self._lane_state: Any = None
        self._lane_cursors: dict[bytes, int] = {}
        self._own: tuple[bytes, Any, dict[bytes, int]] | None = None
        self._followed: int | None = None
        # Everything that was in the store at the start has been read: sums over it are whole.
        self.caught_up = False
        self.books: dict[bytes, Book] = {}
        told, standing = kept.load().result()
        self.lists = Lists(told)
        self._standing = {one.brick: one for one in standing}
        self.on_record: list[Callable[[Stored], None]] = []
        self.on_news: Callable[[], None] = lambda: None
        # The rental that the kit is in.
        self.rental: Callable[[], int] = lambda: 0
        # There is a message for this brick.
        self.on_ready: Callable[[bytes], None] = lambda brick8: None
        # The lane has a new state.
        self.on_lane: Callable[[Any], None] = lambda lane: None
        # Takes a person's token out of use everywhere: `await revoke(subject8, who)`.
        self.revoke: Callable[[bytes, str], Awaitable[None]]
        # Moves its tokens to another one: `await move(old8, new8, who)`, hostagent.moving.
        self.move: Callable[[bytes, bytes, str], Awaitable[int]]
        self._asked: list[asyncio.Future[None]] = []

    # --- what became durable

    def durable(self, _: Any = None) -> None:
        """There are new receipts."""
        self._wake.set()

    async def run(self) -> None:
        """Reads what becomes durable, for ever; a store that cannot be read now is read later."""
        while True:
            self._wake.clear()
            try:
                await self._catch_up()
            except HostError as failed:
                log.warning("the exchange waits for the store: %s", failed)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FRESH_MS / 1000 / 4):
                    await self._wake.wait()

    async def _catch_up(self) -> None:
        if self._followed is None:
            self._followed = max(0, self._newest() - LOOK_BACK)
        asked = list(self._asked)
        while page := await self._page(self._followed):
            self._followed = page[-1].host_seq
            for stored in page:
                for listener in self.on_record:
                    listener(stored)
                for book in self.books.values():
                    if book.ready and stored.host_seq > book.read:
                        book.add(stored)
            self._told()
        self.caught_up = True
        for waiting in asked:
            self._asked.remove(waiting)
            if not waiting.done():
                waiting.set_result(None)
        for book in list(self.books.values()):
            while not book.ready:
                page = [item for item in await self._page(book.read) if item.host_seq <= self._followed]
                for stored in page:
                    book.add(stored)
                book.ready = not page
        self._told()

    async def whole(self) -> None:
        """Returns when all that is durable now has been read."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked.append(waiting)
        self._wake.set()
        await waiting

    async def _page(self, after: int) -> list[Stored]:
        return await asyncio.wrap_future(self._records.page(after, PAGE))

    def _told(self) -> None:
        self._tell_lane()
        self._tell_own()
        self.on_news()

    def another_rental(self) -> None:
        """Everybody is told anew, from the records of this rental alone."""
        self.books.clear()
        self._own = self._lane_state = None
        self._lane_cursors = {}
        for receiver in self._receivers.values():
            receiver.begin()
            receiver.told_ms.clear()
            self.uses(receiver.ruleset8)
        self._wake.set()

    # --- rules in use

    def uses(self, ruleset8: bytes | None) -> Book | None:
        """The book of a ruleset that somebody decides by, begun where it is new; None while its rules are not known
        here."""
        if ruleset8 is None:
            return None
        book = self.books.get(ruleset8)
        if book is None:
            ruleset = self._ruleset(ruleset8)
            if ruleset is None:
                return None
            book = self.books[ruleset8] = Book(ruleset, max(0, self._newest() - LOOK_BACK), self.rental())
            while len(self.books) > BOOKS:
                self.books.pop(next(iter(self.books)))
            self._wake.set()
        return book

    def asks_balance(self, brick: Brick) -> bool:
        """Whether the rules that a brick decides by look at loyalty tokens, as far as they are known here."""
        ruleset8 = None if brick.status is None else brick.status.ruleset8
        book = None if ruleset8 is None else self.books.get(ruleset8)
        return book is not None and book.asks_balance

    def kitwide(self) -> tuple[Any, Any] | None:
        """(ruleset, state) of everything known in this kit: the lane's, or where there is none one kept here."""
        lane = self._lane()
        if lane is not None and lane.trouble is None and lane.ruleset is not None:
            return lane.ruleset, lane.state
        for digest8, book in reversed(self.books.items()):
            if book.ready and self._own is not None and self._own[0] == digest8:
                return book.ruleset, self._own[1]
        return None

    def _tell_lane(self) -> None:
        lane = self._lane()
        if lane is None or lane.ruleset is None:
            return
        book = self.uses(lane.ruleset.digest8)
        if book is None or not book.ready:
            return
        if lane.state is not self._lane_state:
            self._lane_state, self._lane_cursors = lane.state, {}
            self.on_lane(lane)
        self._feed(lane.state, book, self._lane_cursors, lane.brick8)

    def _tell_own(self) -> None:
        ready = [digest8 for digest8, book in self.books.items() if book.ready]
        if not ready or self._lane() is not None:
            self._own = None
            return
        if self._own is None or self._own[0] != ready[-1]:
            self._own = ready[-1], state.State(self.books[ready[-1]].ruleset), {}
        self._feed(self._own[1], self.books[ready[-1]], self._own[2], None)

    def _feed(self, into: Any, book: Book, cursors: dict[bytes, int], but: bytes | None) -> None:
        wall = self._clock.now_ms()
        for source, known in book.logs.items():
            if source == but:
                continue
            first = source not in cursors
            while first or cursors[source] < known.end:
                part = known.after(cursors.get(source, 0))
                cursors[source] = part.cursor
                into.remote(source, part.up_to, part.entries, wall)
                first = False
        if but is not None:
            for source, head in self._current(book, but):
                into.remote(source, head, b"", wall)
            if not book.names_heads:
                return
            heads: dict[bytes, int] = {source: head for source, head in into.heads()}
            last = self.lists.newest(but)
            # Kept with the record that names it (hostagent.lane): until then nobody asks for it.
            if last is None or last.heads != encoded(heads):
                self.lists.note(but, heads)

    def _current(self, book: Book, but: bytes) -> list[tuple[bytes, int]]:
        """Sources of which the host has everything at this moment."""
        found: list[tuple[bytes, int]] = []
        for source, known in book.logs.items():
            if source != but and self._is_current(source, known):
                found.append((source, known.head))
        return found

    def _is_current(self, source: bytes, known: Log) -> bool:
        brick = self._bricks.get(source)
        if brick is None or brick.status is None:
            return False
        lane = self._lane()
        linked = (lane is not None and lane.brick8 == source) or self._connected(source)
        return linked and brick.status.next_seq - 1 <= brick.durable_seq and known.head >= brick.durable_seq

    # --- to bricks, over their links

    def status(self, brick: Brick, linked_anew: bool) -> None:
        """A brick said what it decides by. `linked_anew`: the first time over this link."""
        said = brick.status
        assert said is not None
        receiver = self._receivers.get(brick.brick)
        if receiver is None:
            receiver = self._receivers[brick.brick] = self._as_left(brick.brick, said)
        if said.boot != receiver.boot or said.ruleset8 != receiver.ruleset8:
            receiver.heads.restarted()
            receiver.begin()
        elif linked_anew:
            receiver.heads.resumed()
            receiver.begin()
        receiver.boot, receiver.ruleset8 = said.boot, said.ruleset8
        receiver.told_ms.clear()
        self.uses(said.ruleset8)

    def _as_left(self, brick8: bytes, said: Status) -> Receiver:
        """What a brick that has not started since may have, though this program has."""
        left = self._standing.pop(brick8, None)
        if left is None or (left.boot, left.ruleset8) != (said.boot, said.ruleset8):
            return Receiver(Heads())
        return Receiver(Heads.restored(left.heads), left.boot, left.ruleset8)

    def next_for(self, brick: Brick) -> Message | None:
        """The next message 40 for a brick whose link has nothing else on its way."""
        receiver = self._receivers.get(brick.brick)
        book = None if receiver is None or receiver.ruleset8 is None else self.books.get(receiver.ruleset8)
        if receiver is None or book is None or not book.ready or brick.status is None or receiver.noting:
            return None
        if receiver.ready is None:
            self._make_ready(brick, receiver, book)
        message, receiver.ready = receiver.ready, None
        if message is not None:
            receiver.messages += 1
        return message

    def _make_ready(self, brick: Brick, receiver: Receiver, book: Book) -> None:
        sources = [source for source in book.logs if source != brick.brick]
        now = monotonic_ms()
        for step in range(len(sources)):
            source = sources[(receiver.turn + step) % len(sources)]
            known = book.logs[source]
            part = known.after(receiver.cursors.get(source, 0))
            if not part.entries:
                told = receiver.told_ms.get(source)
                if (told is not None and now - told < FRESH_MS) or not self._is_current(source, known):
                    continue
            before = receiver.as_told()
            receiver.turn = (receiver.turn + step + 1) % len(sources)
            receiver.cursors[source] = part.cursor
            receiver.told_ms[source] = now
            message = reg.MSG_PEOPLE, {0: receiver.ruleset8, 1: source, 2: part.up_to, 3: part.entries}
            news = receiver.heads.sent(source, part.up_to)
            if news and book.names_heads:
                told = [self.lists.note(brick.brick, heads) for heads in news]
                self._note(brick.brick, receiver, told, message, before)
            else:
                receiver.ready = message
            return

    def _note(
        self,
        brick8: bytes,
        receiver: Receiver,
        told: list[Told],
        message: Message,
        before: Callable[[], None],
    ) -> None:
        """Keeps what a brick will have, before it has it: its records name that, and this host may end at any time."""
        assert receiver.boot is not None and receiver.ruleset8 is not None
        receiver.noting = True
        epoch = receiver.epoch
        standing = Standing(brick8, receiver.boot, receiver.ruleset8, receiver.heads.possible())
        kept = asyncio.wrap_future(self._kept.note(told, standing, self.lists.gone(brick8)))

        def noted(done: asyncio.Future[None]) -> None:
            if done.cancelled() or receiver.epoch != epoch:
                return
            failed = done.exception()
            if failed is None:
                receiver.ready = message
                again()
            else:
                log.warning("%s is not told of others now: %s", self._name(brick8), failed)
                before()
                asyncio.get_running_loop().call_later(NOTE_AGAIN_S, again)

        def again() -> None:
            if receiver.epoch == epoch:
                receiver.noting = False
                self.on_ready(brick8)

        kept.add_done_callback(noted)

    # --- for people

    def report(self) -> dict[str, Any]:
        """GET /v1/status, `exchange`: what is known of whom, and how far each brick has been told."""
        now = self._clock.now_ms()
        kit = self.kitwide()
        age = None if kit is None else kit[1].remote_age(now)
        bricks: dict[str, Any] = {}
        for brick8, receiver in self._receivers.items():
            book = None if receiver.ruleset8 is None else self.books.get(receiver.ruleset8)
            waiting = 0
            if book is not None:
                waiting = sum(
                    max(0, known.end - receiver.cursors.get(source, 0))
                    for source, known in book.logs.items()
                    if source != brick8
                )
            told = max(receiver.told_ms.values(), default=None)
            bricks[self._name(brick8)] = {
                "messages": receiver.messages,
                "waiting": waiting,
                "age_s": None if told is None else round((monotonic_ms() - told) / 1000, 1),
                "heads": {self._name(source): seq for source, seq in sorted(receiver.heads.least().items())},
            }
        return {
            "age_s": age,
            "rulesets": [digest8.hex() for digest8 in self.books],
            "ready": all(book.ready for book in self.books.values()),
            "dropped": sum(known.dropped for book in self.books.values() for known in book.logs.values()),
            "lists": len(self.lists),
            "lists_dropped": self.lists.dropped,
            "heads_dropped": sum(receiver.heads.dropped for receiver in self._receivers.values()),
            "bricks": bricks,
        }

    def _name(self, brick8: bytes) -> str:
        brick = self._bricks.get(brick8)
        return brick8.hex() if brick is None else brick.name
