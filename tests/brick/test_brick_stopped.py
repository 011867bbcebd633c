"""A kit that the director stopped gives nothing: its bricks say so, keep to it over a restart, and go on when it is lifted."""

import asyncio

from conftest import Lent
from directorlab import rooted, tell
from stallmark import directive
from stallmark import registry as reg
from test_brick_installs import NEXT


def test_a_stopped_brick_denies_everything_until_a_newer_directive(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            office = await rooted(lab, host)
            item = office.item(host.brick8, lab.authors.bundle(NEXT, 2))
            assert (await lab.outcome(b"a" * 8))[1] == reg.KIND_GRANT
            stop = office.order(item, flags=directive.HALTED, reason="a wrong price")
            assert (await tell(lab, host, 2, stop))[1] == reg.INSTALL_OK
            assert (await lab.outcome(b"b" * 8))[1] == reg.KIND_DENY
            await lab.restart()
            await lab.ready()
            assert (await lab.outcome(b"c" * 8))[1] == reg.KIND_DENY
            await lab.until(lambda: len(host.of_kind(reg.KIND_DENY)) == 2, "both records")
            denied = host.of_kind(reg.KIND_DENY)
            assert [one.fields[14] for one in denied] == [[reg.REASON_HALTED]] * 2
            assert (await tell(lab, host, 2, office.order(item)))[1] == reg.INSTALL_OK
            # Its slices went with the restart: what it says now is its rules' own word again.
            await lab.outcome(b"d" * 8)
            made = lambda: host.of_kind(reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN)  # noqa: E731
            await lab.until(lambda: len(made()) == 4, "the last record")
            assert made()[-1].fields[14][0] != reg.REASON_HALTED

    asyncio.run(market())
