"""What the stall screen shows, taken from a running agent as plain values: decisions, budget, bricks.

Money is in minor units with its currency, ages in seconds, instants in milliseconds since 1970.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

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
# A slice with a brick that has not been heard for this long cannot be used now.
STRANDED_MS = 120_000
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


@dataclass(frozen=True)
class Budget:
    """What is left of one rule's rights at this kit, in its unit."""

    rule: str
    unit: str
    left: int
    sent: int
    stranded: int


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


def ruleset(agent: "Agent", kept: dict[bytes, Any]) -> Any:
    """The ruleset in use: the lane's, else the one on offer; None where there is none. `kept` holds the newest."""
    lane: Any = getattr(agent, "lane", None)
    found: Any = getattr(lane, "ruleset", None)
    if found is not None:
        return found
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


async def decisions(agent: "Agent", known: Any, language: int, limit: int = SHOWN) -> list[Decision]:
    """The newest records that mean something to a person at the stall, newest first."""
    rows = await asyncio.wrap_future(agent.receipts.recent(limit * 3))
    by_number = {brick.number: brick for brick in agent.bricks.values()}
    found: list[Decision] = []
    for row in rows:
        fields: Fields = receipt.parse(row.cose).fields
        public: Fields = cbor.decode(fields[1])
        kind = public[10]
        if kind not in OUTCOMES and kind not in NOTES:
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
                sentence(public, known, language),
                row.ms if wall is None else wall,
                bool(flags & reg.FLAG_TRAINING),
                bool(flags & reg.FLAG_GATEWAY),
                brick is not None and brick.ledger_seq is not None and brick.ledger_seq >= row.seq,
                handle,
                receipt.link_text(agent.config.public_url, handle),
            )
        )
        if len(found) == limit:
            break
    return found


def sentence(public: Fields, known: Any, language: int) -> str:
    """The sentence of a record in a language of the ruleset, else in its first."""
    languages: Any = getattr(known, "languages", None) or ()
    wanted = ("en", "de")[language]
    index = list(languages).index(wanted) if wanted in languages else 0
    try:
        return explain.sentence(public, known, index)
    except TypeError:
        return explain.sentence(public, known)


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
        left = line.get("left", line["left_unassigned"])
        stranded = line.get("stranded", 0)
        if "left" not in line:
            more, away = _with_bricks(agent, rule, now)
            left, stranded = left + more, away
        rows.append(
            Budget(
                names.get(rule) or str(line["rule"]),
                UNITS.get(line["unit"], "pieces"),
                left,
                line["amount"],
                stranded,
            )
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
            )
        )
    return found


def handle_text(handle: bytes) -> str:
    """A look-up handle as it stands in links."""
    return base32.encode(handle)


def _with_bricks(agent: "Agent", rule: bytes, now: int) -> tuple[int, int]:
    """(left at bricks that are heard, left at bricks that are not) of one rule."""
    held = getattr(agent.budgets, "_slices", {})
    of_rule: dict[int, Any] = {
        one.slice.id: one
        for one in cast(dict[Any, Any], held).values()
        if one.slice.rule == rule and one.brick
    }
    left = away = 0
    for brick in agent.bricks.values():
        said = brick.status
        own = getattr(getattr(agent, "lane", None), "brick", None) is brick
        silent = (
            not own
            and (said is None or now - said.at_ms > STRANDED_MS)
            and agent.session_of(brick.brick) is None
        )
        for number, one in of_rule.items():
            if one.brick != brick.brick:
                continue
            amount = one.slice.amount if said is None else said.slices.get(number, 0)
            left, away = (left, away + amount) if silent else (left + amount, away)
    return left, away
