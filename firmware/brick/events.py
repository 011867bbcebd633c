"""A port for benches and tests: whole events as frames, decided like any other; no board offers it.

Frame type 64: an event (docs/formats/event.md) of which everything but times and origin counts; its times are
the brick's own. Frame type 65 answers it: `[nonce8, kind or null, seq or null]`, after the light.
Frame type 66 without a body asks for the heap after a collection; type 67 answers: `[used, free]` in bytes.
"""

import gc

from stallmark import cbor, event, frame
from stallmark.constant import const
from stallmark.errors import FormatError

from brick import aio, config
from brick import counters as count

FRAME_EVENT = const(64)
FRAME_OUTCOME = const(65)
FRAME_HEAP_WANTED = const(66)
FRAME_HEAP = const(67)
_BUFFER = const(256)


class EventPort:
    """The task."""

    def __init__(self, line, decide, clock, counters):
        self._line = line
        self._decide = decide
        self._clock = clock
        self._counters = counters

    async def run(self, pulse):
        """Decide what comes, in order."""
        frames = frame.Reader()
        buffer = bytearray(_BUFFER)
        while True:
            n = await self._line.readinto(buffer)
            if not n:
                await aio.sleep_ms(config.LINK_SILENT_MS)
                continue
            for kind, body in frames.feed(memoryview(buffer)[:n]):
                self._take(kind, body)

    def _take(self, kind, body):
        if kind == FRAME_HEAP_WANTED:
            gc.collect()
            self._line.write(frame.build(FRAME_HEAP, cbor.encode([gc.mem_alloc(), gc.mem_free()])))
            return
        try:
            if kind != FRAME_EVENT:
                raise FormatError("frame of type {}".format(kind))
            given = event.decode(body)
        except FormatError:
            self._counters.add(count.EVENTS_REFUSED)
            return
        clock = self._clock
        self._decide(
            event.make(
                type=given.type,
                trust=given.trust,
                subject=given.subject,
                nonce=given.nonce,
                wall_ms=clock.wall_ms(),
                uptime_ms=clock.uptime_ms(),
                quality=clock.quality,
                spread_ms=clock.spread_ms,
                basket_minor=given.basket_minor,
                items=given.items,
                tip_minor=given.tip_minor,
                lines=given.lines,
                signal=given.signal,
                reference=given.reference,
            ),
            lambda record: self._tell(given.nonce, record),
        )

    def _tell(self, nonce, record):
        outcome = [nonce, None, None]
        if record is not None:
            outcome = [nonce, record.fields[10], record.seq]
        self._line.write(frame.build(FRAME_OUTCOME, cbor.encode(outcome)))
