"""A provisioned brick with rules and rights, made once; every test gets a copy of flash and host."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bricklab import SAMPLES, Host, Lab, rule, ruleset
from stallmark import registry as reg

PEOPLE = rule(
    "crowd",
    [10, [20, 864_000_000], 3],
    [[reg.GRANT_PERCENT_NOW, 1500, 300]],
    [[reg.UNIT_MINOR, 300]],
    f5=True,
)
RULES = ruleset(SAMPLES, PEOPLE)
Lent = Callable[..., AbstractAsyncContextManager[tuple[Lab, Host]]]


@pytest.fixture(scope="session")
def stall(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(flash image, host) of a brick that has its keys, two rules, 3 samples and 30.00 EUR in slices."""
    folder = tmp_path_factory.mktemp("stall") / "first"

    async def make() -> Host:
        async with Lab(folder, ()) as lab:
            samples = lab.authors.slice(1, "sample", reg.UNIT_PIECES, 3)
            money = lab.authors.slice(2, "crowd", reg.UNIT_MINOR, 3000)
            await lab.stocked(RULES, samples, money)
            await lab.drained()
            assert lab.host is not None
            return lab.host

    return folder / "flash.bin", asyncio.run(make())


@pytest.fixture
def lent(stall: Any, tmp_path: Path) -> Lent:
    """`async with lent("nfc", "events") as (lab, host)`: a copy of the stall's brick, up and in session."""

    @asynccontextmanager
    async def lend(*parts: str, ready: bool = True, **extra: Any):
        flash, host = stall
        folder = tmp_path / "brick"
        folder.mkdir()
        shutil.copy(flash, folder / "flash.bin")
        async with Lab(folder, parts, **extra) as lab:
            lab.host = host.copy(lab.link.write)
            lab.host.greeting = list(host.greeting)
            if ready:
                await lab.ready()
                await lab.until(lambda: len(lab.host.statuses[-1][9]) == 2, "the slices")
            yield lab, lab.host

    return lend
