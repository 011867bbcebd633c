"""Paper from the stall screen, where a receipt printer is set up."""

from typing import TYPE_CHECKING, Any

from hostagent.screen.closing import settle
from hostagent.screen.facts import Decision

if TYPE_CHECKING:
    from hostagent.agent import Agent


def printer(agent: "Agent") -> Any:
    """The kit's printer, or None where none is set up or this host cannot print."""
    return getattr(agent, "printer", None)


async def receipt(agent: "Agent", one: Decision) -> None:
    """Prints the slip of one decision. Raises HostError where the printer does not answer."""
    await settle(printer(agent).receipt(one.sentence, one.link))


async def slips(agent: "Agent", made: list[Any]) -> None:
    """Prints numbered slips. Raises HostError where the printer does not answer."""
    for one in made:
        await settle(printer(agent).slip(one))
