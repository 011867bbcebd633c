"""The bench's commands on a brick without keys: one part tested at a time, and an echo (docs/formats/bench.md).

Loaded only while a brick is blank, and forgotten with provisioning: none of it is in memory on a rented brick.
"""

import asyncio

from stallmark import cbor, form
from stallmark.constant import const
from stallmark.errors import FormatError

from brick import aio
from brick import counters as count
from brick.errors import PartError
from brick.line import Line

TEST = const(56)  # command numbers, key 1 of a provisioning frame
ECHO = const(57)

ABSENT, GOOD, FAULT, UNSEEN = (
    0,
    1,
    2,
    3,
)  # results; UNSEEN: the part works, but nothing was held to it in time
FLASH, LIGHT, SOUND, READER, SCANNER, BATTERY = 1, 2, 3, 4, 5, 6

_MAX_MS = const(30000)
_MAX_ECHO = const(440)
_SET_UP_MS = const(8000)  # six speeds, and every setting read back
_SECTOR = const(4096)
_PAGE = const(256)
_COLOURS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1))
_COLOUR_MS = const(250)
_AGAIN_MS = const(25)
_TONES = (660, 880, 1320)
_TONE_MS = const(150)
_PARTITIONS = ("keys", "rules_a", "rules_b", "journal")
_NO_PACK_MV = const(500)  # below this no pack is plugged in
_LOWEST_MV = const(2500)  # below this it is no battery but a loose wire
_HIGHEST_MV = const(15000)


class Bench:
    """`port` as in brick.ports, `beat` feeds the watchdog. One command at a time; the last answer is kept for a repeat."""

    def __init__(self, port, beat):
        self._port = port
        self._beat = beat
        self._last = (None, None)

    async def handle(self, body):
        """The answer's body, or None where this is none of the bench's commands."""
        try:
            fields = cbor.decode(body)
        except FormatError:
            return None
        if type(fields) is not dict or fields.get(0) != 1 or fields.get(1) not in (TEST, ECHO):
            return None
        try:
            if fields[1] == ECHO:
                data = fields.get(2)
                if type(data) is not bytes or len(data) > _MAX_ECHO:
                    form.fail("echo (2)", "at most {} bytes".format(_MAX_ECHO))
                return cbor.encode({0: 1, 1: ECHO, 2: data})
            part = form.uint(fields.get(2), "part (2)", BATTERY, FLASH)
            ms = form.uint(fields.get(3), "ms (3)", _MAX_MS)
            nonce = form.octets(fields.get(4), "nonce (4)", 8)
        except FormatError as error:
            return cbor.encode({0: 1, 1: 0, 2: str(error)})
        if self._last[0] == nonce:  # the answer was lost; a test is not run twice for that
            return self._last[1]
        result, words, seen = await self._run(part, ms)
        answer = cbor.encode({0: 1, 1: TEST, 2: part, 3: result, 4: words, 5: seen})
        self._last = (nonce, answer)
        return answer

    async def _run(self, part, ms):
        try:
            return await (
                self._flash,
                self._light,
                self._sound,
                self._reader,
                self._scanner,
                self._battery,
            )[part - 1](ms)
        except (PartError, OSError, aio.TimeoutError) as error:
            return FAULT, (str(error) or type(error).__name__)[:120], None

    async def _pause(self, ms):
        while ms > 0:
            self._beat()
            await aio.sleep_ms(min(ms, 200))
            ms -= 200

    # --- parts

    async def _flash(self, _ms):
        """Erase, program, read back and erase the first and last sector of each partition of ours; all of it is blank."""
        tested = 0
        for name in _PARTITIONS:
            flash = self._port.flash(name)
            for sector in (0, flash.size - _SECTOR):
                problem = self._sector(flash, sector)
                if problem:
                    return FAULT, "{} at {}: {}".format(name, sector, problem), None
                tested += 1
                self._beat()
                await aio.sleep_ms(0)
            page, blank = bytearray(_PAGE * 4), b"\xff" * (_PAGE * 4)
            for at in range(0, flash.size, len(page)):
                flash.read_into(at, page)
                if page != blank:
                    return FAULT, "{} at {}: not blank".format(name, at), None
                if not at % 65536:
                    self._beat()
                    await aio.sleep_ms(0)
        return GOOD, "{} sectors".format(tested), None

    def _sector(self, flash, start):
        page = bytearray(_PAGE)
        flash.erase(start)
        for at in range(start, start + _SECTOR, _PAGE):
            flash.program(at, _pattern(at))
        for at in range(start, start + _SECTOR, _PAGE):
            flash.read_into(at, page)
            if page != _pattern(at):
                return "what was written reads back changed"
        flash.erase(start)
        flash.read_into(start, page)
        return None if page == b"\xff" * _PAGE else "does not erase"

    async def _light(self, _ms):
        for colour in _COLOURS:
            for _ in range(_COLOUR_MS // _AGAIN_MS):  # the sign of a blank brick blinks meanwhile
                self._port.light.set(*colour)
                await self._pause(_AGAIN_MS)
        self._port.light.set(0, 0, 0)
        return GOOD, "red, green, blue, white shown", None

    async def _sound(self, _ms):
        for tone in _TONES:
            self._port.sound.tone(tone)
            await self._pause(_TONE_MS)
        self._port.sound.tone(0)
        return GOOD, "three tones played", None

    async def _reader(self, ms):
        if "nfc" not in self._port.parts:
            return ABSENT, "this board has none", None
        from brick.nfc import bus
        from brick.nfc.pn532 import Pn532

        reset = getattr(self._port, "reset_part", None)
        ticks = self._port.ticks_ms
        chip = Pn532(bus.of(self._port, ticks), None if reset is None else lambda: reset("nfc"))
        await chip.hard_reset()
        await chip.start()
        await chip.check()
        version = chip.version or b"\0\0\0\0"
        words = "PN5{:02x} version {}.{}".format(version[0], version[1], version[2])
        end = ticks() + ms
        while ticks() < end:
            self._beat()
            found = await chip.targets()
            await chip.rf_off()
            if found:
                return GOOD, "{}, tag of {} bytes".format(words, len(found[0].uid)), found[0].uid
            await aio.sleep_ms(50)
        return UNSEEN, words, None

    async def _scanner(self, ms):
        if "qr" not in self._port.parts:
            return ABSENT, "this board has none", None
        from brick.qr.scanner import Scanner

        desk = _Desk()
        ticks = self._port.ticks_ms
        scanner = Scanner(lambda baud: Line(self._port.uart("qr", baud)), desk, desk, ticks)
        task = asyncio.create_task(scanner.run(desk))
        try:
            end = ticks() + _SET_UP_MS
            while ticks() < end and not desk.set_up:
                self._beat()
                await aio.sleep_ms(50)
            end = ticks() + ms
            while ticks() < end and desk.set_up and desk.code is None:
                self._beat()
                await aio.sleep_ms(50)
        finally:
            task.cancel()
        if desk.code is not None:
            return GOOD, "set up, a code of {} bytes".format(len(desk.code)), desk.code[:128]
        if desk.set_up:
            return UNSEEN, "set up", None
        return FAULT, "the scanner does not answer at any speed", None

    async def _battery(self, _ms):
        power = getattr(self._port, "power", None)
        if power is None:
            return ABSENT, "nothing is measured on this board", None
        main, backup, _charging = power.read()
        shown = ", ".join(
            [
                "{} {} mV".format(name, mv)
                for name, mv in (("main", main), ("back-up", backup))
                if mv is not None
            ]
        )
        if main is None:
            return ABSENT, shown or "nothing is measured on this board", None
        if main < _NO_PACK_MV:
            return ABSENT, "no pack plugged in ({})".format(shown), None
        if not _LOWEST_MV <= main <= _HIGHEST_MV:
            return FAULT, "{}: expected {} to {} mV".format(shown, _LOWEST_MV, _HIGHEST_MV), None
        return GOOD, shown, None


class _Desk:
    """What the scanner reports to during a test: desk, counters and pulse in one."""

    def __init__(self):
        self.code = None
        self.set_up = False

    def scan(self, code):
        if self.code is None:
            self.code = bytes(code)

    def add(self, name, _n=1):
        self.set_up = self.set_up or name == count.QR_CONFIGURED

    def beat(self):
        pass


def _pattern(at):
    """256 bytes in which every bit of a page is 0 once and 1 once over two sectors' addresses."""
    shift = at // _PAGE
    return bytes([(i * 37 + shift * 11) & 0xFF for i in range(_PAGE)])
