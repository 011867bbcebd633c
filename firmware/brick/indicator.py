"""What the customer sees and hears: colour, pattern and tone, each enough alone (PRODUCT.md A7)."""

from stallmark.constant import const

from brick import aio

_OFF = const(0)
_BLUE = const(1)
_GREEN = const(2)
_RED = const(4)
_AMBER = const(6)
_WHITE = const(7)

# Steps of (milliseconds, colour, tone in Hz or 0 for silence). The last step is followed by dark and silence.
GRANTED = ((120, _GREEN, 880), (180, _GREEN, 1320), (300, _GREEN, 0))
NOTHING = ((180, _BLUE, 330),)
ASK = ((150, _AMBER, 660), (100, _OFF, 0), (150, _AMBER, 660))
FAULT = ((400, _RED, 220),)
IDENTIFY = ((150, _WHITE, 990), (150, _OFF, 0), (150, _WHITE, 990), (150, _OFF, 0), (150, _WHITE, 990))
WORKING = ((100, _WHITE, 0), (300, _OFF, 0)) * 20  # a voucher is being checked: until its answer replaces this

# Backgrounds repeat while nothing else is shown. A dark brick is a working brick.
READY = ()
FAULTY = ((150, _RED, 0), (1850, _OFF, 0))
PRACTICE = ((60, _WHITE, 0), (2940, _OFF, 0))  # none of the colours that answer a customer
BLANK = ((80, _WHITE, 0), (1920, _OFF, 0))
LOW_POWER = ((60, _AMBER, 0), (4940, _OFF, 0))
SAFE = ((150, _WHITE, 0), (150, _RED, 0), (1700, _OFF, 0))  # white and red: it needs somebody, and it does talk
_IDLE_MS = const(1000)


class Indicator:
    """Shows one pattern at a time; a new one replaces the old at once: nobody waits for another's light.

    `light.set(r, g, b)` takes bits, maybe `light.dim(percent)`; `sound.tone(hz)` a frequency or 0.
    """

    def __init__(self, light, sound):
        self._light = light
        self._sound = sound
        self._steps = ()
        self._at = 0
        self._shown = 0  # patterns begun so far: tells `run` that its step is no longer the one that is shown
        self._colour = _OFF
        self._tone = 0
        self._background = READY
        self._changed = aio.Flag()
        self._dim = getattr(light, "dim", None)
        self._bright = 100
        self._output(_OFF, 0)

    def show(self, pattern):
        """Start a pattern. The first edge is out when this returns; the rest follows in `run`."""
        if pattern[0][1] == self._colour and self._colour:
            self._light.set(0, 0, 0)  # the same colour again must be a new edge
            self._colour = _OFF
        self._output(pattern[0][1], pattern[0][2])
        self._steps = pattern
        self._at = 0
        self._shown += 1
        self._changed.raise_()

    @property
    def showing(self):
        """True while a pattern runs."""
        return bool(self._steps)

    def dim(self, percent):
        """How bright the light is from now on, where the board can dim it; pattern and sound stay as they are."""
        if self._dim is not None and percent != self._bright:
            self._bright = percent
            self._dim(percent)

    def background(self, pattern):
        """What to repeat between patterns: a lasting state such as a fault, or READY for darkness."""
        if pattern is not self._background:
            self._background = pattern
            if not self._steps:
                self._changed.raise_()

    def _output(self, colour, tone):
        if colour != self._colour:
            self._colour = colour
            self._light.set(colour >> 2 & 1, colour >> 1 & 1, colour & 1)
        if tone != self._tone:
            self._tone = tone
            self._sound.tone(tone)

    async def run(self, pulse):
        """The task that walks through the steps."""
        background = READY
        while True:
            pulse.beat()
            if self._steps:
                steps, shown = self._steps, self._shown
                # A new pattern may begin after this step's time was up and before this task runs again.
                if await self._changed.wait(steps[self._at][0]) or shown != self._shown:
                    continue
                self._at += 1
                if self._at < len(steps):
                    self._output(steps[self._at][1], steps[self._at][2])
                else:
                    self._steps = ()
                    background = READY
                    self._output(_OFF, 0)
                continue
            if background is not self._background or not background:
                background, at = self._background, 0
            if not background:
                self._output(_OFF, 0)
                await self._changed.wait(_IDLE_MS)
                continue
            self._output(background[at][1], background[at][2])
            if not await self._changed.wait(background[at][0]):
                at = (at + 1) % len(background)
