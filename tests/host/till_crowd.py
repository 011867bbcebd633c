"""A host with rules and two tills in one process, to be killed: prints till, key and answer of each call; in each life
calls of before come again among the new ones."""

import asyncio
import json
import random
import sys
from pathlib import Path

from lanekit import LaneWorld, post

TILLS = ("till-1", "till-2")
SLICE = 20_000


def world(folder: Path, seed: int) -> LaneWorld:
    """The same in every life."""
    kit = LaneWorld(seed, folder, tills=TILLS)
    kit.slice("fifteen", 1, SLICE)
    return kit


def body(number: int) -> dict:
    """What is asked under key n-`number`: every fifth takes a sale before it back."""
    if number % 5 == 4:
        return {"type": "refund", "reference": f"n-{number - 3}"}
    return {"type": "till sale", "basket": "12.00", "reference": f"n-{number}"}


async def main() -> None:
    folder, seed, life = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed * 100 + life)
    kit = world(folder, seed)
    async with kit.up() as agent, kit.client(agent) as one, kit.client(agent, TILLS[1]) as other:
        for number in range(0 if life == 0 else 15 * life, 400):

            async def ask(till, name: str, key: int) -> None:
                answer = await post(till, f"n-{key}", body(key))
                if answer.status_code in (200, 409):
                    print(json.dumps([name, key, answer.status_code, answer.text]), flush=True)

            again = chance.randrange(number + 1)
            await asyncio.gather(
                ask(one, TILLS[0], number),
                ask(other, TILLS[1], number),
                ask(one, TILLS[0], number),
                ask(other, TILLS[1], again),
            )


if __name__ == "__main__":
    asyncio.run(main())
