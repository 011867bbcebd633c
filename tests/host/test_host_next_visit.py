"""A credit for the next visit is a voucher: shown at the next sale it is paid once, by the rule that the compiler made."""

from hostkit import voucher_seed
from lanekit import LaneWorld, play, post, records
from stallmark import registry as reg
from stallmark import voucher

from fleet.authoring.compile import compile_campaign
from hostagent.vouchers import Issuer

SALE = {"type": "till sale", "basket": "16.00", "currency": "EUR"}


def offered(kit, grant):
    """A kit whose tills give this for the next visit."""
    campaign = {
        "$schema": "stallmark-campaign/2", "id": "next", "rev": 1, "market": "World market", "currency": "EUR", "people": 50,
        "terms": {"en": "Off your next visit."}, "slots": {"day": {"start": "PT0S", "duration": "PT24H"}},
        "voucher_issuers": [Issuer(voucher_seed(kit.world), kit.world.kit).public.hex()],
        "rules": [{
            "id": "back-again", "on": ["till sale"], "minimum_trust": "anonymous", "slots": ["day"], "grants": [grant],
            "rights": {"money": {"slice": "20.00", "count": 1}}, "intent": "loyalty",
        }],
    }  # fmt: skip
    kit.offer(compile_campaign(campaign, kit.world.now_ms - 600_000)[0])
    kit.slice("back-again", 1, 2000)
    return kit


def test_ten_percent_of_the_next_basket_up_to_the_cap_and_once(tmp_path):
    async def scenario():
        kit = offered(LaneWorld(351, tmp_path), {"percent_next": "10", "at_most": "3.00", "valid": "P30D"})
        async with kit.up() as agent, kit.client(agent) as till:
            sold = [(await post(till, f"s-{n}", {**SALE, "reference": f"A-{n}"})).json() for n in range(3)]
            for one in sold:
                assert (one["outcome"], one["credit"]["minor"]) == ("granted", 0)
                assert one["also"] == ["10 % off the next visit, at most 3.00 EUR"]
            first, second, third = (one["vouchers"][0] for one in sold)
            assert (first["minor"], first["text_amount"]) == (300, "10 %, at most 3.00 EUR")
            read = voucher.parse(first["text"])
            assert (read.series, read.minor, read.audience) == (60_000, 300, kit.world.kit)
            paid = (await post(till, "n-1", {**SALE, "voucher": first["text"]})).json()
            assert (paid["outcome"], paid["credit"]["minor"]) == ("granted", 160), "of this basket"
            assert paid["vouchers"] == [], "who shows a credit does not win the next one with it"
            fields = records(agent)[-1].record.fields
            assert (fields[10], fields[12], fields.get(13)) == (reg.KIND_REDEEM, [[1, 1000, 160]], None)
            again = (await post(till, "n-2", {**SALE, "voucher": first["text"]})).json()
            assert (again["outcome"], again["reason"]) == ("nothing this time", reg.REASON_VOUCHER_SPENT)
            large = (await post(till, "n-3", {**SALE, "basket": "90.00", "voucher": second["text"]})).json()
            assert large["credit"]["minor"] == 300, "at most what was set aside"
            part = (await post(till, "r-1", {"type": "refund", "reference": "A-2", "amount": "8.00"})).json()
            assert part["also"] == [], "a bearer's voucher has no halves"
            back = (await post(till, "r-2", {"type": "refund", "reference": "A-2"})).json()
            assert back["also"] == ["10 % off the next visit, at most 3.00 EUR"], back
            ended = (await post(till, "n-4", {**SALE, "voucher": third["text"]})).json()
            assert ended["reason"] == reg.REASON_VOUCHER_SPENT
        await kit.controller.stop()

    play(scenario())


def test_a_fixed_credit_is_worth_what_was_granted_also_after_a_restart(tmp_path):
    async def scenario():
        kit = offered(LaneWorld(352, tmp_path), {"money_next": "1.00", "valid": "P14D"})
        async with kit.up() as agent, kit.client(agent) as till:
            (issued,) = (await post(till, "s-1", SALE)).json()["vouchers"]
            assert (issued["minor"], issued["text_amount"]) == (100, "1.00 EUR")
            days = voucher.parse(issued["text"]).expires * 1000 - agent.clock.now_ms()
            assert abs(days - 14 * 86_400_000) < 60_000
        async with kit.up() as agent, kit.client(agent) as till:
            paid = (await post(till, "n-1", {**SALE, "voucher": issued["text"]})).json()
            assert (paid["outcome"], paid["credit"]["minor"]) == ("granted", 100)
            again = (await post(till, "n-2", {**SALE, "voucher": issued["text"]})).json()
            assert again["reason"] == reg.REASON_VOUCHER_SPENT
        await kit.controller.stop()

    play(scenario())
