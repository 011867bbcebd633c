"""The till API: one call in, the bonus back, once for every key, durable before the answer."""

import asyncio
import json

import pytest
from hostkit import until
from lanekit import FIFTEEN, RULE2, V2, LaneWorld, play, post, records
from stallmark import cbor
from stallmark import registry as reg

SALE = {"type": "till sale", "basket": "16.00", "currency": "EUR", "reference": "A-1"}


def test_a_sale_gets_its_credit_in_the_same_call_and_a_repeat_the_same_bytes(tmp_path):
    async def scenario():
        kit = LaneWorld(711, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            first = await post(till, "k-1", SALE)
            assert first.status_code == 200, first.text
            found = first.json()
            assert found["outcome"] == "granted"
            assert found["credit"] == {"minor": 240, "currency": "EUR", "text": "2.40 EUR"}
            assert found["receipt"]["link"].startswith("http://stall.test/r/")
            assert found["decisions"][-1]["rule"] == "fifteen"
            count = len(records(agent))
            again = await post(till, "k-1", dict(reversed(SALE.items())))
            assert again.content == first.content
            assert len(records(agent)) == count
            other = await post(till, "k-1", {**SALE, "basket": "17.00"})
            assert (other.status_code, "another event" in other.text) == (422, True)
            assert (await till.get(f"/v1/events/{found['id']}")).content == first.content
            assert (await till.get("/v1/events/0011223344556677")).status_code == 404
            stored = records(agent)[-1]
            assert stored.reference == "A-1"
        async with kit.up() as agent, kit.client(agent) as till:
            after = await post(till, "k-1", SALE)
            assert after.content == first.content, "the answer outlives a restart"
        await kit.controller.stop()

    play(scenario())


def test_many_calls_at_once_are_one_decision_for_each_key_and_never_overspend(tmp_path):
    async def scenario():
        kit = LaneWorld(712, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            commits = agent.store.writer.commits
            calls = [
                post(till, f"k-{n % 10}", {**SALE, "reference": None, "basket": "40.00"}) for n in range(40)
            ]
            found = await asyncio.gather(*calls)
            assert {answer.status_code for answer in found} == {200}
            by_key = [{found[n + 10 * turn].content for turn in range(4)} for n in range(10)]
            assert all(len(answers) == 1 for answers in by_key)
            granted = [
                answer for answers in by_key for answer in answers if json.loads(answer)["credit"]["minor"]
            ]
            assert len(granted) == 4, "20.00 EUR of rights are four times the cap"
            decided = [item for item in records(agent) if item.record.fields[10] != reg.KIND_BOOT]
            assert sum(item.record.fields[10] == reg.KIND_GRANT for item in decided) == 4
            assert agent.store.writer.commits - commits < 30, "calls at one time share commits"
        await kit.controller.stop()

    play(scenario())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"[" * 9000, "not JSON"),
        ({"type": "nonsense"}, "type"),
        ({"type": "till sale", "basket": "-1.00"}, "never negative"),
        ({"type": "till sale", "basket": "1.005"}, "expected an amount like 16.00"),
        ({"type": "till sale", "basket": "1,00"}, "expected an amount"),
        ({"type": "till sale", "basket": 16}, "basket"),
        ({"type": "till sale", "basket": {"minor": -5, "currency": "EUR"}}, "basket"),
        ({"type": "till sale", "basket": {"minor": 5, "currency": "USD"}}, "EUR"),
        ({"type": "till sale", "basket": "1.00", "currency": "USD"}, "EUR"),
        ({"type": "till sale", "basket": "999999999999"}, "more than any basket"),
        ({"type": "till sale", "items": 10**30}, "items"),
        ({"type": "till sale", "lines": [{"code": "tea"}] * 65}, "lines"),
        ({"type": "till sale", "reference": "ü" * 17}, "32 bytes"),
        ({"type": "till sale", "customer": {}}, "exactly one"),
        ({"type": "till sale", "customer": {"pass": "$setup"}}, "customer.pass"),
        ({"type": "till sale", "occurred_at": "2026-01-01T10:00:00"}, "zone"),
        ({"type": "till sale", "occurred_at": "2026-01-01T10:00:00Z"}, "ten minutes"),
        ({"type": "till sale", "slip": "SLIP-1-AAAAAAAA"}, "no slip"),
        ({"type": "footfall count", "signal": "crowd"}, "value"),
        ({"type": "refund"}, "names its sale"),
        ({"type": "refund", "reference": "A-1", "amount": "0"}, "nothing is refunded"),
        ({"type": "till sale", "surprise": 1}, "surprise"),
    ],
)
def test_what_is_not_an_event_is_named_in_a_sentence(shared, body, words):
    answer = shared(body)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["detail"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One host for all bodies: call it with a body. It serves in a loop of its own thread."""
    import threading

    import httpx

    kit = LaneWorld(713, tmp_path_factory.mktemp("till"))
    up, end, told = threading.Event(), [], {}

    async def serve():
        done = asyncio.Event()
        end.append((asyncio.get_running_loop(), done))
        async with kit.up() as agent:
            told["base"] = "http://{}:{}".format(*agent.address)
            up.set()
            await done.wait()
        await kit.controller.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert up.wait(30)
    client = httpx.Client(base_url=told["base"], trust_env=False, headers={
        "Authorization": f"Bearer {kit.tokens['till-1']}", "Content-Type": "application/json"})  # fmt: skip
    count = iter(range(10**6))

    def call(body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(
            "/v1/events", content=data, headers={"Idempotency-Key": f"s-{next(count)}", **headers}
        )

    call.client = client
    yield call
    end[0][0].call_soon_threadsafe(end[0][1].set)
    thread.join(60)


def test_who_asks_and_how_much(shared):
    assert shared(SALE, Authorization="Bearer wrong").status_code == 401
    assert shared(SALE, Authorization="").status_code == 401
    assert shared(b'"' + b"x" * 20_000 + b'"').status_code == 413
    without = shared.client.post("/v1/events", content=json.dumps(SALE).encode())
    assert (without.status_code, "Idempotency-Key" in without.text) == (422, True)
    document = shared.client.get("/openapi.json").json()
    assert "Idempotency-Key" in json.dumps(document["paths"]["/v1/events"]["post"])
    assert document["components"]["schemas"]["EventIn"]["properties"]["basket"]
    assert "$defs" not in json.dumps(document["components"]["schemas"]["EventIn"])


def test_refunds_take_back_in_proportion_and_never_twice(tmp_path):
    async def scenario():
        kit = LaneWorld(714, tmp_path, FIFTEEN, tills=("till-1", "till-2"))
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till, kit.client(agent, "till-2") as other:
            sold = (await post(till, "s-1", {**SALE, "basket": "16.10"})).json()
            assert sold["credit"]["minor"] == 242  # 241.5, half up
            part = {"type": "refund", "reference": "A-1", "amount": "5.00"}
            assert (await post(other, "r-0", part)).status_code == 404, (
                "another till's reference is not this one's"
            )
            back = (await post(till, "r-1", part)).json()
            assert (back["outcome"], back["credit"]["minor"]) == ("reversed", -75)
            assert (await post(till, "r-1", part)).json() == back
            rest = (await post(till, "r-2", {"type": "refund", "receipt": sold["receipt"]["link"]})).json()
            assert rest["credit"]["minor"] == -(242 - 75)
            twice = await post(till, "r-3", {"type": "void", "reference": "A-1"})
            assert (twice.status_code, twice.json()["reason"]) == (409, reg.REASON_REVERSED)
            stored = records(agent)
            grant = next(item for item in stored if item.record.fields[10] == reg.KIND_GRANT)
            refunds = [item for item in stored if item.record.fields[10] == reg.KIND_REFUND]
            assert [item.record.fields[20] for item in refunds] == [grant.record.seq] * 2
            assert refunds[1].record.fields[13] == grant.record.fields[13], "rights go back to the controller"
            small = {**SALE, "reference": "A-2", "basket": "1.00"}
            await post(till, "s-2", small)
            none = await post(till, "r-4", {"type": "refund", "reference": "A-2"})
            assert (none.status_code, none.json()["outcome"]) == (200, "nothing to take back")
            assert (await post(till, "r-5", {"type": "void", "reference": "A-99"})).status_code == 404
            assert (await post(till, "r-6", {"type": "void", "receipt": "nonsense"})).status_code == 404
        async with kit.up() as agent, kit.client(agent) as till:
            after = await post(till, "r-7", {"type": "refund", "receipt": sold["receipt"]["link"]})
            assert after.status_code == 409, "what was taken back is known after a restart"
        await kit.controller.stop()

    play(scenario())


def test_a_customer_is_a_pseudonym_and_never_stored_raw(tmp_path):
    async def scenario():
        kit = LaneWorld(715, tmp_path, tills=("till-1", "till-members"))
        kit.slice("member-tea", 2, 2)
        scan = {"type": "attendance scan", "customer": {"pass": kit.pass_text()}, "staff": "Ana"}
        async with kit.up() as agent, kit.client(agent) as till, kit.client(agent, "till-members") as club:
            first = (await post(till, "p-1", scan)).json()
            assert (first["outcome"], first["also"]) == ("granted", ["a sample"])
            assert (await post(till, "p-2", scan)).json()["reason"] == reg.REASON_ALREADY_HAD
            named = {"type": "attendance scan", "customer": {"reference": "member 12"}}
            assert (await post(till, "p-3", named)).json()["reason"] == reg.REASON_TOKEN_KIND
            assert (await post(club, "p-3", named)).json()["outcome"] == "granted"
            await until(lambda: agent.forwarder.accepted > 0, "forwarded")
            raw = b"".join(item.record.public + item.record.private for item in records(agent))
            assert b"member 12" not in raw and kit.pass_text().encode() not in raw
            assert b"Ana" not in raw
        await kit.controller.stop()

    play(scenario())


def test_a_refund_takes_tokens_back_and_the_status_shows_lane_and_till(tmp_path):
    async def scenario():
        tokens = {**V2, 5: [{**RULE2, 0: "drip", 4: [2, [0], [11, [30], 0]], 6: [[8, 2, 0, 30]], 7: []}]}
        kit = LaneWorld(716, tmp_path, data=cbor.encode(tokens))
        sale = {
            "type": "till sale",
            "basket": "5.00",
            "reference": "T-1",
            "customer": {"pass": kit.pass_text()},
        }
        async with kit.up() as agent, kit.client(agent) as till:
            sold = (await post(till, "t-1", sale)).json()
            assert (sold["outcome"], len(sold["also"])) == ("granted", 1), sold
            subject = records(agent)[-1].record.private_fields[1]
            assert agent.lane.state.balance(subject) == 2
            part = (await post(till, "t-2", {"type": "refund", "reference": "T-1", "amount": "2.00"})).json()
            assert (part["outcome"], part["also"]) == ("reversed", []), (
                "tokens go back with the whole basket only"
            )
            assert agent.lane.state.balance(subject) == 2
            # The lane was told everybody's sums meanwhile: its own grant is in them, so it takes back nothing by itself.
            await until(lambda: agent.kitside.telling.tokens(subject) == 2, "the sale is counted")
            agent.kitside.telling.lane_anew(agent.lane)
            whole = (await post(till, "t-3", {"type": "refund", "reference": "T-1"})).json()
            assert whole["outcome"] == "reversed", whole
            await until(lambda: agent.lane.state.balance(subject) == 0, "the tokens are back")
            status = (await till.get("/v1/status")).json()
            assert status["lane"]["trouble"] is None
            assert status["till"]["reversed"] == 2
        await kit.controller.stop()

    play(scenario())
