"""Slices: each to one brick and no other, durable before it is sent, topped up by need."""

import asyncio
import base64

from hostkit import OnDemand, PtyBrick, host_folder, running, until
from nacl.bindings import crypto_sign_seed_keypair
from stallmark import registry as reg
from stallmark import rights

from tests.world import World


def stall(seed, tmp_path, bricks, slices, **more):
    """World, controller offering `slices` [(id, rule, unit, amount)], path of the host's config."""
    world = World(seed)
    for _ in range(bricks):
        world.brick()
    controller = OnDemand(world)
    for number, rule, unit, amount in slices:
        offer(world, controller, number, rule, unit, amount)
    folder = tmp_path / "host"
    return world, controller, folder


def offer(world, controller, number, rule="rule-1", unit=1, amount=500):
    payload, signature = world.slice(number, rule, unit, amount)
    controller.slices.append(
        {
            "id": number,
            "payload": base64.b64encode(payload).decode(),
            "signature": base64.b64encode(signature).decode(),
        }
    )


class Spender(PtyBrick):
    """A brick that takes slices and spends them."""

    refuse = None

    def _message(self, kind, value):
        super()._message(kind, value)
        if kind == reg.MSG_SLICE:
            parsed = rights.decode_slice(value[0])
            if self.refuse is not None:
                self.link.send(reg.MSG_SLICE_RESULT, {0: parsed.id, 1: self.refuse}, None, self._now())
                return
            held = parsed.id in self.slices
            self.slices.setdefault(parsed.id, parsed.amount - self.spent.get(parsed.id, 0))
            result = reg.SLICE_HELD if held else reg.SLICE_OK
            self.link.send(reg.MSG_SLICE_RESULT, {0: parsed.id, 1: result}, None, self._now())
            self.status()

    def __init__(self, world, number, folder):
        super().__init__(world, number, folder)
        self.spent = {}

    def spend(self, number, amount):
        self.slices[number] -= amount
        self.spent[number] = self.spent.get(number, 0) + amount
        self.status()
        self._turn()

    def got_slices(self):
        return [rights.decode_slice(value[0]).id for kind, value in self.got if kind == reg.MSG_SLICE]


def test_each_brick_gets_its_own_and_more_when_it_has_spent(tmp_path):
    async def scenario():
        slices = [(n, "rule-1", 1, 500) for n in range(1, 11)]
        world, controller, folder = stall(71, tmp_path, 3, slices)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        bricks = [Spender(world, n, folder) for n in range(3)]
        async with running(path):
            for brick in bricks:
                brick.plug()
            await until(lambda: all(len(brick.slices) == 2 for brick in bricks))
            first = min(bricks[0].slices)
            bricks[0].spend(first, 500)
            await until(lambda: len(bricks[0].slices) == 3)
            bricks[0].spend(max(bricks[0].slices), 100)
            for number in sorted(bricks[0].slices):
                if bricks[0].slices[number]:
                    bricks[0].spend(number, bricks[0].slices[number])
            await until(lambda: sum(left > 0 for left in bricks[0].slices.values()) == 2)
        owners = [number for brick in bricks for number in brick.slices]
        assert len(owners) == len(set(owners)), "no slice at two bricks"
        for brick in bricks:
            brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_what_is_scarce_goes_to_every_brick_before_any_gets_a_second(tmp_path):
    async def scenario():
        world, controller, folder = stall(72, tmp_path, 3, [(n, "sample", 2, 5) for n in (1, 2, 3)])
        await controller.start()
        path = host_folder(world, folder, controller.address)
        bricks = [Spender(world, n, folder) for n in range(3)]
        async with running(path) as agent:
            bricks[0].plug()
            await until(lambda: len(bricks[0].slices) == 1)
            bricks[0].spend(min(bricks[0].slices), 5)
            # Two are left, for the two bricks that have not come yet.
            await until(lambda: agent.bricks[bricks[0].brick.brick8].status.slices)
            bricks[1].plug()
            bricks[2].plug()
            await until(lambda: len(bricks[1].slices) == 1 and len(bricks[2].slices) == 1)
            assert len(bricks[0].slices) == 1
        for brick in bricks:
            brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_brick_gets_its_own_again_after_a_start_and_no_new_ones_for_it(tmp_path):
    async def scenario():
        world, controller, folder = stall(73, tmp_path, 1, [(n, "rule-1", 1, 500) for n in range(1, 9)])
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = Spender(world, 0, folder)
        async with running(path):
            brick.plug()
            await until(lambda: len(brick.slices) == 2)
            own = set(brick.slices)
            for _ in range(3):
                brick.unplug()
                brick.power_on()
                brick.plug()
                await until(lambda: set(brick.slices) == own)
        # The host's restart changes nothing either.
        async with running(path):
            brick.unplug()
            brick.power_on()
            brick.plug()
            await until(lambda: set(brick.slices) == own)
        assert set(brick.got_slices()) == own
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_what_a_brick_has_no_rule_for_is_offered_again_only_with_other_rules(tmp_path):
    async def scenario():
        world, controller, folder = stall(79, tmp_path, 1, [(1, "rule-1", 1, 500), (2, "rule-1", 1, 500)])
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = Spender(world, 0, folder)
        brick.ruleset = bytes(32)
        brick.refuse = reg.SLICE_UNKNOWN_RULE
        async with running(path) as agent:
            brick.plug()
            held = agent.budgets.held
            await until(
                lambda: len(held()) == 2 and all(one.answered is not None for one in held()), "refused"
            )
            brick.got.clear()
            sessions = agent.bricks[brick.brick.brick8].counters["sessions"]
            brick.power_on()
            await until(
                lambda: (
                    agent.bricks[brick.brick.brick8].counters["sessions"] > sessions
                    and agent.bricks[brick.brick.brick8].status is not None
                ),
                "another session",
            )
            brick.decide(1)
            await until(lambda: brick.host_seq == 1, "what the host says at a session's start has come")
            assert brick.got_slices() == [], "it has the same rules as before"
            brick.ruleset, brick.refuse = b"\1" * 32, None
            brick.status()
            await until(lambda: sorted(brick.got_slices()) == [1, 2], "other rules: offered again")
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_refused_foreign_and_forged_slices_go_to_nobody(tmp_path):
    async def scenario():
        world, controller, folder = stall(74, tmp_path, 1, [(1, "rule-1", 1, 500)])
        other = World(75)
        forged, _ = world.slice(2)
        _, signature = other.slice(2)
        controller.slices.append(
            {
                "id": 2,
                "payload": base64.b64encode(forged).decode(),
                "signature": base64.b64encode(signature).decode(),
            }
        )
        foreign = rights.encode_slice(3, bytes(8), 1, 5, other.kit, 1, 1 << 50)
        controller.slices.append(
            {
                "id": 3,
                "payload": base64.b64encode(foreign).decode(),
                "signature": base64.b64encode(bytes(64)).decode(),
            }
        )
        await controller.start()
        public = base64.b64encode(crypto_sign_seed_keypair(world.director_seed)[0]).decode()
        path = host_folder(world, folder, controller.address, director=public)
        brick = Spender(world, 0, folder)
        brick.refuse = reg.SLICE_UNKNOWN_RULE
        async with running(path) as agent:
            brick.plug()
            await until(lambda: brick.got_slices() == [1])
            await until(lambda: len(agent.budgets.refused) == 2)
            assert "slice with a wrong signature" in agent.budgets.refused
            for number in range(4, 10):
                offer(world, controller, number)
            await until(lambda: brick.got_slices() == [1, 4])
            # It is not given the whole stock to refuse; with other rules it is asked once more.
            brick.refuse = None
            brick.ruleset = world.octets(32)
            brick.status()
            brick._turn()
            await until(lambda: set(brick.slices) == {1, 4})
            brick.spend(1, 500)
            await until(lambda: set(brick.slices) == {1, 4, 5})
        assert brick.got_slices() == [1, 4, 1, 4, 5]
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_slices_nested_too_deep_to_be_read_are_said_and_asked_for_again(tmp_path):
    async def scenario():
        world, controller, folder = stall(79, tmp_path, 1, [(1, "rule-1", 1, 500)])
        controller.nested_slices = 3
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = Spender(world, 0, folder)
        async with running(path) as agent:
            await until(lambda: agent.puller.trouble == "the answer is not JSON")
            brick.plug()
            await until(lambda: len(brick.slices) == 1)
            await until(lambda: agent.puller.trouble is None)
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())
