"""Who gets which slice: what the forecast had in mind first; what an earlier store may have given goes to nobody."""

import asyncio
import base64

from hostkit import OnDemand, host_folder, running, store_key, until
from test_host_budgets import offer

from hostagent.allotment import Allotment, Held
from hostagent.store import open_store
from hostagent.store.slices import Slice, Slices
from tests.world import World

ONE, TWO = b"brick--1", b"brick--2"
NEVER = 1 << 50


def allotment(*hints, left=None):
    """Slices 1, 2 … with these hints, of one rule, for two bricks that are linked."""
    made = Allotment(lambda: (ONE, TWO), lambda brick: True, lambda brick: (left or {}).get(brick, {}))
    for number, hint in enumerate(hints, 1):
        one = Slice(number, b"rule---8", 1, 100, NEVER, b"", b"")
        made.slices[number] = Held(one, None, None, None, hint=hint)
    return made


def give(made, brick):
    """The number of what the brick gets, after which it is its own."""
    held = made.next_for(brick, 1)
    if held is None:
        return None
    held.brick = brick
    return held.slice.id


def test_a_slice_goes_to_the_brick_that_it_was_meant_for():
    made = allotment(TWO, ONE, None, TWO, ONE)
    assert [give(made, ONE), give(made, TWO), give(made, ONE), give(made, TWO)] == [2, 1, 5, 4]


def test_what_was_meant_for_another_is_taken_only_when_nothing_is_left():
    left = {}
    made = allotment(ONE, TWO, TWO, TWO, left=left)
    assert [give(made, ONE), give(made, ONE)] == [1, None], "one slice left to it: the others are not its"
    assert give(made, TWO) == 2
    made.heard_result(ONE, 1, 1)
    left[ONE] = {1: 0}
    made.heard_status(ONE)
    assert give(made, ONE) == 3


def test_a_store_that_is_new_gives_out_nothing_that_was_minted_before_it(tmp_path):
    async def scenario():
        world = World(311)
        world.brick()
        controller = OnDemand(world)
        offer(world, controller, 3)
        await controller.start()
        path = host_folder(world, tmp_path / "host", controller.address)
        async with running(path):
            pass
        (tmp_path / "host" / "host.db").unlink()
        for name in ("host.db-wal", "host.db-shm"):
            (tmp_path / "host" / name).unlink(missing_ok=True)
        async with running(path) as agent:
            await until(lambda: len(agent.budgets.summary()) == 1)
            offer(world, controller, 2)  # minted before, and offered again only now
            offer(world, controller, 4)
            slices = agent.budgets.allotment.slices
            await until(lambda: set(slices) == {2, 3, 4})
            assert [slices[n].withheld is None for n in (2, 3, 4)] == [False, False, True]
            (line,) = agent.budgets.summary()
            assert line["withheld"] == 1000 and line["amount"] == line["spent"] + line["stranded"] == 1500
        await controller.stop()

    asyncio.run(scenario())


def test_hints_survive_a_restart_of_the_host(tmp_path):
    world = World(312)
    store = open_store(tmp_path / "host.db", store_key(world)).store
    table = Slices(store)
    one = Slice(1, b"rule---8", 1, 100, NEVER, base64.b64decode("AA=="), bytes(64))
    table.add([(one, None, TWO)]).result()
    assert [(row.slice.id, row.hint) for row in table.all().result()] == [(1, TWO)]
    assert table.floor().result() == 0
    store.close()
