"""A brick without keys: answers the bench's provisioning frames, and nothing else (docs/formats/keys.md)."""

from stallmark import frame
from stallmark import numbers as reg
from stallmark.constant import const

from brick import aio, config

_BUFFER = const(256)
_WAIT_MS = const(1000)
_HINT_MS = const(1000)


async def provision(line, provisioner, ticks, pulse, bench=None):
    """Serve the link until the keys are durable and the bench has had its answer.

    `bench`: what carries out the bench's other commands (brick.selftest.Bench), or None.
    Answered once more while the bench repeats its question because the answer got lost.
    """
    frames = frame.Reader()
    buffer = bytearray(_BUFFER)
    hinted = None
    while True:
        pulse.beat()
        try:
            n = await aio.wait_ms(line.readinto(buffer), config.LINGER_MS if provisioner.done else _WAIT_MS)
        except aio.TimeoutError:
            if provisioner.done:
                return
            continue
        if not n:
            await aio.sleep_ms(config.LINK_SILENT_MS)
            continue
        for kind, body in frames.feed(memoryview(buffer)[:n]):
            if kind == reg.FRAME_PROVISION_REQUEST:
                answer = None
                if bench is not None and not provisioner.done:
                    answer = await bench.handle(body)
                line.write(frame.build(reg.FRAME_PROVISION_ANSWER, answer or provisioner.handle(body)))
            elif kind not in (reg.FRAME_LOG, reg.FRAME_NOTICE):
                now = ticks()
                if hinted is None or now - hinted >= _HINT_MS:
                    hinted = now
                    line.write(frame.notice(reg.NOTICE_NOT_PROVISIONED, "not provisioned"))
