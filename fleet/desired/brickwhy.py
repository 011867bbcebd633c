"""Why one brick does not run what the directive says: rules by their digest, applications by what the brick reports of them."""

from __future__ import annotations

from fleet.core import reg
from fleet.desired.facts import Boot, Facts
from fleet.desired.orders import Item
from fleet.desired.reason import Reason
from fleet.desired.report import BrickSaid

DONE = (reg.INSTALL_OK, reg.INSTALL_ALREADY)


def reasons(facts: Facts) -> list[Reason]:
    """One reason for each brick and kind of what it should run and did not prove to."""
    return [] if facts.halted else [_why(facts, item) for item in facts.differing()]


def label(facts: Facts, brick: bytes) -> str:
    """A brick's name as its host knows it, else its id."""
    said = facts.said(brick)
    return brick.hex() if said is None or not said.name else said.name


def _why(facts: Facts, item: Item) -> Reason:
    said, boot, brick = facts.said(item.brick), facts.boots.get(item.brick), item.brick.hex()
    name, program = label(facts, item.brick), item.kind == reg.ARTEFACT_APPLICATION
    thing = f"{'application' if program else 'rules'} {shown(facts, item)}"
    refusal = _refused(said, item)
    if refusal is not None:
        words, since_ms, returned = refusal
        text = f"{name} tried {thing} and went back: {words}" if returned else f"{name} refused {thing}: {words}"
        return Reason("refused", text, since_ms, brick)
    trial = program and said is not None and said.application is not None and said.application.state == "trial"
    if facts.drift_ms is not None and boot is not None and not trial:
        text = f"{name} ran what it should and now runs {_now(boot, program)}: it is installed anew"
        return Reason("drift", text, boot.at_ms, brick)
    if said is not None and not said.connected:
        return Reason("brick-away", f"{name} has no link to its host", said.heard_ms, brick)
    if boot is None:
        return Reason("never-booted", f"{name} never said what it runs", None, brick)
    if program:
        return _coming(facts, said, name, thing, brick)
    if said is not None and said.ruleset == item.artefact.hex():
        return _unproven(facts, name, brick)
    return Reason("installing", f"{name} has not taken up {thing} yet", None, brick)


def _coming(facts: Facts, said: BrickSaid | None, name: str, thing: str, brick: str) -> Reason:
    """How far an application is, by the host's word."""
    coming = None if said is None else said.application
    if coming is None:
        return Reason("installing", f"{name} has not taken up {thing} yet", None, brick)
    if coming.state == "trial":
        return Reason("trial", f"{name} has {thing} on trial: it stays if all works as before", coming.ms, brick)
    if coming.result in DONE:
        return _unproven(facts, name, brick)
    if coming.whole:
        there = f"{coming.there} of {coming.whole} bytes of {thing} are at {name}"
        if coming.waits:
            return Reason("waits", f"{there}, which waits: {coming.waits}", coming.waits_ms, brick)
        return Reason("installing", there, coming.waits_ms, brick)
    return Reason("installing", f"{name} has not taken up {thing} yet", None, brick)


def _unproven(facts: Facts, name: str, brick: str) -> Reason:
    text = f"{name} says that it runs it; the proof, its boot record, is on its way"
    return Reason("unproven", text, facts.report_ms, brick)


def _refused(said: BrickSaid | None, item: Item) -> tuple[str, int | None, bool] | None:
    """(words, since when, whether it was tried) of an installation that did not happen."""
    if said is None:
        return None
    result, of, words, at_ms = said.result, said.result_bundle, said.result_text, said.result_ms
    if item.kind == reg.ARTEFACT_APPLICATION:
        if said.application is None:
            return None
        one = said.application
        result, of, words, at_ms = one.result, one.bundle, one.text, one.ms
    if result in (None, *DONE, reg.INSTALL_ON_TRIAL) or of != item.bundle.hex()[:16]:
        return None
    assert result is not None
    returned = result == reg.INSTALL_RETURNED
    known: dict[int, str] = reg.INSTALL_WORDS
    found = words if returned and words else known.get(result) or words or f"install result {result}"
    return found, at_ms, returned


def _now(boot: Boot, program: bool) -> str:
    digest = boot.program if program else boot.ruleset
    if digest is None:
        return "one on trial" if program else "no rules"
    return f"{'application' if program else 'rules'} {digest.hex()[:8]}"


def shown(facts: Facts, item: Item) -> str:
    """Eight hex digits by which people know it: of an application those that its brick reports."""
    return facts.programs.get(item.artefact, item.artefact).hex()[:8]
