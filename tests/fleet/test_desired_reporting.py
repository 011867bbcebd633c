"""Status reports that wait share a transaction: each has its own answer, one at fault harms no other, the queue has an end."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from fleet.desired.report import Report, Said
from fleet.desired.reporting import AT_ONCE, Reporting
from fleet.errors import Refused


def said(n):
    return Said(n.to_bytes(8, "big"), bytes(8), Report(number=n))


def play(script, most=2_000):
    """Runs `script(reporting, gate, groups)`; writing waits for the gate."""
    gate, groups = Event(), []

    def take(found):
        assert gate.wait(60)
        groups.append(len(found))
        if any(one.report.number == 13 for one in found):
            raise OSError("no room for 13")
        return [[{"n": one.report.number}] for one in found]

    async def run():
        with ThreadPoolExecutor(1) as worker:
            return await script(Reporting(take, worker, most), gate)

    return asyncio.run(run()), groups


def test_reports_that_wait_are_written_together_and_each_has_its_answer():
    async def script(reporting, gate):
        tasks = [asyncio.create_task(reporting.report(said(n))) for n in range(100, 301)]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*tasks)

    answers, groups = play(script)
    assert [one[0]["n"] for one in answers] == list(range(100, 301))
    assert sum(groups) == 201 and max(groups) <= AT_ONCE and len(groups) <= 4


def test_one_report_that_cannot_be_written_is_refused_alone():
    async def script(reporting, gate):
        gate.set()
        tasks = [asyncio.create_task(reporting.report(said(n))) for n in range(10, 20)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers, _ = play(script)
    assert isinstance(answers[3], OSError)
    assert [one[0]["n"] for one in answers[:3] + answers[4:]] == [10, 11, 12, 14, 15, 16, 17, 18, 19]


def test_too_many_that_wait_are_refused_with_when_to_come_back():
    async def script(reporting, gate):
        tasks = [asyncio.create_task(reporting.report(said(n))) for n in range(100, 105)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(reporting.report(said(n))) for n in range(200, 210)]
        with pytest.raises(Refused) as refused:
            await asyncio.gather(*tasks)
        gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [one[0]["n"] for one in answers[:5]] == [100, 101, 102, 103, 104]
        return refused.value

    refused, _ = play(script, most=5)
    assert refused.status == 503 and refused.more["retry_after"] > 0
