"""Programs in two slots: a new application is tried, stays where all works as before, and else goes back by itself."""

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from boards.partitions import find
from brick.appslot import AppSlot
from brick.trial import Trial, rules_wrong
from bricklab import FLASH_BYTES, SAMPLES, Authors, Host, Lab, ruleset
from conftest import RULES as RULESET
from conftest import Lent
from directorlab import rooted, tell
from stallmark import bundle, rules
from stallmark import registry as reg
from stallmark.crypt import sha256
from test_brick_installs import NEXT, answer, golden
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
            assert host.of_kind(reg.KIND_BOOT)[-1].fields[24][1] == edition(2)[16:48], "the version, under the record's MAC"
            await lab.until(
                lambda: [found.fields[24][6:] for found in host.of_kind(reg.KIND_BOOT)][-2:] == [[2], [1]],
                "a record that it is on trial, and one that it stays",
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


def test_an_application_under_which_the_reader_no_longer_works_goes_back(slotted: Any):
    make, flash, stall_host = slotted
    authors = Authors()
    installed(flash, signed(authors, edition(2), 2), parts=READER | LINK)

    async def market() -> None:
        async with make() as lab:
            host = meet(lab, stall_host)
            await lab.until(lambda: lab.brick.restarts >= 1, "the way back")
            await lab.until(lambda: slots(host).get(6), "a word on it")
            assert slots(host)[6][1] == 4 and slots(host)[2] == 1 and slots(host)[0] == 0

    asyncio.run(market())


def test_an_application_that_cannot_read_what_the_one_before_wrote_goes_back(slotted: Any):
    make, flash, stall_host = slotted
    source = b"from stallmark.errors import FormatError\nclass KeyStore:\n    def __init__(self, flash):\n        pass\n"
    source += b"    def load(self):\n        raise FormatError('keys of another form')\n"
    files = programs() | {"/stallmark/keystore.py": source}
    del files["/stallmark/keystore.mpy"]
    installed(flash, signed(Authors(), application.packed(files), 2))

    async def market() -> None:
        async with make() as lab:
            host = meet(lab, stall_host)
            await lab.until(lambda: slots(host).get(6), "the way back")
            assert slots(host)[6][1] == 1 and slots(host)[0] == 0 and lab.brick.restarts == 3

    asyncio.run(market())


def test_a_trial_waits_for_what_just_now_fails_and_for_a_host_that_was_there_before():
    now, works = [0], [0]

    def look(at: int, bits: int, tried: Trial) -> int:
        now[0], works[0] = at, bits
        return tried.look()

    def trial(expected: int) -> Trial:
        now[0] = 0
        return Trial(expected, lambda: works[0], lambda: now[0])

    one = trial(READER | LINK | RULES)
    assert [look(at, READER | LINK, one) for at in (0, 59_999, 60_000)] == [0, 0, -1]
    one = trial(READER | LINK)
    assert [look(at, bits, one) for at, bits in ((1000, 5), (60_000, 4), (90_000, 4), (119_999, 1))] == [
        0,
        0,
        0,
        -1,
    ], "back in time"
    one = trial(READER | LINK)
    assert [look(at, LINK, one) for at in (60_000, 119_999, 120_000)] == [0, 0, 4]
    one = trial(LINK)
    assert [look(at, 0, one) for at in (60_000, 599_999, 600_000)] == [0, 0, 6]
    assert look(60_000, 0, trial(0)) == -1, "nothing was there before either"


def test_an_application_has_to_decide_by_the_installed_rules_as_their_authors_signed():
    found = rules.Ruleset(NEXT)
    assert rules_wrong(RULES, found, [golden(reg.REASON_GRANTED)]) == 0
    assert rules_wrong(RULES, found, [golden(reg.REASON_NEAR, 2)]) == 8
    assert rules_wrong(RULES, None, []) == 7, "they could be read before"
    assert rules_wrong(0, None, []) == 0, "there were none"


def test_rules_with_which_start_ups_fail_go_back_and_come_again_only_by_a_newer_directive(lent: Lent):
    async def market() -> None:
        async with lent() as (lab, host):
            data = lab.authors.bundle(NEXT, 2)
            assert (await answer(lab, host, data))[1] == reg.INSTALL_OK
            host.bundle = None
            for _ in range(2):  # a watchdog ends two start-ups in a row
                await lab.drained()
                await lab.brick.stop()
                await lab.brick.start(reset_reason=3)
                await lab.ready()
            assert host.statuses[-1][12] == sha256(RULESET), "the ones before"
            await lab.until(lambda: reg.MSG_BUNDLE_RESULT in dict(host.answers), "why")
            assert dict(host.answers)[reg.MSG_BUNDLE_RESULT][1] == reg.INSTALL_RETURNED
            assert (await answer(lab, host, data))[1] == reg.INSTALL_RETURNED
            other = lab.authors.bundle(ruleset(SAMPLES, rev=3), 3)
            assert (await answer(lab, host, other))[1] == reg.INSTALL_OK, "others are welcome"

    asyncio.run(market())


def test_customers_and_low_packs_and_the_host_keep_a_new_application_waiting_and_it_waits_for_nobody(
    slotted: Any,
):
    make, _, stall_host = slotted
    authors = Authors()
    data = signed(authors, broken(b"raise ValueError(%r)\n" % bytes(2_000)), 2)

    async def market() -> None:
        async with make("events", calm_ms=300, power_look_ms=20, rest_ms=50) as lab:
            host = meet(lab, stall_host)
            lab.brick.packs.set(
                main_percent=20, backup_percent=20
            )  # some charge, not much: rules would still be taken
            await lab.ready()
            await lab.until(lambda: host.diagnostics and host.diagnostics[-1][5][0] >= 1, "the saving level")
            host.offer(data)
            await lab.until(lambda: (slots(host).get(5) or [0] * 4)[3] == 2, "it waits for power")
            assert host.wanted == [], "not a byte was asked for"
            lab.brick.packs.set(main_percent=90, backup_percent=90)
            host.send(reg.MSG_HOLD, {0: 3600})
            await lab.until(lambda: host.wanted, "the first piece")
            for number in range(5):  # a decision at any time of it
                seen = len(host.wanted)
                assert (await lab.outcome(b"some%04d" % number))[1] in (1, 2)
                await lab.until(
                    lambda seen=seen: len(host.wanted) > seen or slots(host)[5][1] == slots(host)[5][2],
                    "it goes on",
                )
            await lab.until(lambda: slots(host)[5][3] == 4, "the host holds it")
            assert lab.brick.restarts == 0 and slots(host)[5][1] == slots(host)[5][2] == len(data)
            host.send(reg.MSG_HOLD, {0: 0})
            await lab.until(lambda: lab.brick.restarts >= 1, "the switch")

    asyncio.run(market())


def test_a_busy_stall_is_never_blocked_by_an_update(slotted: Any):
    make, _, stall_host = slotted
    data = signed(Authors(), broken(b"raise ValueError(%r)\n" % bytes(1_000)), 2)

    async def market() -> None:
        async with make("events", calm_ms=3_600_000) as lab:
            host = meet(lab, stall_host)
            await lab.ready()
            host.offer(data)
            for number in range(400):  # one after the other, without a pause
                assert (await lab.outcome(b"busy%04d" % number))[1] in (1, 2), "everybody is answered"
                if number >= 20 and (slots(host).get(5) or [0] * 4)[3] == 1:
                    break
            assert slots(host)[5][3] == 1, "the update waits and says for whom"
            there = slots(host)[5][1]
            await lab.until(lambda: (row := slots(host).get(5)) and row[1] == row[2], "it comes once nobody is there")
            assert there < slots(host)[5][1] and lab.brick.restarts == 0, "and is not switched to yet"

    asyncio.run(market())


def test_a_download_goes_on_after_the_power_was_away(slotted: Any):
    make, _, stall_host = slotted
    authors = Authors()
    data = signed(authors, broken(b"raise ValueError(%r)\n" % bytes(16_000)), 2)

    async def market() -> None:
        async with make(calm_ms=3_600_000) as lab:
            host = meet(lab, stall_host)
            await lab.ready()
            host.withhold_after = 9000
            host.offer(data)
            await lab.until(lambda: host.wanted and host.wanted[-1] >= 9000, "half of it")
            host.wanted.clear()
            host.withhold_after = None
            await lab.restart()
            await lab.until(lambda: (row := slots(host).get(5)) and row[1] == row[2], "all of it")
            assert host.wanted[0] == 8192, "from the last whole sector on"

    asyncio.run(market())
