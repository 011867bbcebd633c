"""The host's own page in a real browser: what is wrong stands there in words, and what bricks met in numbers."""

import asyncio

import pytest
from hostkit import PtyBrick, host_folder, running, until
from stallmark import registry as reg

from tests.web import chromium
from tests.world import World


@pytest.mark.skipif(
    chromium.find() is None, reason=f"Chromium is not installed here (looked for {', '.join(chromium.NAMES)})"
)
def test_the_page_tells_what_is_wrong_and_what_the_bricks_met(tmp_path):
    def look(address):
        with chromium.Chromium.start(tmp_path / "profile") as browser:
            page = browser.page()
            page.open(address)
            page.wait("document.querySelector('#met').rows.length === 3")
            page.do("document.querySelector('details').open = true")
            page.wait("document.querySelector('#words').innerText.includes('degraded')")
            page.screenshot(tmp_path / "host.png")
            return page.text("#words"), page.text("#met"), page.trouble

    async def scenario():
        world = World(77)
        world.brick()
        folder = tmp_path / "host"
        (tmp_path / "profile").mkdir()
        brick = PtyBrick(world, 0, folder)
        async with running(host_folder(world, folder)) as agent:
            brick.plug()
            known = agent.bricks[brick.brick.brick8]
            await until(lambda: known.status is not None)
            status = {0: 1, 1: 1, 2: 1, 6: 3, 7: 2, 8: 1, 9: [], 10: 1, 11: 0}
            brick.send(reg.MSG_STATUS, status)
            brick.send(reg.MSG_DIAGNOSTICS, {0: 5000, 1: 0, 2: 0, 3: [[22, 1], [23, 4], [250, 9]]})
            await until(lambda: known.diagnostics is not None and known.status.free_pages == 3)
            host, port = agent.address
            words, met, trouble = await asyncio.to_thread(look, f"http://{host}:{port}/")
            assert "degraded (its journal is full" in words
            assert [line.split("\t")[:3] for line in met.strip().splitlines()] == [
                ["brick-1", "two cards at once", "1"],
                ["brick-1", "unreadable tags", "4"],
                ["brick-1", "newer than this program (250)", "9"],
            ]
            assert trouble == []
        brick.unplug()

    asyncio.run(scenario())
