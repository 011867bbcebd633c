"""Rules tried beside those in use, on the real firmware: nothing acts by them, and what they would have done is told."""

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from brick import shadow as trial
from bricklab import SAMPLES, START_MS, Host, Lab, rule, ruleset
from conftest import PEOPLE
from stallmark import bundle, shadow
from stallmark import registry as reg
from stallmark.crypt import sha256
from stallmark.decision import plain
from stallmark.rules import Ruleset
from stallmark.state import State
from virtualkit.slots import partitions

LATER = START_MS + 10**9
NOTHING, GREEN = reg.KIND_DENY, reg.KIND_GRANT
MARK = 256  # of a slot's header page: zero once its rules have lasted
# What is tried: from the third on who comes everybody gets 0.50, nobody a sample, and no slice of it was ever minted.
THIRD = rule("third", [10, [20, 864_000_000], 3], [[reg.GRANT_FIXED_NOW, 1, 50]], [[reg.UNIT_MINOR, 50]])
TRIED = ruleset(THIRD, rev=2)


def order(host: Host, data: bytes, until_ms: int = LATER, key: bytes | None = None) -> dict[int, Any]:
    """Message 53 for a bundle."""
    digest32 = sha256(bundle.split(data)[0])
    tag = shadow.order_tag(key or host.control_key, host.brick8, digest32, len(data), until_ms)
    return {0: digest32, 1: len(data), 2: until_ms, 3: tag}


def attempt(host: Host, data: bytes, **more: Any) -> None:
    """The order, and its bundle for whoever asks for pieces."""
    host.bundle = data
    host.send(reg.MSG_SHADOW, order(host, data, **more))


def said(host: Host) -> dict[int, Any]:
    """The newest summary, by this brick; no fields before the first."""
    found = [value for kind, value in host.answers if kind == reg.MSG_SHADOWED]
    for value in found:
        assert shadow.said_good(host.control_key, value[0], value[1])
    return shadow.read(found[-1][0]) if found else {3: 0, 6: 0}


@asynccontextmanager
async def market(stall: Any, folder: Path, lasted: bool = True) -> AsyncIterator[tuple[Lab, Host]]:
    """A copy of the stall's brick; its rules have lasted, as they do after a minute."""
    flash, host = stall
    folder.mkdir()
    shutil.copy(flash, folder / "flash.bin")
    if lasted:
        with (folder / "flash.bin").open("r+b") as image:
            for name in ("rules_a", "rules_b"):
                image.seek(partitions.find(flash.stat().st_size, name)[0] + MARK)
                image.write(b"\0")
    async with Lab(folder, ("events",)) as lab:
        lab.host = host.copy(lab.link.write)
        lab.host.greeting = list(host.greeting)
        await lab.ready()
        await lab.until(lambda: len(lab.host.statuses[-1][9]) == 2, "the slices")
        yield lab, lab.host


async def running(lab: Lab, host: Host) -> None:
    await lab.until(lambda: said(host)[3] == shadow.RUNNING, "the trial")


def test_only_what_is_signed_is_tried_what_it_would_have_done_is_told_and_nothing_acts_by_it(stall: Any, tmp_path: Path):
    async def run() -> None:
        async with market(stall, tmp_path / "brick") as (lab, host):
            before = host.statuses[-1]
            good = lab.authors.bundle(TRIED, 2)
            host.send(reg.MSG_SHADOW, order(host, good, key=bytes(32)))
            host.send(reg.MSG_SHADOW, {0: bytes(3), 1: 4})
            await lab.until(lambda: host.idle, "two orders that are none")
            host.send(reg.MSG_IDENTIFY, {})
            await lab.until(lambda: [160, 1] in host.diagnostics[-1][3], "the count of it")
            assert not any(kind == reg.MSG_SHADOWED for kind, _ in host.answers)
            for data, result in (
                (lab.authors.bundle(TRIED, 2, signers=1), reg.INSTALL_THRESHOLD),
                (lab.authors.bundle(ruleset(THIRD, rev=0), 0), reg.INSTALL_OLDER),
                (lab.authors.bundle(TRIED, 2, golden=[[{0: 1}, 1, 0, 1]]), reg.INSTALL_VECTOR),
            ):
                host.answers.clear()
                attempt(host, data)
                await lab.until(lambda: said(host)[3] == shadow.REFUSED, f"a refusal with {result}")
                assert said(host)[12] == result
            host.answers.clear()
            attempt(host, lab.authors.bundle(TRIED, 2))
            await running(lab, host)
            kinds = [(await lab.outcome(bytes([n]) * 8))[1] for n in range(6)]
            await lab.until(lambda: said(host)[6] == 6, "six events", 60)
            found = said(host)
            # By the rules in use: a sample each while three last, then percent. By those tried: nothing, then money.
            assert kinds == [GREEN] * 6 and found[7] == 6 and found[10][1:] == [3 * 50, 0, 0]
            assert sorted((pair[0], pair[2], pair[4]) for pair in found[8]) == [(GREEN, GREEN, 3), (GREEN, NOTHING, 3)]
            assert len(found[11]) == 3 and found[11][0][1] == 16 * reg.EVENT_NFC_TAP + 3
            await lab.drained()
            assert all(entry.fields[8] == before[5] for entry in host.of_kind(GREEN)) and host.statuses[-1][5] == before[5]
            host.macs_hold()

    asyncio.run(run())


def test_a_start_forgets_it_its_time_ends_it_and_an_installation_goes_before_it(stall: Any, tmp_path: Path):
    async def run() -> None:
        async with market(stall, tmp_path / "brick") as (lab, host):
            data = lab.authors.bundle(TRIED, 2)
            attempt(host, data)
            await running(lab, host)
            first, rules = said(host)[4], host.statuses[-1][5]
            host.bundle = None
            await lab.restart()
            host.restart()
            await lab.ready()
            assert host.statuses[-1][5] == rules, "what was tried is never taken up"
            host.answers.clear()
            attempt(host, data)
            await running(lab, host)
            assert said(host)[4] > first
            host.send(reg.MSG_SHADOW, {0: None})
            await lab.until(lambda: said(host)[3] == shadow.OVER, "its end")
            told = said(host)
            host.answers.clear()
            attempt(host, data, until_ms=START_MS - 1)
            await lab.until(lambda: said(host)[3] > 0, "its first word")
            again = said(host)
            assert again[4] == told[4] and again[5] > told[5], "a second trial's words are newer than the first one's"
            await lab.until(lambda: said(host)[3] == shadow.OVER, "an end that was before")
            attempt(host, data)
            await running(lab, host)
            host.offer(data)
            await lab.until(lambda: said(host)[3] == shadow.GAVE_WAY, "its end")
            await lab.until(lambda: host.statuses[-1][12] == sha256(TRIED), "the installation")
            attempt(host, lab.authors.bundle(ruleset(SAMPLES, rev=3), 3))
            await lab.until(lambda: said(host)[3] == shadow.WAITS, "rules that have not lasted")

    asyncio.run(run())


def test_who_had_something_by_the_rules_in_use_has_had_it(stall: Any, tmp_path: Path):
    """The very same rules under another revision: nothing differs, also for people who come again."""

    async def run() -> None:
        async with market(stall, tmp_path / "brick") as (lab, host):
            for n in range(3):
                await lab.outcome(bytes([n]) * 8)
            host.send(reg.MSG_REVOKED, {0: True, 1: bytes([5]) * 6})
            attempt(host, lab.authors.bundle(ruleset(SAMPLES, PEOPLE, rev=2), 2))
            await running(lab, host)
            host.send(reg.MSG_REVOKED, {0: False, 1: bytes([6]) * 6})
            await lab.until(lambda: host.idle, "the second of them")
            kinds = [(await lab.outcome(bytes([n]) * 8))[1] for n in (0, 1, 3, 4, 3, 5, 6, 7)]
            await lab.until(lambda: said(host)[6] == 8, "eight events")
            assert kinds[-3:] == [NOTHING, NOTHING, GREEN], "two were revoked: one before the trial, one meanwhile"
            assert said(host)[7] == 0 and said(host)[10][0] == said(host)[10][1]

    asyncio.run(run())


class Bare:
    """A decider without rules."""

    ruleset = None
    state = State()


class Journal:
    """Nothing was ever written."""

    def records(self, from_seq=0):
        return iter(())


def test_memory_that_runs_out_ends_it_and_what_waits_is_bounded(monkeypatch):
    counted = []
    uses = trial.Uses(None, None, None, None, Journal(), None, Bare(), None, counted, None, counted.append, None, 1)
    rules = Ruleset(TRIED)

    def reading():
        made = trial.Shadow(uses, (bytes(32), 10, LATER, b""))
        made.state, made._ruleset, made._rules_state, made._records = shadow.READING, rules, State(rules), iter(())
        return made

    going = reading()
    going.step()
    assert going.state == shadow.RUNNING and len(counted) == 1, "it has its slices"
    for _ in range(20):
        going.note(None, [plain(NOTHING, [8])], None)
    assert len(going._queue) == 8 and going._missed == 12
    monkeypatch.setattr(gc, "mem_free", lambda: 16_000, raising=False)
    going = reading()
    going.step()
    assert going.state == shadow.NO_MEMORY and not going.going and going._rules_state is None
    monkeypatch.setattr(gc, "mem_free", lambda: 17_000, raising=False)
    going = reading()
    going.step()
    assert going.state == shadow.RUNNING
