"""What the stall screen shows, taken from a running agent as plain values: decisions, budget, bricks.

Money is in minor units with its currency, ages in seconds, instants in milliseconds since 1970.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hostagent.clock import monotonic_ms
from hostagent.core import Fields, FormatError, base32, bundle, cbor, explain, receipt, reg, rules

if TYPE_CHECKING:
    from hostagent.agent import Agent

# Outcome of a record kind: what the customer saw. A comparison group is never shown as a refusal of its own.
OUTCOMES = {
    reg.KIND_GRANT: "granted",
    reg.KIND_REDEEM: "granted",
    reg.KIND_DENY: "nothing",
    reg.KIND_GHOST: "nothing",
    reg.KIND_COLLECTIVE: "nothing",
    reg.KIND_UNCERTAIN: "ask",
}
# Records about nobody that a person at the stall should still see.
NOTES = frozenset({reg.KIND_VOID, reg.KIND_REFUND, reg.KIND_LATCH, reg.KIND_CLOSE, 22})
SHOWN = 30
# What is with a brick that has not been heard for this long cannot be used here now.
SILENT_MS = 120_000
UNITS = {1: "money", 2: "pieces", 3: "people"}


@dataclass(frozen=True)
class Decision:
    """One record worth showing. `link` None where this host gives none."""

    host_seq: int
    brick8: bytes
    brick: str
    seq: int
    outcome: str
    kind: int
    sentence: str
    at_ms: int
    training: bool
    gateway: bool
    in_ledger: bool
    handle: bytes
    link: str
    # The record's public map, and when its receipt was made.
    public: Fields = field(repr=False)
    received_ms: int


@dataclass(frozen=True)
class Budget:
    """What is left of one rule's rights at this kit, in its unit. `stranded`: all that is unspent, wherever it lies;
    `away`: of it, what lies with bricks that are not heard."""

    rule: str
    unit: str
    left: int
    sent: int
    stranded: int
    away: int


@dataclass(frozen=True)
class Part:
    """One brick of the kit as the screen shows it."""

    name: str
    brick8: bytes
    up: bool
    heard_s: float | None
    state: str
    free_pages: int | None
    ruleset8: bytes | None
    clock: int
    why: str
    # What it last said of its packs and its memory (hostagent.appliance), and how long ago.
    body: dict[str, Any] | None = field(default=None, repr=False)
    body_s: float | None = None


def ruleset(agent: "Agent", kept: dict[bytes, Any]) -> Any:
    """The ruleset in use: the lane's, else the one on offer; None where there is none. `kept` holds the newest."""
    if agent.lane is not None and agent.lane.ruleset is not None:
        return agent.lane.ruleset
    offered = agent.updater.current
    if offered is None:
        return None
    if offered.artefact not in kept:
        kept.clear()
        try:
            kept[offered.artefact] = rules.Ruleset(bundle.split(offered.data)[1])
        except FormatError:
            kept[offered.artefact] = None
    return kept[offered.artefact]


def worth_showing(told: list[Fields]) -> list[bool]:
    """Which of these records' public maps mean something to a person at the stall.

    A comparison group's record does not where another rule decided for the same visit: that is what the light showed.
    The records of one tap, scan or sale share brick and nonce."""
    outcomes = {(one[1], one[15]) for one in told if one[10] in OUTCOMES and one[10] != reg.KIND_GHOST and 15 in one}
    return [
        one[10] in NOTES
        or (one[10] in OUTCOMES and not (one[10] == reg.KIND_GHOST and (one[1], one.get(15)) in outcomes))
        for one in told
    ]


async def decisions(agent: "Agent", known: Any, language: int, limit: int = SHOWN) -> list[Decision]:
    """The newest records that mean something to a person at the stall, newest first."""
    rows = await asyncio.wrap_future(agent.receipts.recent(limit * 3))
    by_number = {brick.number: brick for brick in agent.bricks.values()}
    read: list[Fields] = [receipt.parse(row.cose).fields for row in rows]
    told: list[Fields] = [cbor.decode(fields[1]) for fields in read]
    worth = worth_showing(told)
    found: list[Decision] = []
    for row, fields, public, wanted in zip(rows, read, told, worth, strict=True):
        kind = public[10]
        if not wanted:
            continue
        brick = by_number.get(row.brick)
        flags = public.get(0) or 0
        handle = agent.chain.handle(public[1], row.seq, fields[2])
        wall = public.get(5)
        found.append(
            Decision(
                row.host_seq,
                public[1],
                "?" if brick is None else brick.name,
                row.seq,
                OUTCOMES.get(kind, "note"),
                kind,
                agent.staff.named(sentence(public, known, language)),
                row.ms if wall is None else wall,
                bool(flags & reg.FLAG_TRAINING),
                bool(flags & reg.FLAG_GATEWAY),
                brick is not None and brick.ledger_seq is not None and brick.ledger_seq >= row.seq,
                handle,
                receipt.link_text(agent.config.public_url, handle),
                public,
                fields[6],
            )
        )
        if len(found) == limit:
            break
    return found


def sentence(public: Fields, known: Any, language: int) -> str:
    """The sentence of a record in a language of the ruleset, else in its first."""
    languages: list[str] = [] if known is None else list(known.languages)
    wanted = ("en", "de")[language]
    return explain.sentence(public, known, languages.index(wanted) if wanted in languages else 0)


def bare(text: str) -> str:
    """A sentence without the outcome in front of it, where the outcome stands above it as a word."""
    for word in ("Granted: ", "Nothing this time: ", "Ask at the stall: "):
        training = text.startswith("Training: ")
        rest = text.removeprefix("Training: ")
        if rest.startswith(word):
            rest = rest.removeprefix(word)
            return ("Training: " if training else "") + rest[:1].upper() + rest[1:]
    return text


def rule_names(known: Any) -> dict[bytes, str]:
    """Rule ids by their 8-byte digests in slices."""
    if known is None:
        return {}
    return dict(zip(known.rule8, (rule.id for rule in known.rules), strict=False))


def budgets(agent: "Agent", known: Any) -> list[Budget]:
    """What is left for each rule: slices not yet given, and what their bricks say is left of the others."""
    names = rule_names(known)
    now = monotonic_ms()
    rows: list[Budget] = []
    for line in agent.budgets.summary():
        rule = bytes.fromhex(line["rule"])
        away = _out_of_reach(agent, rule, now)
        left = line["assigned"] + line["left_unassigned"] - away
        unit = UNITS.get(line["unit"], "pieces")
        rows.append(
            Budget(names.get(rule) or str(line["rule"]), unit, left, line["amount"], line["stranded"], away)
        )
    return rows


def parts(agent: "Agent") -> list[Part]:
    """Every brick of the kit, in the order of the configuration."""
    now = monotonic_ms()
    found: list[Part] = []
    for line in agent.lines:
        brick = agent.bricks[line.expected.brick]
        said, session = brick.status, line.session
        heard = None if session is None or session.heard_ms is None else (now - session.heard_ms) / 1000
        up = line.brick is not None
        why = "" if up or session is None else (session.link.refusal or session.last_down or line.port.state)
        found.append(
            Part(
                line.expected.name,
                line.expected.brick,
                up,
                heard,
                "" if said is None else ("good", "degraded", "safe")[min(said.state, 2)],
                None if said is None else said.free_pages,
                None if said is None else said.ruleset8,
                0 if said is None else said.clock_quality,
                str(why or ""),
                brick.diagnostics,
                None if brick.diagnostics is None else (now - brick.diagnostics_at_ms) / 1000,
            )
        )
    return found


def handle_text(handle: bytes) -> str:
    """A look-up handle as it stands in links."""
    return base32.encode(handle)


def _out_of_reach(agent: "Agent", rule: bytes, now: int) -> int:
    """What is unspent of one rule at bricks that have not been heard for a while, as far as they last said."""
    lane = agent.lane
    silent = {
        brick.brick: {} if brick.status is None else brick.status.slices
        for brick in agent.bricks.values()
        if (lane is None or brick is not lane.brick)
        and agent.session_of(brick.brick) is None
        and (brick.status is None or now - brick.status.at_ms > SILENT_MS)
    }
    return sum(
        silent[held.brick].get(held.slice.id, held.slice.amount)
        for held in agent.budgets.held()
        if held.slice.rule == rule
        and held.brick in silent
        and held.withheld is None
        and held.slice.expires > agent.clock.now_ms()
    )
