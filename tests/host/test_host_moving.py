"""The balance of a lost pass goes to a new one: once, durable, known at the lane and at every brick."""

import asyncio
from pathlib import Path

import pytest
from exchangekit import rule, ruleset, subject
from hostkit import until
from lanekit import LaneWorld, records
from stallmark import registry as reg
from test_host_exchange import _got, kit

from hostagent.errors import StoreUnavailable
from hostagent.moving import NotMoved
from tests.world import World

OLD, NEW, OTHER = subject(1), subject(2), subject(3)
CLUB = rule("club", [10, [30], -1], [[reg.GRANT_TOKENS, 2, 0, 30]], [], f8=[])
ONCE = rule("welcome", [0], [[reg.GRANT_TOKENS, 9, 0, 30]], [], f1=[reg.EVENT_SHARE], f8=[[1, 1]])
CHAT = rule("chat", [0], [[reg.GRANT_UNLOCK, 1, 0, "chat"]], [])


def test_tokens_given_at_a_brick_move_to_another_pass_once_and_for_good(tmp_path: Path):
    world = World(891)
    world.brick(), world.brick()
    world.new_lane()
    rules = ruleset(world, ONCE, CLUB)
    kept = []

    async def market() -> None:
        async with kit(tmp_path, rules=rules, world=world) as (agent, bricks):
            kept.extend(bricks)
            one, two = bricks
            await until(lambda: agent.lane.ruleset is not None, "the lane has rules")
            for _ in range(3):
                one.tap(1)
            await until(lambda: agent.lane.state.balance(OLD) == 6, "the tokens are known at the lane")
            assert await agent.exchange.move(OLD, NEW, "Ana") == 6
            assert agent.lane.state.balance(NEW) == 6 and agent.lane.state.revoked(OLD)
            record = records(agent)[-1].record
            fields = record.fields
            assert (fields[10], fields[9], fields[12]) == (reg.KIND_GRANT, 1, [[reg.GRANT_TOKENS, 6, 0]])
            assert fields[14] == [reg.REASON_PERSON, 1] and record.private_fields[1] == NEW
            assert fields[24] == [agent.lane.brick8, 0, agent.staff.label("Ana"), None]
            told = NEW[:6] + b"\0\0\0\x06"
            for brick in (one, two):
                await until(
                    lambda brick=brick: told in b"".join(value[2] for value in _got(brick, reg.MSG_BALANCES)),
                    "the bricks know",
                )
                await until(lambda brick=brick: brick.state.revoked(OLD), "the old one is out of use")
            with pytest.raises(NotMoved, match="moved before"):
                await agent.exchange.move(OLD, OTHER, "Ana")
            # And on, from the new one to a third.
            with pytest.raises(NotMoved, match="revoked itself"):
                await agent.exchange.move(NEW, OLD, "Ana")

    async def again() -> None:
        async with kit(tmp_path, rules=rules, world=world, bricks=kept) as (agent, _):
            await until(lambda: agent.lane.ruleset is not None and agent.lane.trouble is None, "the lane")
            await until(lambda: agent.lane.state.balance(NEW) == 6, "its own record")
            with pytest.raises(NotMoved, match="moved before"):
                await agent.exchange.move(OLD, OTHER, "Ana")
            assert await agent.exchange.move(NEW, OTHER, "Ana") == 6
            assert agent.lane.state.balance(OTHER) == 6

    asyncio.run(market())
    asyncio.run(again())


def test_what_cannot_be_moved_is_said_and_nothing_is_written(tmp_path: Path):
    world = World(892)
    stall = LaneWorld(892, tmp_path, data=ruleset(world, CHAT))

    async def scenario() -> None:
        async with stall.up() as agent:
            written = len(records(agent))
            for old, new, why in ((OLD, OLD, "the same"), (OLD, NEW, "none of the rules in use gives")):
                with pytest.raises(NotMoved, match=why):
                    await agent.exchange.move(old, new, "Ana")
            assert not agent.lane.state.revoked(OLD), "nothing has happened yet"
            stall.offer(ruleset(world, CLUB, rev=2), 2)
            await until(lambda: agent.lane.ruleset.rev == 2, "rules with tokens")
            with pytest.raises(NotMoved, match="nothing to move"):
                await agent.exchange.move(OLD, NEW, "Ana")
            assert agent.lane.state.revoked(OLD)
            await agent.training(True, "Ana")
            with pytest.raises(NotMoved, match="practice"):
                await agent.exchange.move(OLD, NEW, "Ana")
            kinds = [item.record.fields[10] for item in records(agent)[written:]]
            assert reg.KIND_GRANT not in kinds
        await stall.controller.stop()

    asyncio.run(scenario())


def test_a_disk_that_refuses_leaves_the_balance_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stall = LaneWorld(893, tmp_path, data=ruleset(World(893), CLUB))

    async def scenario() -> None:
        async with stall.up() as agent:
            agent.kitside.telling._tokens[OLD[:6]] = 4

            def full(*_: object) -> None:
                raise StoreUnavailable("the disk is full")

            with monkeypatch.context() as patched:
                patched.setattr(agent.lane, "answer", full)
                with pytest.raises(StoreUnavailable):
                    await agent.exchange.move(OLD, NEW, "Ana")
            assert not agent.kitside.moving.moved(OLD)
            assert await agent.exchange.move(OLD, NEW, "Ana") == 4
        await stall.controller.stop()

    asyncio.run(scenario())
