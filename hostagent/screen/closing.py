"""The end of the day: bricks and lane write their close record in the name of who is signed in."""

from typing import TYPE_CHECKING, Any

from hostagent.lane.slips import open_slips

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
        unused = [slip.number for slip in open_slips(lane)]
        if unused:
            await lane.release_slips(unused)
        await lane.closing(who)
        asked.append(lane.brick.name)
    return asked, away
