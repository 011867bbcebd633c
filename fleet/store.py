"""What the controller knows of hosts and bricks, and the one transaction by which a batch becomes part of
it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, delete, select, update

from fleet import enrolled, returns, rows, settlements
from fleet.chains import BrickState, Ended, Held, Judge, Verdict
from fleet.config import Brick, Config, Host
from fleet.core import batch, leaf, reg
from fleet.counts import UNREADABLE_KIND, Tally
from fleet.db import tables
from fleet.db.engine import Database
from fleet.desired import boots, obeyed
from fleet.errors import Refused
from fleet.ingest import Checked, HostState, check
from fleet.keys import RecordKeys, Root, Seal
from fleet.ledger.log import Log
from fleet.people import actors, audit
from fleet.rollouts import telemetry
from fleet.spending import Slice


class Store:
    """Hosts, bricks, slices: loaded at start, changed batch by batch. For one thread; reading is
    `fleet.archive`'s."""

    def __init__(self, database: Database, log: Log, config: Config) -> None:
        self._database = database
        self._log = log
        self.seal = Seal(config.secrets.seal_key)
        self._hosts: dict[bytes, HostState] = {}
        self._bricks: dict[bytes, BrickState] = {}
        self._slices: dict[int, Slice] = {}
        self._expires: dict[int, int] = {}
        self._kits = {brick.brick: brick.kit for brick in config.bricks}
        self._lanes = {brick.brick for brick in config.bricks if brick.lane}
        self._withholding: set[bytes] = set()  # bricks with ended epochs whose key is not published yet
        self.booted: set[bytes] = set()  # bricks whose boot records came in; whoever looks at them empties it
        self.strangers: set[bytes] = set()  # bricks of the last batch that nobody made known
        with database.write() as connection:
            rows.register(connection, config.hosts, config.bricks)
        with database.read() as connection:
            self._load(connection)
            self.keys = RecordKeys(self.seal, rows.roots(connection))
            self.revoked = enrolled.revoked(enrolled.every(connection).items())
        for brick in config.bricks:  # a wrong seal key shows at start, not at the first batch
            self.keys.ack_tag(brick.brick, 0)
            break

    def host(self, host: bytes) -> HostState:
        """Where a registered host stands."""
        return self._hosts[host]

    def enrol(
        self, new: enrolled.Registration, bench: enrolled.Bench, config: Config, now_ms: int
    ) -> tuple[bool, list[bytes]]:
        """Takes a registered brick in: (whether it was there already, identities of its board that ended).

        Raises Refused 409 where another brick of that name is known, or the board's brick lives in another kit."""
        known = next((root for root in self._roots_of(new.brick)), None)
        if known is not None:
            if self.seal.open(known.sealed, f"the root of brick {new.brick.hex()}") != new.root:
                raise Refused(409, "a brick of this name is known with another root: flash the board again")
            return True, [new.brick] if new.brick in self.revoked else []
        brick = Brick(new.brick, self.seal.close(new.root), new.rental, new.kit, 0)
        with self._database.write() as connection:
            rows.register(connection, (), (brick,))
            ended = enrolled.add(connection, new, bench, config, now_ms)
            after = {"kit": new.kit.hex(), "rental": new.rental, "ended": [one.hex() for one in ended]}
            who, thing = actors.device("bench", bench.name), f"brick {new.brick.hex()}"
            audit.record(connection, who, "bricks.register", thing, None, after, audit.wall_ms())
        self.keys.add(Root(brick.brick, 0, brick.rental, brick.sealed_root))
        self._bricks[brick.brick] = BrickState(brick.brick, epoch=0)
        self._kits[brick.brick] = brick.kit
        self.revoked.update(ended)
        return False, list(ended)

    def admit(self, hosts: Collection[Host]) -> None:
        """Hosts that people accepted deliver from now on."""
        with self._database.write() as connection:
            rows.register(connection, hosts, ())
        for host in hosts:
            self._hosts.setdefault(host.host, HostState())

    def learn_revoked(self) -> None:
        """Who was revoked since, here or by a command beside this program."""
        with self._database.read() as connection:
            self.revoked = enrolled.revoked(enrolled.every(connection).items())

    def _roots_of(self, brick: bytes) -> list[Root]:
        with self._database.read() as connection:
            return [root for root in rows.roots(connection) if root.brick == brick]

    def withheld(self) -> list[tuple[BrickState, int, Ended]]:
        """Ended epochs whose every record is in the tree, and whose key is not published yet."""
        return [
            (self._bricks[brick], epoch, ended)
            for brick in self._withholding
            for epoch, ended in self._bricks[brick].withheld.items()
            if ended.ready is not None
        ]

    def take(self, host: Host, body: bytes, now_ms: int) -> tuple[str, Tally | None]:
        """Checks a batch and makes it durable. Returns the answer (JSON) and what it adds; None for a repeat.

        Raises Refused; SQLAlchemyError or OSError where the database cannot be written.
        """
        digest = sha256(body).digest()
        state = self._hosts[host.host]
        try:
            checked = check(body, host, state)
        except Refused as refused:
            if refused.status == 409:
                answer = self._repeat(host, body, digest, now_ms)
                if answer is not None:
                    return answer, None
            raise
        judge = Judge(
            self.keys,
            self._bricks.__getitem__,
            self._held,
            self._kits.get,
            self._slices.get,
            lambda brick, seq: settlements.reserve(self._database, brick, seq),
            lambda serial: settlements.redemption(self._database, serial),
            self._lanes.__contains__,
            lambda brick, seq, taken: (
                (end := self.revoked.get(brick)) is not None and not end.covers(seq, taken.fields[6], now_ms)
            ),
            lambda serial: settlements.aside(self._database, serial),
        )
        try:
            verdict = judge.judge(host.host, checked.receipts)
            answer, tally = self._commit(host, checked, verdict, digest, now_ms)
        except BaseException:
            self.keys.forget(judge.verdict.roots)
            raise
        self._hosts[host.host] = checked.after
        self.strangers = {brick for brick in checked.bricks if not self.keys.knows(brick)}
        self._bricks.update(verdict.states)
        self._slices.update(verdict.slices)
        self._withholding.update(brick for brick, after in verdict.states.items() if after.withheld)
        return answer, tally

    def disclosed(self, brick: bytes, epoch: int) -> None:
        """The key of this epoch is in a leaf now."""
        withheld = self._bricks[brick].withheld
        del withheld[epoch]
        if not withheld:
            self._withholding.discard(brick)

    # --- rights

    def learn_slices(self) -> None:
        """Slices that were minted since."""
        with self._database.read() as connection:
            self._load_slices(connection, max(self._slices, default=0))

    def take_back(self, now_ms: int) -> list[returns.Due]:
        """What is left of slices that nobody can spend any more goes back to their budgets."""
        with self._database.read() as connection:

            def beyond(brick: bytes, ended_ms: int, one: Slice) -> bool:
                state = self._bricks.get(brick)
                if state is None:
                    return False
                if state.mark == state.head_seq and self.keys.rental(brick, state.epoch) > one.rental:
                    return True
                return returns.started_since(connection, brick, state.mark, ended_ms)

            found = returns.due(self._slices, self._expires, self._holders, beyond, now_ms)
        if not found:
            return found
        slices = tables.slices
        after = {one.number: returns.took_back(self._slices[one.number]) for one in found}
        with self._database.write() as connection:
            for number, one in after.items():
                connection.execute(update(slices).where(slices.c.id == number).values(returned=one.returned))
        self._slices.update(after)
        return found

    def _holders(self, number: int, one: Slice) -> list[bytes]:
        """Who may hold a slice: the brick that spent from it, else every brick of its kit."""
        if one.owner is not None:
            return [one.owner]
        return [brick for brick, kit in self._kits.items() if kit == one.kit]

    # --- taking

    def _repeat(self, host: Host, body: bytes, digest: bytes, now_ms: int) -> str | None:
        """The answer to a batch that was accepted before; None where it does not continue the chain for
        another reason. Raises Refused 409 for another batch under an accepted number."""
        parsed = batch.parse(body)  # it passed check() up to its number: form, root and signature are good
        number = parsed.head.fields[2]
        batches = tables.batches
        with self._database.read() as connection:
            row = connection.execute(
                select(batches).where(batches.c.host == host.host, batches.c.number == number)
            ).one_or_none()
        if row is None:
            return None
        if row.digest == digest or row.header == parsed.header:
            return row.answer
        with self._database.write() as connection:
            rows.keep_conflict(connection, host.host, number, parsed.header, now_ms)
        raise Refused(
            409,
            f"batch {number} was accepted with other bytes before",
            expected=self._hosts[host.host].number + 1,
            prev=self._hosts[host.host].prev.hex(),
        )

    def _held(self, brick: bytes, seq: int) -> list[Held]:
        receipts, leaves = tables.receipts, tables.leaves
        with self._database.read() as connection:
            found = connection.execute(
                select(receipts.c.position, receipts.c.link, receipts.c.prev, receipts.c.findings)
                .where(
                    receipts.c.brick == brick,
                    receipts.c.seq == seq,
                    receipts.c.duplicate_of.is_(None),
                )
                .order_by(receipts.c.position)
            ).all()

        def digest(index: int) -> bytes:
            with self._database.read() as connection:
                entry: bytes = connection.execute(
                    select(leaves.c.entry).where(leaves.c.position == index)
                ).scalar_one()
            return sha256(entry[1:]).digest()

        return [
            Held(row.position, row.link, row.prev, lambda index=row.position: digest(index))
            for row in found
            if not row.findings & 1
        ]

    def _commit(
        self, host: Host, checked: Checked, verdict: Verdict, digest: bytes, now_ms: int
    ) -> tuple[str, Tally]:
        taken = checked.receipts
        with self._log.writing() as tx:
            first = tx.add([t.entry for t in taken], [t.hash for t in taken])
            if verdict.findings:
                tx.add([leaf.entry(reg.LEAF_FINDING, payload) for payload in verdict.findings])
            for state in verdict.states.values():
                for ended in state.withheld.values():
                    if ended.ready is None and state.mark >= ended.last_seq:
                        ended.ready = tx.size
            answer = json.dumps(
                {
                    "number": checked.head[2],
                    "ledger_size": tx.size,
                    "marks": self._marks(checked.bricks, verdict.states),
                }
            )
            self._database.bulk(
                tx.connection, tables.receipts, rows.receipt_rows(host.host, first, checked, now_ms)
            )
            rows.write_batch(tx.connection, host.host, checked, digest, first, now_ms, answer)
            self._write_states(tx.connection, verdict, now_ms)
            settlements.write(tx.connection, verdict, now_ms)
            rows.write_evidence(tx.connection, checked.evidence)
            kinds = Counter(UNREADABLE_KIND if t.record is None else int(t.record[10]) for t in taken)
            tx.totals.update({f"kind:{kind}": n for kind, n in kinds.items()})
            self.booted |= boots.write(tx.connection, taken, now_ms)
            obeyed.write(tx.connection, taken)
            telemetry.decided(tx.connection, taken)
            size = tx.size
        return answer, Tally(size, kinds, len(verdict.findings))

    def _marks(self, bricks: Iterable[bytes], states: dict[bytes, BrickState]) -> list[dict[str, Any]]:
        marks: list[dict[str, Any]] = []
        for brick in bricks:
            state = states.get(brick)
            if state is not None:
                tag = self.keys.ack_tag(brick, state.mark)
                marks.append({"brick": brick.hex(), "ledger_seq": state.mark, "tag": tag.hex()})
        return marks

    def _write_states(self, connection: Connection, verdict: Verdict, now_ms: int) -> None:
        if verdict.states:
            changed = [rows.brick_row(state, now_ms) for state in verdict.states.values()]
            connection.execute(rows.UPDATE_BRICK, changed)
        for brick, state in verdict.states.items():
            old = self._bricks[brick]
            if state.gaps != old.gaps:
                connection.execute(delete(tables.gaps).where(tables.gaps.c.brick == brick))
                self._database.bulk(connection, tables.gaps, [(brick, *gap) for gap in state.gaps])
            if state.withheld != old.withheld:
                epochs = tables.epochs
                connection.execute(delete(epochs).where(epochs.c.brick == brick, epochs.c.leaf.is_(None)))
                ended = [(brick, e, end.last_seq, end.ready, None, None) for e, end in state.withheld.items()]
                self._database.bulk(connection, epochs, ended)
        self._database.bulk(
            connection, tables.roots, [(r.brick, r.first_epoch, r.rental, r.sealed) for r in verdict.roots]
        )
        slices = tables.slices
        for number, one in verdict.slices.items():
            connection.execute(
                update(slices).where(slices.c.id == number).values(brick=one.owner, spent=one.spent)
            )

    # --- loading

    def _load(self, connection: Connection) -> None:
        for row in connection.execute(select(tables.hosts)):
            self._hosts[row.host] = HostState(row.number, row.prev, row.host_seq, row.prev_receipt)
        for row in connection.execute(select(tables.bricks)):
            self._bricks[row.brick] = BrickState(
                row.brick, row.head_seq, row.head_link, row.epoch, row.epoch_first, row.epoch_exact
            )
        for row in connection.execute(select(tables.gaps).order_by(tables.gaps.c.first)):
            self._bricks[row.brick].gaps.append([row.first, row.last])
        epochs = tables.epochs
        for row in connection.execute(select(epochs).where(epochs.c.leaf.is_(None)).order_by(epochs.c.epoch)):
            self._bricks[row.brick].withheld[row.epoch] = Ended(row.last_seq, row.ready)
            self._withholding.add(row.brick)
        self._load_slices(connection, 0)

    def _load_slices(self, connection: Connection, above: int) -> None:
        slices = tables.slices
        for row in connection.execute(select(slices).where(slices.c.id > above)):
            self._slices[row.id] = Slice(
                row.kit, row.rental, row.amount, row.brick, row.spent, row.returned, row.unit
            )
            self._expires[row.id] = row.expires_ms
