"""The few asyncio calls that differ between MicroPython and CPython."""

import asyncio

TimeoutError = asyncio.TimeoutError

if hasattr(asyncio, "sleep_ms"):
    sleep_ms = asyncio.sleep_ms  # type: ignore
    wait_ms = asyncio.wait_for_ms  # type: ignore
else:

    async def sleep_ms(ms):
        """Let other tasks run for at least `ms` milliseconds."""
        await asyncio.sleep(ms / 1000)

    async def wait_ms(awaitable, ms):
        """The result of `awaitable`, or TimeoutError after `ms` milliseconds and its cancellation."""
        # CPython 3.11's wait_for forgets a cancellation that comes in the very moment of the result.
        async with asyncio.timeout(ms / 1000):
            return await awaitable


class Flag:
    """A wake-up that is kept until somebody waits: `raise_()` from any task, `wait(ms)` in one task."""

    def __init__(self):
        self._event = asyncio.Event()

    def raise_(self):
        self._event.set()

    async def wait(self, ms):
        """True as soon as the flag was raised since the last wait, False after `ms` milliseconds."""
        if not self._event.is_set():
            try:
                await wait_ms(self._event.wait(), ms)
            except TimeoutError:
                return False
        self._event.clear()
        return True
