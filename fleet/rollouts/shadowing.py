"""A release in the shadow: which canary bricks try it, what they prove that it would have done, and whether that may go out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, update

from fleet.amounts import change
from fleet.campaigns import Ruleset
from fleet.core import FormatError, reg, shadow
from fleet.db.tables_gates import shadow_orders, shadow_said
from fleet.desired import rows
from fleet.desired.report import BrickSaid
from fleet.keys import RecordKeys
from fleet.rollouts import facts
from fleet.rollouts.gates import part
from fleet.rollouts.plan import Shadow
from fleet.rollouts.state import SHADOWING, WHOLE, State
from fleet.rollouts.waves import SHADOW

if TYPE_CHECKING:
    from fleet.controller import Controller

logger = logging.getLogger(__name__)
SLACK_MS = 600_000  # bricks go on for so long after the time is over, until somebody looked
KEPT = 8  # start-ups of a brick with one bundle that are remembered
MOST = 64  # bricks of one rollout that try
GREEN, NOTHING, ASK = "green", "nothing this time", "ask at the stall"
_KINDS = {reg.KIND_GRANT: GREEN, reg.KIND_REDEEM: GREEN, reg.KIND_UNCERTAIN: ASK}
_REASONS: dict[int, str] = dict(reg.REASON_NAMES)
_STATES = {
    shadow.COMING: "fetches it", shadow.READING: "reads its journal", shadow.RUNNING: "tries it", shadow.OVER: "has tried it",
    shadow.GAVE_WAY: "had to install something meanwhile", shadow.NO_MEMORY: "has not enough memory for both",
    shadow.REFUSED: "refuses it", shadow.WAITS: "waits until its own rules have been in use for a minute",
}  # fmt: skip


# --- orders


def canaries(state: State) -> dict[bytes, bytes]:
    """Brick → kit: the canary brick of each kit of the first wave, of kits that are not out with a renter."""
    found = {
        bytes.fromhex(kit.units[0]): bytes.fromhex(name)
        for name, kit in state.kits.items()
        if kit.wave == 0 and kit.units != WHOLE and not kit.rented
    }
    return dict(list(found.items())[:MOST])


def keep(connection: Connection, state: State) -> None:
    """Orders stand while the rollout is in its shadow step, and never longer. Says the same twice without harm."""
    o = shadow_orders.c
    asked = state.plan.shadow
    if state.phase != SHADOWING or asked is None:
        connection.execute(delete(shadow_orders).where(o.rollout == state.rollout))
        return
    release = state.plan.release
    envelope = rows.target(connection, bytes.fromhex(release.bundle))
    if envelope is None:
        return
    until_ms = state.phase_ms + asked.seconds * 1000 + state.plan.limits.gate_deadline_s * 1000 + SLACK_MS
    values: dict[str, Any] = {
        "rollout": state.rollout, "bundle": bytes.fromhex(release.bundle), "artefact": bytes.fromhex(release.digest),
        "artefact_length": release.length, "length": 4 + len(envelope) + release.length, "until_ms": until_ms,
    }  # fmt: skip
    wanted = canaries(state)
    # A kit that was handed over meanwhile: nothing is tried at a renter's.
    connection.execute(delete(shadow_orders).where(o.rollout == state.rollout, o.brick.not_in(list(wanted))))
    there = {row.brick: row for row in connection.execute(select(shadow_orders).where(o.brick.in_(list(wanted))))}
    for brick, kit in wanted.items():
        row = there.get(brick)
        if row is None:
            connection.execute(insert(shadow_orders).values(brick=brick, kit=kit, **values))
        elif any(getattr(row, name) != value for name, value in values.items()):
            connection.execute(update(shadow_orders).where(o.brick == brick).values(kit=kit, **values))


def exchange(controller: Controller, kit: bytes, bricks: Sequence[BrickSaid]) -> list[dict[str, Any]]:
    """With a kit's status report: keeps what its bricks prove, durable on return; what they are to try, for the answer
    (docs/desired-state.md). Raises OSError, SQLAlchemyError."""
    now_ms, o = controller.clock.now_ms(), shadow_orders.c
    with controller.database.read() as connection:
        query = select(shadow_orders).where(o.kit == kit, o.until_ms > now_ms)
        ordered = list(connection.execute(query))
    if not ordered and not any(one.shadow for one in bricks):
        return []
    own = {one.brick for one in controller.config.bricks if one.kit == kit and not one.lane}
    with controller.keys() as keys:
        said = proven(keys, bricks, own)
        answer = [
            {
                "brick": row.brick.hex(), "bundle": row.bundle.hex(), "artefact": row.artefact.hex(),
                "artefact_length": row.artefact_length, "length": row.length, "until_ms": row.until_ms,
                "tag": keys.shadow_tag(row.brick, row.bundle, row.length, row.until_ms).hex(),
            }
            for row in ordered
            if row.brick in own
        ]  # fmt: skip
    if said:
        with controller.database.write() as connection:
            for f, data in said:
                _store(connection, f, data, now_ms)
    return answer


# --- what bricks say


def proven(keys: RecordKeys, bricks: Sequence[BrickSaid], own: set[bytes]) -> list[tuple[Any, bytes]]:
    """(fields, bytes) of the summaries that the kit's own bricks made; others are said in the log."""
    found: list[tuple[Any, bytes]] = []
    for one in bricks:
        brick = bytes.fromhex(one.brick)
        if one.shadow is None or brick not in own:
            continue
        data = bytes.fromhex(one.shadow.summary)
        try:
            good = keys.shadow_good(brick, data, bytes.fromhex(one.shadow.tag))
            f: Any = shadow.read(data) if good else None
        except (FormatError, KeyError):
            f = None
        if f is not None and f[1] == brick:
            found.append((f, data))
        else:
            logger.warning("brick %s: a summary of rules that it tries is not its own", one.brick)
    return found


def _store(connection: Connection, f: Any, data: bytes, now_ms: int) -> None:
    t, brick = shadow_said.c, f[1]
    key = (t.brick == brick) & (t.bundle == f[2]) & (t.boot == f[4])
    old = connection.execute(select(t.number).where(key)).scalar_one_or_none()
    values: dict[str, Any] = {"number": f[5], "at_ms": now_ms, "summary": data}
    if old is None:
        connection.execute(insert(shadow_said).values(brick=brick, bundle=f[2], boot=f[4], **values))
        boots = select(t.boot).where((t.brick == brick) & (t.bundle == f[2])).order_by(t.boot.desc()).offset(KEPT)
        gone = list(connection.execute(boots).scalars())
        if gone:
            connection.execute(delete(shadow_said).where((t.brick == brick) & (t.bundle == f[2]) & t.boot.in_(gone)))
    elif f[5] > old:
        connection.execute(update(shadow_said).where(key).values(values))


@dataclass(slots=True)
class Compared:
    """Sums over bricks. `pairs`: (kind in use, reason, kind tried, reason) → events; `states`: brick → its newest state."""

    events: int = 0
    differing: int = 0
    minor: int = 0
    minor_tried: int = 0
    unsure: int = 0
    unsure_tried: int = 0
    pairs: Counter[tuple[int, int, int, int]] = field(default_factory=Counter[tuple[int, int, int, int]])
    states: dict[bytes, tuple[int, int]] = field(default_factory=dict[bytes, tuple[int, int]])  # state, install result
    currency: str | None = None


def compared(connection: Connection, state: State) -> Compared:
    """What canary bricks proved of this release since the step began."""
    t = shadow_said.c
    found = Compared(currency=_currency(connection, state))
    query = select(shadow_said).where(
        t.brick.in_(list(canaries(state))), t.bundle == bytes.fromhex(state.plan.release.bundle)[:8], t.at_ms >= state.phase_ms
    )
    for row in connection.execute(query.order_by(t.boot)):
        f: Any = shadow.read(row.summary)
        found.events += f[6]
        found.differing += f[7]
        found.minor += f[10][0]
        found.minor_tried += f[10][1]
        found.unsure += f[10][2]
        found.unsure_tried += f[10][3]
        for pair in f[8]:
            found.pairs[pair[0], pair[1], pair[2], pair[3]] += pair[4]
        found.states[row.brick] = f[3], f[12]
    return found


def _currency(connection: Connection, state: State) -> str | None:
    """Of the release's amounts; None where it cannot be read."""
    data = rows.target(connection, bytes.fromhex(state.plan.release.digest))
    try:
        ruleset: Any = None if data is None else Ruleset(data)
    except FormatError:
        return None
    return None if ruleset is None else ruleset.currency


# --- words and verdict


def words(found: Compared) -> str:
    """ "of 120 events 3 would have been green instead of nothing this time (already had), …; change of money +4.50 EUR"."""
    if not found.events:
        return "nothing was compared yet"
    parts: list[str] = []
    lights: Counter[tuple[str, str, int]] = Counter()
    for (used, why, tried, why_tried), n in found.pairs.items():
        was, now = _KINDS.get(used, NOTHING), _KINDS.get(tried, NOTHING)
        lights[was, now, why if was != GREEN else why_tried] += n
    for (was, now, reason), n in lights.most_common(3):
        if was == now:
            parts.append(f"{n} would have been given something else")
        else:
            parts.append(f"{n} would have been {now} instead of {was} ({_REASONS.get(reason, f'reason {reason}')})")
    said = ", ".join(parts) or "none would have been another"
    rest = found.differing - sum(n for _, n in lights.most_common(3))
    more = f", {rest} others differ" if rest > 0 else ""
    return f"of {found.events} events {said}{more}; change of money {change(found.minor_tried - found.minor, found.currency)}"


def judge(limits: Shadow, found: Compared, bricks: Sequence[bytes], number: int) -> facts.Gate:
    """Whether the release may go out to the first wave, by what it would have done."""

    def said(verdict: str, why: str) -> facts.Gate:
        return facts.Gate(SHADOW, -1, verdict, why[: facts.MAX_WHY], number)

    refused = [result for state, result in found.states.values() if state == shadow.REFUSED]
    if refused:
        known: dict[int, str] = reg.INSTALL_WORDS
        return said(facts.FAIL, f"a canary brick refuses the release: {known.get(refused[0], f'install result {refused[0]}')}")
    if not bricks:
        return said(facts.INCONCLUSIVE, "the first wave has no brick that can try it")
    text = words(found)
    if found.events < limits.min_events:
        return said(facts.INCONCLUSIVE, f"{text}; {limits.min_events} are asked for. {_at(found, bricks)}")
    flipped = found.differing * 10_000 // found.events
    unsure = (found.unsure_tried - found.unsure) * 10_000 // found.events
    if flipped > limits.flipped_bps:
        return said(facts.FAIL, f"{text}: {part(flipped)} differ, {part(limits.flipped_bps)} may")
    if unsure > limits.uncertain_bps:
        return said(facts.FAIL, f"{text}: {part(unsure)} more are uncertain, {part(limits.uncertain_bps)} may be")
    return said(facts.PASS, text)


def _at(found: Compared, bricks: Sequence[bytes]) -> str:
    """What canary bricks are at."""
    at = Counter(_STATES.get(found.states[one][0], "is at something newer") if one in found.states else "was not heard of it yet"
                 for one in bricks)  # fmt: skip
    return ", ".join(f"{n} brick{'' if n == 1 else 's'}: {what}" for what, n in at.most_common(3))
