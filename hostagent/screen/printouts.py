"""Paper from the stall screen, where a receipt printer is set up."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hostagent.core import explain
from hostagent.lane.slips import Slip
from hostagent.printing import layout
from hostagent.printing.printer import Printer
from hostagent.promised import OPEN, Voucher
from hostagent.screen.facts import Decision

if TYPE_CHECKING:
    from hostagent.agent import Agent


def printer(agent: "Agent") -> Printer | None:
    """The kit's printer, or None where none is set up."""
    return agent.printer if agent.printer.there else None


async def receipt(agent: "Agent", market: str, one: Decision) -> None:
    """Prints the slip of one decision, and a slip for each voucher that came with it and is not paid. Raises
    NotPrinted, StoreUnavailable."""
    at = f"{datetime.fromtimestamp(one.at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    slip = layout.receipt(market, one.sentence, None, one.link, at)
    await agent.printer.print(slip, *_slips(market, await vouchers_of(agent, one)))


async def vouchers(agent: "Agent", market: str, one: Decision) -> None:
    """Prints the vouchers of a decision that are not paid. Raises NotPrinted, StoreUnavailable."""
    await agent.printer.print(*_slips(market, await vouchers_of(agent, one)))


async def vouchers_of(agent: "Agent", one: Decision) -> list[Voucher]:
    """The vouchers that came with a decision, as they stand now. Raises StoreUnavailable."""
    return await agent.promised.now(one.public, one.received_ms, agent.clock.now_ms())


def _slips(market: str, found: list[Voucher]) -> list[layout.Slip]:
    return [
        layout.voucher(market, voucher_words(one), one.issued.text, f"{one.until:%Y-%m-%d %H:%M} UTC")
        for one in found
        if one.state == OPEN
    ]


def voucher_words(one: Voucher) -> str:
    """What a voucher is, for paper."""
    return f"Voucher of {one.worth}" if one.worth else f"Voucher, series {one.issued.series}"


async def slips(agent: "Agent", market: str, terms: str, made: list[Slip]) -> None:
    """Prints numbered slips, in order. Raises NotPrinted: of several the first ones may be on paper."""
    papers = [layout.numbered(market, one.number, one.code, worth(one), terms) for one in made]
    await agent.printer.print(*papers)


def worth(one: Slip) -> str:
    """What a slip gives, in words."""
    said: list[Any] = [explain.grant(*grant, one.currency) for grant in one.grants]
    return " and ".join(said)
