"""The end of the day: bricks and lane write their close record in the name of who is signed in."""

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hostagent.screen.model import Screen


async def close_day(screen: "Screen", who: str) -> tuple[list[str], list[str]]:
    """(asked now, asked as soon as they are back), by name. The lane closes last, after giving slips back."""
    agent = screen.agent
    asked: list[str] = []
    away: list[str] = []
    for line in agent.lines:
        agent.bricks[line.expected.brick].closing = agent.staff.label(who)
        if line.brick is not None and line.session is not None:
            line.session.ask_close()
            asked.append(line.expected.name)
        else:
            away.append(line.expected.name)
    lane: Any = screen.lane
    if lane is not None:
        unused = [number for number, _, state in screen.slips() if state == "open"]
        if unused:
            await lane.release_slips(unused)
            screen.released.update(unused)
        await lane.closing(who)
        asked.append(lane.brick.name)
    return asked, away


async def settle(result: Any) -> Any:
    """What a call gave, waited for where it has to be."""
    return await result if inspect.isawaitable(result) else result
