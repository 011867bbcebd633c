"""A trust store that rot took: nobody directs, nothing is given, and what was lost may have been a stop."""

import asyncio
import os

from boards.partitions import find
from bricklab import FLASH_BYTES
from conftest import Lent
from directorlab import rooted, tag, tell
from stallmark import directive
from stallmark import registry as reg
from test_brick_installs import NEXT, answer

DAMAGED = 4


def test_a_damaged_trust_store_forgets_no_stop_and_believes_nobody(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            office = await rooted(lab, host)
            assert (await tell(lab, host, 2, office.order(flags=directive.HALTED)))[1] == reg.INSTALL_OK
            await lab.brick.stop()
            offset, size = find(FLASH_BYTES, "trust")
            with lab.flash.open("r+b") as image:
                for sector in range(0, size, 4096):
                    image.seek(offset + sector + 64)
                    image.write(bytes(64))
            await lab.brick.start()
            await lab.ready()
            said = host.statuses[-1][15]
            assert said[0] == 0 and said[4] & DAMAGED, "it says so"
            good = lab.authors.bundle(NEXT, 2)
            assert (await answer(lab, host, good))[1] == reg.INSTALL_ROOT_WANTED
            assert (await lab.outcome(os.urandom(8)))[1] == reg.KIND_DENY, "the stop is not forgotten"
            first = office.first_root()
            assert (await tell(lab, host, 1, first, tag=tag(host, first)))[1] == reg.INSTALL_OK
            assert (await answer(lab, host, good))[1] == reg.INSTALL_HALTED, "until a directive says otherwise"
            assert (await tell(lab, host, 2, office.order(office.item(host.brick8, good))))[1] == reg.INSTALL_OK
            assert (await answer(lab, host, good))[1] == reg.INSTALL_OK

    asyncio.run(market())
