"""A till's key stands for one event: of one till, with one content, over kills of the host."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from lanekit import LaneWorld, play, post, records
from stallmark import registry as reg
from till_crowd import SLICE, TILLS, body, world

SALE = {"type": "till sale", "basket": "16.00", "currency": "EUR", "reference": "A-1"}


def test_two_tills_with_one_key_are_two_events(tmp_path):
    async def scenario():
        kit = LaneWorld(751, tmp_path, tills=TILLS)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as one, kit.client(agent, "till-2") as other:
            first, second = await asyncio.gather(
                post(one, "k-1", SALE), post(other, "k-1", {**SALE, "basket": "10.00"})
            )
            assert (first.json()["credit"]["minor"], second.json()["credit"]["minor"]) == (240, 150)
            assert first.json()["id"] != second.json()["id"]
            assert (await other.get(f"/v1/events/{first.json()['id']}")).status_code == 404
            # A reference is a till's own, too: each takes back its own sale.
            back = await post(other, "k-2", {"type": "refund", "reference": "A-1"})
            assert back.json()["credit"]["minor"] == -150
        async with kit.up() as agent, kit.client(agent) as one, kit.client(agent, "till-2") as other:
            assert (await post(one, "k-1", SALE)).content == first.content
            assert (await post(other, "k-1", {**SALE, "basket": "10.00"})).content == second.content
            assert (await post(other, "k-1", SALE)).status_code == 422
        await kit.controller.stop()

    play(scenario())


def test_a_key_with_other_content_is_refused_while_it_runs_after_it_and_after_a_restart(tmp_path):
    others = [
        {**SALE, "basket": "17.00"},
        {**SALE, "reference": "A-2"},
        {"type": "refund", "reference": "A-1"},
        {},
    ]

    async def refused(till, agent):
        count = len(records(agent))
        for other in others:
            answer = await post(till, "k-1", other)
            assert (answer.status_code, "another event" in answer.text) == (422, True)
        assert len(records(agent)) == count

    async def scenario():
        kit = LaneWorld(752, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            found = await asyncio.gather(*(post(till, "k-1", what) for what in (SALE, *others, SALE)))
            assert [answer.status_code for answer in found] == [200, 422, 422, 422, 422, 200]
            await refused(till, agent)
        async with kit.up() as agent, kit.client(agent) as till:
            await refused(till, agent)
            assert (await post(till, "k-1", SALE)).content == found[0].content
            grants = [item for item in records(agent) if item.record.fields[10] == reg.KIND_GRANT]
            assert len(grants) == 1
        await kit.controller.stop()

    play(scenario())


def test_a_host_killed_while_two_tills_ask_keeps_every_answer_and_does_nothing_twice(tmp_path):
    seed = 753
    print("seed", seed)
    root = Path(__file__).parents[2]
    script = Path(__file__).parent / "till_crowd.py"
    answers: dict[tuple[str, int], set[str]] = {}
    for life in range(2):
        with subprocess.Popen(
            [sys.executable, str(script), str(tmp_path), str(seed), str(life)], cwd=root, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (root, root / "firmware", script.parent)))},
        ) as victim:  # fmt: skip
            assert victim.stdout is not None
            for number, line in enumerate(victim.stdout):
                if not line.endswith("\n"):
                    break
                name, key, _, text = json.loads(line)
                answers.setdefault((name, key), set()).add(text)
                if number == 60 + 7 * life:
                    victim.send_signal(signal.SIGKILL)
                    break
            assert victim.wait() == -signal.SIGKILL
    assert len(answers) >= 50
    assert all(len(bodies) == 1 for bodies in answers.values()), "a key got two answers"

    async def scenario():
        kit = world(tmp_path, seed)
        async with kit.up() as agent, kit.client(agent) as one, kit.client(agent, TILLS[1]) as other:
            stored = records(agent)
            assert [item.record.seq for item in stored] == list(range(1, len(stored) + 1))
            for (name, key), bodies in answers.items():
                again = await post(one if name == TILLS[0] else other, f"n-{key}", body(key))
                assert {again.text} == bodies, f"{name} n-{key}"
            assert len(records(agent)) == len(stored), "a repeat was decided"
            numbers = [
                one["number"]
                for bodies in answers.values()
                for text in bodies
                for one in json.loads(text)["decisions"]
            ]
            assert len(numbers) == len(set(numbers)), "one record answered two calls"
            assert set(numbers) <= {item.record.seq for item in stored}
            granted = [item for item in stored if item.record.fields[10] == reg.KIND_GRANT]
            assert 0 < sum(item.record.fields[12][0][2] for item in granted) <= SLICE
            taken = [
                item.record.fields[24][:2] for item in stored if item.record.fields[10] == reg.KIND_REFUND
            ]
            assert len(taken) == len({seq for _, seq in taken}), "a sale was taken back twice"
        await kit.controller.stop()

    play(scenario())
