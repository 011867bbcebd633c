"""Vouchers that grants promise: in the till's answer, on receipt and screen, paid once, ended with their grant."""

import asyncio

from exchangekit import rule
from exchangekit import ruleset as compiled
from hostkit import PtyBrick, until, voucher_seed
from lanekit import RULE2, V2, LaneWorld, play, post, records
from stallmark import cbor, event, receipt, voucher
from stallmark import registry as reg
from stallmark.rules import Ruleset

from hostagent.screen import facts, printouts
from hostagent.vouchers import Issuer

SALE = {"type": "till sale", "basket": "16.00", "currency": "EUR"}
SMALL = {"type": "till sale", "basket": "1.00", "currency": "EUR"}
# A voucher of 2.00 EUR, series 3, for ten days; and the rule by which series 3 is paid
GIFT = {**RULE2, 0: "gift-voucher", 4: [11, [22], 1000], 6: [[9, 3, 200, 10]], 7: [1]}
REDEEM = {**RULE2, 0: "redeem", 2: 4, 6: [[2, 1, 0]], 20: 3}
TAKEN_BACK = "paid before: it is not taken back"


def rules_for(kit_seed_world, *rules, rev=1):
    public = Issuer(voucher_seed(kit_seed_world), kit_seed_world.kit).public
    return cbor.encode({**V2, 2: rev, 5: list(rules), 15: [public]})


def gifts(seed, folder):
    """A kit whose tills give vouchers and take them."""
    kit = LaneWorld(seed, folder)
    kit.offer(rules_for(kit.world, REDEEM, GIFT))
    kit.slice("gift-voucher", 1, 1000)
    return kit


async def agent_receipt(agent, seq, brick8):
    """The stored receipt of a brick's record."""
    number = agent.bricks[brick8].number
    rows = await asyncio.wrap_future(agent.receipts.recent(50))
    return next(row.cose for row in rows if (row.brick, row.seq) == (number, seq))


async def asked(agent, kit, issued):
    """A brick's question whether it may pay this voucher: 0 yes, else the reason."""
    read = voucher.parse(issued["text"])
    made = event.make(
        type=reg.EVENT_TILL_SALE, trust=4, subject=b"bearer-1", quality=2, wall_ms=agent.clock.now_ms(), uptime_ms=1,
        spread_ms=1, nonce=read.serial, signal=voucher.signal(read), reference=voucher.reference(read),
    )  # fmt: skip
    answers = []
    brick = next(one for one in agent.bricks.values() if one is not agent.lane.brick)
    question = {0: read.serial, 1: event.encode(made), 2: agent.lane.ruleset.rule8[0], 3: [], 4: 2}
    agent.kitside.asking.ask(brick, question, answers.append)
    await until(lambda: answers, "the question is answered")
    return answers[-1].get(2, 0)


def test_a_sale_grants_a_voucher_that_is_paid_once(tmp_path):
    async def scenario():
        kit = gifts(331, tmp_path)
        kit.world.brick()
        async with kit.up() as agent, kit.client(agent) as till:
            sold = await post(till, "s-1", SALE)
            (issued,) = sold.json()["vouchers"]
            assert (issued["minor"], issued["text_amount"]) == (200, "2.00 EUR")
            assert (await post(till, "s-1", SALE)).content == sold.content, (
                "a repeat is the same, byte for byte"
            )
            read = voucher.parse(issued["text"])
            assert (read.series, read.audience) == (3, kit.world.kit)
            handle = sold.json()["receipt"]["link"].rsplit("/", 1)[-1]
            page = await till.get(f"/r/{handle}")
            assert issued["text"] in page.text and 'data-voucher="open"' in page.text and "<svg" in page.text
            paid = (await post(till, "s-2", {**SMALL, "voucher": issued["text"]})).json()
            assert (paid["outcome"], paid["credit"]["minor"]) == ("granted", 200)
            again = (await post(till, "s-3", {**SMALL, "voucher": issued["text"]})).json()
            assert (again["outcome"], again["reason"]) == ("nothing this time", reg.REASON_VOUCHER_SPENT)
            assert await asked(agent, kit, issued) == reg.REASON_VOUCHER_SPENT
            page = (await till.get(f"/r/{handle}")).text
            assert 'data-voucher="paid"' in page and issued["text"] not in page
            back = (
                await post(till, "s-4", {"type": "void", "receipt": sold.json()["receipt"]["link"]})
            ).json()
            assert back["outcome"] == "reversed" and TAKEN_BACK in back["sentence"] and back["also"] == []
            assert 'data-voucher="paid"' in (await till.get(f"/r/{handle}")).text
        await kit.controller.stop()

    play(scenario())


def test_a_voucher_ends_with_the_grant_that_promised_it_and_outlives_its_rules(tmp_path):
    async def scenario():
        kit = gifts(332, tmp_path)
        kit.world.brick()
        async with kit.up() as agent, kit.client(agent) as till:
            sold = [(await post(till, f"s-{n}", {**SALE, "reference": f"A-{n}"})).json() for n in range(3)]
            first, second, third = (one["vouchers"][0] for one in sold)
            part = {"type": "refund", "reference": "A-0", "amount": "8.00"}
            assert (await post(till, "r-0", part)).json()["also"] == [], "a bearer's voucher has no halves"
            assert await asked(agent, kit, first) == 0, "it is good still"
            back = (await post(till, "r-1", {"type": "refund", "reference": "A-1"})).json()
            assert back["outcome"] == "reversed" and back["also"] == ["a voucher of 2.00 EUR"], back
            assert TAKEN_BACK not in back["sentence"]
            refused = (await post(till, "r-2", {**SMALL, "voucher": second["text"]})).json()
            assert refused["reason"] == reg.REASON_VOUCHER_SPENT
            assert await asked(agent, kit, second) == reg.REASON_VOUCHER_SPENT
            handle = sold[1]["receipt"]["link"].rsplit("/", 1)[-1]
            page = (await till.get(f"/r/{handle}")).text
            assert 'data-voucher="reversed"' in page and second["text"] not in page
            twice = await post(till, "r-3", {"type": "void", "reference": "A-1"})
            assert twice.status_code == 409
        # The rule is gone; what it promised is not.
        kit.offer(rules_for(kit.world, REDEEM, rev=2), rev=2)
        async with kit.up() as agent, kit.client(agent) as till:
            await until(lambda: len(agent.lane.ruleset.rules) == 1, "the newer rules")
            handle = sold[2]["receipt"]["link"].rsplit("/", 1)[-1]
            assert third["text"] in (await till.get(f"/r/{handle}")).text
            refused = (await post(till, "n-1", {**SMALL, "voucher": second["text"]})).json()
            assert refused["reason"] == reg.REASON_VOUCHER_SPENT, "also after a restart"
            assert (await post(till, "n-2", {**SMALL, "voucher": third["text"]})).json()["credit"][
                "minor"
            ] == 200
        await kit.controller.stop()

    play(scenario())


def test_a_voucher_of_a_bricks_grant_is_shown_and_printed(tmp_path):
    async def scenario():
        kit = LaneWorld(333, tmp_path)
        kit.world.brick()
        public = Issuer(voucher_seed(kit.world), kit.world.kit).public
        commitment = rule("commitment-voucher", [0], [[9, 3, 200, 30]], [1])
        data = compiled(kit.world, commitment, f15=[public])
        kit.offer(data)
        paper = tmp_path / "paper.bin"
        async with kit.up(printer={"kind": "file", "path": str(paper)}) as agent, kit.client(agent) as http:
            brick = PtyBrick(kit.world, 0, tmp_path / "host")
            brick.plug()
            brick.decide(1, kind=reg.KIND_GRANT, f8=Ruleset(data).digest8, f12=[[9, 3, 200]], f23="EUR")
            await until(lambda: brick.host_seq == 1, "the grant is durable here")
            (one,) = [
                item
                for item in await facts.decisions(agent, agent.lane.ruleset, 0)
                if item.brick8 == brick.brick.brick8
            ]
            (shown,) = await printouts.vouchers_of(agent, one)
            assert (shown.worth, shown.state) == ("2.00 EUR", "open")
            read = voucher.parse(shown.issued.text)
            assert read.expires == one.public[5] // 1000 + 30 * 86_400
            page = (await http.get(f"/r/{facts.handle_text(one.handle)}")).text
            assert shown.issued.text in page
            await printouts.receipt(agent, "Market", one)
            assert agent.printer.printed == 2, "the receipt, and the voucher on a slip of its own"
            assert b"Voucher of 2.00 EUR" in paper.read_bytes()
            brick.unplug()
        await kit.controller.stop()

    play(scenario())


def test_a_till_refunds_by_link_what_another_brick_gave(tmp_path):
    async def scenario():
        kit = gifts(335, tmp_path)
        kit.world.brick()
        async with kit.up() as agent, kit.client(agent) as till:
            brick = PtyBrick(kit.world, 0, tmp_path / "host")
            brick.ruleset = agent.lane.ruleset.digest
            brick.plug()
            rules8 = agent.lane.ruleset.digest8
            given = {
                "f8": rules8,
                "f9": 1,
                "f12": [[2, 1, 150], [9, 3, 200]],
                "f13": [[9, 350]],
                "f23": "EUR",
            }
            brick.decide(1, kind=reg.KIND_GRANT, **given)
            await until(lambda: brick.host_seq == 1, "the grant is durable here")
            stored = brick.journal[1]
            link = f"http://stall.test/r/{facts.handle_text(kit.world.handle(stored))}"
            (promised,) = agent.promised.of(stored.fields, agent.clock.now_ms())
            part = await post(till, "r-1", {"type": "refund", "receipt": link, "amount": "1.00"})
            assert (part.status_code, "only all of it" in part.text) == (404, True), (
                "no basket is known of a tap"
            )
            back = (await post(till, "r-2", {"type": "refund", "receipt": link})).json()
            assert (back["outcome"], back["credit"]["minor"]) == ("reversed", -150)
            assert back["also"] == ["a voucher of 2.00 EUR"]
            record = records(agent)[-1].record.fields
            assert record[10] == reg.KIND_REFUND and record[24][:3] == [brick.brick.brick8, 1, None]
            assert record.get(20) is None, "field 20 is for the lane's own records"
            found = await asyncio.wrap_future(agent.receipts.recent(1))
            read = receipt.parse(found[0].cose).fields
            first = await agent_receipt(agent, 1, brick.brick.brick8)
            assert read[18] == receipt.short(first), "its receipt names the brick's"
            assert await asked(agent, kit, {"text": promised.issued.text}) == reg.REASON_VOUCHER_SPENT
            twice = await post(till, "r-3", {"type": "void", "receipt": link})
            assert (twice.status_code, twice.json()["reason"]) == (409, reg.REASON_REVERSED)
            brick.unplug()
        async with kit.up() as agent, kit.client(agent) as till:
            after = await post(till, "r-4", {"type": "refund", "receipt": link})
            assert after.status_code == 409, "also after a restart"
        await kit.controller.stop()

    play(scenario())


def test_a_till_says_why_a_voucher_is_refused(tmp_path):
    async def scenario():
        kit = gifts(334, tmp_path)
        seed, days = voucher_seed(kit.world), {3: 10}
        now_ms = kit.world.now_ms
        granted = {0: 0, 1: b"brick--1", 2: 5, 10: reg.KIND_GRANT, 12: [[9, 3, 200]], 18: b"p" * 16}

        def text(seed=seed, audience=kit.world.kit, ms=now_ms, seq=5):
            return Issuer(seed, audience).made({**granted, 2: seq}, ms, days)[0].text

        good = text()
        cases = [
            (text(seed=b"x" * 32), reg.REASON_VOUCHER_FALSE),
            (good[:-1] + ("0" if good[-1] != "0" else "1"), reg.REASON_VOUCHER_FALSE),
            ("SMV1:NONSENSE", reg.REASON_VOUCHER_FALSE),
            (text(audience=b"another8"), reg.REASON_VOUCHER_ELSEWHERE),
            (text(ms=now_ms - 11 * 86_400_000), reg.REASON_VOUCHER_EXPIRED),
        ]
        async with kit.up() as agent, kit.client(agent) as till:
            for number, (wrong, reason) in enumerate(cases):
                said = (await post(till, f"w-{number}", {**SMALL, "voucher": wrong})).json()
                assert (said["outcome"], said["reason"]) == ("nothing this time", reason), said
                assert said["credit"]["minor"] == 0 and said["vouchers"] == []
            for audience in (kit.world.hub, agent.lane.brick8, kit.world.kit):
                said = await post(
                    till, audience.hex(), {**SMALL, "voucher": text(audience=audience, seq=audience[0])}
                )
                assert said.json()["credit"]["minor"] == 200, "its own id, its kit's and its hub's are good"
            spent = (await post(till, "w-spent", {**SMALL, "voucher": text(seq=kit.world.kit[0])})).json()
            assert spent["reason"] == reg.REASON_VOUCHER_SPENT
            refusals = [
                item.record.fields for item in records(agent) if item.record.fields[10] == reg.KIND_DENY
            ]
            assert len(refusals) == len(cases) + 1, "every refusal is on record"
        await kit.controller.stop()

    play(scenario())
