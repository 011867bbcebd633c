"""What people do at the lane: answer a question, set open values, set slips aside; and a host killed in between."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from lanekit import LaneWorld, play, records
from stallmark import event
from stallmark import registry as reg

from hostagent.lane.draft import LaneUnready
from hostagent.lane.slips import NoSlip, open_slips, states


def test_slips_set_rights_aside_pay_once_and_give_back(tmp_path):
    async def scenario():
        kit = LaneWorld(721, tmp_path)
        kit.slice("member-tea", 2, 5)
        async with kit.up() as agent:
            lane = agent.lane
            slips = await lane.reserve_slips(1, 3, "Ana")
            assert len({slip.code for slip in slips}) == 3
            assert lane.state.slices_left() == [[1, 2]]
            with pytest.raises(NoSlip, match="2 of 3 slips"):
                await lane.reserve_slips(1, 3, "Ana")
            assert lane.state.slices_left() == [[1, 2]], "all or none"
        async with kit.up() as agent:
            lane = agent.lane
            assert [slip.code for slip in open_slips(lane)] == [slip.code for slip in slips]
            paid = await lane.pay_slip(slips[0].code, "till-1")
            assert (paid.outcome, paid.others) == ("granted", ["a sample"])
            twice = await lane.pay_slip(slips[0].code.lower(), "till-1")
            assert twice.reason == reg.REASON_VOUCHER_SPENT
            with pytest.raises(NoSlip):
                await lane.pay_slip(slips[1].code[:-1] + "AB"[slips[1].code[-1] == "A"], "till-1")
            await lane.release_slips([slips[1].number, slips[2].number])
            assert lane.state.slices_left() == [[1, 4]]
            grant = next(
                item.record.fields for item in records(agent) if item.record.fields[10] == reg.KIND_GRANT
            )
            assert (grant[20], 13 in grant) == (slips[0].number, False)
            known = states(lane)
            assert [state for _, _, state in known[-3:]] == ["released", "released", "redeemed"]
            assert known[-1][:2] == (slips[0].number, 1)
        async with kit.up() as agent:
            assert states(agent.lane) == known, "what became of a slip is known after a restart, too"
            more = await agent.lane.reserve_slips(1, 2, "Ana")
            assert [state for _, _, state in states(agent.lane)[:2]] == ["open", "open"]
            host, port = agent.address
            async with httpx.AsyncClient(trust_env=False) as client:
                closed = await client.post(f"http://{host}:{port}/v1/close", json={"who": "Ana"})
            assert closed.status_code == 200 and not open_slips(agent.lane), "the day's end gives slips back"
            assert [state for _, _, state in states(agent.lane)[: len(more)]] == ["released", "released"]
        await kit.controller.stop()

    play(scenario())


def test_a_persons_answer_is_recorded_with_who_and_why_and_spends_rights(tmp_path):
    async def scenario():
        kit = LaneWorld(722, tmp_path)
        kit.slice("member-tea", 2, 1)
        asked = event.make(type=reg.EVENT_ATTENDANCE_SCAN, trust=3, subject=bytes(range(8)), nonce=b"\1" * 8)
        async with kit.up() as agent:
            lane = agent.lane
            no = await lane.operator(asked, 1, (b"brick--1", 7, None), "Ana", "not today", False)
            assert (no.outcome, no.reason) == ("nothing this time", reg.REASON_PERSON)
            yes = await lane.operator(asked, 1, (b"brick--1", 8, None), "Ana", "the tag was wet", True)
            assert yes.outcome == "granted"
            fields = records(agent)[-1].record.fields
            assert fields[24] == [b"brick--1", 8, lane.staff.label("Ana"), None, None]
            private = records(agent)[-1].record.private_fields
            assert private[7] == "the tag was wet", (
                "what a person says stays with the host and the controller"
            )
            assert lane.state.slices_left() == [[1, 0]]
            with pytest.raises(LaneUnready, match="not within"):
                await lane.parameters({0: 5}, "Ana")
            lane.training = True
            tried = await lane.decide(asked._replace(subject=bytes(8)))
            assert tried.public[-1][0] & reg.FLAG_TRAINING
        await kit.controller.stop()

    play(scenario())


def test_a_host_killed_at_any_instant_answers_every_key_once(tmp_path):
    """A till that asks again with the same key after each kill: one decision for each key, chain unbroken."""
    seed = 723
    print("seed", seed)
    root = Path(__file__).parents[2]
    script = Path(__file__).parent / "till_victim.py"
    answers: dict[str, set[str]] = {}
    for turn in range(2):
        with subprocess.Popen(
            [sys.executable, str(script), str(tmp_path), str(seed)], cwd=root, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (root, root / "firmware", script.parent)))},
        ) as victim:  # fmt: skip
            assert victim.stdout is not None
            for number, line in enumerate(victim.stdout):
                key, _, body = line.strip().partition(" ")
                answers.setdefault(key, set()).add(body)
                if number == 19 + 10 * turn:
                    victim.send_signal(signal.SIGKILL)
                    break
    assert len(answers) >= 18
    assert all(len(bodies) == 1 for bodies in answers.values()), "a key got two answers"

    async def scenario():
        kit = LaneWorld(seed, tmp_path)
        async with kit.up(rules=False) as agent:
            stored = records(agent)
            assert [item.record.seq for item in stored] == list(range(1, len(stored) + 1))
            decided = [item for item in stored if item.record.fields[10] == reg.KIND_UNCERTAIN]
            references = [item.reference for item in decided]
            assert len(references) == len(set(references)), "a sale was decided twice"
            assert set(answers) <= set(references), "an answer was given and not kept"
        await kit.controller.stop()

    play(scenario())
