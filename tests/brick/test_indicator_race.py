"""A new outcome that comes in the very instant at which a step of the old pattern ends."""

import asyncio
import contextlib

from brick import indicator


class _Light:
    def __init__(self):
        self.edges = []

    def set(self, r, g, b):
        self.edges.append((r, g, b))


class _Silence:
    def tone(self, hz):
        pass


class _Pulse:
    def beat(self):
        pass


class _Late:
    """A flag whose wait has just timed out when somebody raises it."""

    def __init__(self, lamp):
        self.lamp = lamp
        self.rounds = 0

    def raise_(self):
        pass

    async def wait(self, ms):
        self.rounds += 1
        if self.rounds == 1:
            self.lamp.show(indicator.NOTHING)
            return False
        raise asyncio.CancelledError


def test_a_denial_that_meets_the_end_of_a_green_step_never_turns_green():
    light = _Light()
    lamp = indicator.Indicator(light, _Silence())
    lamp._changed = _Late(lamp)
    lamp.show(indicator.GRANTED)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(lamp.run(_Pulse()))
    assert light.edges.count((0, 1, 0)) == 1  # the grant's own
    assert light.edges[-1] == (0, 0, 1)
