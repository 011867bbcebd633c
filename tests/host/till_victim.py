"""A host and its till in one process, to be killed: prints each key with its answer. Asks the first keys again."""

import asyncio
import sys
from pathlib import Path

from lanekit import LaneWorld, post


async def main() -> None:
    kit = LaneWorld(int(sys.argv[2]), Path(sys.argv[1]))
    kit.controller.bundle = None
    async with kit.up(rules=False) as agent, kit.client(agent) as till:
        for first in range(0, 400, 4):

            async def one(number: int) -> None:
                body = {"type": "till sale", "basket": "12.00", "reference": f"n-{number}"}
                answer = await post(till, f"n-{number}", body)
                if answer.status_code == 200:
                    print(f"n-{number}", answer.text, flush=True)

            await asyncio.gather(*(one(number) for number in range(first, first + 4)))


asyncio.run(main())
