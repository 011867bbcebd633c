"""The check before opening: one step after the other, each with what it found and what to do.

A step is *good*, *todo*, or *look* where only a person can tell.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hostagent.core import reg
from hostagent.screen import battery, facts
from hostagent.screen.words import say

if TYPE_CHECKING:
    from hostagent.agent import Agent

# A scan is a test scan of this opening when it is not older than this.
SCAN_MS = 10 * 60_000


@dataclass(frozen=True)
class Step:
    """One line of the check. `words`: what was found, or what to do."""

    key: str
    state: str
    words: str


def check(
    agent: "Agent", known: Any, decided: list[facts.Decision], language: int, now_ms: int
) -> list[Step]:
    """Every step in the order in which a person would do them."""
    parts = facts.parts(agent)
    trouble = agent.store.trouble
    return [
        _step(
            "step_disk", trouble is None, language, {"why": "" if trouble is None else f"{trouble.reason}."}
        ),
        _named("step_links", [part.name for part in parts if not part.up], language),
        _step("step_clock", agent.clock.known(), language, {}),
        _rules(agent, known, parts, language),
        _rights(agent, known, language),
        _printer(agent, language),
        _named("step_scan", _unscanned(parts, decided, now_ms), language),
        _battery(parts, language),
    ]


def todo(steps: list[Step]) -> int:
    """How many steps are not done."""
    return sum(step.state == "todo" for step in steps)


def _step(key: str, good: bool, language: int, values: dict[str, object]) -> Step:
    return Step(key, "good" if good else "todo", "" if good else say(language, f"{key}_do", **values))


def _named(key: str, names: list[str], language: int) -> Step:
    return _step(key, not names, language, {"names": ", ".join(names)})


def _rules(agent: "Agent", known: Any, parts: list[facts.Part], language: int) -> Step:
    if known is None:
        return Step("step_rules", "todo", say(language, "step_rules_none"))
    offered = agent.updater.current
    wanted = known.digest8 if offered is None else offered.artefact[:8]
    behind = [part.name for part in parts if part.up and part.ruleset8 != wanted]
    return _named("step_rules", behind, language)


def _rights(agent: "Agent", known: Any, language: int) -> Step:
    """Good where no rule needs rights, or where some of every needed rule are left."""
    needs = {rule.id for rule in getattr(known, "rules", ()) if rule.need}
    here = {budget.rule for budget in facts.budgets(agent, known) if budget.left > 0}
    return _step("step_rights", needs <= here, language, {})


def _printer(agent: "Agent", language: int) -> Step:
    if printer_of(agent) is None:
        return Step("step_printer", "look", say(language, "step_printer_do"))
    return Step("step_printer", "look", say(language, "step_printer_look"))


def printer_of(agent: "Agent") -> Any:
    """The kit's receipt printer, or None where none is set up."""
    return agent.printer if agent.printer.there else None


def _battery(parts: list[facts.Part], language: int) -> Step:
    """Good where every brick measures its packs and none is low; one that measures nothing has to be looked at."""
    low = [part.name for part in parts if part.up and battery.needs_charge(part)]
    if low:
        return Step("battery", "todo", say(language, "battery_do", names=", ".join(low)))
    unknown = not parts or any((battery.power_of(part.body) or {}).get("percent") is None for part in parts)
    return Step("battery", "look", say(language, "battery_unknown")) if unknown else Step("battery", "good", "")


def _unscanned(parts: list[facts.Part], decided: list[facts.Decision], now_ms: int) -> list[str]:
    seen = {
        one.brick8
        for one in decided
        if one.kind in facts.OUTCOMES and one.kind != reg.KIND_COLLECTIVE and now_ms - one.at_ms < SCAN_MS
    }
    return [part.name for part in parts if part.brick8 not in seen]
