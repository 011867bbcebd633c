"""Events out of a host's store: replayed by the rules that decided them they come out as they were recorded."""

import json
import time
from collections import Counter

from exchangekit import UNLOCK, Thinking, rule, ruleset, subject
from hostkit import until
from lanekit import LaneWorld, play
from stallmark import event
from stallmark import registry as reg
from typer.testing import CliRunner

from fleet.authoring import recorded
from fleet.authoring.cli import app as rules_app
from fleet.authoring.replay import Candidate, Plan, run
from hostagent.cli import app
from hostagent.store.records import Records

RUN = CliRunner()
FIVE = [10, [20, 0, 86_400_000, 0], 5]
COME = [reg.EVENT_NFC_TAP, reg.EVENT_ATTENDANCE_SCAN, reg.EVENT_TILL_SALE]
TOP = ("grant", "redeem", "uncertain", "ghost", "deny")
DECISIONS = {
    reg.KIND_GRANT: "grant", reg.KIND_DENY: "deny", reg.KIND_GHOST: "ghost", reg.KIND_UNCERTAIN: "uncertain",
}  # fmt: skip


def rules(world):
    """Chat for everybody once more than five people came; a sticker at the lane alone; half of the people get neither."""
    experiments = [["flag", b"saltsalt", [5000, 5000], 0]]
    flag = rule("flag", [0], [[reg.GRANT_UNLOCK, 1, 0, "flag"]], [], f1=COME, f13=0, f14=[0, 1])
    chat = rule("chat", FIVE, UNLOCK, [], f1=COME, f13=1)
    lane = rule(
        "lane", [10, [22], 999], [[reg.GRANT_TOKENS, 2, 0, 30]], [], f1=COME, f2=0, f8=[], f13=2, f18=2
    )
    return ruleset(
        world, flag, chat, lane, f10=experiments, f12=[[3, False, 0], [3, False, 0], [3, False, 0]]
    )  # fmt: skip


def test_a_market_hour_comes_out_again_as_it_was_decided(tmp_path):
    decided = {}

    async def hour():
        kit = LaneWorld(7301, tmp_path)
        kit.world.brick()
        data = rules(kit.world)
        (tmp_path / "rules.smr").write_bytes(data)
        kit.offer(data)
        async with kit.up() as agent:
            brick = Thinking(kit.world, 0, tmp_path / "host", data)
            brick.plug()
            await until(lambda: agent.exchange.books, "the exchange knows the rules")
            for number in range(24):
                person = number % 9  # some come again
                before = int(time.time() * 1000) + 1
                await until(
                    lambda before=before: time.time() * 1000 > before, "no two decide in one millisecond"
                )
                if number % 3:
                    kit.world.now_ms = (
                        int(time.time() * 1000) - 1000
                    )  # a record of the world is a second later
                    brick.tap(person)
                    await until(
                        lambda: dict(agent.lane.state.heads()).get(brick.brick.brick8) == brick.head,
                        "the lane heard the brick",
                    )
                else:
                    known = subject(person) if number % 2 else None
                    answer = await agent.lane.decide(
                        event.make(
                            type=reg.EVENT_TILL_SALE,
                            trust=3 if known else 0,
                            subject=known,
                            basket_minor=100 * number,
                            items=2,
                            nonce=b"",
                        )
                    )
                    wanted = answer.records[-1][0]
                    await until(
                        lambda wanted=wanted: brick.heads().get(agent.lane.brick8, 0) >= wanted,
                        "the brick heard the lane",
                    )
            await until(lambda: agent.forwarder.accepted > 0, "some private parts are sealed")
            stored = Records(agent.store).since(0).result()
            brick.unplug()
        await kit.controller.stop()
        by_event = {}
        for one in stored:
            fields = one.record.fields
            if fields[10] in DECISIONS and 15 in fields:
                by_event.setdefault((one.brick, fields[15]), []).append(fields)
        decided["kinds"] = Counter(
            min((DECISIONS[f[10]] for f in of), key=TOP.index) for of in by_event.values()
        )
        decided["rules"] = Counter(
            ("flag", "chat", "lane")[f[9]] for of in by_event.values() for f in of if f[10] == reg.KIND_GRANT
        )
        decided["events"] = len(by_event)

    play(hour())
    out = tmp_path / "events.jsonl"
    said = RUN.invoke(
        app, ["export-events", "--config", str(tmp_path / "host" / "config.json"), "--out", str(out)]
    )
    assert said.exit_code == 0, said.output
    assert f"{decided['events']} events of " in said.output
    assert "open values" in said.output
    assert out.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(text) for text in out.read_text().splitlines()]
    assert len(lines) == 1 + decided["events"] == 25
    assert {one["brick"] for one in lines[1:]} == {"brick-1", "lane"}
    assert len({one.get("subject") for one in lines[1:]}) == 10
    times = [one["wall_ms"] for one in lines[1:]]
    assert times == sorted(times)
    assert not {"staff", "token_counter", "reference", "nonce"} & {name for one in lines for name in one}

    data = (tmp_path / "rules.smr").read_bytes()
    one = Candidate("one", data)
    tally = run(Plan(one, one, recorded.index(out), workers=1)).tally
    assert dict(tally.old.kinds) == dict(decided["kinds"])
    assert dict(tally.old.rules) == dict(decided["rules"])
    assert set(decided["rules"]) == {"flag", "chat", "lane"}
    again = RUN.invoke(
        rules_app, ["replay", str(tmp_path / "rules.smr"), str(tmp_path / "rules.smr"), "--events", str(out)]
    )
    assert again.exit_code == 0, again.output


def test_a_missing_store_is_said_in_one_line(tmp_path):
    said = RUN.invoke(
        app, ["export-events", "--config", str(tmp_path / "config.json"), "--out", str(tmp_path / "out")]
    )
    assert said.exit_code == 1
    assert not (tmp_path / "out").exists()
