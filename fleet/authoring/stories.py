"""Runs a story through the engine: each event at its brick, each decision held against what was expected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from stallmark.errors import StallmarkError

from fleet.authoring import story as form
from fleet.authoring.engine import event, explain, money, reg, rules
from fleet.authoring.model_base import EVENTS, TRUSTS
from fleet.authoring.place import NO, YES, Place, Written
from fleet.authoring.reader import Node
from fleet.authoring.story import Expected, Happens, Story

OUTCOMES = {number: name for number, name in reg.KIND_NAMES}
REASONS = {number: name for number, name in reg.REASON_NAMES}
GRANTS = {number: name for number, name in reg.GRANT_NAMES}
ANSWERS: dict[str, int | None] = {"yes": YES, "no": NO, "silent": None}
_UNITS = {"money": reg.UNIT_MINOR, "pieces": reg.UNIT_PIECES, "people": reg.UNIT_PEOPLE}
HOLDOUT = 255


class StoryError(StallmarkError):
    """A story that cannot be run; the message says where and why."""


def load(path: Path) -> Story:
    """The story of a file. Raises StoryError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoryError(f"{path} cannot be read: {error.strerror}") from None
    return parse(data, str(path))


def parse(data: bytes, name: str = "the story") -> Story:
    """The story of its JSON. Raises StoryError with every error of form."""
    try:
        json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoryError(f"{name} is not JSON: {error}") from None
    try:
        return Story.model_validate_json(data)
    except ValidationError as error:
        lines = [f"{_pointer(one['loc'])}: {one['msg']}" for one in error.errors()[:10]]
        raise StoryError(f"{name}: " + "; ".join(lines)) from None


def _pointer(parts: tuple[int | str, ...]) -> str:
    return "/" + "/".join(str(part) for part in parts if not str(part).startswith("~"))


def person8(name: str) -> bytes:
    """The pseudonym of a person in a story: SHA-256("stallmark/story/1", zero byte, name in UTF-8)[:8]."""
    return sha256(b"stallmark/story/1\0" + name.encode()).digest()[:8]


@dataclass(frozen=True, slots=True)
class Row:
    """One event of a story, what came of it, and what is wrong with that (empty: nothing)."""

    at_ms: int  # after the start
    brick: str
    person: str | None
    event: Any
    answer: int | None
    risk: int | None
    records: list[Written]
    sentences: list[str]
    expected: list[Expected]
    wrong: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Run:
    """A story on its bricks. `did` lists what happened, for vectors."""

    story: Story
    ruleset: Any
    start_ms: int
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    cut: set[str] = field(default_factory=set[str])
    rows: list[Row] = field(default_factory=list[Row])
    did: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    heard: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    slices: int = 0
    nonces: int = 0

    @property
    def failed(self) -> list[Row]:
        """Events that came out otherwise."""
        return [row for row in self.rows if row.wrong]


def run(story: Story, ruleset: bytes, start_ms: int) -> Run:
    """The story through the engine. Raises StoryError where it cannot go on (an unknown brick, rule, value)."""
    found = rules.Ruleset(ruleset)
    out = Run(story, found, start_ms)
    for number, name in enumerate(story.bricks):
        out.places[name] = Place(b"brick--" + bytes((65 + number,)), found, lane=name == story.lane)
    for number, step in enumerate(story.steps):
        try:
            _step(out, step)
        except (KeyError, ValueError, StopIteration) as error:
            raise StoryError(f"/steps/{number}: {error} is not known to this campaign or story") from error
    return out


def _step(out: Run, step: Any) -> None:
    match step:
        case Happens():
            for row in _happens(out, step):
                out.rows.append(row)
        case form.RightsStep():
            _rights(out, step)
        case form.ExchangeStep():
            _exchange(out, [name for name in step.exchange if name not in out.cut], _ms(out, step.at))
        case form.CutStep():
            out.cut |= set(step.cut)
        case form.HealStep():
            out.cut -= set(step.heal)
        case form.RestartStep():
            out.places[step.restart].restart()
            out.heard = {pair: seq for pair, seq in out.heard.items() if pair[0] != step.restart}
            out.did.append({"do": "restart", "brick": _number(out, step.restart)})
        case _:
            _told(out, step)


def _told(out: Run, step: Any) -> None:
    """What the host tells every brick that it reaches."""
    reached = [name for name in out.story.bricks if name not in out.cut]
    at: dict[str, Any] = {"bricks": [_number(out, name) for name in reached]}
    places = [out.places[name] for name in reached]
    match step:
        case form.SignalsStep():
            names = [signal[0] for signal in out.ruleset.signals]
            wall = _ms(out, step.at)
            values = [[names.index(name), value] for name, value in step.signals.items()]
            for place in places:
                for index, value in values:
                    place.state.signals(index, value, wall)
            out.did.append({"do": "signals", **at, "values": values, "wall": wall})
        case form.BalancesStep():
            wall = _ms(out, step.at)
            entries = b"".join(person8(name)[:6] + n.to_bytes(4, "big") for name, n in step.balances.items())
            for place in places:
                place.state.balances(wall, place.seq, entries)
            out.did.append({"do": "balances", **at, "wall": wall, "entries": entries.hex()})
        case form.SetStep():
            values = [_open(out, name, value) for name, value in step.set.items()]
            for place in places:
                place.parameters(values, step.who, _ms(out, step.at))
            out.did.append(
                {"do": "parameters", **at, "values": values, "who": step.who, "wall": _ms(out, step.at)}
            )
        case form.RevokeStep():
            entries = b"".join(person8(name)[:6] for name in step.revoke)
            for place in places:
                place.state.revoke(False, entries)
            out.did.append({"do": "revoke", **at, "entries": entries.hex()})
        case _:
            raise StoryError(f"a step of {type(step).__name__} cannot be run")


def _open(out: Run, name: str, value: str | int) -> list[int]:
    names = [one[4] for one in out.ruleset.open_values]
    index = names.index(name)
    unit = out.ruleset.open_values[index][0]
    node = Node(value, f"/{name}")
    number = (
        node.percent() if unit == 1 else node.amount(out.ruleset.currency) if unit == 2 else
        int(value) if unit == 3 else _duration(str(value))
    )  # fmt: skip
    return [index, number]


def _rights(out: Run, step: form.RightsStep) -> None:
    for name, unit in _UNITS.items():
        amount = getattr(step, name)
        if amount is None:
            continue
        units = _minor(out, amount) if name == "money" else amount
        out.slices += 1
        result = out.places[step.brick].slice(out.slices, step.rights, unit, units)
        if result != reg.SLICE_OK:
            raise StoryError(f"a slice of {name} for {step.rights} is refused (slice result {result})")
        number = _number(out, step.brick)
        out.did.append({"do": "slice", "brick": number, "slice": [out.slices, step.rights, unit, units]})


def _exchange(out: Run, names: list[str], wall: int) -> None:
    for name in names:
        for other in names:
            if other != name:
                source = out.places[other]
                since = out.heard.get((name, other), 0)
                fresh = [one for one in source.journal if one.seq > since]
                out.places[name].hear(source, source.seq, source.entries(fresh), wall)
                out.heard[name, other] = source.seq
    out.did.append({"do": "exchange", "bricks": [_number(out, name) for name in names], "wall": wall})


def _happens(out: Run, step: Happens) -> Iterator[Row]:
    people: list[str | None] = [step.person]
    if step.persons is not None:
        prefix, first, last = step.persons
        people = [f"{prefix}{number}" for number in range(first, last + 1)]
    at = _duration(step.at)
    for number, person in enumerate(people):
        yield _one(out, step, person, at + number * _duration(step.every))


def _one(out: Run, step: Happens, person: str | None, at: int) -> Row:
    out.nonces += 1
    known = step.clock == "host"
    happened = event.make(
        type=EVENTS[step.on],
        trust=TRUSTS[step.trust],
        subject=None if person is None else person8(person),
        wall_ms=out.start_ms + at if known else None,
        uptime_ms=at,
        quality=reg.QUALITY_HOST if known else reg.QUALITY_UNSET,
        spread_ms=40 if known else None,
        nonce=out.nonces.to_bytes(8, "big"),
        basket_minor=None if step.basket is None else _minor(out, step.basket),
        items=step.items,
        tip_minor=None if step.tip is None else _minor(out, step.tip),
        lines=[[line.item, line.quantity, _minor(out, line.money)] for line in step.lines] or None,
        signal=None if step.signal is None else [*step.signal, 0],
        reference=step.reference,
    )
    answer = ANSWERS[step.host or ("silent" if step.brick in out.cut else "yes")]
    records = out.places[step.brick].take(happened, answer, risk=step.risk)
    sentences = [explain.sentence(one.fields, out.ruleset) for one in records]
    expected = step.expect if isinstance(step.expect, list) else [step.expect]
    row = Row(at, step.brick, person, happened, answer, step.risk, records, sentences, expected)
    row.wrong.extend(_compare(out, row))
    out.did.append({"do": "event", "row": row, "brick": _number(out, step.brick)})
    return row


# --- expected and found


def _compare(out: Run, row: Row) -> list[str]:
    if len(row.records) != len(row.expected):
        return [f"{len(row.records)} decisions, expected {len(row.expected)}"]
    wrong: list[str] = []
    for written, sentence, expected in zip(row.records, row.sentences, row.expected, strict=True):
        for name, wanted in expected.model_dump(exclude_none=True).items():
            got = sentence if name == "sentence" else found(out.ruleset, written.fields).get(name)
            if got != wanted:
                wrong.append(f"{name}: {_shown(got)}, expected {_shown(wanted)}")
    return wrong


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def found(ruleset: Any, fields: dict[int, Any]) -> dict[str, Any]:
    """A record's decision in the words of a story."""
    why: list[Any] = [*fields[14], *[None] * 8]
    rule = fields.get(9)
    arm = fields.get(19)
    return {
        "outcome": OUTCOMES.get(fields[10], str(fields[10])),
        "rule": None if rule is None else ruleset.rules[rule].id,
        "because": REASONS.get(why[0], str(why[0])),
        "gives": [_given(ruleset, one) for one in fields.get(12) or ()],
        "near": why[7],
        "have": why[4],
        "need": why[5],
        "arm": None
        if arm is None
        else "holdout"
        if arm[0] == HOLDOUT
        else f"{ruleset.experiments[arm[0]][0]} {arm[1]}",
        "stale": bool(fields[0] & reg.FLAG_STALE),
    }


def _given(ruleset: Any, grant: list[Any]) -> dict[str, Any]:
    out: dict[str, Any] = {"what": GRANTS.get(grant[0], str(grant[0]))}
    if grant[1] is not None:
        out["size"] = grant[1]
    if grant[2]:
        out["money"] = money.decimal(grant[2], money.places(ruleset.currency))
    return out


# --- small readings


def _number(out: Run, name: str) -> int:
    return out.story.bricks.index(name)


def _ms(out: Run, at: str) -> int:
    return out.start_ms + _duration(at)


def _duration(text: str) -> int:
    return Node(text, "/at").duration()


def _minor(out: Run, text: str) -> int:
    return Node(text, "/money").amount(out.ruleset.currency)
