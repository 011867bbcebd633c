"""The link seen from the brick: hosts that restart, lose, refuse and lie; noise; clocks; marks."""

import asyncio
import random

from bricklab import HOST8, Host, Lab
from conftest import Lent
from stallmark import control, frame
from stallmark import registry as reg


async def counted(lab: Lab, host: Host) -> dict[int, int]:
    """The brick's counters, as a new session brings them."""
    seen = len(host.diagnostics)
    host.restart()
    await lab.until(lambda: len(host.diagnostics) > seen, "the counters")
    return dict(host.diagnostics[-1][3])


def test_records_wait_for_a_host_and_arrive_once(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            host.silent = True
            seqs = [(await lab.outcome(b"%04d-man" % n, 1))[2] for n in range(60)]
            host.silent = False
            host.restart()
            await lab.until(lambda: host.expected > seqs[-1], "every record")
            assert [entry.seq for entry in host.records] == list(range(1, len(host.records) + 1))
            host.macs_hold()

    asyncio.run(market())


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            await lab.drained()
            host.acknowledge = False
            for n in range(6):
                await lab.outcome(b"%04d-man" % n, 1)
            await lab.until(lambda: len(host.of_kind(reg.KIND_DENY)) == 6, "the records")
            lost = [host.records.pop() for _ in range(4)]  # a host that acknowledged nothing may forget
            host.acknowledge = True
            host.repeats = 0
            host.restart()
            await lab.until(lambda: len(host.of_kind(reg.KIND_DENY)) == 6, "the forgotten ones again")
            assert host.records[-4:] == lost[::-1]
            host.repeats = 0
            host.restart()
            await lab.ready()
            await lab.outcome(b"last-man", 1)
            await lab.until(lambda: len(host.of_kind(reg.KIND_DENY)) == 7, "the next one")
            assert host.repeats == 0, "acknowledged records are not sent again"

    asyncio.run(market())


def test_a_host_asks_for_records_again_and_lies_about_what_it_has(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            for n in range(5):
                await lab.outcome(b"%04d-man" % n, 1)
            await lab.until(lambda: len(host.of_kind(reg.KIND_DENY)) == 5, "the records")
            host.repeats = 0
            host.send(reg.MSG_RESEND, {0: 2})
            await lab.until(lambda: host.repeats >= len(host.records) - 1, "everything from 2 on again")
            host.send(reg.MSG_ACK, {0: 4_000_000, 1: None, 2: None})
            host.send(reg.MSG_RESEND, {0: 4_000_000})
            host.send(reg.MSG_ACK, {0: "all", 1: None, 2: None})
            host.send(99, {})
            host.send(reg.MSG_CLOCK, {0: (1 << 63) - 1, 1: 2, 2: 0})
            await lab.outcome(b"last-man", 1)
            await lab.until(lambda: len(host.of_kind(reg.KIND_DENY)) == 6, "the next one all the same")
            await lab.until(lambda: host.idle, "every message to arrive: a new session drops what waits")
            counts = await counted(lab, host)
            assert counts[11] == 1 and counts[9] == 3

    asyncio.run(market())


def test_ledger_marks_need_the_controllers_tag(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            host.ledger_mark(2, tag=bytes(16))
            host.ledger_mark(2)
            counts = await counted(lab, host)
            assert counts[10] == 1

    asyncio.run(market())


def test_clock_steps_are_records_in_both_directions_and_small_corrections_are_not(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            await lab.drained()
            before = len(host.of_kind(reg.KIND_CLOCK))
            host.send_clock(600)  # a correction counts as a step from 2 s on; a busy machine may add to it
            host.send_clock(-200)
            host.send_clock(3_600_000)
            await lab.until(lambda: len(host.of_kind(reg.KIND_CLOCK)) == before + 1, "the step forward")
            host.send_clock(-3_600_000)
            await lab.until(lambda: len(host.of_kind(reg.KIND_CLOCK)) == before + 2, "the step back")
            forward, back = (entry.fields for entry in host.of_kind(reg.KIND_CLOCK)[-2:])
            assert 3_590_000 < forward[24][1] - forward[24][0] < 3_610_000 and forward[24][2] == 2
            assert 7_190_000 < back[24][0] - back[24][1] < 7_210_000
            assert 0 <= back[5] - back[24][1] < 10_000, "its own time is the corrected one"
            _, _, seq = await lab.outcome(b"1-person", 1)
            await lab.until(lambda: host.expected > seq, "a decision after it")
            assert host.records[-1].fields[7][0] == reg.QUALITY_HOST

    asyncio.run(market())


def test_without_the_time_slots_are_unknown_and_the_customer_asks_at_the_stall(lent: Lent):
    async def market() -> None:
        async with lent("events", ready=False) as (lab, host):
            host.wall_ms = None
            await lab.ready()
            await lab.until(lambda: len(host.statuses[-1][9]) == 2, "the slices")
            assert (await lab.outcome(b"1-person"))[1] == reg.KIND_UNCERTAIN
            await lab.drained()
            await lab.until(lambda: host.of_kind(reg.KIND_UNCERTAIN), "the record")
            last = host.records[-1].fields
            assert last[5] is None and last[7][0] == reg.QUALITY_UNSET
            assert last[14][0] == reg.REASON_CLOCK_UNSET

    asyncio.run(market())


def test_noise_and_frames_of_every_wrong_kind_are_counted_and_nothing_stops(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            rng = random.Random(11)
            host.raw(rng.randbytes(3000))
            host.raw(b"\x00" + b"x" * 2000 + b"\x00")
            whole = frame.build(reg.FRAME_SEALED, bytes(40))
            host.raw(whole[:-9] + b"\x00")  # cut short
            host.raw(whole[:5] + b"\x01" + whole[6:])  # one byte wrong
            host.raw(frame.build(200, b"newer"))
            host.raw(frame.build(reg.FRAME_PROVISION_REQUEST, b"\xa0"))
            host.raw(frame.build(reg.FRAME_M2, bytes(46)))
            wanted = {reg.NOTICE_OVERSIZE, reg.NOTICE_PROVISIONED, reg.NOTICE_UNKNOWN_TYPE}
            await lab.until(lambda: wanted <= {code for code, _ in host.notices}, "three notices")
            assert (await lab.outcome(b"1-person"))[1] == reg.KIND_GRANT
            await lab.until(lambda: host.of_kind(reg.KIND_GRANT), "its record")
            counts = await counted(lab, host)
            assert counts[1] >= 2 and counts[2] >= 1 and counts[3] >= 1 and counts[4] >= 1

    asyncio.run(market())


def test_replayed_and_reordered_sealed_frames_change_nothing(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            host.keep_frames = True
            host.send(reg.MSG_IDENTIFY, {})
            host.send_clock(10)
            await lab.until(lambda: len(host.kept) >= 2, "two frames")
            host.keep_frames = False
            blinks = lab.colours.count((1, 1, 1))
            await lab.until(lambda: lab.colours.count((1, 1, 1)) >= 3, "the blinking")
            for data in host.kept[::-1] * 3:
                host.raw(data)
            await lab.outcome(b"1-person", 1)
            counts = await counted(lab, host)
            assert counts[8] >= 3 and lab.colours.count((1, 1, 1)) <= max(3, blinks)

    asyncio.run(market())


def test_who_asks_a_brick_to_show_itself_hears_how_it_is_now(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            seq = (await lab.outcome(b"1-person", 1))[2]  # no status is sent with a decision
            host.statuses.clear()
            host.send(reg.MSG_IDENTIFY, {})
            await lab.until(lambda: host.statuses and host.statuses[-1][1] > seq, "its word of now")

    asyncio.run(market())


def test_a_stranger_without_the_key_gets_no_session_and_the_brick_goes_on(lent: Lent):
    async def market() -> None:
        async with lent("events", ready=False) as (lab, host):
            stranger = Host(host.brick8, bytes(32), lab.link.write)
            stranger.keys = {epoch: bytes(32) for epoch in range(6)}
            lab.host = stranger
            await lab.until(lambda: stranger.refused, "a refused handshake")
            assert not stranger.up and stranger.records == []
            lab.host = host
            host.restart()
            await lab.ready()
            assert host.up and HOST8 == b"host-001"

    asyncio.run(market())


def test_a_brick_takes_the_controllers_order_for_a_new_link_key_and_no_older_host_is_heard(lent: Lent):
    epoch = 1 << 20

    async def market() -> None:
        async with lent("events", ready=False) as (lab, host):
            await lab.ready()
            old = dict(host.keys)
            order = host.brick8 + epoch.to_bytes(4, "big")
            forged = order + control.rekey_tag(bytes(32), host.brick8, epoch)
            lab.link.write(frame.build(reg.FRAME_REKEY, forged))
            await lab.outcome(b"0001-man", 1)
            assert host.up and host.keys == old, "a forged order changes nothing"
            host.keys = {epoch: control.rekeyed(host.control_key, epoch)}  # of a host that lost all it had
            lab.link.write(
                frame.build(reg.FRAME_REKEY, order + control.rekey_tag(host.control_key, host.brick8, epoch))
            )
            host.statuses.clear()
            host.restart()
            await lab.until(
                lambda: epoch + 1 in host.keys and host.up and host.statuses, "a session under the new key"
            )
            await lab.drained()
            seq = (await lab.outcome(b"0002-man", 1))[2]
            await lab.until(lambda: host.expected > seq, "the records")
            copied = Host(host.brick8, bytes(32), lab.link.write)
            copied.keys = old
            lab.host = copied
            await lab.until(lambda: copied.refused, "the copy is refused")
            assert not copied.up

    asyncio.run(market())
