"""What a rule leaves with the customer is not taken back: neither with a void, nor after a restart or under newer rules."""

from hostkit import voucher_seed
from lanekit import RULE2, V2, LaneWorld, play, post, records
from stallmark import cbor
from stallmark import registry as reg

from hostagent.lane import taken
from hostagent.vouchers import Issuer

SALE = {"type": "till sale", "basket": "16.00", "currency": "EUR"}
BOTH = [[2, 1, 100], [1, 10, 5], [5, 1, 0], [9, 3, 200, 10]]
REDEEM = {**RULE2, 0: "redeem", 2: 4, 6: [[2, 1, 0]], 20: 3}


def offered(kit, flags, rev=1):
    """Rules that give a credit, a little percentage, a sample and a voucher; `flags` say what of it is kept."""
    gives = {**RULE2, 0: "gives", 6: BOTH, 7: [1, 2], 18: flags}
    issuer = Issuer(voucher_seed(kit.world), kit.world.kit).public
    kit.offer(cbor.encode({**V2, 2: rev, 5: [REDEEM, gives], 15: [issuer]}), rev=rev)


def test_parts_of_a_refund_never_touch_what_is_kept():
    fields = {10: reg.KIND_GRANT, 12: [[2, 1, 100], [2, 1, 100], [5, 1, 0]]}
    given = taken.Given(b"brick--1", 1, b"", fields, {2: [1000, None]}, frozenset((0, 2)))
    back = 0
    for minor in (250, 250, 100, 900):
        parts, so_far = given.reverse(minor)
        given.took(parts, so_far)
        back += sum(part[2] for part in parts)
    assert (back, given.back, given.over) == (100, [0, 100, 0], True)


def test_what_is_kept_stays_and_the_rest_comes_back(tmp_path):
    async def scenario():
        kit = LaneWorld(361, tmp_path)
        offered(kit, 32 + 64)
        kit.slice("gives", 1, 10_000)
        kit.slice("gives", 2, 100)
        async with kit.up() as agent, kit.client(agent) as till:
            sold = [(await post(till, f"s-{n}", {**SALE, "reference": f"A-{n}"})).json() for n in range(2)]
            tiny = (await post(till, "s-2", {**SALE, "basket": "0.04", "reference": "A-2"})).json()
            back = (await post(till, "r-0", {"type": "void", "reference": "A-0"})).json()
            assert (back["outcome"], back["credit"]["minor"], back["also"]) == ("reversed", -102, []), back
            fields = records(agent)[-1].record.fields
            assert (fields[12], fields.get(13)) == ([[2, 1, 100], [1, 10, 2]], None)
            paid = (await post(till, "n-0", {**SALE, "voucher": sold[0]["vouchers"][0]["text"]})).json()
            assert paid["credit"]["minor"] == 200, "the voucher stays good"
            less = (await post(till, "r-2", {"type": "void", "reference": "A-2"})).json()
            assert (less["credit"]["minor"], less["also"]) == (-100, []), (
                "a percentage of nothing was left out"
            )
            assert tiny["vouchers"]
        offered(kit, 0, rev=2)
        async with kit.up() as agent, kit.client(agent) as till:
            after = (await post(till, "r-1", {"type": "refund", "reference": "A-1"})).json()
            assert (after["credit"]["minor"], after["also"]) == (-102, []), (
                "as the rules said by which it was given"
            )
            paid = (await post(till, "n-1", {**SALE, "voucher": sold[1]["vouchers"][0]["text"]})).json()
            assert paid["outcome"] == "granted" and paid["reason"] != reg.REASON_VOUCHER_SPENT
        await kit.controller.stop()

    play(scenario())
