"""A ruleset of version 2 as paragraphs for people who run a market, read back from the bytes that bricks decide by.

What bytes do not hold (what a sample is, how a grant is undone, slices of rights) comes from the compiler's report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fleet.authoring import opcodes as op
from fleet.authoring import wire
from fleet.authoring.engine import money, reg, word
from fleet.authoring.phrases import Phrases, span
from fleet.authoring.report import NEEDS_HOST, NEEDS_RIGHTS, OWN_VALUE, SAFE, Report, RuleReport
from fleet.authoring.words import TOKENS

_SHOWN_SLOTS = 4
_MODES = {1: "the first of its rules that grants", 2: "only the best for the customer", 3: "all that grant"}
_UNDONE = {
    "undo": "is taken back",
    "if unused": "is taken back while nobody has used it",
    "keep": "stays with the customer",
}


def ruleset(data: bytes, report: Report) -> list[str]:
    """Paragraphs: the campaign, its tables, then its rules in the order in which they are tried."""
    found = wire.read(data)
    phrases = Phrases(found, report.arms, report.groups)
    out = [_head(found, report), _tables(found, report, phrases)]
    for number, (one, said) in enumerate(zip(found[5], report.rules, strict=True), 1):
        out.append(f"{number}. {rule(one, said, found, report, phrases)}")
    out.append(_whole(report))
    return out


def rule(
    one: dict[int, Any], said: RuleReport, found: dict[int, Any], report: Report, phrases: Phrases
) -> str:
    """One rule (its wire form) in sentences."""
    parts = [
        f"{one[0]} gives {phrases.grants(one[6], said.grants)}.",
        _who(one, found, phrases),
        _when(one, found, report, phrases),
        _limits(one, said),
        _offline(one, said),
        _pays(one, said, report),
        _costs(one, said, report),
    ]
    return " ".join(part for part in parts if part)


def _head(found: dict[int, Any], report: Report) -> str:
    where = f", in {', '.join(found[9])}" if len(found[9]) > 1 else ""
    text = f"{found[8]} ({found[1]}, revision {found[2]}): open {_slots(found[4], report)}{where}."
    first = "Rules are tried in this order. Of rules without a group, the first that grants wins."
    return f"{text} {first}"


def _tables(found: dict[int, Any], report: Report, phrases: Phrases) -> str:
    out: list[str] = []
    for key, _, shares, control in found[10]:
        names = report.arms.get(str(key)) or [f"arm {at}" for at in range(len(shares))]
        parts = [f"{money.percent(share)} “{name}”" for share, name in zip(shares, names, strict=True)]
        said = f"what “{names[control]}” would have won is recorded, and not given"
        out.append(f"Experiment {key}: {', '.join(parts)} of people; {said}.")
    if found[11] is not None:
        out.append(
            f"{money.percent(found[11][1])} of people are held out: whatever they win is recorded and not given."
        )
    for (mode, exclusive, cap), name in zip(found[12], phrases.groups(), strict=True):
        text = f"Group {name} gives {_MODES[mode]}"
        text += f", at most {money.text(cap, report.currency)} for one event" if cap else ""
        out.append(f"{text}{'; nothing else is given with it' if exclusive else ''}.")
    if found[16]:
        out.append(f"No event brings more than {money.text(found[16], report.currency)} in all.")
    for unit, lowest, highest, default, name in found[14]:
        low, high, now = (phrases.number(number, unit) for number in (lowest, highest, default))
        out.append(f"The operator may set “{name}” from {low} to {high}; it is {now} until then.")
    return " ".join(out) or "No experiments, no groups, nothing that the operator may set."


def _slots(slots: list[list[int]], report: Report) -> str:
    shown = [_slot(start, end, report) for start, end in slots[:_SHOWN_SLOTS]]
    more = len(slots) - len(shown)
    text = "; ".join(shown) or "never"
    if not more:
        return text
    last = slots[-1]
    return f"{text}; and {more} more, the last on {_slot(last[0], last[1], report)}"


def _slot(start: int, end: int, report: Report) -> str:
    zone = UTC if report.zone is None else ZoneInfo(report.zone)
    begin, until = (datetime.fromtimestamp(ms // 1000, zone) for ms in (start, end))
    last = f"{until:%H:%M}" if until.date() == begin.date() else f"{until:%a} {until.day} {until:%b %H:%M}"
    return f"{begin:%a} {begin.day} {begin:%b %Y, %H:%M} to {last} {report.zone or 'UTC'}"


def _who(one: dict[int, Any], found: dict[int, Any], phrases: Phrases) -> str:
    token = TOKENS.get(one[2], f"a token of class {word(reg.TRUST_NAMES, one[2])} or better")
    text = f"Who: whoever comes with {token}"
    if one[20] is not None:
        text = f"Who: whoever shows a true voucher of series {one[20]} that has not been paid"
    if one[14] is not None:
        key = found[10][one[14][0]][0]
        share = money.percent(found[10][one[14][0]][2][one[14][1]])
        text += f", of the {share} of people in the arm “{phrases.arm(one[14][0], one[14][1])}” of the experiment {key}"
    for tokens, lead in one[15]:
        text += f"; with {tokens} tokens already {span(lead)} earlier"
    if any(value[0] == op.PEOPLE for value in wire.counted(one[4])):
        counted = TOKENS.get(one[12], f"a token of class {word(reg.TRUST_NAMES, one[12])}")
        text += f". Only who comes with {counted} counts as a person"
    return text + "."


def _when(one: dict[int, Any], found: dict[int, Any], report: Report, phrases: Phrases) -> str:
    events = " or ".join(word(reg.EVENT_NAMES, event) for event in one[1])
    slots = [found[4][index] for index in one[3]]
    when = "while the market is open" if len(slots) == len(found[4]) else _slots(slots, report)
    text = f"When: on {events}, {when}"
    if one[4][0] != op.ALWAYS:
        text += f", if {phrases.whole(one[4])}"
        text += "; once that was true it lasts to the end of the slot" if one[5] else ""
        if any(value[0] == op.PEOPLE for value in wire.counted(one[4])):
            text += "; the one who makes it true is counted, and given it, too"
    where = one[18] & 3
    return (
        text
        + {0: "", 1: "; at bricks alone", 2: "; at the host alone, for tills and other sources"}[where]
        + "."
    )


def _limits(one: dict[int, Any], said: RuleReport) -> str:
    often = [
        f"{'once' if most == 1 else f'{most} times'} {'in a slot' if window == 0 else 'in the whole campaign'}"
        for window, most in one[8]
    ]
    text = (
        f"How often: each person {' and '.join(often)}" if often else "How often: as often as a person comes"
    )
    return text + (f", and only the first {said.people}" if said.people else "") + "."


def _offline(one: dict[int, Any], said: RuleReport) -> str:
    policy, mode, lower, upper = one[9]
    text = {
        SAFE: "a brick decides alone; what it has not heard of can only delay the bonus",
        NEEDS_RIGHTS: "a brick decides alone, and gives no more than it holds rights for",
        NEEDS_HOST: "the host is needed",
    }.get(said.offline, said.offline)
    if mode == 2:
        alone = f"up to {lower} grants that the host has not seen need no question; then " if lower else ""
        ends = f", and from {upper} unseen ones on gives nothing without a yes" if upper < 65535 else ""
        text += f"; {alone}it asks the host, goes on alone where no answer comes{ends}"
    elif mode == 3:
        text += ": without its yes nothing is given"
    if one[21] is not None:
        text += f"; what other bricks said more than {span(one[21] * 1000)} ago does not count"
    why = [
        cause.text
        for cause in said.causes
        if cause.offline == said.offline and said.offline == NEEDS_HOST and mode != 3
    ]
    text += f" ({why[0]})" if why else ""
    unknown = "refuses" if policy == reg.KIND_DENY else "says: ask at the stall"
    return f"Offline: {text}. What is not known: the brick {unknown}."


def _pays(one: dict[int, Any], said: RuleReport, report: Report) -> str:
    out = "Who pays: "
    if one[17] is None:
        out += "nobody is named; the stall pays"
    else:
        share = one[17][1]
        out += one[17][0] + (f", who gives {money.percent(share)} of it back to the stall" if share else "")
    if one[16] is not None:
        rate = "" if one[16][1] is None else f" at {money.percent(one[16][1])}"
        out += f"; tax code {one[16][0]}{rate}"
    undone = {_UNDONE[given.reversal] for given in said.grants}
    return f"{out}. On a refund it {' or '.join(sorted(undone))}."


def _costs(one: dict[int, Any], said: RuleReport, report: Report) -> str:
    most: list[str] = []
    if said.minor:
        most.append(f"{money.text(said.minor, report.currency)} ({said.bound})")
    if said.pieces:
        most.append("1 piece" if said.pieces == 1 else f"{said.pieces} pieces")
    text = f"Cost: never more than {' and '.join(most)}" if most else "Cost: no money and no stock of its own"
    text += f"; {OWN_VALUE}" if said.own_value else ""
    if said.tokens:
        what = "token" if said.tokens == 1 else "tokens"
        text += f"; {said.tokens} loyalty {what} each time, bounded by the limits for each person alone"
    if one[18] & 4:
        odds = "" if one[19] is None else f", with the odds {one[19][0]} in {one[19][1]}"
        text += f". Announced beforehand{odds}"
    return text + "."


def _whole(report: Report) -> str:
    parts = [money.text(report.minor, report.currency)] if report.minor else []
    parts += ["1 piece" if report.pieces == 1 else f"{report.pieces} pieces"] if report.pieces else []
    text = f"In all: never more than {' and '.join(parts)}" if parts else "In all: no money and no stock"
    return text + (f"; {OWN_VALUE}." if report.own_value else ".")
