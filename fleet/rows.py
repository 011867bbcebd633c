"""Rows: how batches, brick states and registrations are written down, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from fleet.chains import BrickState
from fleet.config import Brick, Host
from fleet.core import reg
from fleet.counts import UNREADABLE_KIND
from fleet.db import tables
from fleet.ingest import Checked, HostState
from fleet.keys import Root

MAX_CONFLICTS = 16  # second batches of one number that are kept for each host
ZERO8 = bytes(8)
ZERO16 = bytes(16)

UPDATE_BRICK = (
    update(tables.bricks)
    .where(tables.bricks.c.brick == bindparam("b_brick"))
    .values(
        head_seq=bindparam("b_head_seq"),
        head_link=bindparam("b_head_link"),
        epoch=bindparam("b_epoch"),
        epoch_first=bindparam("b_first"),
        epoch_exact=bindparam("b_exact"),
        last_ms=bindparam("b_last_ms"),
    )
)


def brick_row(state: BrickState, now_ms: int) -> dict[str, Any]:
    """Parameters of UPDATE_BRICK."""
    return {
        "b_brick": state.brick,
        "b_head_seq": state.head_seq,
        "b_head_link": state.head_link,
        "b_epoch": state.epoch,
        "b_first": state.epoch_first,
        "b_exact": state.epoch_exact,
        "b_last_ms": now_ms,
    }


def receipt_rows(host: bytes, first: int, checked: Checked, now_ms: int) -> list[tuple[Any, ...]]:
    """Rows of the receipts table; `first` is the index of the first one's leaf."""
    made: list[tuple[Any, ...]] = []
    for at, t in enumerate(checked.receipts):
        fields = t.record
        duplicate = t.duplicate_of if t.duplicate_at is None else first + t.duplicate_at
        reference = takes_back = None
        if fields is None:
            record = (ZERO8, 0, 0, UNREADABLE_KIND, 0)
            prev = ZERO16
        else:
            record = (fields[1], fields[2], fields[3], fields[10], fields[0])
            prev = fields[18]
            if fields[10] in (reg.KIND_VOID, reg.KIND_REFUND) and not t.findings and duplicate is None:
                reference, takes_back = fields.get(20), t.fields.get(18)
        times = (t.market_ms, now_ms, t.fields.get(11))
        chain = (t.link, prev, t.findings, duplicate)
        made.append((first + at, host, t.host_seq, *record, *times, *chain, reference, takes_back))
    return made


def write_batch(
    connection: Connection, host: bytes, checked: Checked, digest: bytes, first: int, now_ms: int, answer: str
) -> None:
    """The batch, and that its host stands behind it now."""
    connection.execute(
        insert(tables.batches).values(
            host=host,
            number=checked.head[2],
            digest=digest,
            header=checked.header,
            first_index=first,
            count=len(checked.receipts),
            private=checked.private,
            received_ms=now_ms,
            answer=answer,
        )
    )
    after = checked.after
    connection.execute(
        update(tables.hosts)
        .where(tables.hosts.c.host == host)
        .values(
            number=after.number,
            prev=after.prev,
            host_seq=after.host_seq,
            prev_receipt=after.prev_receipt,
            last_ms=now_ms,
        )
    )


def write_evidence(connection: Connection, lists: list[bytes]) -> None:
    """Evidence lists by the digest that field 21 of a record names."""
    evidence = tables.evidence
    for data in lists:
        digest = sha256(data).digest()[:16]
        if connection.execute(select(evidence.c.digest).where(evidence.c.digest == digest)).first() is None:
            connection.execute(insert(evidence).values(digest=digest, bytes=data))


def keep_conflict(connection: Connection, host: bytes, number: int, header: bytes, now_ms: int) -> None:
    """A second header that a host signed under one number: a few are kept as proof."""
    conflicts = tables.conflicts
    known = connection.execute(select(conflicts.c.number).where(conflicts.c.host == host)).scalars().all()
    if number not in known and len(known) < MAX_CONFLICTS:
        connection.execute(
            insert(conflicts).values(host=host, number=number, header=header, received_ms=now_ms)
        )


def register(connection: Connection, hosts: Iterable[Host], bricks: Iterable[Brick]) -> None:
    """Hosts and bricks that the configuration names and the database does not know yet."""
    known = set(connection.execute(select(tables.hosts.c.host)).scalars())
    start = HostState()
    for host in hosts:
        if host.host not in known:
            connection.execute(
                insert(tables.hosts).values(
                    host=host.host,
                    number=start.number,
                    prev=start.prev,
                    host_seq=start.host_seq,
                    prev_receipt=start.prev_receipt,
                )
            )
    known = set(connection.execute(select(tables.bricks.c.brick)).scalars())
    for brick in bricks:
        if brick.brick in known:
            continue
        fresh = BrickState(brick.brick, epoch=brick.first_epoch)
        connection.execute(
            insert(tables.bricks).values(
                brick=brick.brick,
                head_seq=fresh.head_seq,
                head_link=fresh.head_link,
                epoch=fresh.epoch,
                epoch_first=fresh.epoch_first,
                epoch_exact=fresh.epoch_exact,
            )
        )
        connection.execute(
            insert(tables.roots).values(
                brick=brick.brick,
                first_epoch=brick.first_epoch,
                rental=brick.rental,
                sealed=brick.sealed_root,
            )
        )


def roots(connection: Connection) -> list[Root]:
    """Every brick's sealed roots."""
    return [
        Root(row.brick, row.first_epoch, row.rental, row.sealed)
        for row in connection.execute(select(tables.roots))
    ]
