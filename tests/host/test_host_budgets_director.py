"""Slices when the director's key changes: the same slices, signed anew, at the same bricks."""

import asyncio
from types import SimpleNamespace

import pytest
from nacl.bindings import crypto_sign_seed_keypair

from hostagent.answers import SignedSlice
from hostagent.budgets import Budgets
from hostagent.store import open_store
from hostagent.store.slices import Slices
from tests.world import World


@pytest.fixture
def table(tmp_path):
    opened = open_store(tmp_path / "host.db", bytes(32))
    yield Slices(opened.store)
    opened.store.close()


def test_a_new_directors_signature_takes_the_place_of_the_old_one_and_nothing_else_changes(table):
    async def scenario():
        world = World(5)
        brick = world.brick().brick8
        offered = []

        async def slices():
            return [SignedSlice(*one) for one in offered], 0

        def made():
            return Budgets(
                table, SimpleNamespace(slices=slices), SimpleNamespace(now_ms=lambda: world.now_ms), {}, world.kit,
                world.rental, crypto_sign_seed_keypair(world.director_seed)[0], False,
            )  # fmt: skip

        budgets, given = made(), []
        budgets.give = lambda brick8, told: given.append((brick8, told))
        first = [world.slice(1), world.slice(2)]
        offered[:] = first
        await budgets.pull()
        await budgets._assign(budgets.held()[0], brick)
        assert given == [(brick, [first[0]])]
        world.director_seed = world.octets(32)
        fresh = [world.slice(1), world.slice(2)]
        assert [payload for payload, _ in fresh] == [payload for payload, _ in first]
        offered[:] = fresh
        # Before the root says so, it is anybody's signature.
        await budgets.pull()
        assert len(given) == 1 and budgets.slices_of(brick) == [first[0]]
        named = [crypto_sign_seed_keypair(world.director_seed)[0]]
        budgets.directors = lambda: named
        # Another amount under a known number is no slice.
        offered[:] = [world.slice(1, amount=9999), fresh[1]]
        await budgets.pull()
        assert len(given) == 1 and budgets.slices_of(brick) == [first[0]]
        offered[:] = fresh
        for _ in range(2):
            await budgets.pull()
            assert given[1:] == [(brick, [fresh[0]])] and budgets.slices_of(brick) == [fresh[0]]
        again = made()
        await again.load()
        assert again.slices_of(brick) == [fresh[0]] and len(again.held()) == 2
        # The director before signs nothing any more.
        again.directors = budgets.directors
        world.director_seed = bytes(32)
        offered[:] = [world.slice(3)]
        await again.pull()
        assert len(again.held()) == 2 and sum(again.refused.values()) == 1

    asyncio.run(scenario())
