"""Bad input that the brick has to tell apart: every kind has a count of its own, and decisions go on."""

import asyncio

from bricklab import Host, Lab
from conftest import Lent
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
