"""The end of the day: bricks and lane write their close record in the name of who is signed in."""

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hostagent.agent import Agent


async def close_day(agent: "Agent", who: str) -> tuple[list[str], list[str]]:
    """(asked now, asked as soon as they are back), by name. The lane closes last: it gives slips back."""
    asked: list[str] = []
    away: list[str] = []
    for line in agent.lines:
        agent.bricks[line.expected.brick].closing = who
        if line.brick is not None and line.session is not None:
            line.session.ask_close()
            asked.append(line.expected.name)
        else:
            away.append(line.expected.name)
    lane: Any = getattr(agent, "lane", None)
    if lane is not None:
        await settle(lane.closing(who))
    return asked, away


async def settle(result: Any) -> Any:
    """What a call gave, waited for where it has to be."""
    return await result if inspect.isawaitable(result) else result
