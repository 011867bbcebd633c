"""A campaign (docs/campaign.md) becomes a ruleset: errors in plain words, each rule with class and cost."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, cast

from fleet.authoring import compile2, currencies, unprintable, vectors, wire
from fleet.authoring.conditions import condition, people_needed
from fleet.authoring.engine import FormatError, cbor, golden, reg, rules, state
from fleet.authoring.intake import MAX_NODES
from fleet.authoring.reader import Attempt, Node, Problem
from fleet.authoring.report import NEEDS_RIGHTS, SAFE, CampaignError, Cause, Report, RuleReport
from fleet.authoring.rights import Right
from fleet.authoring.sizes import PAGE, largest_record

SCHEMA = "stallmark-campaign/1"
MAX_SLOTS, MAX_RULES = 64, 64  # of version 1
__all__ = ["CampaignError", "Report", "RuleReport", "check_campaign", "compile_campaign"]

EVENTS = {name: number for number, name in reg.EVENT_NAMES if number}
TRUSTS = {name: number for number, name in reg.TRUST_NAMES}
INTENTS = {"conversion": 1, "loyalty": 2, "surprise": 3, "tip match": 4}
POLICIES = {"deny": reg.KIND_DENY, "ask": reg.KIND_UNCERTAIN}
_CAMPAIGN = (
    "$schema", "id", "rev", "market", "note", "currency", "terms", "people", "slots", "rules", "golden",
)  # fmt: skip
_MESSAGES = ("granted", "denied", "near")
_RULE = (
    "id", "note", "on", "minimum_trust", "people_are", "slots", "when", "latch", "grants", "rights",
    "limit_per_person", "if_unknown", "messages", "intent",
)  # fmt: skip


def compile_campaign(campaign: Any, start_ms: int, rev: int | None = None) -> tuple[bytes, Report]:
    """The ruleset's bytes, and the report on it.

    `campaign` is the parsed JSON; durations in it count from `start_ms`; `rev` takes the place of the
    campaign's own. Raises CampaignError with every error found."""
    report = check_campaign(campaign, start_ms, rev)
    if report.errors:
        raise CampaignError(report)
    return report.ruleset, report


def check_campaign(campaign: Any, start_ms: int, rev: int | None = None) -> Report:
    """The report on a campaign, whether it is good or not. Raises nothing."""
    report = Report(schema=SCHEMA)
    named = _schema_of(campaign)
    report.errors += unprintable.problems(campaign, MAX_NODES)
    if report.errors:  # what else is wrong would repeat these texts
        return report
    if named == compile2.SCHEMA:
        compile2.check(campaign, report, start_ms, rev)
        return report
    if isinstance(campaign, dict) and named != SCHEMA:  # what else is wrong depends on the form
        found = f"found {named!r:.60}: " if named is not None else "missing: "
        text = f'{found}expected "$schema": "{compile2.SCHEMA}" (or "{SCHEMA}", the first form)'
        report.errors.append(Problem("/$schema", text, "schema", write=f'"$schema": "{compile2.SCHEMA}"'))
        return report
    root = Node(campaign, problems=report.errors)
    with Attempt():
        _Compiler(root, report, start_ms, rev).run()
    return report


def _schema_of(campaign: Any) -> Any:
    return cast("dict[str, Any]", campaign).get("$schema") if isinstance(campaign, dict) else None


class _Compiler:
    """One campaign on its way; every part that can be read is read, so that all errors come at once."""

    def __init__(self, root: Node, report: Report, start_ms: int, rev: int | None) -> None:
        self._root = root
        self._report = report
        self._start_ms = start_ms
        self._rev = rev
        self._slots: dict[str, int] = {}

    def run(self) -> None:
        """Fills the report."""
        root, report = self._root, self._report
        root.keys(*_CAMPAIGN)
        fields: dict[int, Any] = {0: 1, 1: "", 2: 0, 3: "XXX", 4: [], 5: [], 6: None, 7: 0, 8: ""}
        with Attempt():
            fields[1] = report.id = root.get("id").text(48)
        with Attempt():
            fields[2] = report.rev = root.get("rev").whole(0, 0xFFFF_FFFF) if self._rev is None else self._rev
        with Attempt():
            fields[8] = root.get("market").text(64)
        currency = Attempt()
        with currency:
            found = root.get("currency")
            if not re.fullmatch("[A-Z]{3}", str(found.value)):
                raise found.wrong('expected a currency of three capital letters, such as "EUR"')
            fields[3] = report.currency = found.value
            report.notes += currencies.note(report.currency)
        with Attempt():
            self._terms()
            fields[6] = report.terms16
        with Attempt():
            fields[7] = root.get("people").whole(0, rules.MAX_PEOPLE)
        with Attempt():
            fields[4] = self._read_slots(root.get("slots"))
        if not currency.failed:  # amounts cannot be read without
            with Attempt():
                for node in root.get("rules").items(0, MAX_RULES):
                    with Attempt():
                        fields[5].append(self._rule(node))
        if not report.errors:
            self._finish(fields)

    def _terms(self) -> None:
        terms = self._root.get("terms", None)
        if terms.value is not None:
            self._report.terms = terms.text(8192)
            self._report.terms16 = sha256(self._report.terms.encode()).digest()[:16]
        else:
            text = "no terms: customers cannot read under what conditions they get something"
            self._report.notes.append(Problem("/terms", text))

    def _read_slots(self, table: Node) -> list[list[int]]:
        slots: list[list[int]] = []
        for name, node in table.members(MAX_SLOTS):
            node.keys("start", "duration")
            begin = node.get("start").instant(self._start_ms)
            self._slots[name] = len(slots)
            slots.append([begin, begin + node.get("duration").duration()])
        return slots

    # --- one rule

    def _rule(self, node: Node) -> dict[int, Any]:
        report = self._report
        node.keys(*_RULE)
        currency = report.currency
        out: dict[int, Any] = {0: node.get("id").text(32)}
        out[1] = [event.choice(EVENTS) for event in node.get("on").items(1, 32)]
        out[2] = node.get("minimum_trust").choice(TRUSTS)
        out[3] = [slot.choice(self._slots) for slot in node.get("slots").items(1, MAX_SLOTS)]
        out[4] = condition(node.get("when"), currency)
        out[5] = node.get("latch", False).yes()
        grants = [_grant(grant, currency) for grant in node.get("grants").items(1, 4)]
        out[6] = grants
        out[7] = self._rights(node, out[0], grants)
        out[8] = node.get("limit_per_person").whole(0, 255)
        out[9] = node.get("if_unknown", "deny").choice(POLICIES)
        messages = node.get("messages", {})
        messages.keys(*_MESSAGES)
        said = [(at, name) for at, name in enumerate(_MESSAGES) if messages.has(name)]
        out[10] = {at: messages.get(name).text(120) for at, name in said}
        out[11] = node.get("intent").choice(INTENTS)
        out[12] = node.get("people_are", "issued").choice(TRUSTS)
        self._advise(node, out)
        return out

    def _rights(self, node: Node, rule: str, grants: list[list[int]]) -> list[list[int]]:
        """Needs of one grant; what the controller mints for the rule goes into the report."""
        money = sum(grant[2] for grant in grants)
        pieces = sum(grant[1] for grant in grants if grant[0] == reg.GRANT_SAMPLE)
        both = ((reg.UNIT_MINOR, money), (reg.UNIT_PIECES, pieces))
        needs = [[unit, amount] for unit, amount in both if amount]
        wanted = {reg.UNIT_MINOR: "money", reg.UNIT_PIECES: "pieces"}
        table = node.get("rights")
        table.keys(*wanted.values())
        for unit, amount in needs:
            part = table.get(wanted[unit])
            part.keys("slice", "count")
            size = part.get("slice")
            if unit == reg.UNIT_MINOR:
                each = size.amount(self._report.currency)
            else:
                each = size.whole(1, rules.MAX_AMOUNT)
            if 2 * each < amount:  # docs/formats/ruleset.md: at most two slices cover a need
                raise size.wrong("two slices must cover one grant: make it larger")
            count = part.get("count").whole(1, 100_000)
            self._report.rights.append(Right(rule, unit, each, count))
        for unit, name in wanted.items():
            if table.has(name) and unit not in [need[0] for need in needs]:
                table.get(name).wrong("nothing is granted in this unit")
        return needs

    def _advise(self, node: Node, rule: dict[int, Any]) -> None:
        """Notes on what is allowed and still worth a second thought."""
        notes = self._report.notes
        if rule[2] < reg.TRUST_ISSUED:
            text = "tokens that anyone can make may take this, one for each token; only the rights end it"
            notes.append(Problem(f"{node.pointer}/minimum_trust", text))
        if not rule[8]:
            text = "no limit: one person may take it again and again until the rights end"
            notes.append(Problem(f"{node.pointer}/limit_per_person", text))
        elif rule[2] == reg.TRUST_ANONYMOUS:
            text = "anonymous tokens cannot be told apart, so a limit per person never lets them have it"
            notes.append(Problem(f"{node.pointer}/limit_per_person", text))

    # --- the whole

    def _finish(self, fields: dict[int, Any]) -> None:
        """Compiles, reads back with the engine itself, proves the bounds and tries the golden vectors."""
        report, root = self._report, self._root
        data: bytes = cbor.encode(fields)
        try:
            ruleset = rules.Ruleset(data)
        except FormatError as error:
            root.wrong(f"the engine refuses it: {error}")
            return
        compiled = wire.read(data)[5]
        for index, rule in enumerate(compiled):
            self._report_rule(index, rule)
        capacity: int = state.capacity_of(ruleset)
        if capacity < ruleset.people_capacity:
            text = f"a brick remembers {capacity} people with these limits, not {ruleset.people_capacity}"
            report.notes.append(Problem("/people", text))
        elif capacity < max((people_needed(rule[4]) for rule in compiled), default=0):
            root.get("people").wrong("too few: a condition waits for more people than a brick would remember")
        with Attempt():
            self._golden(ruleset)
        report.ruleset = b"" if report.errors else data

    def _report_rule(self, index: int, rule: dict[int, Any]) -> None:
        mine = [right for right in self._report.rights if right.rule == rule[0]]
        size = largest_record(rule[4], rule[6], rule[7], rule[1])
        if size > PAGE:
            text = f"a record of this rule would take {size} of {PAGE} bytes: grant fewer things at once"
            self._report.errors.append(Problem(f"/rules/{index}/grants", text))
        self._report.rules.append(
            RuleReport(
                rule[0],
                NEEDS_RIGHTS if rule[7] else SAFE,
                sum(right.total for right in mine if right.unit == reg.UNIT_MINOR),
                sum(right.total for right in mine if right.unit == reg.UNIT_PIECES),
                size,
                f"/rules/{index}",
                causes=tuple(
                    Cause(
                        NEEDS_RIGHTS, f"/rules/{index}/rights", "a brick spends only what it holds rights for"
                    )
                    for _ in rule[7][:1]
                ),
            )
        )

    def _golden(self, ruleset: Any) -> None:
        """The campaign's own examples, as vectors that every brick tries before it takes the ruleset."""
        examples = self._root.get("golden", [])
        names: list[str] = [rule.id for rule in ruleset.rules]
        wanted: list[tuple[Node, int, list[Any]]] = []  # its example, its number there, itself
        for node in examples.items(0, vectors.MAX_VECTORS):
            found = vectors.read(node, self._start_ms, names, self._report.currency)
            wanted += [(node, number, vector) for number, vector in enumerate(found, 1)]
        if len(wanted) > vectors.MAX_VECTORS:
            raise examples.wrong(f"{len(wanted)} events: expected at most {vectors.MAX_VECTORS}")
        self._report.golden = [vector for _, _, vector in wanted]
        wrong: tuple[int, Any] | None = golden.first_wrong(ruleset, self._report.golden)
        if wrong is not None:
            node, number, vector = wanted[wrong[0]]
            expected = vectors.words(vector[1:], names)
            got = vectors.words(wrong[1], names)
            raise node.wrong(f"event {number} is to be {expected}, and comes out {got}")


def _grant(node: Node, currency: str) -> list[int]:
    """[type, bps or quantity, minor] of {"percent_now", "at_most"}, {"money_now"} or {"sample"}."""
    if node.has("percent_now"):
        node.keys("percent_now", "at_most")
        cap = node.get("at_most").amount(currency)
        return [reg.GRANT_PERCENT_NOW, node.get("percent_now").percent(), _some(node.get("at_most"), cap)]
    if node.has("money_now"):
        node.keys("money_now")
        given = node.get("money_now")
        return [reg.GRANT_FIXED_NOW, 1, _some(given, given.amount(currency))]
    node.keys("percent_now", "at_most", "money_now", "sample")
    return [reg.GRANT_SAMPLE, node.get("sample").whole(1, 1000), 0]


def _some(node: Node, amount: int) -> int:
    if not 0 < amount <= rules.MAX_AMOUNT:
        raise node.wrong("expected more than nothing, and at most 10^9 minor units")
    return amount
