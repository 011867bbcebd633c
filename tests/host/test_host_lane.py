"""The lane: a brick in software. Its records are chained, MACed and counted like any brick's."""

from hostkit import until
from lanekit import RULE2, V2, LaneWorld, play, records
from stallmark import cbor, event, keys, record
from stallmark import registry as reg


def sale(minor, **more):
    return event.make(type=reg.EVENT_TILL_SALE, trust=0, basket_minor=minor, nonce=b"", **more)


def test_a_sale_is_decided_recorded_and_reaches_the_controller_as_a_bricks_would(tmp_path):
    async def scenario():
        kit = LaneWorld(701, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent:
            lane = agent.lane
            answer = await lane.decide(sale(1600))
            assert answer.outcome == "granted"
            assert (answer.credit_minor, answer.currency) == (240, "EUR")
            assert answer.link.startswith("http://stall.test/r/")
            small = await lane.decide(sale(400))
            assert (small.outcome, small.credit_minor) == ("nothing this time", 0)
            assert "6.00 EUR more" in small.sentence
            await lane.closing("Ana")
            again = await lane.decide(sale(2000))
            assert again.credit_minor == 300
            await until(lambda: lane.brick.ledger_seq == again.records[-1][0], "the controller has them all")
            stored = records(agent)
        kinds = [item.record.fields[10] for item in stored]
        assert kinds[:2] == [reg.KIND_START, reg.KIND_BOOT]
        # What the controller checks: MAC by the epoch's key, chain, sequence, and the flag in every record.
        chain = keys.record_chain0(kit.world.lane.root)
        before, epoch = bytes(16), 0
        for number, item in enumerate(stored, 1):
            fields = item.record.fields
            while epoch < fields[3]:
                chain, epoch = keys.next_chain(chain), epoch + 1
            assert record.mac(keys.record_mac_key(chain), item.record.public) == item.record.mac
            assert (fields[2], fields[18]) == (number, before)
            assert fields[0] & reg.FLAG_GATEWAY
            before = record.link(item.record.public, item.record.mac)
        assert epoch == 1, "the key advances after the close record"
        await kit.controller.stop()

    play(scenario())


def test_a_score_never_refuses_at_the_lane_either(tmp_path):
    """Whoever comes again and again is asked about, whatever shape the condition has and whichever rule it is."""
    never = [11, [22], 999999]
    other = RULE2 | {0: "other", 1: [2], 4: [11, [35], 7], 6: [[2, 1, 100]], 7: [1]}
    calm = RULE2 | {0: "calm", 4: [2, never, [13, [50, [34], 1], 250]], 6: [[2, 1, 100]], 7: [1]}

    async def scenario():
        kit = LaneWorld(705, tmp_path, data=cbor.encode(V2 | {5: [other, calm]}))
        kit.slice("calm", 1, 5000)
        async with kit.up() as agent:
            lane = agent.lane
            found = []
            for _ in range(7):
                (decision,) = lane.decisions(lane.stamp(sale(1600, subject=b"somebody")))
                found.append((decision.kind, decision.why[:2]))
            assert found[0][0] == reg.KIND_GRANT and found[-1] == (reg.KIND_UNCERTAIN, [reg.REASON_RISK, 1])
            assert reg.KIND_DENY not in [kind for kind, _ in found]
        await kit.controller.stop()

    play(scenario())


def test_a_slice_is_opened_once_though_two_decisions_of_one_event_are_the_first_to_use_it(tmp_path):
    async def scenario():
        kit = LaneWorld(704, tmp_path)
        kit.slice("fifteen", 1, 2000)
        async with kit.up() as agent:
            lane = agent.lane
            made = lane.stamp(sale(1600))
            pending = lane.record(made, lane.decisions(made) * 2)
            await pending.durable
            kinds = [kind for _, kind in pending.answer.records]
            assert kinds == [reg.KIND_RIGHTS, reg.KIND_GRANT, reg.KIND_GRANT]
            assert lane.state.slices_left() == [[1, 1000]], "500 for each grant"
        await kit.controller.stop()

    play(scenario())


def test_after_a_restart_the_lane_knows_people_rights_and_its_place(tmp_path):
    async def scenario():
        kit = LaneWorld(702, tmp_path)
        kit.slice("member-tea", 2, 2)
        ana = event.make(type=reg.EVENT_ATTENDANCE_SCAN, trust=3, subject=b"person-1"[::-1], nonce=b"")
        async with kit.up() as agent:
            assert (await agent.lane.decide(ana)).outcome == "granted"
            await until(lambda: agent.forwarder.accepted > 0, "private parts are sealed")
            boot = agent.lane.book.boot
        async with kit.up() as agent:
            lane = agent.lane
            assert lane.book.boot == boot + 1
            refused = await lane.decide(ana)
            assert refused.reason == reg.REASON_ALREADY_HAD
            assert lane.state.slices_left() == [[1, 1]]
            other = ana._replace(subject=b"person-2"[::-1])
            assert (await lane.decide(other)).outcome == "granted"
            assert (
                await lane.decide(ana._replace(subject=b"person-3"[::-1]))
            ).reason == reg.REASON_STOCK_USED_UP
            seqs = [item.record.seq for item in records(agent)]
            assert seqs == list(range(1, len(seqs) + 1))
        await kit.controller.stop()

    play(scenario())


def test_without_rules_the_customer_is_asked_to_the_stall(tmp_path):
    async def scenario():
        kit = LaneWorld(703, tmp_path)
        kit.controller.bundle = None
        async with kit.up(rules=False) as agent:
            answer = await agent.lane.decide(sale(1600))
            assert answer.outcome == "ask at the stall"
            assert answer.reason == reg.REASON_NO_RULESET
        await kit.controller.stop()

    play(scenario())
