"""Why a kit runs what it runs: reasons in the order of their weight, each with an age. Pure, over facts."""

from __future__ import annotations

from typing import Any

from fleet.core import reg
from fleet.desired import brickwhy, hostwhy
from fleet.desired.facts import Facts
from fleet.desired.orders import SECURITY_CRITICAL, Item
from fleet.desired.reason import Reason

HOLDS = ("battery", "quiet", "busy", "lock", "quarantine", "rented", "deferred")  # in this order


def reasons(facts: Facts, more: tuple[Reason, ...] = ()) -> list[Reason]:
    """All of them, the first the one that keeps the kit from what it should be; `more`: of rollouts and rentals. The last one
    says how it stands where nothing is wrong."""
    own = (*hostwhy.reasons(facts), *brickwhy.reasons(facts))
    found = [*_kit(facts), *_link(facts), *_withheld(facts), *more, *_host(facts), *own]
    if found:
        return found
    head = facts.head
    assert head is not None
    if facts.active:
        text = f"every brick runs what directive {head.number} says, by its own boot record"
        return [Reason("active", text, facts.active_ms)]
    if not facts.wanted():
        return [Reason("empty", f"directive {head.number} asks nothing of any brick", head.made_ms)]
    return [
        Reason(
            "installing", f"directive {head.number} is at the host; its bricks take it up", facts.report_ms
        )
    ]


def as_json(facts: Facts, name: str, found: list[Reason]) -> dict[str, Any]:
    """For an answer."""
    head, said = facts.head, facts.report
    return {
        "kit": facts.kit.hex(),
        "name": name,
        "state": facts.state,
        "now_ms": facts.now_ms,
        "directive": None
        if head is None
        else {
            "number": head.number, "etag": head.etag, "issued_ms": head.order.issued_ms,
            "expires_ms": head.order.expires_ms, "reason": head.order.reason, "origin": head.origin,
            "halted": head.order.halted, "security_critical": bool(head.order.flags & SECURITY_CRITICAL),
        },
        "seen_ms": facts.seen_ms,
        "reported_ms": facts.report_ms,
        "last_request_ms": None if said is None else said.last_request_ms,
        "last_download_ms": None if said is None else said.last_download_ms,
        "last_activation_ms": None if said is None else said.last_activation_ms,
        "reasons": [one.as_json(facts.now_ms) for one in found],
        "bricks": [_brick(facts, item) for item in facts.wanted()],
    }  # fmt: skip


def _kit(facts: Facts) -> list[Reason]:
    head = facts.head
    if head is None:
        do = "put a bundle into the rules folder as active.smbundle"
        return [
            Reason(
                "nothing-set",
                "nothing was ever ordered for this kit, and the rules folder has no bundle",
                do=do,
            )
        ]
    if facts.halted:
        stopped = facts.fetched and facts.report is not None and facts.report.halted
        told = "its host keeps to it, by its own word" if stopped else "its host does not know it yet"
        if (proven := len(facts.stop_proven)) and facts.obeyed:
            told += f"; {proven} of {len(facts.obeyed)} bricks show it in their own boot record"
        left = _left(facts)
        at = f"; bricks still hold rights of {left} (the host's word)" if left else ""
        text = f"stopped: {head.order.reason or 'no reason given'}; {told}{at}"
        return [
            Reason("halted", text, head.order.issued_ms, do="`stallmark fleet stop --lift` takes it back")
        ]
    if facts.expired:
        text = f"directive {head.number} has expired: nothing is installed under it"
        return [
            Reason(
                "expired",
                text,
                head.order.expires_ms,
                do="order it again, or give the kit back to the rules folder",
            )
        ]
    return []


def _link(facts: Facts) -> list[Reason]:
    head = facts.head
    if head is None:
        return []
    if facts.seen_ms is None:
        return [
            Reason(
                "never-seen", "its host has never asked for a directive", head.made_ms, do="switch the kit on"
            )
        ]
    if not facts.reachable:
        text = "its host does not ask: switched off, or without a network"
        return [Reason("unreachable", text, facts.seen_ms, do="it goes on by itself when the kit is back")]
    if not facts.fetched:
        return [
            Reason(
                "waiting-for-directive", f"its host has not fetched directive {head.number} yet", head.made_ms
            )
        ]
    return []


def _withheld(facts: Facts) -> list[Reason]:
    """Bricks whose own boot records show an older directive than their host says that it has."""
    found: list[Reason] = []
    for brick in facts.withheld:
        one = facts.obeyed[brick]
        text = (
            f"{brickwhy.label(facts, brick)} is at directive {one.number} by its own boot record, also after another start; its "
            f"host says that it has {facts.report.number if facts.report else 0}"
        )
        do = "does its page say why it refuses the newer ones? If not, its host keeps them back: look at that machine"
        found.append(Reason("withheld", text, one.behind_ms, brick.hex(), do))
    return found


def _host(facts: Facts) -> list[Reason]:
    said = facts.report
    if said is None:
        return []
    found: list[Reason] = []
    if said.trouble is not None:
        found.append(Reason(said.trouble.code, said.trouble.text, said.trouble.since_ms))
    holds = sorted(said.holds, key=lambda one: HOLDS.index(one.code) if one.code in HOLDS else len(HOLDS))
    found += [Reason(one.code, one.text, one.since_ms) for one in holds]
    return found


def _brick(facts: Facts, item: Item) -> dict[str, Any]:
    """`kind` 2: an application; `wanted` and `proven` are then what bricks report of it (`artefact` names it)."""
    boot, said, obeyed = facts.boots.get(item.brick), facts.said(item.brick), facts.obeyed.get(item.brick)
    program = item.kind == reg.ARTEFACT_APPLICATION
    proven = None if boot is None else boot.program if program else boot.ruleset
    spoken = None if said is None else said.program if program else said.ruleset
    return {
        "brick": item.brick.hex(),
        "name": "" if said is None else said.name,
        "kind": item.kind,
        "artefact": item.artefact.hex(),
        "wanted": facts.programs.get(item.artefact, item.artefact).hex(),
        "proven": None if proven is None else proven.hex(),
        "proven_ms": None if boot is None else boot.at_ms,
        "directive": None if obeyed is None else obeyed.number,
        "root": None if obeyed is None else obeyed.root,
        "said": spoken,
        "connected": None if said is None else said.connected,
    }


def _left(facts: Facts) -> str:
    """Whether bricks still hold something by their host's word."""
    if facts.report is None:
        return ""
    slices = sum(1 for one in facts.report.bricks for _, left in one.left if left)
    return "" if not slices else "1 slice" if slices == 1 else f"{slices} slices"
