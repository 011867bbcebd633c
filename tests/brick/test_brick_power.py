"""Power cuts at random operations, a full journal, damaged keys, a dead reader: nothing lost or doubled."""

import asyncio
import contextlib
import os
import random
from pathlib import Path

import pytest
from boards.partitions import find
from bricklab import FLASH_BYTES, SAMPLES, Host, Lab, ruleset
from conftest import Lent
from stallmark import registry as reg
from virtualkit.brick_process import BrickCrashed

AMBER, RED = (1, 1, 0), (1, 0, 0)
DECIDED = (reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN)


def granted(host: Host) -> dict[bytes, int]:
    """Nonce of every grant that the host holds, and how often."""
    found: dict[bytes, int] = {}
    for entry in host.of_kind(reg.KIND_GRANT):
        found[entry.fields[15]] = found.get(entry.fields[15], 0) + 1
    return found


async def tap_until_dark(lab: Lab, rng: random.Random, most: int) -> None:
    """Customers come until the power fails or nobody is left."""
    with contextlib.suppress(BrickCrashed, AssertionError):
        for _ in range(most):
            if not lab.brick.powered:
                return
            seen = len(lab.outcomes)
            lab.inject(rng.randbytes(8), 3 if rng.random() < 0.6 else 1)
            await lab.until(lambda n=seen: len(lab.outcomes) > n or not lab.brick.powered, "an end", 5)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_of_power_cuts_loses_and_doubles_nothing(lent: Lent, seed: int):
    """Every grant that was answered stands at the host once; the chain holds; rights are never overspent."""

    async def market() -> None:
        rng = random.Random(seed)
        async with lent("events") as (lab, host):
            for number in range(10, 13):
                piece = lab.authors.slice(number, "sample", reg.UNIT_PIECES, 10)
                host.greeting.append((reg.MSG_SLICE, piece))
            torn = 0
            for _ in range(14):
                if not lab.brick.powered or rng.random() < 0.5:
                    operations = rng.choice((1, 2, 3, 4, rng.randrange(5, 60)))
                    await lab.restart(cut=(operations, rng.getrandbits(64)))
                    with contextlib.suppress(AssertionError, BrickCrashed):
                        await lab.until(lambda: not lab.brick.powered or host.up, "a start", 5)
                await tap_until_dark(lab, rng, rng.randrange(1, 12))
                if lab.brick.powered and rng.random() < 0.3:
                    cut = await lab.brick.power_cut(rng.randrange(1 << 30))
                    torn += cut.operation is not None
                torn += not lab.brick.powered
            await lab.restart()
            await lab.ready()
            assert torn >= 3, f"seed {seed} tore nothing"
            stand = granted(host)
            for nonce, kind, _ in lab.outcomes:
                if kind == reg.KIND_GRANT:
                    assert stand.get(nonce) == 1, "a green light whose grant is not at the host"
            assert all(times == 1 for times in stand.values())
            spent: dict[int, int] = {}
            for entry in host.of_kind(reg.KIND_GRANT):
                for piece, amount in entry.fields.get(13, []):
                    spent[piece] = spent.get(piece, 0) + amount
            assert all(total <= {1: 3, 2: 3000}.get(piece, 10) for piece, total in spent.items()), spent
            boots = [entry.fields[4] for entry in host.records]
            assert boots == sorted(boots)
            host.macs_hold()

    asyncio.run(market())


def test_a_cut_in_the_middle_of_an_install_leaves_the_old_rules_or_the_new(lent: Lent):
    async def market() -> None:
        rng = random.Random(5)
        new = ruleset(SAMPLES, rev=2)
        async with lent("events") as (lab, host):
            old = host.statuses[-1][12]
            host.bundle = lab.authors.bundle(new, 2)
            for operations in (1, 2, 3, 4, 5, 6, 7):
                await lab.restart(cut=(operations, rng.getrandbits(64)))
                with contextlib.suppress(AssertionError, BrickCrashed):
                    await lab.until(lambda: not lab.brick.powered, "the cut", 3)
                await lab.restart()
                bundle, host.bundle = host.bundle, None
                await lab.ready()
                assert host.statuses[-1][12] in (old, host.records[-1].fields[24][0])
                assert host.statuses[-1][12] is not None, "never without rules"
                host.bundle = bundle
            await lab.restart()
            await lab.ready()
            await lab.until(lambda: host.statuses[-1][12] != old, "the new rules in the end")

    asyncio.run(market())


def test_a_full_journal_grants_nothing_says_so_and_works_again_once_it_is_drained(tmp_path: Path):
    async def market() -> None:
        async with Lab(tmp_path / "small", ("events",), flash_bytes=4 * 1024 * 1024) as lab:
            stock = lab.authors.slice(1, "sample", reg.UNIT_PIECES, 5000)
            host = await lab.stocked(ruleset(SAMPLES, people=4000), stock)
            await lab.drained()
            host.silent = True
            answered = 0
            while (await lab.outcome(os.urandom(8)))[1] == reg.KIND_GRANT:
                answered += 1
            assert answered > 1300, answered
            assert lab.colours[-1] == AMBER
            for _ in range(3):
                outcome = await lab.outcome(os.urandom(8))
                assert outcome[1] != reg.KIND_GRANT and lab.colours[-1] == AMBER
            host.silent = False
            host.restart()
            await lab.until(lambda: host.statuses[-1][8] == 1, "degraded", 60)
            await lab.until(lambda: host.expected > host.statuses[-1][1] - 1, "every record", 60)
            assert len(host.of_kind(reg.KIND_GRANT)) == answered
            await lab.until(lambda: len(host.statuses[-1][9]) == 1, "the slice")
            await lab.until(lambda: host.statuses[-1][8] == 0, "good again")
            assert (await lab.outcome(os.urandom(8)))[1] == reg.KIND_GRANT, "room again"
            host.macs_hold()

    asyncio.run(market())


def test_damaged_keys_are_red_and_said_and_nothing_is_erased(lent: Lent, tmp_path: Path):
    async def market() -> None:
        async with lent("events") as (lab, host):
            await lab.brick.stop()
            offset, size = find(FLASH_BYTES, "keys")
            with lab.flash.open("r+b") as image:
                for sector in range(0, size, 4096):
                    image.seek(offset + sector)
                    page = bytearray(image.read(256))
                    page[20:28] = bytes(8)  # one byte may happen to have no bit that falls
                    image.seek(offset + sector)
                    image.write(page)
                image.seek(offset)
                damaged = image.read(size)
            await lab.brick.start()
            await lab.until(lambda: RED in lab.colours, "red")
            await lab.until(lambda: any("keys damaged" in text for text in host.logs), "the words")
            await lab.brick.stop()
            assert lab.flash.read_bytes()[offset : offset + size] == damaged

    asyncio.run(market())


def test_a_dead_reader_is_in_the_status_and_comes_back(lent: Lent):
    async def market() -> None:
        async with lent("nfc") as (lab, host):
            chip = lab.brick.nfc
            assert chip is not None
            await lab.until(lambda: host.statuses[-1][10] == 1, "a good reader")
            chip.faults.silent = True
            await lab.until(lambda: host.statuses[-1][10] == 2, "the fault in the status")
            assert host.statuses[-1][8] == 1
            await lab.until(lambda: RED in lab.colours, "red")
            chip.faults.silent = False
            await lab.until(lambda: host.statuses[-1][10] == 1, "the reader again")
            assert host.statuses[-1][0] == 2, "without a restart of the brick"

    asyncio.run(market())
