"""What gates look at: figures of kits with the release, against the same bricks before it or kits without it.

errors: receipts with a finding; uncertain: decisions that could not be made; latency: from the card to the light, as bricks
count it; budget: money given in an hour of business; heap: the least free memory; battery: the lowest pack of a kit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, case, func, select

from fleet.core import reg
from fleet.db import tables
from fleet.db.tables_gates import brick_figures, given_hours
from fleet.desired.facts import Facts
from fleet.rollouts import facts
from fleet.rollouts.gates import Sample, judge
from fleet.rollouts.plan import Gate
from fleet.rollouts.state import OK, SUPERSEDED, WHOLE, State
from fleet.rollouts.telemetry import DECISIONS, HOUR_MS

PAST_MS = 7 * 86_400_000  # so far back is "before"
# Upper edges of the places of a brick's histogram of lights, in ms: firmware/brick/speed.py. The last place has none: it counts
# as twice the last edge.
EDGES = (10, 20, 30, 50, 75, 100, 125, 150, 175, 200, 250, 300, 400, 600, 1000, 2000)
WINDOWS = 12  # of an hour
LEAST_BLOCK_KB = 4  # bricks ask for nothing larger after their start


def looks(
    connection: Connection,
    state: State,
    known: Callable[[list[bytes]], list[Facts]],
    now_ms: int,
    number: int,
    shares: Mapping[bytes, int],
) -> list[facts.Gate]:
    """One look at every gate of a plan. `shares`: what of its kit's budget in money each brick stands for, in minor units."""
    found: list[facts.Gate] = []
    since: dict[bytes, int] = {}
    for kit in state.kits.values():
        if kit.status == OK and kit.units != WHOLE:
            since |= {bytes.fromhex(unit): kit.since_ms for unit in kit.units}
    digest8 = bytes.fromhex(state.plan.release.digest)[:8]
    for gate in state.plan.gates:
        if gate.name == "battery":
            before, after = _battery(connection, state, known, digest8, now_ms)
        elif gate.name == "latency":
            before, after = _latency(connection, since, digest8, now_ms)
        elif gate.name == "heap":
            before, after = _heap(connection, since, digest8, now_ms)
        elif gate.name == "budget":
            before, after = _budget(connection, gate, state, since, digest8, shares)
        else:
            before, after = _receipts(connection, gate, since)
        verdict, why = judge(gate, before, after)
        found.append(facts.Gate(gate.name, state.wave, verdict, why, number))
    return found


def _receipts(connection: Connection, gate: Gate, since: dict[bytes, int]) -> tuple[Sample, Sample]:
    """Of the same bricks, before and after the release was on them."""
    receipts = tables.receipts
    kinds = receipts.c.kind.in_(DECISIONS)
    bad = receipts.c.kind == reg.KIND_UNCERTAIN if gate.name == "uncertain" else receipts.c.findings != 0
    if gate.name == "errors":
        kinds = receipts.c.kind >= 0
    sums = {True: [0, 0], False: [0, 0]}
    for brick, from_ms in since.items():
        after = receipts.c.received_ms >= from_ms
        query = (
            select(case((after, 1), else_=0), func.count(), func.sum(case((bad, 1), else_=0)))
            .where(receipts.c.brick == brick, receipts.c.received_ms >= from_ms - PAST_MS, kinds)
            .group_by(case((after, 1), else_=0))
        )
        for side, n, count in connection.execute(query):
            sums[bool(side)][0] += n
            sums[bool(side)][1] += count or 0
    (n, count), (m, number) = sums[False], sums[True]
    return Sample(n, count), Sample(m, number)


def _said(
    connection: Connection, bricks: Iterable[bytes], digest8: bytes, now_ms: int
) -> tuple[list[Any], list[Any]]:
    """What these bricks said of themselves: (by other rules in the last week, by the release's)."""
    t = brick_figures.c
    query = select(brick_figures).where(t.brick.in_(list(bricks)), t.last_ms >= now_ms - PAST_MS)
    rows = list(connection.execute(query))
    return [row for row in rows if row.ruleset != digest8], [row for row in rows if row.ruleset == digest8]


def _latency(
    connection: Connection, since: dict[bytes, int], digest8: bytes, now_ms: int
) -> tuple[Sample, Sample]:
    before, after = _said(connection, since, digest8, now_ms)
    return percentile(row.lights for row in before), percentile(row.lights for row in after)


def percentile(histograms: Iterable[str]) -> Sample:
    """The 95th in ms, and where it lies at the least and at the most, two standard errors of its rank away."""
    sums = [sum(place) for place in zip(*map(json.loads, histograms), strict=True)] or [0]
    n = sum(sums)
    if not n:
        return Sample(0, 0)
    spread = 2 * int((n * 0.95 * 0.05) ** 0.5 + 1)
    rank = -(-n * 95 // 100)
    return Sample(
        n, _edge(sums, rank), _edge(sums, max(1, rank - spread)), _edge(sums, min(n, rank + spread))
    )


def _edge(counts: list[int], rank: int) -> int:
    """The time within which so many came, even within its place."""
    before, low = 0, 0
    for count, edge in zip(counts, EDGES, strict=True):
        if before + count >= rank:
            return low + (edge - low) * (rank - before) // count
        before, low = before + count, edge
    return EDGES[-1]


def _heap(
    connection: Connection, since: dict[bytes, int], digest8: bytes, now_ms: int
) -> tuple[Sample, Sample]:
    """The brick with the least: of the same bricks."""
    before, after = _said(connection, since, digest8, now_ms)
    return _least(before), _least(after)


def _least(rows: list[Any]) -> Sample:
    rows = [row for row in rows if row.free is not None]
    if not rows:
        return Sample(0, 0)
    worst = min(rows, key=lambda row: row.free)
    block = min((row.block for row in rows if row.block is not None), default=None)
    short = None if block is None or block >= LEAST_BLOCK_KB * 1024 else (
        f"the largest block that a brick could have is {block} bytes: it needs {LEAST_BLOCK_KB} kB"
    )  # fmt: skip
    return Sample(len({row.brick for row in rows}), worst.free // 1024, fails=short)


def _budget(
    connection: Connection,
    gate: Gate,
    state: State,
    since: dict[bytes, int],
    digest8: bytes,
    shares: Mapping[bytes, int],
) -> tuple[Sample, Sample]:
    """Kits without the release in the same hours, where enough came to them; else the same bricks before."""
    t = given_hours.c
    mine = [brick for brick in since if shares.get(brick)]
    if not mine:
        return Sample(0, 0), Sample(0, 0, lacks="no kit with the release has a budget in money")
    rows = list(connection.execute(select(given_hours).where(t.brick.in_(mine), t.ruleset == digest8)))
    after = _burn(rows, shares)
    if not rows:
        return Sample(0, 0), after
    first, last = min(row.hour for row in rows), max(row.hour for row in rows)
    others = [
        bytes.fromhex(unit)
        for kit in state.kits.values()
        if kit.status not in (OK, SUPERSEDED) and kit.units != WHOLE
        for unit in kit.units
    ]
    control = t.brick.in_([one for one in others if shares.get(one)]) & (t.ruleset != digest8)
    during = list(connection.execute(select(given_hours).where(control, t.hour.between(first, last))))
    before = _burn(during, shares)._replace(of="at kits without the release")
    if before.n >= gate.min_sample:
        return before, after
    past = (t.ruleset != digest8) & t.hour.between(first - PAST_MS // HOUR_MS, last)
    rows = list(connection.execute(select(given_hours).where(t.brick.in_(mine), past)))
    return _burn(rows, shares), after


def _burn(rows: list[Any], shares: Mapping[bytes, int]) -> Sample:
    """Parts of 10,000 of the budget in an hour in which decisions were made; an hour counts by its five minutes."""
    held = sum(row.windows.bit_count() * shares[row.brick] for row in rows)
    minor = sum(row.minor for row in rows)
    value = 10_000 * WINDOWS * minor // held if held else 0
    return Sample(sum(row.decisions for row in rows), value)


def _battery(
    connection: Connection,
    state: State,
    known: Callable[[list[bytes]], list[Facts]],
    digest8: bytes,
    now_ms: int,
) -> tuple[Sample, Sample]:
    """Kits without the release stand for before; where there are none that say it, the same kits' last word before it."""
    sides: dict[bool, list[int]] = {True: [], False: []}
    mine: list[bytes] = []
    for one in known([bytes.fromhex(name) for name in state.kits]):
        kit = state.kits[one.kit.hex()]
        packs = (
            []
            if one.report is None
            else [brick.battery for brick in one.report.bricks if brick.battery is not None]
        )
        if kit.status == OK and kit.units != WHOLE:
            mine += [bytes.fromhex(unit) for unit in kit.units]
        if packs:
            sides[kit.status == OK].append(min(packs))
    before = _mean(sides[False])._replace(of="at kits without the release")
    if not before.n:
        last: dict[bytes, tuple[int, int]] = {}
        for row in _said(connection, mine, digest8, now_ms)[0]:
            if row.battery is not None:
                last[row.brick] = max(last.get(row.brick, (0, 0)), (row.last_ms, row.battery))
        before = _mean([percent for _, percent in last.values()])
    return before, _mean(sides[True])


def _mean(values: list[int]) -> Sample:
    return Sample(len(values), sum(values) // len(values) if values else 0)
