"""Bad input that the brick has to tell apart: every kind has a count of its own, and decisions go on."""

import asyncio
import os
from pathlib import Path

from bricklab import FRAME_EVENT, SAMPLES, Host, Lab, ruleset
from conftest import Lent
from stallmark import frame
from stallmark import registry as reg


async def counted(lab: Lab, host: Host) -> dict[int, int]:
    """The brick's counters, as a new session brings them."""
    seen = len(host.diagnostics)
    host.restart()
    await lab.until(lambda: len(host.diagnostics) > seen, "the counters")
    return dict(host.diagnostics[-1][3])


def test_frames_of_an_earlier_session_are_counted_answered_and_not_taken(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            host.keep_frames = True
            host.send(reg.MSG_IDENTIFY, {})
            await lab.until(lambda: lab.colours.count((1, 1, 1)) == 3, "the blinking")
            host.keep_frames = False
            await counted(lab, host)
            for data in host.kept:
                host.raw(data)
            await lab.until(lambda: any(code == reg.NOTICE_NO_SESSION for code, _ in host.notices), "the notice")
            assert (await lab.outcome(b"1-person"))[1] == reg.KIND_GRANT
            counts = await counted(lab, host)
            assert counts[12] >= 1 and lab.colours.count((1, 1, 1)) == 3

    asyncio.run(market())


def test_foreign_cbor_under_a_good_tag_is_counted_once_and_never_comes_again(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            session = host._link._session
            for nonsense in (b"\xf7", b"\xa1\x61a\x01", b"\xf9\x3c\x00", b"\x00\x00", b"no CBOR at all", b""):
                session.send(bytes((reg.MSG_CLOCK,)) + b"\x00\x01" + nonsense)
                host.pump()
                await lab.until(lambda: not session._waiting(), "its acknowledgement")
            assert (await lab.outcome(b"1-person"))[1] == reg.KIND_GRANT
            counts = await counted(lab, host)
            assert counts[9] == 6

    asyncio.run(market())


def test_rules_without_a_quorum_pieces_nobody_wanted_and_events_that_are_none_are_counted(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            assert lab.events is not None
            for nonsense in (b"\xf7", b"", b"\xa1\x00\x01"):
                lab.events.write(frame.build(FRAME_EVENT, nonsense))
            host.send(reg.MSG_CHUNK, {0: bytes(8), 1: 0, 2: b"unasked for"})
            host.offer(lab.authors.bundle(ruleset(SAMPLES, rev=2), 2, signers=1))
            await lab.until(lambda: host.answers and host.answers[-1][0] == reg.MSG_BUNDLE_RESULT, "the refusal")
            assert host.answers[-1][1][1] == reg.INSTALL_THRESHOLD
            host.bundle = None
            assert (await lab.outcome(b"1-person"))[1] == reg.KIND_GRANT, "the rules before still decide"
            counts = await counted(lab, host)
            assert (counts[56], counts[68], counts[69]) == (3, 1, 1)

    asyncio.run(market())


def test_a_full_journal_with_merged_denials_waiting_is_drained_like_any_other(tmp_path: Path):
    async def market() -> None:
        async with Lab(tmp_path / "small", ("events",), flash_bytes=4 * 1024 * 1024) as lab:
            stock = lab.authors.slice(1, "sample", reg.UNIT_PIECES, 5000)
            host = await lab.stocked(ruleset(SAMPLES, people=4000), stock)
            await lab.drained()
            for _ in range(3):
                last = await lab.outcome(b"1-person", reg.TRUST_TEXT)
            assert last[1] is None, "the third denial was merged into the first"
            host.acknowledge = False
            while (await lab.outcome(os.urandom(8)))[1] == reg.KIND_GRANT:
                pass
            host.send(reg.MSG_CLOSE, {0: "Ada"})  # the merged ones are due now, and find no room
            host.acknowledge = True
            host.restart()
            await lab.until(lambda: host.of_kind(reg.KIND_COLLECTIVE), "their record, once there is room", 60)
            assert host.of_kind(reg.KIND_COLLECTIVE)[0].fields[24][0] == 2
            await lab.until(lambda: host.statuses[-1][8] == 0, "good again", 60)
            assert (await lab.outcome(os.urandom(8)))[1] == reg.KIND_GRANT
            counts = await counted(lab, host)
            assert 1 <= counts[49] <= 5, "what waits for room is not refused a hundred times"
            host.macs_hold()

    asyncio.run(market())
