"""Stopping: which kits, and what is still exposed: the most that slices which were given out can still spend, and until when.

A stopped kit is minted nothing and told of no slice; its host gives out none, refuses questions and its own lane's grants, and
starts bricks anew that still hold rights. What a kit that nobody reaches can still spend is in its slices: docs/rights.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from fleet.config import Config
from fleet.core import FormatError
from fleet.db import tables
from fleet.desired import folder, rows
from fleet.desired.desired import Also, Desired, DesiredError, Wish
from fleet.desired.facts import Facts
from fleet.desired.orders import HALTED

OVER = "the stop is lifted; what was ordered before has expired"


@dataclass(frozen=True, slots=True)
class Exposed:
    """What one kit can still spend of one rule: at most `most`, in `slices`, until `until_ms`. `unit` as in a slice. Spent
    as the ledger knows it: what a kit has not delivered yet is in it."""

    kit: str
    rule: str
    unit: int
    most: int
    slices: int
    until_ms: int


def exposed(connection: Connection, now_ms: int, kits: Iterable[bytes]) -> list[Exposed]:
    """By kit, rule and unit; what has expired spends nothing any more."""
    wanted = set(kits)
    slices = tables.slices
    query = select(slices).where(slices.c.expires_ms > now_ms).order_by(slices.c.id)
    if len(wanted) == 1:
        query = query.where(slices.c.kit == next(iter(wanted)))
    found: dict[tuple[bytes, str, int], Exposed] = {}
    for row in connection.execute(query):
        rest = row.amount - row.spent - row.returned
        if row.kit not in wanted or rest <= 0:
            continue
        key = (row.kit, row.rule, row.unit)
        before = found.get(key, Exposed(row.kit.hex(), row.rule, row.unit, 0, 0, 0))
        found[key] = Exposed(
            before.kit,
            row.rule,
            row.unit,
            before.most + rest,
            before.slices + 1,
            max(before.until_ms, row.expires_ms),
        )
    return [found[key] for key in sorted(found)]


def chosen(desired: Desired, config: Config, campaign: str | None, kit: str | None) -> list[bytes]:
    """The kits that are meant: one by its name or id, or all whose directive names a campaign: its bundle's name, or the first
    eight hex digits or more of its bundle's or ruleset's digest. Raises DesiredError."""
    if (campaign is None) == (kit is None):
        raise DesiredError("name either a campaign or one kit (--kit)")
    if kit is not None:
        for one in config.kits:
            if kit in (one.name, one.kit.hex()):
                return [one.kit]
        names = ", ".join(f"{one.name} ({one.kit.hex()})" for one in config.kits)
        raise DesiredError(f"no kit {kit!r} in this configuration; there are: {names}")
    assert campaign is not None
    campaigns: set[str] = set()
    found: list[bytes] = []
    for one in config.kits:
        head = desired.head(one.kit)
        if head is None:
            continue
        for item in head.order.items:
            name = _name(desired, item.bundle)
            campaigns.add(name)
            digests = (item.bundle.hex(), item.artefact.hex())
            if campaign == name or (
                len(campaign) >= 8 and any(d.startswith(campaign.lower()) for d in digests)
            ):
                found.append(one.kit)
                break
    if not found:
        known = ", ".join(sorted(name for name in campaigns if name)) or "none"
        raise DesiredError(
            f"no kit runs a campaign {campaign!r} by its directive; campaigns in force: {known}"
        )
    return found


def stop(desired: Desired, kits: Iterable[bytes], reason: str, also: Also | None = None) -> dict[bytes, int]:
    """Stops kits; durable on return. Those that are stopped already keep their directive. `also` writes who did it down, in
    the transaction of the first ones."""
    wishes = [
        Wish(
            kit,
            () if (head := desired.head(kit)) is None else head.order.items,
            reason,
            None,
            HALTED,
            rows.STOPPED,
        )
        for kit in kits
        if not desired.halted(kit)
    ]
    return desired.set_all(wishes, also)


def lift(
    desired: Desired, connection: Connection, kits: Iterable[bytes], also: Also | None = None
) -> dict[bytes, int]:
    """Takes stops back: each kit gets what it had before, or what was ordered for it meanwhile. Where that has expired, it
    may give again, and nothing is to be installed: bricks take no directive that is over. `also` as above."""
    wishes: list[Wish] = []
    for kit in kits:
        if not desired.halted(kit):
            continue
        head = desired.head(kit)
        assert head is not None
        before = rows.before_stop(connection, kit)
        if before is not None and before[0].items == head.order.items:
            order, origin = before
        else:
            order, origin = head.order, rows.KEPT if head.order.items else rows.RULES
        expires_ms = order.expires_ms if origin == rows.SET else None
        flags, items, reason = order.flags & ~HALTED, order.items, order.reason
        if expires_ms is not None and expires_ms <= desired.now_ms:
            items, reason, expires_ms, origin = (), OVER, None, rows.KEPT
        wishes.append(Wish(kit, items, reason, expires_ms, flags, origin, lifts=True))
    return desired.set_all(wishes, also)


def as_json(
    facts: Iterable[Facts], found: Iterable[Exposed], names: dict[bytes, str]
) -> list[dict[str, object]]:
    """A row for each kit: whether its host keeps to the stop, and what it can still spend."""
    by_kit: dict[str, list[dict[str, object]]] = {}
    for one in found:
        by_kit.setdefault(one.kit, []).append(asdict(one))
    return [
        {
            "kit": one.kit.hex(),
            "name": names.get(one.kit, ""),
            "state": one.state,
            "ordered_ms": None if one.head is None else one.head.order.issued_ms,
            "seen_ms": one.seen_ms,
            "reported_ms": one.report_ms,
            "left_at_bricks": None
            if one.report is None
            else [
                {"brick": b.brick, "connected": b.connected, "left": b.left}
                for b in one.report.bricks
                if b.left
            ],
            "exposed": by_kit.get(one.kit.hex(), []),
        }
        for one in facts
    ]


def _name(desired: Desired, digest: bytes) -> str:
    data = desired.target(digest)
    if data is None:
        return ""
    try:
        name: str = folder.bundle.parse(data).fields[10]
    except FormatError:
        return ""
    return name
