"""Status reports that wait are written in one transaction: each is durable before its answer, and the queue has an end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from fleet.desired.report import Said
from fleet.errors import Refused

MOST = 2_000  # reports that wait at a time; one has 32 kB at most and a few hundred bytes as a rule
AT_ONCE = 128  # in one transaction
RETRY_S = 3

Answer = list[dict[str, Any]]
Take = Callable[[Sequence[Said]], list[Answer]]


class Reporting:
    """Everything on one event loop. `take`, in `worker`: writes reports down and returns an answer to each, in their order."""

    def __init__(self, take: Take, worker: Executor, most: int = MOST) -> None:
        self._take, self._worker, self._most = take, worker, most
        self._waiting: deque[tuple[Said, asyncio.Future[Answer]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def report(self, one: Said) -> Answer:
        """Durable on return. Raises Refused 503 where too many wait; what `take` raises for this one."""
        if len(self._waiting) >= self._most:
            raise Refused(503, "too many status reports wait to be written down", retry_after=RETRY_S)
        mine: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, mine))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="status reports")
        return await mine

    async def _run(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            if not await self._write(group, alone=len(group) == 1):
                for one in group:  # one of them may be at fault: it has no say over the others
                    await self._write([one], alone=True)

    async def _write(self, group: list[tuple[Said, asyncio.Future[Answer]]], alone: bool) -> bool:
        """Whether each was answered."""
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._worker, self._take, [one for one, _ in group])
        except Exception as failed:  # noqa: BLE001 - it is the answer to whoever waits for it
            if alone and not group[0][1].done():
                group[0][1].set_exception(failed)
            return alone
        for (_, future), answer in zip(group, answers, strict=True):
            if not future.done():
                future.set_result(answer)
        return True
