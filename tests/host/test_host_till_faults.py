"""The till at its edges: keys across purge, start and a failing disk; practice; shares of a refund; odd input."""

import asyncio

import pytest
from lanekit import FIFTEEN, LaneWorld, play, post, records
from stallmark import registry as reg
from test_host_vouchers import Granted, Issuer, grant, redeeming

from hostagent.lane.taken import Given
from hostagent.till.calls import KEEP_MS
from hostagent.till.reading import Unreadable, check_time

SALE = {"type": "till sale", "basket": "16.00", "currency": "EUR", "reference": "A-1"}


def test_a_purge_during_a_call_forgets_no_key(tmp_path):
    async def scenario():
        kit = LaneWorld(731, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            calls = agent.till._calls
            for number in range(25):
                asked = asyncio.create_task(post(till, f"k-{number}", SALE))
                await asyncio.sleep(0.0005 * (number % 12))
                await calls.purge(agent.clock.now_ms(), agent.lane.brick8)
                first = await asked
                assert (await post(till, f"k-{number}", SALE)).content == first.content
            # Old ones go, with the references of their sales.
            await calls.purge(agent.clock.now_ms() + KEEP_MS + 60_000, agent.lane.brick8)
            assert not calls._known
            assert await calls.sale("till-1", "A-1", agent.lane.brick8) is None
            none = await post(till, "r-1", {"type": "refund", "reference": "A-1"})
            assert none.status_code == 404
        await kit.controller.stop()

    play(scenario())


def test_no_call_is_taken_before_the_answers_of_before_are_known(tmp_path):
    async def scenario():
        kit = LaneWorld(732, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            first = await post(till, "k-1", SALE)
            assert agent.till._calls.loaded
            agent.till._calls._known, agent.till._calls.loaded = {}, False
            early = await post(till, "k-1", SALE)
            assert (early.status_code, early.headers["retry-after"]) == (503, "1")
            await agent.till.load()
            assert (await post(till, "k-1", SALE)).content == first.content
        await kit.controller.stop()

    play(scenario())


def test_a_disk_that_failed_is_told_as_503(tmp_path):
    async def scenario():
        kit = LaneWorld(733, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            desk = agent.till
            real = desk._durable

            def failed(key, future, done, answer):
                broken = asyncio.get_running_loop().create_future()
                broken.set_exception(OSError("disk"))
                broken.exception()
                real(key, future, broken, answer)

            desk._durable = failed
            answer = await post(till, "k-1", SALE)
            assert (answer.status_code, "same key" in answer.text) == (503, True)
        await kit.controller.stop()

    play(scenario())


def test_two_grants_of_one_type_come_back_each_in_its_share():
    given = Given(
        b"b" * 8, 1, b"", {12: [[reg.GRANT_FIXED_NOW, 1, 100], [reg.GRANT_FIXED_NOW, 1, 200]]}, {2: [1000, 1]}
    )
    back = []
    for minor in (500, 250, None):
        parts, so_far = given.reverse(minor)
        back.append(sum(part[2] for part in parts))
        given.took(parts, so_far)
    assert back == [150, 75, 75]
    assert given.back == [100, 200]


def test_practice_pays_nothing_and_takes_nothing_back(tmp_path):
    async def scenario():
        kit = LaneWorld(734, tmp_path, FIFTEEN)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            lane = agent.lane
            await post(till, "s-1", SALE)
            lane.training = True
            practised = (await post(till, "s-2", {**SALE, "reference": "A-2"})).json()
            assert (practised["outcome"], practised["training"]) == ("granted", True)
            real = await post(till, "r-1", {"type": "refund", "reference": "A-1"})
            assert (real.status_code, "practice is on" in real.text) == (422, True)
            lane.training = False
            for kind in ("refund", "void"):
                back = await post(till, f"r-{kind}", {"type": kind, "reference": "A-2"})
                assert (back.status_code, "was practice" in back.text) == (422, True)
            back = (await post(till, "r-3", {"type": "refund", "reference": "A-1"})).json()
            assert back["credit"]["minor"] == -240
            reversals = [item for item in records(agent) if item.record.fields[10] == reg.KIND_REFUND]
            assert len(reversals) == 1
        await kit.controller.stop()

    play(scenario())


def test_a_slip_paid_in_practice_is_still_good(tmp_path):
    async def scenario():
        kit = LaneWorld(735, tmp_path)
        kit.slice("member-tea", 2, 5)
        async with kit.up() as agent:
            lane = agent.lane
            (slip,) = await lane.reserve_slips(1, 1, "Ana")
            lane.training = True
            tried = await lane.pay_slip(slip.code, "till-1")
            assert all(fields[0] & reg.FLAG_TRAINING for fields in tried.public)
            lane.training = False
            paid = await lane.pay_slip(slip.code, "till-1")
            assert (paid.outcome, paid.public[-1][0] & reg.FLAG_TRAINING) == ("granted", 0)
        await kit.controller.stop()

    play(scenario())


def test_a_voucher_shown_in_practice_is_still_good(tmp_path):
    async def scenario():
        kit = LaneWorld(736, tmp_path)
        now = kit.world.now_ms
        issuer = Issuer(b"s" * 32, kit.world.kit)
        issued = issuer.of(grant(f2=1), now, Granted)[0]
        kit.offer(redeeming(issuer.public, now))
        async with kit.up() as agent, kit.client(agent) as till:
            sale = {"type": "till sale", "basket": "16.00", "currency": "EUR", "voucher": issued.text}
            agent.lane.training = True
            tried = (await post(till, "v-1", sale)).json()
            assert tried["training"]
            agent.lane.training = False
            paid = (await post(till, "v-2", sale)).json()
            assert paid["outcome"] == "granted", paid["sentence"]
        await kit.controller.stop()

    play(scenario())


def test_a_wrong_clock_ends_no_rights(tmp_path):
    async def scenario():
        kit = LaneWorld(737, tmp_path, FIFTEEN)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent:
            real, ahead = agent.clock.now_ms, 400 * 86_400_000
            agent.clock.now_ms = lambda: real() + ahead
            agent.lane.give(agent.lane.slices())
            agent.clock.now_ms = real
            assert agent.lane.state.rights.available(0, 1) == 2000
        await kit.controller.stop()

    play(scenario())


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"])
def test_the_edge_of_the_calendar_is_named(at):
    from hostagent.till.models import EventIn

    body = EventIn.model_validate({"type": "till sale", "occurred_at": at})
    with pytest.raises(Unreadable, match="occurred_at"):
        check_time(body, 1_790_000_000_000)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"basket": 16}, "basket: "),
        ({"basket": {"minor": -5, "currency": "EUR"}}, "basket.minor: "),
        ({"lines": [{"code": [], "quantity": 1}]}, "lines.0.code: "),
        ({"reference": "ü" * 17}, "reference: at most 32 bytes"),
        ({"customer": {"pass": 1}}, "customer.pass: "),
        ({"surprise": 1}, "surprise: "),
    ],
)
def test_a_complaint_names_the_field_and_not_this_program(body, said):
    from pydantic import ValidationError

    from hostagent.till.models import EventIn
    from hostagent.till.shown import complaint

    with pytest.raises(ValidationError) as wrong:
        EventIn.model_validate({"type": "till sale", **body})
    found = complaint(wrong.value)
    assert found.startswith(said), found
    assert not any(word in found for word in ("constrained", "function-", "Money", "Value error")), found


def test_what_fits_no_record_is_not_asked_again_and_nothing_is_no_money(tmp_path):
    async def scenario():
        kit = LaneWorld(738, tmp_path, FIFTEEN)
        async with kit.up() as agent, kit.client(agent) as till:
            agent.lane.book.make = _refuse
            answer = await post(till, "k-1", SALE)
            assert (answer.status_code, "does not fit" in answer.text) == (422, True)
            del agent.lane.book.make
            await post(till, "k-2", SALE)
            none = (await post(till, "r-1", {"type": "refund", "reference": "A-1"})).json()
            assert none["credit"]["text"] == ""
        await kit.controller.stop()

    play(scenario())


def _refuse(*_):
    from hostagent.core import FormatError

    raise FormatError("too long")


def test_grants_beyond_those_in_memory_are_taken_back_from_the_store(tmp_path, monkeypatch):
    monkeypatch.setattr("hostagent.lane.writing.GIVEN_MOST", 1)

    async def scenario():
        kit = LaneWorld(739, tmp_path, FIFTEEN)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent, kit.client(agent) as till:
            await post(till, "s-1", SALE)
            part = {"type": "refund", "reference": "A-1", "amount": "8.00"}
            assert (await post(till, "r-1", part)).json()["credit"]["minor"] == -120
            await post(till, "s-2", {**SALE, "reference": "A-2"})
            assert len(agent.lane.given) == 1
            rest = (await post(till, "r-2", {"type": "refund", "reference": "A-1"})).json()
            assert rest["credit"]["minor"] == -120
            assert (await post(till, "r-3", {"type": "void", "reference": "A-1"})).status_code == 409
        await kit.controller.stop()

    play(scenario())
