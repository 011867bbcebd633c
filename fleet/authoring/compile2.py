"""A campaign/2 becomes a ruleset of version 2: checked whole, proved bounded, its examples tried."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import rfc8785

from fleet.authoring import examples, lints, wire
from fleet.authoring.built import Built
from fleet.authoring.engine import FormatError, cbor, golden, reg, rules, state
from fleet.authoring.intake import validated
from fleet.authoring.model import SCHEMA
from fleet.authoring.reader import Attempt, Node, Problem
from fleet.authoring.report import Report, RuleReport
from fleet.authoring.rules2 import Rules
from fleet.authoring.sizes import largest_record
from fleet.authoring.tables import Tables

MAX_BYTES = 49_152
MAX_RULES = 250
MAX_RECORD = 440 + 32  # docs/formats/record.md: P + Q of one sealed frame, and what is around them
MAX_GOLDEN = 3_300  # docs/formats/bundle.md: an envelope of 4,096 with four signatures and the other fields
_EMPTY: dict[int, Any] = {
    0: 2, 1: "", 2: 0, 3: "XXX", 4: [], 5: [], 6: None, 7: 0, 8: "", 9: ["en"], 10: [], 11: None, 12: [], 13: [],
    14: [], 15: [], 16: 0,
}  # fmt: skip


def authoring_hash(campaign: Any) -> bytes:
    """SHA-256 of a campaign as RFC 8785 writes it: what was signed off, however its file was laid out."""
    return sha256(rfc8785.dumps(campaign)).digest()


def check(campaign: Any, report: Report, start_ms: int, rev: int | None) -> None:
    """Fills the report on parsed JSON whose `$schema` is campaign/2. Raises nothing."""
    report.schema = SCHEMA
    filled, wrong = validated(campaign)
    report.errors += wrong
    if filled is None:
        return
    report.authoring_hash = authoring_hash(campaign)
    root = Node(filled, problems=report.errors)
    with Attempt():
        _compile(root, report, start_ms, rev)


def _compile(root: Node, report: Report, start_ms: int, rev: int | None) -> None:
    fields = dict(_EMPTY)
    fields[1] = report.id = root.get("id").text(48)
    fields[2] = report.rev = root.get("rev").whole(0, 0xFFFF_FFFF) if rev is None else rev
    fields[3] = report.currency = str(root.get("currency").value)
    fields[7] = root.get("people").whole(0, rules.MAX_PEOPLE)
    with Attempt():
        fields[8] = root.get("market").text(64)
    report.kpi = root.get("kpi").value
    tables = Tables(root, report, start_ms)
    tables.read(fields)
    nodes = root.get("rules").items(1, 250)
    reading = Rules(tables, report.errors, report.notes)
    built = reading.read(nodes)
    _once(report)
    if report.errors:
        for one in reading.refused:
            refused = RuleReport(one.id, one.offline, 0, 0, 0, one.node.pointer, causes=tuple(one.causes))
            report.rules.append(refused)
        return
    if len(built) > MAX_RULES:
        root.get("rules").wrong(
            f"{len(built)} rules with those that pay credits for the next visit: expected at most 250"
        )
        return
    fields[5] = [one.code for one in built]
    _finish(root, fields, built, tables, report, start_ms)


def _once(report: Report) -> None:
    """Each place is named once, however many rules fell over it."""
    seen: set[tuple[str, str]] = set()
    for problems in (report.errors, report.notes):
        kept = [
            one
            for one in problems
            if (one.pointer, one.text) not in seen and not seen.add((one.pointer, one.text))
        ]
        problems[:] = kept


def _finish(
    root: Node, fields: dict[int, Any], built: list[Built], tables: Tables, report: Report, start_ms: int
) -> None:
    data: bytes = cbor.encode(fields)
    if len(data) > MAX_BYTES:
        root.get("rules").wrong(
            f"{len(data)} bytes compiled: expected at most {MAX_BYTES}; write fewer rules or slots"
        )
        return
    for index, one in enumerate(built):
        report.rights += one.rights
        report.rules.append(_said(index, one, fields, report))
    needed = max((one.people_needed for one in built), default=0)
    if needed > fields[7]:
        root.get("people").wrong(
            f"too few: a condition waits for {needed} people, and a brick would remember {fields[7]}"
        )
        return
    lints.look(root, [one for one in built if not one.companion], tables, report)
    try:
        ruleset = rules.Ruleset(data)
    except FormatError as error:
        root.wrong(f"the engine refuses it: {error}")
        return
    capacity = _remembered(ruleset, fields[7])
    if capacity < needed:
        root.get("people").wrong(
            f"a condition waits for {needed} people, and a brick has room for {capacity} with these limits"
        )
    elif capacity < fields[7]:
        text = f"a brick remembers {capacity} people with these limits, not {fields[7]}"
        report.notes.append(Problem("/people", text, "fewer people", write=f'"people": {capacity}'))
    with Attempt():
        _golden(root, ruleset, tables, report, start_ms)
    report.ruleset = b"" if report.errors else data


def _remembered(ruleset: Any, wanted: int) -> int:
    """How many people a brick remembers: in slots, or where no rule asks that over the campaign; all that are wanted where
    nobody needs to be remembered."""
    made: Any = state.State(ruleset)
    if any(ruleset.watched):
        return int(made.people_capacity)
    return wanted if made._ever is None else int(made._ever.table.capacity)


def _said(index: int, one: Built, fields: dict[int, Any], report: Report) -> RuleReport:
    minor, bound = _worst(one)
    opened = {value.index: value.highest for value in report.open_values}
    grants = [
        [given.code[0], *(opened[part[1]] if isinstance(part, list) else part for part in given.code[1:3])]
        for given in one.grants
    ]
    amounts = {reg.UNIT_MINOR: one.minor, reg.UNIT_PIECES: one.pieces, reg.UNIT_PEOPLE: 1}
    found = [
        largest_record(
            one.code[4],
            grants,
            [[unit, amounts[unit]] for unit in one.code[7]],
            one.code[1],
            asked=one.code[9][1] > 1,
            arm=one.code[14] is not None or fields[11] is not None,
            kit_wide=any(value[3] == 0 for value in wire.counted(one.code[4])),
            redeems=one.code[20] is not None,
            person=person,
        )
        for person in (False, True)
    ]
    size = found[0]  # of a brick's; a person's answer is written at the host
    if max(found) > MAX_RECORD:
        text = f"a record of this rule would take {max(found)} bytes: expected at most {MAX_RECORD}; grant fewer things at once"
        report.errors.append(Problem(f"{one.node.pointer}/grants", text))
    return RuleReport(
        one.id, one.offline, minor, one.total(reg.UNIT_PIECES), size, one.node.pointer, one.total(reg.UNIT_PEOPLE),
        sum(given.tokens for given in one.grants), one.minor, bound, tuple(one.causes), tuple(one.grants),
        one.own_value,
    )  # fmt: skip


def _worst(one: Built) -> tuple[int, str]:
    """(the most money that a rule can cost, what bounds it): the least of what each of its rights allows."""
    if not one.minor:
        return 0, ""
    found: list[tuple[int, str]] = []
    for right in one.rights:
        if right.unit == reg.UNIT_MINOR:
            found.append((right.total, f"rights in {right.count} slices"))
        elif right.unit == reg.UNIT_PIECES:
            found.append((right.total // one.pieces * one.minor, f"rights for {right.total} pieces"))
        elif right.unit == reg.UNIT_PEOPLE:
            found.append((right.total * one.minor, f"the first {right.total}"))
    return min(found)


def _golden(root: Node, ruleset: Any, tables: Tables, report: Report, start_ms: int) -> None:
    """The campaign's own examples, as vectors that every brick tries before it takes the ruleset."""
    names: list[str] = [rule.id for rule in ruleset.rules]
    entries = root.get("golden")
    wanted: list[tuple[Node, int, list[Any]]] = []
    for node in entries.items(0, examples.MAX_VECTORS):
        found = examples.read(node, start_ms, tables.zone, names, report.currency)
        wanted += [(node, number, vector) for number, vector in enumerate(found, 1)]
    if len(wanted) > examples.MAX_VECTORS:
        raise entries.wrong(f"{len(wanted)} events: expected at most {examples.MAX_VECTORS}")
    report.golden = [vector for _, _, vector in wanted]
    size = len(cbor.encode(report.golden))
    if size > MAX_GOLDEN:
        raise entries.wrong(
            f"{size} bytes of examples: expected at most {MAX_GOLDEN}, so that a bundle's manifest fits"
        )
    wrong: tuple[int, Any] | None = golden.first_wrong(ruleset, report.golden)
    if wrong is not None:
        node, number, vector = wanted[wrong[0]]
        expected, got = examples.words(vector[1:], names), examples.words(wrong[1], names)
        raise node.wrong(f"event {number} is to be {expected}, and comes out {got}")
