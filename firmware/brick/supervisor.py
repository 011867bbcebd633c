"""Starts every task, restarts one that failed, and feeds the watchdog only while each shows that it lives."""

import asyncio

from brick import aio, config
from brick import counters as count

# Places of the tasks in the log of start-ups: never change one, add at the end.
TASKS = (
    "light", "link in", "link out", "asking", "chores", "diagnostics", "reader", "scanner", "events", "power", "radio",
    "radio in", "vouchers",
)  # fmt: skip
_OTHER = len(TASKS)


def task_name(place):
    """The name of the task at a place of the log of start-ups; None for None."""
    if place is None:
        return None
    return TASKS[place] if place < _OTHER else "another task"


class Pulse:
    """A task's sign of life: it calls `beat()` more often than its deadline."""

    def __init__(self, ticks):
        self._ticks = ticks
        self.last = ticks()

    def beat(self):
        """I am alive."""
        self.last = self._ticks()


class _Watched:
    def __init__(self, name, run, deadline_ms, pulse):
        self.name = name
        self.run = run
        self.deadline_ms = deadline_ms
        self.pulse = pulse
        self.late = False


class Supervisor:
    """Owner of all tasks. `watchdog.feed()` must be called within config.WATCHDOG_MS or the board restarts.

    A link that is down or a part that does not answer is a state, reported by its task; it never keeps the
    watchdog hungry, because a restart would not mend it.
    """

    def __init__(self, watchdog, ticks, counters, log, boots):
        self._watchdog = watchdog
        self._boots = boots
        self._ticks = ticks
        self._counters = counters
        self._log = log
        self._watched = []
        self._after = None

    def add(self, name, run, deadline_ms):
        """Watch over `async run(pulse)`, which beats at least every `deadline_ms`; None: it may wait."""
        self._watched.append(_Watched(name, run, deadline_ms, Pulse(self._ticks)))

    def finish(self, after):
        """End every task within half a second; then `async after()`, which feeds the watchdog itself."""
        self._after = after

    def late(self):
        """Names of the tasks that missed their deadline."""
        return [task.name for task in self._watched if task.late]

    async def _keep(self, task):
        while True:
            task.pulse.beat()
            try:
                await task.run(task.pulse)
                problem = "ended"
            except Exception as error:  # noqa: BLE001  the last line of defence: one part's bug must not end the others
                problem = "{}: {}".format(type(error).__name__, error)
            self._counters.add(count.TASK_RESTARTS)
            self._log("task {} {}; starting it again".format(task.name, problem))
            task.pulse.beat()
            await aio.sleep_ms(config.RESTART_MS)

    async def run(self):
        """Runs until `finish` was called, then what that was given; cancelling it cancels every task."""
        running = [asyncio.create_task(self._keep(task)) for task in self._watched]
        began, lasted = self._ticks(), False
        try:
            while True:
                if self._all_alive():
                    self._watchdog.feed()
                    if not lasted and self._ticks() - began >= config.GOOD_BOOT_MS:
                        lasted = True
                        self._boots.good()
                if self._after is not None:
                    break
                await aio.sleep_ms(config.FEED_MS)
        finally:
            for task in running:
                task.cancel()
        await self._after()

    def _all_alive(self):
        alive = True
        now = self._ticks()
        for task in self._watched:
            late = task.deadline_ms is not None and now - task.pulse.last > task.deadline_ms
            if late and not task.late:
                self._counters.add(count.TASK_LATE)
                self._boots.blame(TASKS.index(task.name) if task.name in TASKS else _OTHER)
                self._log("task {} missed its deadline of {} ms".format(task.name, task.deadline_ms))
            task.late = late
            alive = alive and not late
        return alive
