"""Signals: a brick is told of what the lane has recorded, before and after a restart of the host, and a replay knows it too."""

import time
from collections import Counter

from exchangekit import UNLOCK, Thinking, rule, ruleset
from hostkit import until
from lanekit import LaneWorld, play
from stallmark import event
from stallmark import registry as reg
from typer.testing import CliRunner

from fleet.authoring import recorded
from fleet.authoring.replay import Candidate, Plan, run
from hostagent.cli import app
from hostagent.signals import MOST, Heard
from hostagent.store.records import Records

BUSY = [10, [32, 0], 19]


def mention(value, age_s=0, name="mentions"):
    return event.make(type=reg.EVENT_SOCIAL_MENTION, trust=0, nonce=b"", signal=[name, value, age_s])


def test_a_signal_is_durable_at_the_lane_before_bricks_decide_by_it_and_outlives_the_host(tmp_path):
    decided = Counter()

    async def hour():
        kit = LaneWorld(7411, tmp_path)
        kit.world.brick()
        data = ruleset(kit.world, rule("busy", BUSY, UNLOCK, [], f2=0, f8=[], f1=[reg.EVENT_NFC_TAP]))
        (tmp_path / "rules.smr").write_bytes(data)
        kit.offer(data)
        brick = Thinking(kit.world, 0, tmp_path / "host", data)

        async def later():
            now = int(time.time() * 1000) + 1
            await until(lambda: time.time() * 1000 > now, "no two are of one millisecond")

        async def tap(person):
            await later()
            # A record of the world is a second later.
            kit.world.now_ms = int(time.time() * 1000) - 1000
            kind = brick.tap(person)[-1].fields[10]
            await later()
            return kind

        async with kit.up() as agent:
            brick.plug()
            await until(lambda: agent.session_of(brick.brick.brick8), "the link")
            assert await tap(1) == reg.KIND_DENY
            agent.lane.training = True
            await agent.lane.decide(mention(99))
            agent.lane.training = False
            await agent.lane.decide(mention(25))
            await until(lambda: brick.state.signal(0, brick.world.now_ms), "the signal at the brick")
            assert brick.state.signal(0, kit.world.now_ms)[0] == 25, "not what was practice"
            assert agent.lane.state.signal(0, kit.world.now_ms)[0] == 25
            assert await tap(2) == reg.KIND_GRANT
            said = [one.record for one in Records(agent.store).of(agent.lane.brick8).result()]
            assert [
                one.private_fields[8] for one in said if one.fields[10] in (reg.KIND_DENY, reg.KIND_GRANT)
            ] == [
                ["mentions", 99, 0],
                ["mentions", 25, 0],
            ]
            await until(lambda: agent.forwarder.accepted > 0, "private parts are sealed")
            brick.unplug()
        brick.power_on()
        assert brick.state.signal(0, kit.world.now_ms) is None
        async with kit.up() as agent:
            brick.plug()
            await until(lambda: brick.state.signal(0, kit.world.now_ms), "the signal again, out of the store")
            await until(lambda: agent.lane.state.signal(0, kit.world.now_ms), "at the lane too")
            assert await tap(3) == reg.KIND_GRANT
            await until(lambda: brick.host_seq == brick.head, "all records at the host")
            for one in Records(agent.store).since(0).result():
                fields = one.record.fields
                if fields[10] in (reg.KIND_DENY, reg.KIND_GRANT) and not fields[0] & reg.FLAG_TRAINING:
                    decided["grant" if fields[10] == reg.KIND_GRANT else "deny"] += 1
            brick.unplug()
        await kit.controller.stop()

    play(hour())
    out = tmp_path / "events.jsonl"
    config = str(tmp_path / "host" / "config.json")
    said = CliRunner().invoke(app, ["export-events", "--config", config, "--out", str(out)])
    assert said.exit_code == 0, said.output
    one = Candidate("one", (tmp_path / "rules.smr").read_bytes())
    assert dict(run(Plan(one, one, recorded.index(out), workers=1)).tally.old.kinds) == dict(decided)
    assert decided["grant"] == 2


def test_what_is_heard_is_bounded_and_never_goes_back():
    heard = Heard()

    def take(name, value, ms, flags=0, age_s=0):
        public = {0: flags, 5: ms, 11: reg.EVENT_SOCIAL_MENTION << 4}
        return heard.take(public, {8: [name, value, age_s]})

    class Rules:
        signals = (("wet", reg.EVENT_SOCIAL_MENTION, 60), ("wet", reg.EVENT_NFC_TAP, 60))

    assert take("wet", 5, 10_000) and not take("wet", 6, 12_000, age_s=3)
    assert not take("wet", 7, None) and not take("wet", 7, 20_000, reg.FLAG_TRAINING)
    assert heard.of(Rules) == [[0, 5, 10_000]]
    for number in range(MOST):
        take(f"other-{number}", 1, 30_000)
    assert heard.of(Rules) == []
