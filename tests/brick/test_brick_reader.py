"""A broken reader at a real brick, on UART and SPI: said in the status, decisions go on, no restart, and it comes back."""

import asyncio

import pytest
from bricklab import EVENT_KEY, Lab
from conftest import Lent
from stallmark import keys, token
from stallmark import registry as reg
from virtualkit.tags import ntag215

TOKEN_KEY = keys.token_key(EVENT_KEY)
GOOD, FAULT = 1, 2


async def served(lab: Lab, number: int) -> None:
    """The next customer with an issued tag gets a light."""
    uid = b"\x04\x31\x41\x59\x26\x53" + bytes((number,))
    tag = ntag215(uid, token.ndef_message(token.tag_payload(uid, TOKEN_KEY)))
    shown = await lab.brick.tap(tag, seconds=20.0)
    assert shown.outcome in ("granted", "nothing this time")


@pytest.mark.parametrize(("bus", "fault"), [("hsu", "unplugged"), ("spi", "silent")])
def test_a_broken_reader_is_a_state_and_never_a_restart(lent: Lent, bus: str, fault: str):
    # On SPI the reader leaves the UART to a scanner: the brick has both, as the pin map esp32s3-8m-nfc-qr does.
    both = ("nfc", "qr") if bus == "spi" else ("nfc",)

    async def market() -> None:
        async with lent(*both, "events", nfc_bus=bus) as (lab, host):
            chip = lab.brick.nfc
            assert chip is not None
            boots = len(host.of_kind(reg.KIND_BOOT))
            await served(lab, 0)
            setattr(chip.faults, fault, True)
            await lab.until(lambda: host.statuses[-1][10] == FAULT, "the brick says so")
            assert host.statuses[-1][8] == 1, "degraded"
            outcome = await lab.outcome(b"somebody")
            assert outcome[1] in (reg.KIND_GRANT, reg.KIND_DENY), "what it can decide it decides"
            if bus == "spi":
                await lab.until(lambda: host.statuses[-1][11] == GOOD, "the scanner is set up")
                shown = await lab.brick.scan(b"a customer's code", seconds=20.0)
                assert shown.outcome in ("granted", "nothing this time"), "the scanner goes on"
            setattr(chip.faults, fault, False)
            await lab.until(lambda: host.statuses[-1][10] == GOOD, "it is over")
            chip.faults.brown_out_after = 3
            await served(lab, 9)
            assert lab.brick.process.boots == 1
            assert len(host.of_kind(reg.KIND_BOOT)) == boots

    asyncio.run(market())
