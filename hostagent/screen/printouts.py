"""Paper from the stall screen, where a receipt printer is set up."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hostagent.core import explain
from hostagent.lane.slips import Slip
from hostagent.printing import layout
from hostagent.printing.printer import Printer
from hostagent.screen.facts import Decision

if TYPE_CHECKING:
    from hostagent.agent import Agent


def printer(agent: "Agent") -> Printer | None:
    """The kit's printer, or None where none is set up."""
    return agent.printer if agent.printer.there else None


async def receipt(agent: "Agent", market: str, one: Decision) -> None:
    """Prints the slip of one decision. Raises NotPrinted."""
    at = f"{datetime.fromtimestamp(one.at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    await agent.printer.print(layout.receipt(market, one.sentence, None, one.link, at))


async def slips(agent: "Agent", market: str, terms: str, made: list[Slip]) -> None:
    """Prints numbered slips, in order. Raises NotPrinted: of several the first ones may be on paper."""
    papers = [layout.numbered(market, one.number, one.code, worth(one), terms) for one in made]
    await agent.printer.print(*papers)


def worth(one: Slip) -> str:
    """What a slip gives, in words."""
    said: list[Any] = [explain.grant(*grant, one.currency) for grant in one.grants]
    return " and ".join(said)
