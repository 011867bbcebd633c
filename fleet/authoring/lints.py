"""What is allowed in a campaign/2 and still worth a second thought; each note says where and what to write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from fleet.authoring import currencies, possible
from fleet.authoring import opcodes as op
from fleet.authoring.built import Built
from fleet.authoring.engine import money, reg
from fleet.authoring.reader import Node, Problem
from fleet.authoring.report import Report
from fleet.authoring.tables import Tables

_NOT_AT_LANE, _NOT_AT_BRICKS, _ANNOUNCED = 1, 2, 4


def look(root: Node, built: list[Built], tables: Tables, report: Report) -> None:
    """Adds notes to the report."""
    for one in built:
        report.notes += _of_rule(one, tables)
    report.notes += _never_reached(built)
    report.notes += _adding_up(root, built, tables)
    report.notes += _of_campaign(root, built, tables)
    report.notes += currencies.note(report.currency)


def _note(pointer: str, code: str, text: str, write: str = "") -> Problem:
    return Problem(pointer, f"{text}{': write ' + write if write else ''}", code, write=write)


def _of_rule(one: Built, tables: Tables) -> Iterator[Problem]:
    node, code, at = one.node, one.code, one.node.pointer
    slots = [tables.slots[int(index)] for index in code[3]]
    longest = max((end - start for start, end in slots), default=0)
    if not possible.can_be_true(code[4], longest, code[2], code[1]):
        yield _note(
            f"{at}/when",
            "unreachable",
            "this condition can never be true: two of its parts exclude each other",
        )
    for text in possible.always_true(code[4]):
        yield _note(f"{at}/when", "always true", f"{text} always holds: leave it out, or look at the number")
    bounded = bool(code[8]) or reg.UNIT_PEOPLE in code[7]
    if not code[8]:
        what = (
            "its tokens have no end"
            if one.tokens_only
            else "one person may take it again and again until the rights end"
        )
        write = '"limits": [{"per": "slot", "most": 1}]'
        yield _note(f"{at}/limits", "unbounded", f"no limit: {what}", write)
    if not code[7] and not bounded and any(given.name == "unlock" for given in one.grants):
        yield _note(f"{at}/grants", "unbounded", "nothing bounds how many get it: a limit is for each person")
    if code[2] < reg.TRUST_ISSUED:
        text = "tokens that anyone can make may take this, one for each token; only the rights end it"
        yield _note(f"{at}/minimum_trust", "unbounded", text, '"minimum_trust": "issued"')
        if code[8] and code[2] == reg.TRUST_ANONYMOUS:
            text = "anonymous tokens cannot be told apart, so a limit per person never lets them have it"
            yield _note(f"{at}/limits", "unreachable", text)
    chance = node.get("experiment").pointer if code[14] is not None else next(iter(one.arms_at), None)
    if chance is not None and code[18] & _ANNOUNCED and code[19] is None:
        text = "announced, and chance decides who gets it, without odds"
        yield _note(chance, "chance without odds", text, '"odds": "1 in 2"')
    for number, given in enumerate(one.grants):
        if given.name == "sample" and not given.of:
            yield _note(f"{at}/grants/{number}", "stock without unit", "pieces of what?", '"of": "tea"')
    yield from _of_rights(one)
    for (_, end), (start, _) in pairwise(slots):
        if any(start - lead < end for _, lead in code[15]):
            yield _note(
                f"{at}/early_access",
                "overlapping",
                "reaches back into the slot before: until that ends, it counts there",
            )
            break
    for number, language in enumerate(tables.languages):
        if code[14] is not None and not code[10][number][1]:
            text = f'the control arm is told what "denied" says, and nothing is written in "{language}"'
            yield _note(f"{at}/messages", "missing words", text, f'"{language}": {{"denied": "…"}}')
        elif any(code[10][0]) and not any(code[10][number]):
            yield _note(
                f"{at}/messages",
                "missing words",
                f'no messages in "{language}": people read the plain sentence',
            )


def _of_rights(one: Built) -> Iterator[Problem]:
    """Money that no other right of the rule lets be spent."""
    paid = one.total(reg.UNIT_MINOR)
    for unit, each in ((reg.UNIT_PIECES, one.pieces), (reg.UNIT_PEOPLE, 1)):
        total = one.total(unit)
        if paid and total and each and total // each * one.minor < paid:
            text = "more money is set aside than pieces or first_n let be spent: it would be stranded"
            yield _note(f"{one.node.pointer}/rights/money", "stranded", text)
            return
    people = next((right for right in one.rights if right.unit == reg.UNIT_PEOPLE), None)
    if people is not None and people.slice == 1 and people.count > 24:
        text = f"{people.total} cannot be cut evenly: {people.count} slices of one; a number such as {people.total + 1} is easier"
        yield _note(f"{one.node.pointer}/first_n", "stranded", text)


# --- several rules


def _never_reached(built: list[Built]) -> Iterator[Problem]:
    """A rule before which another always grants."""
    for later, one in enumerate(built):
        for other in built[:later]:
            if _always_first(other, one):
                text = f'never reached: "{other.id}" before it grants whenever this one would'
                yield _note(one.node.pointer, "unreachable", text, '"priority" or narrower conditions there')
                break


def _always_first(first: Built, one: Built) -> bool:
    a, b = first.code, one.code
    same_choice = a[13] == b[13]
    free = not a[7] and not a[8] and a[14] is None and a[20] is None and a[9][1] != 3
    when = a[4] == [op.ALWAYS] or a[4] == b[4]
    here = not a[18] & (_NOT_AT_BRICKS | _NOT_AT_LANE) or (a[18] ^ b[18]) & 3 == 0
    covers = set(a[1]) >= set(b[1]) and set(a[3]) >= set(b[3]) and a[2] <= b[2]
    return same_choice and free and when and here and covers


def _adding_up(root: Node, built: list[Built], tables: Tables) -> Iterator[Problem]:
    """Rules that grant together for one event, with nothing that bounds their sum."""
    if root.get("basket_cap").value is not None:
        return
    groups = [node for _, node in sorted(root.get("groups").members(16))]

    def group(one: Built) -> Node | None:
        return None if one.code[13] is None else groups[int(one.code[13])]

    def exclusive(one: Built) -> bool:
        found = group(one)
        return found is not None and bool(found.get("exclusive").value)

    for later, one in enumerate(built):
        for other in built[:later]:
            a, b = other.code, one.code
            if not other.minor or not one.minor or exclusive(one) or exclusive(other):
                continue
            mine = group(one)
            if a[13] == b[13] and (mine is None or mine.get("mode").value != "all"):
                continue
            if set(a[1]) & set(b[1]) and set(a[3]) & set(b[3]):
                most = money.text(other.minor + one.minor, tables.report.currency)
                text = f'overlapping: granted together with "{other.id}", up to {most} for one event'
                yield _note(one.node.pointer, "overlapping", text, '"basket_cap" in the campaign')
                break


def _of_campaign(root: Node, built: list[Built], tables: Tables) -> Iterator[Problem]:
    for name, node in root.get("groups").members(16):
        if node.get("mode").value == "all" and node.get("exclusive").value:
            text = "exclusive: nothing follows its first rule that grants, of this group neither"
            yield _note(f"/groups/{name}/mode", "unreachable", text, '"mode": "first"')
    used = {index for one in built for index in one.code[3]}
    for name, indexes in tables.slots_of.items():
        if indexes and used.isdisjoint(indexes):
            yield _note(f"/slots/{name}", "unreachable", "no rule has this slot")
    asked = any(one.code[8] or one.counts_people for one in built)
    if asked and root.get("people").value == 0:
        text = "0 people are remembered: limits and counts are never met"
        yield _note("/people", "unreachable", text, '"people": 800')
