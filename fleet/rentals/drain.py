"""What of a kit has not arrived here. Pure, over facts; `gather` reads them.

The controller knows how far each brick's records stand in the ledger. How far a brick wrote is its own word, which its host
passes on: only a word from after the kit came back counts."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from fleet import enrolled
from fleet.config import Config
from fleet.db import tables
from fleet.db.tables_rentals import host_heads
from fleet.desired import rows as desired_rows
from fleet.desired.report import Report
from fleet.enrolment import decide


@dataclass(frozen=True, slots=True)
class Brick:
    """One brick. `head`: its newest record in the ledger; `absent`: records before it that are not there; `last`: the newest
    that it says it wrote, None where nobody said; `heard_ms`: when its host heard it last; `lane`: the host's own."""

    brick: str
    head: int
    absent: int
    last: int | None = None
    heard_ms: int | None = None
    lane: bool = False
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """A host's own queue, by its signed word: when it gave it, the newest receipt that it has, the newest that is here."""

    host: str
    said_ms: int | None
    host_seq: int = 0
    here: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known. `spoken_ms`: the host's last report."""

    back_ms: int
    spoken_ms: int | None
    bricks: tuple[Brick, ...]
    hosts: tuple[Host, ...] = ()


@dataclass(frozen=True, slots=True)
class Undrained:
    """One thing that keeps a booking open. `records`: how many are known to be out, None where nobody knows."""

    code: str
    text: str
    since_ms: int | None
    do: str
    brick: str = ""
    records: int | None = None

    def as_json(self, now_ms: int) -> dict[str, Any]:
        """With its age in seconds."""
        age_s = None if self.since_ms is None else max(0, now_ms - self.since_ms) // 1000
        return {
            "code": self.code, "text": self.text, "since_ms": self.since_ms, "age_s": age_s, "do": self.do,
            "brick": self.brick, "records": self.records,
        }  # fmt: skip


def undrained(facts: Facts) -> list[Undrained]:
    """Everything, in the order in which it is done; nothing: all that is known of has arrived."""
    found: list[Undrained] = []
    if facts.spoken_ms is None or facts.spoken_ms < facts.back_ms:
        said = "never spoke" if facts.spoken_ms is None else "has not spoken since the kit came back"
        found.append(
            Undrained(
                "host-silent",
                f"the kit's host {said}: what it holds nobody knows",
                facts.spoken_ms,
                "switch the kit on where its host has a network",
            )
        )
    for host in facts.hosts:
        found += _host(host, facts.back_ms)
    for one in facts.bricks:
        found += _brick(one, facts.back_ms)
    return found


def _host(one: Host, back_ms: int) -> list[Undrained]:
    name = f"host {one.host}"
    if one.said_ms is None or one.said_ms < back_ms:
        said = "never signed" if one.said_ms is None else "has not signed since the kit came back"
        text = f"{name} {said} how far its receipts go: what waits in its queue nobody knows"
        do = "switch the kit on where its host has a network; an older program does not say it: bring it up to date"
        return [Undrained("queue-unsaid", text, one.said_ms, do)]
    if one.host_seq > one.here:
        out = one.host_seq - one.here
        text = f"{name} has receipts up to {one.host_seq}, here are those up to {one.here}: {out} wait in its queue"
        return [Undrained("queue", text, one.said_ms, "wait until it has delivered", records=out)]
    return []


def _brick(one: Brick, back_ms: int) -> list[Undrained]:
    found: list[Undrained] = []
    name = f"brick {one.brick}"
    if one.missing:
        text = f"{name} did not come back: what it wrote after record {one.head} nobody can read"
        return [Undrained("missing", text, back_ms, "find it, or close with a reason", one.brick)]
    if one.absent:
        text = f"{name}: {one.absent} records before {one.head} have not arrived"
        found.append(
            Undrained(
                "gap", text, None, "let its host deliver them: `stallmark host status`", one.brick, one.absent
            )
        )
    # The host's own lane has no link: its host's report stands for it.
    if not one.lane and (one.heard_ms is None or one.heard_ms < back_ms):
        said = "was never heard" if one.heard_ms is None else "was not heard since the kit came back"
        text = (
            f"{name} {said}: what it wrote after record {one.head} nobody knows"
        )
        found.append(Undrained("brick-silent", text, one.heard_ms, "switch it on beside its host", one.brick))
    elif one.last is None and not one.lane:
        text = f"{name}: its host does not say how far it wrote"
        found.append(Undrained("unsaid", text, one.heard_ms, "bring the host up to date", one.brick))
    elif one.last is not None and one.last > one.head:
        text = f"{name} wrote up to record {one.last}, here are those up to {one.head}"
        out = one.last - one.head
        found.append(
            Undrained("behind", text, one.heard_ms, "wait until its host has delivered", one.brick, out)
        )
    return found


def gather(
    connection: Connection, config: Config, kit: bytes, back_ms: int, missing: Container[str]
) -> Facts:
    """The facts of a kit. `missing`: ids in hex of bricks that were not in the box."""
    report = desired_rows.reports(connection, kit).get(kit)
    said = None if report is None else Report.model_validate_json(report.body)
    ended = enrolled.revoked(enrolled.every(connection).items())
    bricks: list[Brick] = []
    for one in config.bricks:
        if one.kit != kit or (one.brick in ended and one.brick.hex() not in missing):
            continue
        row = connection.execute(select(tables.bricks).where(tables.bricks.c.brick == one.brick)).first()
        gaps = connection.execute(select(tables.gaps).where(tables.gaps.c.brick == one.brick)).all()
        told = None if said is None else next((b for b in said.bricks if b.brick == one.brick.hex()), None)
        bricks.append(
            Brick(
                one.brick.hex(),
                0 if row is None else int(row.head_seq),
                sum(gap.last - gap.first + 1 for gap in gaps),
                None if told is None else told.last_seq,
                None if told is None else told.heard_ms,
                one.lane,
                one.brick.hex() in missing,
            )
        )
    signed = {one[0]: one for one in _heads(connection, kit)}
    gone = decide.ends(connection)
    delivered = set(connection.execute(select(tables.hosts.c.host).where(tables.hosts.c.number > 0)).scalars())
    mine = [one.host for one in config.hosts if one.kit == kit and one.host not in gone]
    hosts = [host.hex() for host in mine if host in delivered or host.hex() in signed]
    queues = [Host(*signed[host]) if host in signed else Host(host, None) for host in hosts]
    return Facts(back_ms, None if report is None else report.at_ms, tuple(bricks), tuple(queues))


def _heads(connection: Connection, kit: bytes) -> list[tuple[str, int | None, int, int]]:
    """(host in hex, when it said so, receipts that it has, receipts that are here) of every host that signed a head for a kit."""
    found: list[tuple[str, int | None, int, int]] = []
    for row in connection.execute(
        select(host_heads).where(host_heads.c.kit == kit).order_by(host_heads.c.host)
    ):
        here = connection.execute(
            select(tables.hosts.c.host_seq).where(tables.hosts.c.host == row.host)
        ).scalar_one_or_none()
        found.append((row.host.hex(), int(row.at_ms), int(row.host_seq), int(here or 0)))
    return found
