"""The firmware under MicroPython and a scanner that goes away: said, never a restart, and deciding goes on."""

import asyncio
import os

from bricklab import Host, Lab
from conftest import Lent
from stallmark import registry as reg


def test_a_scanner_that_is_unplugged_is_in_the_status_and_the_brick_decides_on(lent: Lent):
    async def decides(lab: Lab) -> None:
        assert (await lab.outcome(os.urandom(8)))[1] in (reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN)

    async def reads(lab: Lab, host: Host, code: bytes) -> None:
        seen = len(host.records)
        assert lab.brick.scanner is not None
        lab.brick.scanner.show(code)
        await lab.until(lambda: len(host.records) > seen, f"the record of {code!r}", 90)

    async def market() -> None:
        async with lent("qr", "events") as (lab, host):
            module = lab.brick.scanner
            assert module is not None
            await lab.until(lambda: host.statuses[-1][11] == 1, "a good scanner")
            boots = host.statuses[-1][0]
            module.faults.unplugged = True
            await lab.until(lambda: host.statuses[-1][11] == 2, "the fault in the status", 60)
            await decides(lab)
            module.faults.unplugged = False
            await lab.until(lambda: host.statuses[-1][11] == 1, "recovery", 60)
            await reads(lab, host, b"AFTER")
            assert host.statuses[-1][0] == boots, "without a restart of the brick"

    asyncio.run(market())
