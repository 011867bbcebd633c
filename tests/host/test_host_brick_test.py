"""`stallmark host bricks test`: a working brick's parts in plain words, from what it says over its sealed link."""

import asyncio
import json

import pytest
from hostkit import PtyBrick, host_folder, running, until
from stallmark import registry as reg
from typer.testing import CliRunner

from hostagent.bricktest import came, failed, results
from hostagent.cli import app
from hostagent.core import counter_names
from tests.world import World

FLASH_ERRORS = counter_names.name(55)
LINK = {
    "up": True, "refusal": None, "last_down": None, "heard_s_ago": 0.4, "bad_tags": 0, "noise": 0, "oversize": 0,
    "resends": 0, "frames": 900,
}  # fmt: skip
SAID = {
    "age_s": 3.0, "state": "good", "clock": "set by the host", "reader": "good", "scanner": "none", "radio": "good",
    "free_pages": 3900, "ruleset": "ab" * 32, "rules": {"id": "lunch", "rev": 7}, "firmware": "cd" * 32,
}  # fmt: skip
BODY = {
    "counters": {}, "wear": {"start_log_erases": 1, "journal_rounds": 2}, "heap_free": 90_000, "largest_block": 40_000,
    "clock": {"drift_ppm": 12}, "start": {"reason": "power came on", "safe_mode": False, "failed_in_a_row": 0},
    "power": {
        "level": "full", "percent": 88, "main_mv": 3970, "backup_mv": None, "charging": False, "believable": True
    },
}  # fmt: skip
AWAY = LINK | {"up": False, "last_down": "the cable is out"}
GOOD = {
    "link": LINK, "status": SAID, "diagnostics": BODY, "port": {"state": "open"}, "bundle_result": None,
    "ports": [{"kind": "serial", "open": True}], "records": {"waiting_on_brick": 0},
}  # fmt: skip


def outcome(entry, part):
    return next(one for one in results(entry) if one.part == part)


def test_a_good_brick_says_so_of_every_part():
    found = results(GOOD)
    assert not failed(found) and {one.outcome for one in found} == {"good", "absent"}
    assert outcome(GOOD, "scanner").outcome == "absent" and "88 %, 3.97 V" in outcome(GOOD, "battery").words


@pytest.mark.parametrize(
    ("change", "part", "outcome_", "words"),
    [
        ({"link": LINK | {"up": False, "refusal": "wrong link key"}}, "link", "fault", "wrong link key"),
        ({"link": LINK | {"noise": 400}}, "link", "look", "400 damaged"),
        ({"status": None}, "brick", "not known", "said nothing"),
        ({"status": SAID | {"age_s": 900.0}}, "brick", "not known", "said 15 min ago"),
        ({"status": SAID | {"state": "safe"}}, "brick", "fault", "safe mode"),
        ({"status": SAID | {"reader": "fault"}}, "reader", "fault", "does not answer"),
        ({"status": SAID | {"radio": "fault"}}, "radio", "fault", "cable"),
        ({"status": SAID | {"free_pages": 20}}, "journal", "fault", "room for 20"),
        ({"status": SAID | {"clock": "not set"}}, "clock", "look", "not set"),
        ({"status": SAID | {"ruleset": None}}, "rules", "look", "none yet"),
        ({"status": SAID | {"rules": None}}, "rules", "good", "rules that this host does not know (abababab)"),
        ({"programs": {"words": "runs its own programs"}}, "rules", "good", "lunch, revision 7; runs its own programs"),
        ({"diagnostics": BODY | {"counters": {FLASH_ERRORS: 2}}}, "flash", "fault", FLASH_ERRORS + ": 2"),
        ({"diagnostics": BODY | {"heap_free": 9000}}, "memory", "look", "8 KiB free"),
        (
            {"diagnostics": BODY | {"power": BODY["power"] | {"believable": False}}},
            "battery",
            "fault",
            "cannot be",
        ),
        ({"diagnostics": BODY | {"power": BODY["power"] | {"level": "low"}}}, "battery", "look", "88 %"),
        ({"diagnostics": None}, "flash", "not known", "try again"),
        ({"link": LINK | {"resends": 114}}, "link", "look", "114 sent again"),
        ({"diagnostics": BODY | {"clock": {"drift_ppm": -3403}}}, "clock", "look", "-3403"),
        ({"diagnostics": BODY | {"age_s": 400.0}}, "memory", "not known", "said 7 min ago"),
        ({"diagnostics": BODY | {"age_s": 70.0}}, "memory", "good", "said 70 s ago"),
        ({"link": AWAY}, "brick", "not known", "said 3 s ago: says that it is well"),
        ({"link": AWAY, "diagnostics": BODY | {"age_s": 20.0}}, "flash", "not known", "said 20 s ago"),
        ({"link": AWAY}, "reader", "not known", "said 3 s ago"),
    ],
)
def test_what_is_wrong_with_a_part_is_said_in_words(change, part, outcome_, words):
    found = outcome(GOOD | change, part)
    assert found.outcome == outcome_ and words in found.words
    assert failed(results(GOOD | change)) == (outcome_ in ("fault", "not known"))


def test_a_tag_that_comes_again_and_writes_no_receipt_is_seen_all_the_same():
    names = [counter_names.name(number) for number in (24, 36, 48, 51)]
    assert names == ["taps within the cooldown", "codes repeated", "decisions", "denials merged"]
    for name in names:
        after = GOOD | {"diagnostics": BODY | {"counters": {name: 1}}}
        assert came(GOOD, after) and not came(after, after) and not came(GOOD | {"diagnostics": None}, after)


def test_the_command_asks_the_running_host_and_lets_the_brick_blink(tmp_path, monkeypatch):
    monkeypatch.setattr("hostagent.bricks_cli.DIAGNOSTICS_S", 0.0)
    world = World(91)
    world.brick()

    def run(path, *words):
        return CliRunner().invoke(app, ["bricks", "test", "brick-1", "--config", str(path), *words])

    async def scenario():
        path = host_folder(world, tmp_path / "host")
        away = await asyncio.to_thread(run, path)
        assert away.exit_code == 1 and "host run" in away.stderr
        brick = PtyBrick(world, 0, path.parent)
        async with running(path) as agent:
            told = json.loads(path.read_text())
            told["port"] = agent.address[1]
            path.write_text(json.dumps(told))
            brick.plug()
            await until(lambda: agent.bricks[brick.brick.brick8].status is not None, "its status")
            asked = asyncio.create_task(asyncio.to_thread(run, path, "--json", "--tap", "20"))
            await until(lambda: any(kind == reg.MSG_IDENTIFY for kind, _ in brick.got), "identify")
            brick.decide(1)
            made = await asked
            found = json.loads(made.stdout)
            parts = {one["part"]: one["outcome"] for one in found["parts"]}
            assert (
                parts["link"] == parts["reader"] == parts["tap"] == "good"
                and parts["light and sound"] == "look"
            )
            # The same tag again is refused like the one before: it writes no receipt of its own.
            brick.got.clear()
            monkeypatch.setattr("hostagent.bricks_cli.DIAGNOSTICS_S", 60.0)
            monkeypatch.setattr("hostagent.bricks_cli.ANSWER_S", 60.0)
            brick.diagnostics = {0: 1000, 3: [[48, 1]]}
            asked = asyncio.create_task(asyncio.to_thread(run, path, "--json", "--tap", "0.3"))
            await until(lambda: any(kind == reg.MSG_IDENTIFY for kind, _ in brick.got), "identify")
            brick.diagnostics = {0: 2000, 3: [[48, 2], [51, 1]]}
            again = {one["part"]: one for one in json.loads((await asked).stdout)["parts"]}
            assert again["tap"]["outcome"] == "look" and "use another tag" in again["tap"]["words"]
            # A brick of a test sent no diagnostics before: that is said, and the exit code says so too.
            assert parts["flash"] == "not known" and not found["good"] and made.exit_code == 1
        brick.unplug()

    asyncio.run(scenario())
