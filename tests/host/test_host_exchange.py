"""The exchange inside a kit: bricks that decide by the real engine, a host between them, its store below."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from exchangekit import UNLOCK, Thinking, crowd, rule, ruleset, signed, subject
from hostkit import OnDemand, host_folder, running, until
from stallmark import batch
from stallmark import registry as reg
from test_host_updater import as_config

from hostagent.agent import Agent
from hostagent.errors import StoreUnavailable
from hostagent.exchange import Receiver
from hostagent.exchangelog import Heads, digest16
from tests.world import World


@contextlib.asynccontextmanager
async def kit(
    folder: Path,
    count: int = 2,
    rules: bytes | None = None,
    world: World | None = None,
    bricks: list[Thinking] | None = None,
) -> AsyncIterator[tuple[Agent, list[Thinking]]]:
    """A host with a controller that offers the rules, and so many bricks that decide by them."""
    world = world or World()
    while len(world.bricks) < count:
        world.brick()
    rules = rules or crowd(world)
    controller = OnDemand(world)
    await controller.start()
    controller.bundle = ('"1"', signed(world, rules))
    path = host_folder(world, folder, controller.address, authors=as_config(world))
    bricks = bricks or [Thinking(world, number, folder, rules) for number in range(count)]
    try:
        async with running(path) as agent:
            agent.controller_in_test = controller
            await until(lambda: agent.updater.current, "the rules")
            for brick in bricks:
                brick.plug()
            await until(lambda: all(agent.session_of(b.brick.brick8) for b in bricks), "the links")
            yield agent, bricks
    finally:
        for brick in bricks:
            if brick._master >= 0:
                brick.unplug()
        await controller.stop()


async def agreed(bricks: list[Thinking], people: int) -> None:
    """Waits until every brick counts so many."""
    await until(lambda: [b.count() for b in bricks] == [people] * len(bricks), f"{people} people everywhere")


def test_twenty_one_people_over_two_bricks_open_the_rule_once_the_union_has_come(tmp_path: Path):
    async def market() -> None:
        async with kit(tmp_path) as (agent, (one, two)):
            for person in range(10):
                assert one.tap(person)[-1].fields[10] == reg.KIND_DENY
                assert two.tap(100 + person)[-1].fields[10] == reg.KIND_DENY
            await agreed([one, two], 20)
            opened = one.tap(500)
            assert opened[-1].fields[10] == reg.KIND_GRANT and opened[0].fields[10] == reg.KIND_LATCH
            digest = opened[-1].fields[21]
            assert agent.exchange.lists.get(digest) is not None, "the host knows what it looked at"
            await agreed([one, two], 21)
            assert two.tap(600)[-1].fields[10] == reg.KIND_GRANT
            bodies = agent.controller_in_test.bodies
            await until(lambda: digest in _evidence(bodies), "the list that the record names, in a batch")
            told = agent.exchange.report()["bricks"]["brick-1"]
            assert told["heads"]["brick-2"] >= 10 and told["messages"] >= 1

    asyncio.run(market())


def test_one_person_at_two_bricks_never_opens_it(tmp_path: Path):
    async def market() -> None:
        async with kit(tmp_path) as (_, (one, two)):
            for person in range(20):
                one.tap(person)
            await until(lambda: two.count() == 20, "twenty people")
            for person in range(20):
                assert two.tap(person)[-1].fields[10] == reg.KIND_DENY
            await until(lambda: one.heads() == {two.brick.brick8: two.head}, "all that the other has")
            assert one.count() == 20 and one.tap(3)[-1].fields[10] == reg.KIND_DENY

    asyncio.run(market())


def test_an_isolated_brick_keeps_its_own_lower_bound_and_learns_the_rest_when_it_is_back(tmp_path: Path):
    async def market() -> None:
        async with kit(tmp_path) as (agent, (one, two)):
            two.unplug()
            for person in range(15):
                one.tap(person)
                two.tap(100 + person)
            await until(lambda: one.host_seq == one.head, "the records at the host")
            assert (one.count(), two.count()) == (15, 15) and two.state.evidence() is None
            two.plug()
            await agreed([one, two], 30)
            assert two.tap(500)[-1].fields[10] == reg.KIND_GRANT
            assert agent.exchange.report()["dropped"] == 0

    asyncio.run(market())


@pytest.mark.parametrize("seed", [1, 2])
def test_restarts_cut_links_and_a_lossy_wire_leave_everybody_with_the_same_count(tmp_path: Path, seed: int):
    print("seed", seed)

    async def market() -> None:
        chance = random.Random(seed)
        async with kit(tmp_path, 3) as (_, bricks):
            seen: set[int] = set()
            for _ in range(60):
                brick = bricks[chance.randrange(3)]
                choice = chance.random()
                if choice < 0.75:
                    person = chance.randrange(80)
                    seen.add(person)
                    brick.tap(person)
                elif choice < 0.85 and brick._master >= 0:
                    brick.unplug()
                elif brick._master < 0:
                    brick.plug()
                elif choice > 0.95:
                    brick.power_on()
                await asyncio.sleep(0.01)
            for brick in bricks:
                if brick._master < 0:
                    brick.plug()
            await agreed(bricks, len(seen))

    asyncio.run(market())


def test_after_a_brick_restart_a_host_restart_and_new_rules_it_is_told_from_scratch(tmp_path: Path):
    world = World()
    rules, kept = crowd(world), []

    async def first() -> None:
        async with kit(tmp_path, rules=rules, world=world) as (_, (one, two)):
            kept.extend([one, two])
            for person in range(30):
                one.tap(person)
            await until(lambda: two.count() == 30, "thirty people")
            two.power_on()
            assert two.count() == 0
            await until(lambda: two.count() == 30, "the same again")

    async def second() -> None:
        # The store is read, its sealed private parts included.
        kept[1].power_on()
        async with kit(tmp_path, rules=rules, world=world, bricks=kept) as (agent, (_, two)):
            await until(lambda: two.count() == 30, "thirty people out of the store")
            other = crowd(world, rev=2)
            agent.controller_in_test.bundle = ('"2"', signed(world, other, 2))
            await until(lambda: agent.updater.current.rev == 2, "the next rules")
            two.use(other)
            await until(lambda: two.count() == 30, "thirty people under other rules")
            assert len(agent.exchange.books) == 2

    asyncio.run(first())
    asyncio.run(second())


def test_what_a_brick_decided_by_is_known_after_the_host_was_restarted(tmp_path: Path):
    world = World()
    rules, kept, named = crowd(world), [], []

    async def before() -> None:
        async with kit(tmp_path, 3, rules=rules, world=world) as (_, bricks):
            kept.extend(bricks)
            for person in range(2):
                for at, brick in enumerate(bricks):
                    brick.tap(100 * at + person)
            await agreed(bricks, 6)
        # No host: it goes on deciding by what it was told.
        named.extend(kept[0].tap(900 + number)[-1].fields[21] for number in range(2))

    async def after() -> None:
        async with kit(tmp_path, 3, rules=rules, world=world, bricks=kept) as (agent, bricks):
            # From here on it is told by another program, of one source before the other.
            for person in range(5):
                bricks[1].tap(300 + person)
                await until(lambda at=person: bricks[0].count() >= 9 + 2 * at, "what the second brick has")
                named.append(bricks[0].tap(500 + person)[-1].fields[21])
            bodies = agent.controller_in_test.bodies
            await until(lambda: set(named) <= _evidence(bodies), "every list that records name, in batches")
            await until(lambda: all(b.host_seq == b.head for b in bricks), "all records at the host")
            assert len(agent.exchange.lists) < 60

    asyncio.run(before())
    asyncio.run(after())
    assert None not in named and len(set(named)) == 6


def test_a_brick_is_told_nothing_that_the_store_does_not_keep_and_everything_once_it_does(tmp_path: Path):
    async def market() -> None:
        async with kit(tmp_path) as (agent, (one, two)):
            await agreed([one, two], 0)
            kept, refused = agent.exchange._kept.note, []

            def refuse(told: Any, standing: Any, gone: int = 0) -> Any:
                refused.append(standing)
                failed: Future[None] = Future()
                failed.set_exception(StoreUnavailable("the disk is full"))
                return failed

            agent.exchange._kept.note = refuse
            one.tap(1)
            await until(lambda: refused, "the refusal")
            await until(lambda: one.host_seq == one.head, "the record at the host")
            assert two.count() == 0 and two.state.evidence() is None
            agent.exchange._kept.note = kept
            await until(lambda: two.count() == 1, "the person, when the store keeps again")
            digest = two.tap(2)[-1].fields[21]
            assert agent.exchange.lists.get(digest) is not None

    asyncio.run(market())


def test_where_no_rule_counts_the_kit_nothing_is_kept_of_what_bricks_were_told(tmp_path: Path):
    async def market() -> None:
        world = World()
        rules = ruleset(world, rule("drip", [0], UNLOCK, []))
        async with kit(tmp_path, rules=rules, world=world) as (agent, (one, two)):
            for person in range(3):
                one.tap(person)
                two.tap(50 + person)
            told = agent.exchange._receivers
            await until(
                lambda: (
                    told[two.brick.brick8].heads.least().get(one.brick.brick8) == one.head
                    and told[one.brick.brick8].heads.least().get(two.brick.brick8) == two.head
                ),
                "each is told of the other",
            )
            for table in ("heads_told", "heads_standing"):
                count = f"SELECT count(*) FROM {table}"
                assert agent.store.read(lambda sql, q=count: sql.execute(q).fetchone()).result() == (0,), (
                    table
                )
            assert len(agent.exchange.lists) == 0

    asyncio.run(market())


def test_a_message_that_does_not_go_out_leaves_its_source_due():
    receiver = Receiver(Heads())
    receiver.told_ms[b"brick--b"] = 5
    back = receiver.as_told()
    receiver.heads.sent(b"brick--c", 7)
    receiver.cursors[b"brick--c"], receiver.told_ms[b"brick--c"], receiver.turn = 3, 9, 1
    back()
    assert (receiver.cursors, receiver.told_ms, receiver.turn) == ({}, {b"brick--b": 5}, 0)
    assert receiver.heads.least() == {}


def test_revocations_signals_open_values_and_practice_reach_every_brick_and_are_kept(tmp_path: Path):
    world = World()
    rules, kept = crowd(world), []

    async def market() -> None:
        async with kit(tmp_path, rules=rules, world=world) as (agent, (one, two)):
            kept.extend([one, two])
            await until(lambda: _got(one, reg.MSG_TRAINING) and _got(two, reg.MSG_TRAINING), "the beginning")
            assert _got(one, reg.MSG_REVOKED) == [{0: True, 1: b""}]
            await agent.exchange.revoke(subject(7), "Ana")
            await until(
                lambda: one.state.revoked(subject(7)) and two.state.revoked(subject(7)), "the revocation"
            )
            assert one.tap(7)[-1].fields[14] == [reg.REASON_REVOKED]
            assert await agent.training(True, "Ana") == ["brick-1", "brick-2"] and agent.training_on
            await until(
                lambda: _got(two, reg.MSG_TRAINING)[-1] == {0: True, 1: agent.staff.label("Ana")}, "practice"
            )
            two.unplug()
            setting = asyncio.create_task(agent.openvalues.set({0: 7}, "Ana"))
            await until(lambda: _got(one, reg.MSG_PARAMETERS), "the open value")
            nonce = _got(one, reg.MSG_PARAMETERS)[0][3]
            one.send(reg.MSG_PARAMETERS_RESULT, {0: b"stranger", 1: 2})
            one.send(reg.MSG_PARAMETERS_RESULT, {0: nonce, 1: reg.PARAMETERS_OK})
            result = await setting
            assert result["brick-1"] == "taken" and result["brick-2"].startswith("no link")
            two.plug()
            await until(lambda: _got(two, reg.MSG_PARAMETERS), "what it missed")
            assert _got(two, reg.MSG_PARAMETERS)[0][1] == [[0, 7]]
            value = agent.openvalues.current()[0]
            assert (value.value, value.who, value.bricks) == (7, "Ana", {"brick-1": 4, "brick-2": 4})
            said = world.record(reg.KIND_PARAMETERS, two.brick, f8=two.rules.digest8, f24=[[[0, 7]], "Ana"])
            two.note(said)
            two._turn()
            await until(lambda: "brick-2" not in agent.openvalues.current()[0].bricks, "its record")

    async def again() -> None:
        async with kit(tmp_path, rules=rules, world=world, bricks=kept) as (agent, _):
            assert agent.openvalues.current()[0].value == 7 and not agent.training_on
            assert agent.kitside.telling.revoked == 1

    asyncio.run(market())
    asyncio.run(again())


def test_tokens_given_at_one_brick_are_the_balance_at_the_other(tmp_path: Path):
    world = World()
    tokens = rule("club", [0], [[reg.GRANT_TOKENS, 2, 0, 30]], [], f4=[10, [30], -1])

    async def market() -> None:
        async with kit(tmp_path, rules=ruleset(world, tokens), world=world) as (_, (one, two)):
            assert one.tap(1)[-1].fields[12] == [[reg.GRANT_TOKENS, 2, 0]]
            told = subject(1)[:6] + b"\0\0\0\x02"
            await until(lambda: told in [value[2] for value in _got(two, reg.MSG_BALANCES)], "the balance")
            await until(lambda: _got(one, reg.MSG_BALANCES), "that there is nothing new for it")
            assert {value[2] for value in _got(one, reg.MSG_BALANCES)} == {b""}, "it knows what it gave"

    asyncio.run(market())


def _evidence(bodies: list[bytes]) -> set[bytes]:
    return {digest16(heads) for body in bodies for heads in batch.parse(body).evidence}


def _got(brick: Thinking, kind: int) -> list[Any]:
    return [value for known, value in brick.got if known == kind]
