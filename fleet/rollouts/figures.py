"""What gates look at: figures of kits with the release, from receipts and status reports, against their own past or the others.

errors: receipts with a finding; uncertain: decisions that could not be made; battery: the lowest pack of a kit in percent."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, case, func, select

from fleet.core import reg
from fleet.db import tables
from fleet.desired.facts import Facts
from fleet.rollouts import facts
from fleet.rollouts.gates import Sample, judge
from fleet.rollouts.plan import Gate
from fleet.rollouts.state import OK, WHOLE, State

MEASURED = ("errors", "uncertain", "battery")  # the others have no source yet: a plan with them is refused
PAST_MS = 7 * 86_400_000  # so far back is "before"
DECISIONS = (reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_GHOST, reg.KIND_REDEEM, reg.KIND_UNCERTAIN)


def looks(
    connection: Connection,
    state: State,
    known: Callable[[list[bytes]], list[Facts]],
    now_ms: int,
    number: int,
) -> list[facts.Gate]:
    """One look at every gate of a plan that has a source."""
    found: list[facts.Gate] = []
    since: dict[bytes, int] = {}
    for kit in state.kits.values():
        if kit.status == OK and kit.units != WHOLE:
            since |= {bytes.fromhex(unit): kit.since_ms for unit in kit.units}
    for gate in state.plan.gates:
        if gate.name == "battery":
            before, after = _battery(state, known)
        elif gate.name in MEASURED:
            before, after = _receipts(connection, gate, since)
        else:
            continue
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


def _battery(state: State, known: Callable[[list[bytes]], list[Facts]]) -> tuple[Sample, Sample]:
    """Kits without the release stand for before."""
    sides: dict[bool, list[int]] = {True: [], False: []}
    for one in known([bytes.fromhex(name) for name in state.kits]):
        packs = (
            []
            if one.report is None
            else [brick.battery for brick in one.report.bricks if brick.battery is not None]
        )
        if packs:
            sides[state.kits[one.kit.hex()].status == OK].append(min(packs))
    return _mean(sides[False]), _mean(sides[True])


def _mean(values: list[int]) -> Sample:
    return Sample(len(values), sum(values) // len(values) if values else 0)
