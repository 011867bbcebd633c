"""Programs in two slots: a new application is tried, stays where all works as before, and else goes back by itself."""

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from boards.partitions import find
from brick.appslot import AppSlot
from bricklab import FLASH_BYTES, Authors, Host, Lab
from directorlab import rooted, tell
from stallmark import bundle
from stallmark import registry as reg
from stallmark.crypt import sha256
from virtualkit import firmware
from virtualkit.upy import nor
from workbench import application

SLOTTED = firmware.UPY / "slotted_main.py"
READER, LINK, RULES = 1, 4, 8


@cache
def programs() -> dict[str, bytes]:
    """Every module of the brick, compiled."""
    return dict(application.build().files)


def edition(number: int) -> bytes:
    """The brick's own programs as a pack; each number is another one."""
    return application.packed(programs() | {"/edition.txt": b"%d" % number})


def broken(text: bytes = b"raise ValueError('not today')\n") -> bytes:
    """An application that ends as soon as it is run."""
    return application.packed({"/brick/__init__.py": b"", "/brick/config.py": b"BAD_BOOTS = 3\n",
                               "/brick/boots.py": b"def counted(*_):\n    pass\n", "/brick/appliance.py": text})  # fmt: skip


def signed(authors: Authors, pack: bytes, rev: int, **more: Any) -> bytes:
    """A bundle of kind application."""
    return authors.bundle(pack, rev, kind=reg.ARTEFACT_APPLICATION, engine=(1, 4), **more)


def write(flash: Path, name: str, work: Callable[[Any], None]) -> None:
    """Lets `work` have a partition of a flash image."""
    chip = nor.NorChip(str(flash))
    work(nor.NorFile(chip, *find(FLASH_BYTES, name)))
    chip.close()


def factory(flash: Path) -> None:
    """What the bench writes: the first edition in app_a."""
    pack = edition(1)
    at = find(FLASH_BYTES, "app_a")[0]
    with flash.open("r+b") as image:
        image.seek(at)
        image.write(pack.ljust(-(-len(pack) // 4096) * 4096, b"\xff"))


def installed(
    flash: Path, data: bytes, name: str = "app_b", generation: int = 1, parts: int = LINK | RULES
) -> None:
    """A bundle in a slot as the installer leaves it before the restart."""

    def put(port: Any) -> None:
        slot = AppSlot(port, generation)
        slot.begin(sha256(bundle.split(data)[0])[:8], len(data))
        slot.write(0, data)
        slot.finish(sha256(data), parts, 0)

    write(flash, name, put)


def slots(host: Host) -> dict[int, Any]:
    """The last thing that the brick said of its slots."""
    found = [value for kind, value in host.answers if kind == reg.MSG_SLOTS]
    return found[-1] if found else {}


@pytest.fixture
def slotted(stall: Any, tmp_path: Path) -> Any:
    """(a lab whose brick runs from its slots, not yet started; its flash)."""
    flash, host = stall
    folder = tmp_path / "brick"
    folder.mkdir()
    (folder / "flash.bin").write_bytes(flash.read_bytes())
    factory(folder / "flash.bin")

    def lab(*parts: str, **extra: Any) -> Lab:
        return Lab(folder, parts, entry=SLOTTED, **({"trial_ms": [400, 800], "calm_ms": 0} | extra))

    return lab, folder / "flash.bin", host


def meet(lab: Lab, host: Host) -> Host:
    lab.host = host.copy(lab.link.write)
    lab.host.bundle_kind = reg.ARTEFACT_APPLICATION
    return lab.host


def test_a_new_application_is_on_trial_and_stays_once_all_works_as_before(slotted: Any):
    make, flash, stall_host = slotted
    authors = Authors()
    data = signed(authors, edition(2), 2)
    installed(flash, data)

    async def market() -> None:
        async with make() as lab:
            host = meet(lab, stall_host)
            await lab.ready()
            await lab.until(lambda: slots(host).get(2) == 1, "the end of the trial")
            states = [value[2] for kind, value in host.answers if kind == reg.MSG_SLOTS]
            assert states[0] == 2 and states[-1] == 1, "on trial first"
            assert (
                slots(host)[0] == 1
                and slots(host)[3] == sha256(bundle.split(data)[0])[:8]
                and slots(host)[4] == 2
            )
            assert host.of_kind(reg.KIND_BOOT)[-1].fields[24][1] == edition(2)[16:48], (
                "the version, under the record's MAC"
            )
            host.answers.clear()
            host.restart()
            await lab.until(lambda: slots(host), "a word in the new session")
            assert slots(host)[2] == 1

    asyncio.run(market())


def test_an_application_comes_over_the_link_fails_three_starts_and_goes_back_by_itself(slotted: Any):
    make, _, stall_host = slotted

    async def market() -> None:
        async with make() as lab:
            host = meet(lab, stall_host)
            await lab.ready()
            data = signed(lab.authors, broken(), 2)
            office = await rooted(lab, host)
            host.offer(data)
            await lab.until(lambda: reg.MSG_BUNDLE_RESULT in dict(host.answers), "the refusal")
            assert dict(host.answers)[reg.MSG_BUNDLE_RESULT][1] == reg.INSTALL_NOT_NAMED, (
                "the director has a say"
            )
            order = office.order(office.item(host.brick8, data))
            assert (await tell(lab, host, 2, order))[1] == reg.INSTALL_OK
            host.bundle = None
            host.offer(data)
            host.bundle = data
            await lab.until(lambda: slots(host).get(6) is not None, "the way back")
            assert lab.brick.restarts == 4, "the switch, and three starts that failed"
            assert slots(host)[0] == 0 and slots(host)[6] == [sha256(bundle.split(data)[0])[:8], 1]
            assert host.statuses[-1][8] == 0, "no safe mode: what failed is gone"
            assert host.statuses[-1][13] == edition(1)[16:48]
            await lab.until(
                lambda: reg.MSG_BUNDLE_RESULT in dict(host.answers), "what it says of another offer"
            )
            assert dict(host.answers)[reg.MSG_BUNDLE_RESULT][1] == reg.INSTALL_RETURNED
            again = office.order(office.item(host.brick8, data))
            assert (await tell(lab, host, 2, again))[1] == reg.INSTALL_OK
            host.answers.clear()
            restarts = lab.brick.restarts
            host.offer(data)
            await lab.until(lambda: lab.brick.restarts > restarts, "a newer directive may try it again")

    asyncio.run(market())


@pytest.mark.parametrize(("parts", "reason"), [(READER | LINK, 4), (LINK, 6)])
def test_an_application_under_which_something_no_longer_works_goes_back(
    slotted: Any, parts: int, reason: int
):
    make, flash, stall_host = slotted
    authors = Authors()
    installed(flash, signed(authors, edition(2), 2), parts=parts)

    async def market() -> None:
        async with make() as lab:
            host = meet(lab, stall_host)
            host.silent = reason == 6
            await lab.until(lambda: lab.brick.restarts == 1, "the way back")
            host.silent = False
            await lab.until(lambda: slots(host).get(6), "a word on it")
            assert slots(host)[6][1] == reason and slots(host)[2] == 1 and slots(host)[0] == 0

    asyncio.run(market())
