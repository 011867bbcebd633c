"""What gates compare, written down as it comes in: figures of status reports, and what each hour's decisions gave."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text, update

from fleet.core import reg
from fleet.db.tables_gates import brick_figures
from fleet.desired.report import BrickSaid
from fleet.ingest import Taken

KEPT = 32  # start-ups and rules of a brick that are remembered
HOURS_KEPT = 15 * 24
HOUR_MS = 3_600_000
WINDOW_MS = 300_000
DECISIONS = (reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_GHOST, reg.KIND_REDEEM, reg.KIND_UNCERTAIN)
# Written out: every batch of receipts comes by here, and an expression built anew costs it a twentieth of its time.
_ADD = text(
    "INSERT INTO given_hours (brick, ruleset, hour, windows, decisions, minor) "
    "VALUES (:brick, :ruleset, :hour, :windows, :decisions, :minor) "
    "ON CONFLICT (brick, ruleset, hour) DO UPDATE SET windows = given_hours.windows | excluded.windows, "
    "decisions = given_hours.decisions + excluded.decisions, minor = given_hours.minor + excluded.minor"
)
_END = text("DELETE FROM given_hours WHERE brick = :brick AND hour < :before")
PRACTICE: int = reg.FLAG_TRAINING | reg.FLAG_SHADOW


def reported(connection: Connection, bricks: Iterable[BrickSaid], own: set[bytes], now_ms: int) -> None:
    """Keeps the figures of a report's bricks, of those that are the kit's. A report may come twice, and late."""
    t = brick_figures.c
    for said in bricks:
        brick, figures = bytes.fromhex(said.brick), said.figures
        if figures is None or brick not in own:
            continue
        key = (t.brick == brick) & (t.boot == figures.boot) & (t.ruleset == bytes.fromhex(figures.ruleset))
        old = connection.execute(select(brick_figures).where(key)).one_or_none()
        values: dict[str, Any] = {
            "last_ms": now_ms, "lights": json.dumps(figures.lights), "free": figures.free, "block": figures.block,
            "battery": said.battery,
        }  # fmt: skip
        if old is None:
            values |= {
                "brick": brick,
                "boot": figures.boot,
                "ruleset": bytes.fromhex(figures.ruleset),
                "first_ms": now_ms,
            }
            connection.execute(insert(brick_figures).values(values))
            _forget(connection, brick)
            continue
        values["lights"] = json.dumps(
            [max(pair) for pair in zip(json.loads(old.lights), figures.lights, strict=True)]
        )
        for name in ("free", "block"):
            values[name] = min((n for n in (getattr(old, name), values[name]) if n is not None), default=None)
        connection.execute(update(brick_figures).where(key).values(values))


def _forget(connection: Connection, brick: bytes) -> None:
    t = brick_figures.c
    times = select(t.first_ms).where(t.brick == brick).order_by(t.first_ms.desc()).offset(KEPT).limit(1)
    oldest = connection.execute(times).scalar_one_or_none()
    if oldest is not None:
        connection.execute(delete(brick_figures).where((t.brick == brick) & (t.first_ms <= oldest)))


def decided(connection: Connection, taken: Iterable[Taken]) -> None:
    """Adds a batch's decisions to their hours: in the transaction that stores the batch, so that each counts once."""
    sums: dict[tuple[bytes, bytes, int], list[int]] = {}
    for one in taken:
        f = one.record
        if (
            f is None
            or f[10] not in DECISIONS
            or one.findings
            or one.duplicate_of is not None
            or one.duplicate_at is not None
            or f.get(0, 0) & PRACTICE
            or not f.get(8)
        ):
            continue
        found = sums.setdefault((f[1], f[8], one.market_ms // HOUR_MS), [0, 0, 0])
        found[0] |= 1 << (one.market_ms % HOUR_MS // WINDOW_MS)
        found[1] += 1
        if f[10] == reg.KIND_GRANT:
            found[2] += sum(int(grant[2] or 0) for grant in f.get(12) or ())
    if not sums:
        return
    rows = [
        {"brick": brick, "ruleset": ruleset, "hour": hour, "windows": windows, "decisions": decisions, "minor": minor}
        for (brick, ruleset, hour), (windows, decisions, minor) in sums.items()
    ]
    connection.execute(_ADD, rows)
    connection.execute(_END, [{"brick": brick, "before": hour - HOURS_KEPT} for brick, _, hour in sums])
