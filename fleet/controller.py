"""The controller without its web server: takes batches, publishes, answers readers. Blocking, thread-safe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Container, Generator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from threading import Lock
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from stallmark.errors import StallmarkError

from fleet import disclosure, enrolled, publickeys, rekeys, rights, tagkeys
from fleet.archive import Archive, totals
from fleet.campaigns import Campaigns
from fleet.clock import Clock
from fleet.config import Brick, Config, Host
from fleet.core import bundle, rootmeta
from fleet.counts import Counts, Met
from fleet.db.engine import Database
from fleet.desired import boots
from fleet.desired.desired import Desired
from fleet.desired.index import Indexed
from fleet.desired.why import Reason
from fleet.errors import Refused
from fleet.keys import RecordKeys
from fleet.ledger.files import Folder
from fleet.ledger.log import Log
from fleet.ledger.note import Signer
from fleet.live import Live
from fleet.people import actors, audit
from fleet.privatekeys import PrivateKeys
from fleet.store import Store

RENEW_MS = 10_000  # between looks for slices that came back and for budgets to be minted from
MAX_LIVE = 256  # events that one checkpoint sends to listeners at most: the newest

logger = logging.getLogger(__name__)


def initialise(config: Config, clock: Clock) -> None:
    """Makes the ledger, once and on purpose. Raises LedgerConflict where there is one, ConfigError."""
    database = Database(config.database)
    try:
        Log.create(database, Folder(config.ledger), _signer(config), clock)
    finally:
        database.close()


class Controller:
    """Owns database, ledger and what is known of the fleet."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """Opens everything, logs keys and mints slices that are new in the configuration.

        Raises ConfigError, LedgerMissing, LedgerConflict, LedgerDamaged: then nothing is signed.
        """
        self.config = config
        self.clock = clock
        self.met = Met()
        self._taking = Lock()
        self.database = Database(config.database)
        try:
            with self.database.read() as connection:
                self.config = config = enrolled.merged(connection, config)
            self.log = Log(self.database, Folder(config.ledger), _signer(config), clock)
            publickeys.log_keys(self.log, config, clock.now_ms())
            rights.sign_anew(self.database, config, clock.now_ms())
            rights.mint(self.log, config, clock.now_ms())
            self._store = Store(self.database, self.log, config)
        except BaseException:
            self.database.close()
            raise
        self._renewed_ms = 0
        self._indexed = Indexed()
        self.private_keys = PrivateKeys(self.database, self._store.seal)
        self.campaigns = Campaigns(config.rules)
        self.desired = self._desired()
        # What rollouts and rentals know of why a kit is as it is.
        self.reasons: list[Callable[[bytes], list[Reason]]] = []
        # Who looks whether kits run what they should, once boot records of their bricks are durable.
        self.booted: Callable[[set[bytes]], None] = self.desired.booted
        # Who hears of bricks that a host delivered records of and that nobody made known.
        self.strangers: Callable[[Host, set[bytes]], None] = lambda _host, _bricks: None
        self.counts = Counts(totals(self.database))
        self.live = Live()
        self.archive = Archive(self.database, self.log, config, clock, self.campaigns, self.counts, self.live)

    def take(self, host: Host, body: bytes) -> str:
        """Takes a batch in; when this returns the JSON answer, all of it is durable.

        Raises Refused; OSError or SQLAlchemyError where it cannot be stored.
        """
        with self._taking:
            answer, tally = self._store.take(host, body, self.clock.now_ms())
            booted, self._store.booted = self._store.booted, set()
            strangers, self._store.strangers = self._store.strangers, set()
        if strangers:
            self.strangers(host, strangers)
        if booted:
            self.booted(booted)
        if tally is None:
            self.met.repeats += 1
            return answer
        self.counts.add(tally)
        self.met.batches += 1
        self.met.receipts += tally.kinds.total()
        self.met.findings += tally.findings
        return answer

    def renew(self, force: bool = False) -> None:
        """Takes expired slices back, mints what budgets still have and learns who was revoked, now and then. Raises OSError,
        SQLAlchemyError."""
        now_ms = self.clock.now_ms()
        if not force and 0 <= now_ms - self._renewed_ms < RENEW_MS:
            return
        with self._taking:
            self._renewed_ms = now_ms
            self._store.learn_revoked()
            for back in self._store.take_back(now_ms):
                logger.info("slice %d came back with %d", back.number, back.amount)
            if rights.wanted(self.database, self.config, now_ms) and rights.mint(
                self.log, self.config, now_ms
            ):
                self._store.learn_slices()

    def more_reasons(self, kit: bytes) -> list[Reason]:
        """What other parts say of a kit, in their order."""
        return [one for ask in self.reasons for one in ask(kit)]

    def next_of(self, host: Host) -> dict[str, int | str]:
        """What the next batch of this host must be, and where its receipts go on: a host whose store was
        damaged takes up both."""
        with self._taking:
            state = self._store.host(host.host)
        return {
            "number": state.number + 1,
            "prev": state.prev.hex(),
            "host_seq": state.host_seq + 1,
            "prev_receipt": state.prev_receipt.hex(),
        }

    # --- benches

    def bench(self, token: str) -> enrolled.Bench | None:
        """Whose credential it is. Raises Refused 403 where its rental is over."""
        with self.database.read() as connection:
            found = enrolled.bench_of(connection, token)
        return None if found is None else enrolled.demand_current(found, self.config)

    def of_board(self, bench: enrolled.Bench, board: str) -> list[dict[str, Any]]:
        """The bricks of this bench's kit that a chip was and is, oldest first."""
        with self.database.read() as connection:
            found = enrolled.every(connection)
        mine = [
            {"brick": brick.hex(), **facts}
            for brick, facts in found.items()
            if facts["board"] == board and facts["kit"] == bench.kit.hex()
        ]
        return sorted(mine, key=lambda facts: int(facts["made_ms"]))

    def enrolled(self, bench: enrolled.Bench, brick: bytes) -> dict[str, Any] | None:
        """What is known of a brick of this bench's kit."""
        with self.database.read() as connection:
            found = enrolled.one(connection, brick)
        return found if found is not None and found["kit"] == bench.kit.hex() else None

    def enrol(self, bench: enrolled.Bench, data: bytes) -> dict[str, Any]:
        """Takes a new brick in; durable when this returns. Raises Refused; OSError, SQLAlchemyError."""
        new = enrolled.parse(data, bench, self.config.secrets.seal_key, self.clock.now_ms())
        with self._taking:
            again, ended = self._store.enrol(new, bench, self.config, self.clock.now_ms())
            if not again:
                sealed = self._store.seal.close(new.root)
                brick = Brick(new.brick, sealed, new.rental, new.kit, 0)
                self.config = replace(self.config, bricks=(*self.config.bricks, brick))
                self.archive.configured(self.config)
        return {"brick": new.brick.hex(), "again": again, "revoked": [one.hex() for one in ended]}

    def revoke(self, bench: enrolled.Bench, brick: bytes, reason: str) -> dict[str, Any]:
        """Ends a brick's identity. Raises Refused; OSError, SQLAlchemyError."""
        found = self.enrolled(bench, brick)
        if found is None:
            raise Refused(404, "no bench of this kit registered this brick")
        if not found.get("revoked_ms") and found["rental"] != bench.rental:
            raise Refused(
                403,
                "this brick is of another rental: who runs the controller ends it (`stallmark fleet bricks revoke`)",
            )
        with self._taking:
            with self.database.write() as connection:
                facts = enrolled.end(connection, brick, reason, self.clock.now_ms())
                after = {"revoked_ms": facts["revoked_ms"], "reason": facts["reason"]}
                who, thing = actors.device("bench", bench.name), f"brick {brick.hex()}"
                if not found.get("revoked_ms"):
                    audit.record(connection, who, "enrol.revoke", thing, None, after, audit.wall_ms())
            self._store.learn_revoked()
        return {"brick": brick.hex(), "revoked_ms": facts["revoked_ms"], "reason": facts["reason"]}

    def rekeys(self, host: Host) -> list[tuple[rekeys.Order, bytes, bytes]]:
        """New link keys that were ordered for the bricks of a host's kit: (order, tag, key sealed for this host)."""
        with self.database.read() as connection:
            orders = rekeys.of_kit(connection, self.config, host.kit)
        with self._taking:
            return [(one, *rekeys.sealed(self._store.keys, host, one)) for one in orders]

    def root_tags(self, host: Host, version: int) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """(SHA-256 of the payload of compact root `version`, (brick, tag under its K_ctl) of a host's living bricks).

        Raises Refused 404 where there is no such root, FormatError where it is none, OSError."""
        path = self.config.trust / "roots" / f"{version}.cbor"
        if version < 1 or not path.exists():
            raise Refused(404, "no such root")
        digest = sha256(bundle.opened(path.read_bytes(), rootmeta.TYPE)[0]).digest()
        with self.database.read() as connection:
            ended = enrolled.revoked(enrolled.every(connection).items())
        bricks = [one.brick for one in self.config.bricks if one.kit == host.kit and not one.lane]
        with self._taking:
            keys = self._store.keys
            living = [brick for brick in bricks if brick not in ended and keys.knows(brick)]
            return digest, [(brick, keys.root_tag(brick, version, digest)) for brick in living]

    def tag_keys(
        self, host: Host, event: bytes, known: Container[str] = ()
    ) -> tuple[str, list[tagkeys.Sealed] | None]:
        """An event's tag keys for the living bricks of a host's kit, each sealed for its brick: (ETag, messages); None
        instead of them where the ETag is among `known`. Raises Refused 404 where the desk gave none for this event."""
        with self.database.read() as connection:
            held = tagkeys.of_event(connection, self._store.seal, event)
            ended = enrolled.revoked(enrolled.every(connection).items())
        if held is None:
            raise Refused(404, "there are no tag keys of this event here: `stallmark fleet tag-keys`")
        bricks = sorted(
            one.brick
            for one in self.config.bricks
            if one.kit == host.kit and not one.lane and one.brick not in ended
        )
        with self._taking:
            tag = tagkeys.etag(self._store.keys, bricks, held)
            return tag, None if tag in known else tagkeys.sealed(self._store.keys, bricks, held)

    def rental_of(self, kit: bytes) -> int | None:
        """The rental that a kit is in; None for one that is not here."""
        return self._indexed.of(self.config).rental.get(kit)

    @contextmanager
    def keys(self) -> Generator[RecordKeys]:
        """The keys of bricks, while nothing is being taken. Nobody asks for them inside a transaction that writes: whoever takes
        a batch waits for that the other way round."""
        with self._taking:
            yield self._store.keys

    def reconfigure(self, change: Callable[[Config], Config]) -> None:
        """Goes on with another configuration, as commands beside this controller changed it."""
        with self._taking:
            self.config = change(self.config)
            self.archive.configured(self.config)

    def admit(self, hosts: Collection[Host]) -> None:
        """Takes hosts in that people accepted, or their credentials of another rental, all at once: a fleet's start has
        thousands. Their keys stand in the ledger before they deliver anything. Raises OSError, SQLAlchemyError."""
        names = {host.host for host in hosts}
        with self._taking:
            others = tuple(one for one in self.config.hosts if one.host not in names)
            self._store.admit(hosts)
            self.config = replace(self.config, hosts=(*others, *hosts))
            publickeys.log_keys(self.log, self.config, self.clock.now_ms())
            self.archive.configured(self.config)

    def direct_by(self, seed: bytes) -> None:
        """Signs as another director from now on: its key stands in the ledger, slices that are out get its signature, and so do
        directives at their next look. Raises OSError, SQLAlchemyError."""
        with self._taking:
            now_ms = self.clock.now_ms()
            self.config = replace(self.config, secrets=replace(self.config.secrets, director_seed=seed))
            publickeys.log_keys(self.log, self.config, now_ms)
            rights.sign_anew(self.database, self.config, now_ms)
            self.archive.configured(self.config)
        self.desired.directed_anew()

    def publish(self) -> bool:
        """Signs everything that is durable, discloses keys that are due, and tells the listeners; True where
        more waits. Raises OSError, SQLAlchemyError, LedgerError: then what was published stays as it was."""
        first = self.log.published.size
        try:
            fresh = self.log.publish()
            if fresh is not None:
                self._published(first, fresh.size)
            with self._taking:
                disclosure.disclose(self._store, self.log)
        except Exception as error:
            self.met.publish_failures += 1
            self.met.unpublished_reason = f"{type(error).__name__}: {error}"
            raise
        self.met.unpublished_reason = ""
        return self.log.pending() > 0

    def close(self) -> None:
        """Closes the database; what is not published yet is published after the next start."""
        self.database.close()

    def _desired(self) -> Desired:
        """Directives as they stand; kits that have none get theirs from the rules folder."""
        try:
            with self.database.write() as connection:
                boots.learn(connection, [one.brick for one in self.config.bricks])
            made = Desired(self.database, lambda: self.config, self.clock, self.campaigns)
        except BaseException:
            self.database.close()
            raise
        try:
            made.renew()
        except (StallmarkError, OSError, SQLAlchemyError) as failed:  # the controller serves, and tries again
            logger.error("no directives: %s", failed)
        return made

    def _published(self, first: int, size: int) -> None:
        self.met.checkpoints += 1
        self.counts.published(size)
        if self.live.listeners:
            self.live.send(self.archive.events(first, size, MAX_LIVE))


def _signer(config: Config) -> Signer:
    return Signer(config.origin, config.secrets.checkpoint_seed)
