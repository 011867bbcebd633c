"""Directives of every kit: set, stored, then served; never a number twice. docs/desired-state.md

Blocking and thread-safe. Other programs (`stallmark fleet stop`) write to the same tables: `renew` sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import AbstractContextManager
from threading import Lock, RLock
from typing import Protocol

from sqlalchemy import Connection

from fleet import enrolled
from fleet.campaigns import Campaigns
from fleet.clock import Clock
from fleet.config import Config, kid8
from fleet.core import reg
from fleet.db import tables_desired as t
from fleet.desired import folder, orders, renewing, rows, takeback
from fleet.desired import wishes as wished
from fleet.desired.facts import Facts, judged
from fleet.desired.floor import Floor
from fleet.desired.folder import Release, RulesFolder
from fleet.desired.index import Indexed
from fleet.desired.knowing import known
from fleet.desired.orders import HALTED, Item, Order
from fleet.desired.report import Report, Said
from fleet.desired.rows import Head
from fleet.desired.takeback import TakeBack
from fleet.desired.wishes import LIFE_MS, DesiredError, Wish
from fleet.rollouts import telemetry
from fleet.trust import clockguard
from fleet.trust.developing import DevelopmentList
from fleet.trust.repository import Repository

LOOK_MS = 60_000  # between looks for what is old
AT_ONCE = 250  # directives in one transaction
TARGETS_KEPT = 16 * 1024 * 1024  # bytes of targets in memory

logger = logging.getLogger(__name__)
Also = Callable[[Connection], None]  # what else a transaction writes


class Storage(Protocol):
    """What is needed of fleet.db.engine.Database."""

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction, durable when the block ends."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """What is committed."""
        ...


class Desired:
    """One for a controller. `changed(kits)` is called after every change that others can see now, in the thread that saw
    it."""

    def __init__(
        self,
        database: Storage,
        config: Callable[[], Config],
        clock: Clock,
        campaigns: Campaigns,
        changed: Callable[[list[bytes]], None] = lambda kits: None,
    ) -> None:
        """Raises ConfigError where the file of numbers cannot be read."""
        self._database = database
        self._config = config
        self._clock = clock
        self._folder = RulesFolder(campaigns)
        self._campaigns = campaigns
        self.changed = changed
        self._lock = RLock()
        self._heads: dict[bytes, Head] = {}
        self._indexed = Indexed()
        self._news: dict[bytes, int] = {}  # kit: number of its newest news
        self._news_last = 0
        self._noting = Lock()  # apart: whoever serves never waits for a transaction
        self._change = 0
        self._looked: tuple[object, ...] = ()
        self._due_ms = 0
        self._seen: dict[bytes, tuple[int, str | None]] = {}  # not written yet
        self._targets: dict[bytes, bytes] = {}
        self._foreign: set[bytes] = set()  # kits whose directive another director signed
        self._signed_ms = 0  # the newest instant that a directive has from here
        self._listed = DevelopmentList(Repository(config().trust), self.target)
        ledger = config().ledger
        with database.read() as connection:
            self._floor = Floor(ledger.with_name(ledger.name + ".directives"), rows.highest(connection))
        self._shown = TakeBack(self._floor.base)
        self._learn()

    # --- what is in force

    def current(self, kit: bytes) -> tuple[int, bytes, str] | None:
        """(number, envelope bytes, etag) of what stands for a kit; None where nothing was ever set and there is no bundle."""
        found = self._heads.get(kit)
        return None if found is None else (found.number, found.envelope, found.etag)

    def head(self, kit: bytes) -> Head | None:
        """The same with what it says."""
        return self._heads.get(kit)

    @property
    def now_ms(self) -> int:
        """This controller's time."""
        return self._clock.now_ms()

    def halted(self, kit: bytes) -> bool:
        """Whether a kit is stopped."""
        found = self._heads.get(kit)
        return found is not None and found.order.halted

    def bundle(self, kit: bytes) -> bytes | None:
        """The bundle of a kit's first item that is no application, for hosts that know no directives."""
        found = self._heads.get(kit)
        if found is None or found.order.halted:
            return None
        item = next((one for one in found.order.items if one.kind != reg.ARTEFACT_APPLICATION), None)
        if item is None:
            return None
        envelope, artefact = self.target(item.bundle), self.target(item.artefact)
        return None if envelope is None or artefact is None else folder.bundle.join(envelope, artefact)

    def target(self, digest: bytes) -> bytes | None:
        """An envelope or artefact by its SHA-256."""
        known = self._targets.get(digest)
        if known is None:
            with self._database.read() as connection:
                known = rows.target(connection, digest)
            if known is not None:
                with self._lock:
                    self._targets[digest] = known
                    while sum(map(len, self._targets.values())) > TARGETS_KEPT and len(self._targets) > 1:
                        del self._targets[next(iter(self._targets))]
        return known

    # --- changes

    def add(self, data: bytes) -> Release:
        """Keeps a bundle so that directives may name it. Raises FormatError."""
        release = folder.read(data)
        with self._database.write() as connection:
            wished.keep(connection, release, self._clock.now_ms())
        return release

    def bricks(self, kit: bytes, lane: bool = True) -> list[bytes]:
        """Bricks of a kit that a directive may name: every one that is not revoked, with `lane` the host's own among them."""
        ended = self.ended()
        return self.living(kit, ended, lane)

    def living(self, kit: bytes, ended: Container[bytes], lane: bool = True) -> list[bytes]:
        """The same for whoever asks for many kits; `ended`: bricks that are revoked."""
        found = self._indexed.of(self._config()).bricks.get(kit, ())
        return [one.brick for one in found if one.brick not in ended and (lane or not one.lane)]

    def ended(self) -> Container[bytes]:
        """Bricks that are revoked."""
        with self._database.read() as connection:
            return enrolled.revoked(enrolled.every(connection).items())

    def set(
        self, kit: bytes, items: Iterable[Item], reason: str, expires_ms: int | None = None, flags: int = 0
    ) -> int:
        """Orders this for a kit; durable on return. Returns the directive's number.

        `expires_ms` None: after two weeks, and renewed before. Raises DesiredError (an item's bundle was never added, too
        many items), OSError, SQLAlchemyError: then nothing changed."""
        origin = rows.STOPPED if flags & HALTED else rows.KEPT if expires_ms is None else rows.SET
        return self.set_all([Wish(kit, tuple(items), reason, expires_ms, flags, origin)])[kit]

    def set_all(self, wishes: Sequence[Wish], also: Also | None = None) -> dict[bytes, int]:
        """The same for many kits, a few hundred at a time: those that are durable are told at once. `also` writes something
        else in the transaction of the first ones, where there are none in one of its own."""
        given: dict[bytes, int] = {}
        if not wishes and also is not None:
            with self._lock, self._database.write() as connection:
                also(connection)
        for first in range(0, len(wishes), AT_ONCE):
            with self._lock:
                made = self._write(wishes[first : first + AT_ONCE], None if first else also)
                self._learn()
            self.changed([one.kit for one in made])
            given |= {one.kit: one.number for one in made}
        return given

    def in_folder(self, kit: bytes) -> Release | None:
        """What the rules folder has for a kit, as it was read last."""
        return self._folder.of(kit)

    def follow(self, kit: bytes, reason: str = folder.REASON) -> int:
        """Gives a kit back to the rules folder. Raises DesiredError where there is nothing for it."""
        self._campaigns.refresh()
        release = self._folder.of(kit)
        if release is None:
            raise DesiredError(f"the rules folder has no bundle for kit {kit.hex()}")
        self.add(folder.bundle.join(release.envelope, release.data))
        items = wished.of_rules(self._heads.get(kit), release, self.bricks(kit))
        return self.set_all([Wish(kit, items, reason, origin=rows.RULES)])[kit]

    def renew(self) -> list[bytes]:
        """Looks at what others wrote, at the rules folder, and at what expires; returns the kits that got a new directive.
        Cheap where nothing changed. Raises OSError, SQLAlchemyError, DesiredError."""
        with self._lock:
            told = self._learn()
            config, now_ms = self._config(), self._clock.now_ms()
            stamp = (self._campaigns.stamp(), config.bricks, config.kits)
            if told:
                self.changed(told)
            if stamp == self._looked and self._due_ms - LOOK_MS <= now_ms < self._due_ms:
                return []
            made = self.set_all(self._wanted(config, now_ms))
            self._looked, self._due_ms = stamp, now_ms + LOOK_MS
        return list(made)

    # --- what kits say

    def saw(self, kit: bytes, held: str | None) -> None:
        """A kit's host asked, holding this directive. Written down by `settle`."""
        self._seen[kit] = self._clock.now_ms(), held
        self._noted([kit])

    def settle(self) -> None:
        """Writes down who was seen. Raises OSError, SQLAlchemyError."""
        with self._lock:
            seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            with self._database.write() as connection:
                found = [{"kit": kit, "seen_ms": at_ms, "held": held} for kit, (at_ms, held) in seen.items()]
                rows.put(connection, t.kit_states, "kit", found)
        except BaseException:
            with self._lock:
                self._seen = {**seen, **self._seen}
            raise

    def report(self, kit: bytes, host: bytes, said: Report, newest: bytes | None = None) -> None:
        """A host's word on its kit; durable on return. `newest`: a directive that it holds and that is newer than what
        stands here: where this controller signed it, it stands again."""
        self.report_all([Said(kit, host, said, newest)])

    def report_all(self, found: Sequence[Said]) -> None:
        """What hosts said, in the order in which it came, in one transaction."""
        now_ms = self._clock.now_ms()
        index = self._indexed.of(self._config())
        with self._database.write() as connection:
            for one in found:
                body = one.report.model_copy(update={"newest": None}).model_dump_json(exclude_none=True)
                own = {brick.brick for brick in index.bricks.get(one.kit, ())}
                telemetry.reported(connection, one.report.bricks, own, now_ms)
                row = {"kit": one.kit, "host": one.host, "at_ms": now_ms, "body": body}
                rows.put(connection, t.kit_reports, "kit", [row])
        for one in found:
            self.saw(one.kit, one.report.etag)
            if one.newest is not None:
                self._take_back(one.kit, one.newest)
        self.judge([one.kit for one in found])

    def booted(self, bricks: Iterable[bytes]) -> None:
        """New boot records of these bricks are durable."""
        index = self._indexed.of(self._config())
        self.judge([index.kit[brick] for brick in bricks if brick in index.kit])

    def judge(self, kits: Iterable[bytes]) -> None:
        """Remembers whether kits run what they should: a few hundred in a transaction."""
        wanted = list(dict.fromkeys(kits))
        for first in range(0, len(wanted), AT_ONCE):
            some, states = wanted[first : first + AT_ONCE], list[dict[str, object]]()
            for facts in self.all_facts(some):
                content, active_ms, drift_ms = found = judged(facts)
                if found != (facts.content, facts.active_ms, facts.drift_ms):
                    states.append(
                        {"kit": facts.kit, "content": content, "active_ms": active_ms, "drift_ms": drift_ms}
                    )
            if states:
                with self._database.write() as connection:
                    rows.put(connection, t.kit_states, "kit", states)
            self._noted(some)

    def news(self, after: int) -> tuple[set[bytes], int]:
        """Kits of which something is new after this number, and the newest number. What other controllers wrote is not among
        it, directives apart."""
        with self._noting:
            return {kit for kit, number in self._news.items() if number > after}, self._news_last

    def _noted(self, kits: Iterable[bytes]) -> None:
        with self._noting:
            self._news_last += 1
            self._news.update(dict.fromkeys(kits, self._news_last))

    def facts(self, kit: bytes) -> Facts:
        """Everything that is known of a kit's state."""
        return self.all_facts([kit])[0]

    def all_facts(self, kits: Sequence[bytes] | None = None) -> list[Facts]:
        """Of these kits, or of all of the configuration."""
        config = self._config()
        wanted = [one.kit for one in config.kits] if kits is None else kits
        only, index = wanted if len(wanted) <= AT_ONCE else None, self._indexed.of(config)
        with self._database.read() as connection:
            return known(connection, config, self._clock.now_ms(), wanted, self._heads, self._seen, only, index)

    # --- inside

    def directed_anew(self) -> None:
        """The controller has another director's key: what stands is signed by it at the next `renew`."""
        with self._lock:
            self._foreign = set(self._heads)
            self._looked = ()

    def _learn(self) -> list[bytes]:
        """Takes up what is new in the table; the kits."""
        with self._database.read() as connection:
            if rows.last_change(connection) <= self._change:
                return []
            found = rows.heads(connection, self._change)
        director = kid8(self._config().secrets.director_public)
        for one in found:
            self._heads[one.kit] = one
            self._change = max(self._change, one.change)
            self._signed_ms = max(self._signed_ms, rows.signed_ms(one))
            if orders.signed_by(one.envelope, director):
                self._foreign.discard(one.kit)
            else:
                self._foreign.add(one.kit)
        kits = [one.kit for one in found]
        self._noted(kits)
        return kits

    def _wanted(self, config: Config, now_ms: int) -> list[Wish]:
        """What the folder and the calendar ask for."""
        ended = self.ended()

        def keep(release: Release) -> None:
            with self._database.write() as connection:
                wished.keep(connection, release, now_ms)

        return renewing.wanted(config, ended, self._heads, self._foreign, self._folder, keep, now_ms)

    def _write(self, wishes: Sequence[Wish], also: Also | None = None) -> list[Head]:
        """Signs and stores; nobody is told."""
        if not wishes:
            return []
        config, now_ms = self._config(), self._clock.now_ms()
        repository = Repository(config.trust)
        if not all(wish.halts for wish in wishes):
            # Bricks never forget an instant; that of a stop they need not believe.
            clockguard.require(repository, now_ms, (self._signed_ms,))
            self._listed.name(((item.bundle, item.artefact) for wish in wishes for item in wish.items), now_ms)
        rental = self._indexed.of(config).rental
        newest = max(orders.ROOT_VERSION, repository.newest("root"))
        made: list[Head] = []
        with self._database.write() as connection:
            change = rows.last_change(connection)
            before = rows.numbers(connection, [wish.kit for wish in wishes])
            # Another program may have stopped a kit since the last look.
            heads = {**self._heads, **{one.kit: one for one in rows.heads(connection, self._change)}}
            there: set[bytes] = set()
            for wish in wishes:
                if wish.instead_of not in (None, before.get(wish.kit, 0)):
                    continue
                if wish.kit not in rental:
                    raise DesiredError(f"kit {wish.kit.hex()} is not in this controller's configuration")
                wished.check(connection, wish, there)
                wish = wished.under_stop(wish, heads.get(wish.kit))
                change += 1
                order = Order(
                    wish.kit,
                    self._floor.next(before.get(wish.kit, 0)),
                    now_ms,
                    wish.expires_ms or now_ms + LIFE_MS,
                    wish.items,
                    wish.flags,
                    _cut(wish.reason),
                    rental[wish.kit],
                    # A brick from which a root is kept back takes no new order; a stop it takes all the same.
                    orders.ROOT_VERSION if wish.halts else newest,
                    host_release=wished.host_of(wish, heads.get(wish.kit)),
                )
                envelope = orders.sign(order, config.secrets.director_seed)
                made.append(
                    Head(
                        wish.kit,
                        change,
                        order.number,
                        orders.etag_of(envelope),
                        envelope,
                        now_ms,
                        wish.origin,
                        order,
                    )
                )
            rows.write(connection, made)
            if also is not None:
                also(connection)
        return made

    def _take_back(self, kit: bytes, envelope: bytes) -> None:
        """A host showed a directive that this database does not know: it was restored from an older copy."""
        order = self._shown.believed(kit, envelope, self._config().secrets.director_public)
        if order is None:
            return
        with self._lock:
            self._learn()
            head = self._heads.get(kit)
            if head is not None and head.number >= order.number:
                return
            self._floor.raise_to(order.number)
            now_ms = self._clock.now_ms()
            origin = takeback.origin(order)
            with self._database.write() as connection:
                change = rows.last_change(connection) + 1
                etag = orders.etag_of(envelope)
                rows.write(
                    connection,
                    [Head(kit, change, order.number, etag, bytes(envelope), now_ms, origin, order)],
                )
            self._learn()
        logger.warning(
            "kit %s has directive %d, newer than this database: it stands again. Was the database restored from a copy?",
            kit.hex(), order.number,
        )  # fmt: skip
        self.changed([kit])


def _cut(text: str) -> str:
    return text.encode()[: orders.MAX_REASON].decode(errors="ignore")
