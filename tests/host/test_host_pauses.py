"""What a busy host does beside its answers waits for its turn: the exchange, batches; pages are out of a till's way."""

import asyncio
import gc
import sys
import time

import pytest
from lanekit import LaneWorld, play, post

from hostagent import pauses

SALE = {"type": "till sale", "basket": "16.00", "currency": "EUR"}


def test_many_wake_ups_become_one_and_none_is_lost():
    async def scenario():
        told = []
        soon = pauses.Soon(lambda: told.append(asked), 0.01)
        for _ in range(2):
            before = len(told)
            for asked in range(5):  # noqa: B007 - the closure tells how many had been asked
                soon()
            assert len(told) == before
            while len(told) == before:
                await asyncio.sleep(0.001)
            assert told[-1] == 4
        assert len(told) == 2

    asyncio.run(scenario())


def test_what_comes_while_a_batch_is_closed_waits_for_the_next_in_its_turn(tmp_path):
    async def scenario():
        kit = LaneWorld(741, tmp_path)
        kit.slice("fifteen", 1, 100_000)
        async with kit.up() as agent, kit.client(agent) as till:
            agent.forwarder.close_s = 0.25
            began, before = time.monotonic(), agent.forwarder.number
            for number in range(40):
                assert (await post(till, f"k-{number}", SALE)).status_code == 200
            took = time.monotonic() - began
            assert agent.forwarder.number - before <= took / 0.25 + 2
        await kit.controller.stop()

    play(scenario())


def test_the_short_way_of_an_event_is_for_this_hosts_own_names_and_for_nothing_else(tmp_path):
    before = sys.getswitchinterval()

    async def scenario():
        kit = LaneWorld(742, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            elsewhere = await post(till, "k-1", SALE, host="evil.example")
            assert elsewhere.status_code == 421
            assert not agent.till._calls._known
            assert (await till.put("/v1/events")).status_code == 405
            assert (await till.post("/v1/events/")).status_code != 200
            for wrong in ("", "Bearer", "Basic eA==", "Bearer nobody"):
                refused = await post(till, "k-1", SALE, authorization=wrong)
                assert refused.status_code == 401, wrong
                assert refused.headers["www-authenticate"] == "Bearer"
            token = kit.tokens["till-1"]
            answered = await post(till, "k-1", SALE, authorization=f"bearer {token}")
            assert answered.status_code == 200
            assert answered.headers["cache-control"] == "no-store"
            described = (await till.get("/openapi.json")).json()["paths"]["/v1/events"]["post"]
            assert described["security"] == [{"HTTPBearer": []}]
            assert gc.get_freeze_count() > 0
            assert sys.getswitchinterval() == pytest.approx(pauses.SWITCH_S)
        assert gc.get_freeze_count() == 0
        assert sys.getswitchinterval() == pytest.approx(before)
        await kit.controller.stop()

    play(scenario())
