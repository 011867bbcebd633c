"""The QR scanner task: finds the module's speed, sets it up, closes set-up codes, hands on codes.

Which zones matter, and what each fault of a module looks like: docs/scanner.md
"""

from stallmark.constant import const

from brick import aio, config
from brick import counters as count
from brick.errors import NoAnswer
from brick.qr import command
from brick.qr.lines import ANSWER, CODE, FORGED, Lines

GOOD = const(1)  # scanner states of the status message
FAULT = const(2)

_ANSWER_MS = const(300)
_TRIES = const(2)
_SETTLE = const(6)  # times that, at most, for late answers to come
_SILENCE_MS = const(200)  # a code in the middle of which the line is silent this long is damaged
_BAUD = const(115200)
_CHUNK = const(64)
_SILENT_LINE_MS = const(20)
_END_MS = const(10)  # within which a line's end would follow a code, at 9,600 baud too
_LATE_MS = const(3)  # a timer that rings later than this: the brick stood still
_LAST_MS = const(5)  # for what is in the UART already
_LOOKS = const(4)
_BUSY_CHECKS = const(4)  # times the usual pause after which a module that never stops talking is asked all the same

# (zone, bits that are ours, their value). The module's light and sound are off: only the brick's speak.
SETTINGS = (
    (command.ZONE_SETUP, 0x03, command.SETUP_CLOSED),
    (command.ZONE_TAIL, 0xFF, command.TAIL_CR),
    (command.ZONE_OUTPUT, 0x03, 0x00),
    (command.ZONE_SAME_CODE, 0x80, 0x00),
    (command.ZONE_INTERVAL, 0xFF, 0x01),
    (command.ZONE_READ_TIME, 0xFF, 0x00),
    (command.ZONE_AIM, 0x80, 0x00),
    (command.ZONE_CUT, 0x03, 0x00),
    (command.ZONE_MODE, 0xC3, command.MODE_CONTINUOUS),
)


class Scanner:
    """The task. `open_line(baud)` gives a line (`async readinto`, `write`), `desk.scan(bytes)`."""

    def __init__(self, open_line, desk, counters, ticks):
        self._open = open_line
        self._desk = desk
        self._counters = counters
        self._ticks = ticks
        self._line = None
        self._baud = _BAUD
        self._lines = Lines(config.VOUCHER_MAX + 1, config.QR_LINE_MAX)
        self._chunk = bytearray(_CHUNK)
        self._answer = None
        self._late = False  # answers to commands that were given up may still come
        self._recent = []  # (code, when it was last seen), the oldest first
        self._same_since = None  # when the run of repeats began that is going on, if one is
        self._last_at = 0
        self._heard_at = 0  # when bytes came last
        self._zone = 0  # of SETTINGS, looked at next
        self.state = GOOD
        self._ready = False

    async def run(self, pulse):
        """Read for ever; a module that does not answer is a state, and what it sends is still taken."""
        checked = self._ticks()
        while True:
            pulse.beat()
            if not self._ready:
                if not await self._set_up(pulse):
                    self.state = FAULT
                    self._counters.add(count.QR_FAULTS)
                    await self._receive(config.FAULT_RETRY_MS)
                checked = self._ticks()
                continue
            talked = await self._receive(config.SELF_CHECK_MS // 4)
            self._judge()
            waited = self._ticks() - checked
            if waited >= config.SELF_CHECK_MS * (_BUSY_CHECKS if talked else 1):
                await self._check()
                checked = self._ticks()

    def _judge(self):
        """A module that shows one code without end sees nothing else: somebody has to look at it."""
        now = self._ticks()
        if self._same_since is None or now - self._last_at >= config.QR_REPEAT_MS:
            self._same_since = None
            self.state = GOOD
        elif now - self._same_since >= config.QR_STUCK_MS and self.state == GOOD:
            self.state = FAULT
            self._counters.add(count.QR_STUCK)

    async def _check(self):
        """A module that lost power runs with its saved settings: are set-up codes still closed, and one more zone as set?"""
        self._zone = (self._zone + 1) % len(SETTINGS)
        try:
            for zone, mask, value in (SETTINGS[0], SETTINGS[self._zone]):
                if (await self._get(zone)) & mask != value:
                    self._ready = False
        except NoAnswer:
            self._ready = False

    async def _set_up(self, pulse):
        for baud in (self._baud,) + tuple(baud for baud, _ in command.BAUDS if baud != self._baud):
            pulse.beat()
            self._line = self._open(baud)
            self._lines.expire()
            try:
                await self._ask(command.read(command.ZONE_BAUD, 2), 2)
            except NoAnswer:
                continue
            try:
                await self._configure(baud)
            except NoAnswer:
                return False
            self._same_since = None
            self.state = GOOD
            self._ready = True
            self._counters.add(count.QR_CONFIGURED)
            return True
        return False

    async def _configure(self, baud):
        changed = False
        for zone, mask, value in SETTINGS:
            present = await self._get(zone)
            wanted = present & ~mask & 0xFF | value
            if wanted != present:
                await self._ask(command.write(zone, bytes((wanted,))), 1)
                if await self._get(zone) != wanted:
                    raise NoAnswer("zone 0x%04x does not keep its value" % zone)
                changed = True
        self._baud = baud
        if baud != _BAUD:
            changed = True
            try:
                await self._faster()
                self._baud = _BAUD
            except NoAnswer:  # it keeps its own speed: slower, and as good
                self._line = self._open(baud)
                self._lines.expire()
                await self._ask(command.read(command.ZONE_BAUD, 2), 2)
                self._counters.add(count.QR_OWN_SPEED)
        if changed:  # saved, so that set-up codes stay closed when the module restarts by itself
            await self._ask(command.save(), 1)

    async def _faster(self):
        for baud, code in command.BAUDS:
            if baud == _BAUD:
                self._line.write(command.write(command.ZONE_BAUD, code))
        # The confirmation may come at either speed, so it is not waited for: the next answer tells.
        await self._receive(_ANSWER_MS)
        self._line = self._open(_BAUD)
        self._lines.expire()
        await self._ask(command.read(command.ZONE_BAUD, 2), 2)

    async def _get(self, zone):
        return (await self._ask(command.read(zone), 1))[0]

    async def _ask(self, data, length):
        """Send a command until it is answered with `length` bytes; NoAnswer after the last try."""
        if self._late:
            await self._settle()
        for attempt in range(_TRIES):
            self._late = attempt > 0
            self._answer = None
            self._line.write(data)
            deadline = self._ticks() + _ANSWER_MS
            while self._ticks() < deadline:
                await self._receive(deadline - self._ticks())
                if self._answer is not None and len(self._answer) == length:
                    await self._receive(_END_MS)  # a code that looks like an answer has an end
                    if self._answer is not None and len(self._answer) == length:
                        return self._answer
        self._late = True
        raise NoAnswer("scanner does not answer")

    async def _settle(self):
        """Answers bear no name: those of commands that were given up come and go first, or one would pass for the next one's."""
        deadline = self._ticks() + _SETTLE * _ANSWER_MS
        quiet_since = self._ticks()
        while self._ticks() < deadline and self._ticks() - quiet_since < 2 * _ANSWER_MS:
            self._answer = None
            await self._receive(_ANSWER_MS)
            if self._answer is not None:
                quiet_since = self._ticks()
        self._late = False

    async def _fill(self):
        n = await self._line.readinto(self._chunk)
        if not n:
            await aio.sleep_ms(_SILENT_LINE_MS)
            return
        self._heard_at = self._ticks()
        for kind, data in self._lines.feed(self._chunk, n):
            if kind == ANSWER:
                self._answer = data
            elif kind == FORGED:
                self._answer = None
                self._counters.add(count.QR_SETUP_CODE)
            elif kind == CODE:
                self._code(data)
            else:
                self._counters.add(count.QR_LINE_OVERFLOW)

    async def _receive(self, ms):
        """Wait for bytes for at most `ms` milliseconds and handle them; True if any came.

        A time that is over does not tell that the line was silent: the brick may have stood still, over a signature. Then it
        looks once more for what came meanwhile, three times at most."""
        ms = max(1, min(ms, _SILENCE_MS))
        for _ in range(_LOOKS):
            due = self._ticks() + ms
            try:
                await aio.wait_ms(self._fill(), ms)
                return True
            except aio.TimeoutError:
                if self._ticks() - due <= _LATE_MS:
                    break
            ms = _LAST_MS
        quiet = self._ticks() - self._heard_at
        if quiet >= _END_MS:
            self._lines.silent()
        if quiet >= _SILENCE_MS and self._lines.expire():
            self._counters.add(count.QR_LINE_OVERFLOW)
        return False

    def _code(self, data):
        now = self._ticks()
        fresh = [one for one in self._recent if now - one[1] < config.QR_REPEAT_MS]
        self._recent = [one for one in fresh if one[0] != data][1 - config.RECENT_CODES :] + [(data, now)]
        self._last_at = now
        if len(fresh) == 1 and fresh[0][0] == data:
            if self._same_since is None:
                self._same_since = fresh[0][1]
        else:
            self._same_since = None
        if data in [one[0] for one in fresh]:
            self._counters.add(count.QR_REPEAT)
        else:
            self._desk.scan(data)
