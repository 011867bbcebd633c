"""Everything that is known of kits, read together: what stands, what was seen, reported and proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from fleet.config import Config
from fleet.core import reg
from fleet.desired import obeyed, rows
from fleet.desired.facts import Boot, Facts
from fleet.desired.index import Index, made
from fleet.desired.report import Report
from fleet.desired.rows import Head

APPLICATION = reg.ARTEFACT_APPLICATION


def known(
    connection: Connection,
    config: Config,
    now_ms: int,
    kits: Sequence[bytes],
    heads: dict[bytes, Head],
    seen: dict[bytes, tuple[int, str | None]],
    only: Sequence[bytes] | None = None,
    index: Index | None = None,
) -> list[Facts]:
    """Facts of these kits, out of the tables and of what was not written yet. `only`: the same kits where they are few, and
    their rows alone are read; `index`: of the configuration, where there is one."""
    states, reports = rows.states(connection, only), rows.reports(connection, only)
    index = made(config) if index is None else index
    bricks = {kit: [one.brick for one in index.bricks.get(kit, ())] for kit in kits}
    booted = rows.boots(connection, None if only is None else [one for kit in only for one in bricks[kit]])
    wanted = {
        item.artefact
        for kit in kits
        if kit in heads
        for item in heads[kit].order.items
        if item.kind == APPLICATION
    }
    programs = rows.programs(connection, wanted) if wanted else {}
    followed = obeyed.read(
        connection, index.kit if only is None else {one: kit for kit in only for one in bricks[kit]}
    )
    found: list[Facts] = []
    for kit in kits:
        state, said = states.get(kit), reports.get(kit)
        facts = Facts(kit, now_ms, heads.get(kit), programs=programs)
        if state is not None:
            facts = replace(
                facts, seen_ms=state.seen_ms, held=state.held, content=state.content,
                active_ms=state.active_ms, drift_ms=state.drift_ms,
            )  # fmt: skip
        if kit in seen:
            facts = replace(facts, seen_ms=seen[kit][0], held=seen[kit][1] or facts.held)
        if said is not None:
            facts = replace(facts, report=Report.model_validate_json(said.body), report_ms=said.at_ms)
        boots = {
            brick: Boot(row.seq, row.at_ms, row.received_ms, row.ruleset, row.program)
            for brick in bricks.get(kit, [])
            if (row := booted.get(brick)) is not None
        }
        orders = {brick: followed[brick] for brick in bricks.get(kit, []) if brick in followed}
        found.append(replace(facts, boots=boots, obeyed=orders))
    return found


def withheld(connection: Connection, config: Config, now_ms: int) -> list[Facts]:
    """Facts of those kits of which bricks follow older directives than their host says; cheap where there are none."""
    kits = {one.brick: one.kit for one in config.bricks}
    behind = {kits[brick] for brick, one in obeyed.read(connection, kits).items() if one.behind_ms is not None}
    if not behind:
        return []
    heads = {one.kit: one for one in rows.heads(connection) if one.kit in behind}
    wanted = [one.kit for one in config.kits if one.kit in behind]
    return [one for one in known(connection, config, now_ms, wanted, heads, {}) if one.withheld]
