"""The scanner task on CPython with the QR module's model at the other end of a cable that knows baud rates."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brick import counters as count
from brick.qr.scanner import Scanner
from leapingloop import now_ns
from modelline import Desk, ModelLine, Pulse, ticks, until
from virtualkit.pty import garble
from virtualkit.qrmodule import QrModule


class Cable:
    """The module's UART: garbage in both directions at another rate than its own."""

    def __init__(self, model: QrModule) -> None:
        self.model = model
        self.host = 0
        self.lines: list[ModelLine] = []
        self.bauds: list[int] = []
        self.faults = model.faults

    def open(self, baud: int) -> ModelLine:
        self.host = baud
        self.bauds.append(baud)
        self.lines.append(ModelLine(self))
        self.model.changed = self.lines[-1]._kick
        return self.lines[-1]

    @property
    def line(self) -> ModelLine:
        return self.lines[-1]

    def _wire(self, data: bytes) -> bytes:
        return data if self.model.baud == self.host else garble(data)

    def feed(self, data: bytes) -> bytes:
        return self._wire(self.model.feed(self._wire(data)))

    def poll(self) -> bytes:
        return self._wire(self.model.poll())

    def due(self) -> int | None:
        return self.model.due()


class Bench:
    def __init__(self) -> None:
        self.model = QrModule(seed=4, clock=now_ns)
        self.cable = Cable(self.model)
        self.desk = Desk()
        self.scanner = Scanner(self.cable.open, self.desk, self.desk.counters, ticks)
        self.pulse = Pulse()

    def count(self, number: int) -> int:
        return self.desk.counters.get(number)

    def sends(self, data: bytes) -> None:
        """The module sends these bytes by itself."""
        self.cable.line.put(data)


@asynccontextmanager
async def running(**zones: int) -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.scanner.run(bench.pulse))
    try:
        await until(lambda: bench.count(count.QR_CONFIGURED), "the set-up")
        yield bench
        assert not task.done(), task.exception()
    finally:
        task.cancel()
