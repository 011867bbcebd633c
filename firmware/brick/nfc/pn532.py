"""The PN532 chip over any bus: commands with checked answers, wake, abort, finite polling (UM0701-02 §7)."""

from stallmark.constant import const

from brick import aio
from brick.errors import ChipStatus, Damaged, NoAck, NoAnswer
from brick.nfc import frame

_DIAGNOSE = const(0x00)
_GET_FIRMWARE_VERSION = const(0x02)
_SAM_CONFIGURATION = const(0x14)
_RF_CONFIGURATION = const(0x32)
_IN_DATA_EXCHANGE = const(0x40)
_IN_LIST_PASSIVE_TARGET = const(0x4A)

_ACK_MS = const(100)  # the data sheet says 15 ms; a loaded UART interrupt is slower
_ANSWER_MS = const(150)
_APDU_MS = const(500)  # a phone takes its time; a card computes
_ABORTED_MS = const(2)  # the chip may ignore what comes within a millisecond of an abort (libnfc #167)
_RESET_MS = const(120)  # 100 ms low and the chip's start
_STALE_FRAMES = const(3)  # answers to forgotten commands that are skipped before one command gives up

# HSU wake-up: the first bytes are lost while the chip starts its clock (UM0701-02 §7.2.11).
_WAKE = b"\x55\x55" + b"\x00" * 14

# InListPassiveTarget gives up after 1 + this many requests; FF (the chip's default) would wait for ever.
_PASSIVE_RETRIES = const(2)
_LINE_TEST = b"\x00brick"
_STATUS_ERROR = const(0x3F)  # low six bits of a status byte


class Target:
    """One ISO 14443 A card in the field: `atqa` (int), `sak` (int), `uid` (4, 7 or 10 bytes)."""

    def __init__(self, atqa, sak, uid):
        self.atqa = atqa
        self.sak = sak
        self.uid = uid


def parse_targets(data):
    """The targets of an InListPassiveTarget answer, type A; Damaged if the lengths do not add up."""
    if not data:
        raise Damaged("empty target list")
    targets = []
    at = 1
    for _ in range(data[0]):
        if at + 5 > len(data):
            raise Damaged("target list cut short")
        sak = data[at + 3]
        uid_length = data[at + 4]
        end = at + 5 + uid_length
        if uid_length not in (4, 7, 10) or end > len(data):
            raise Damaged("UID of %d bytes" % uid_length)
        targets.append(Target(data[at + 1] << 8 | data[at + 2], sak, bytes(data[at + 5 : end])))
        if sak & 0x20:  # ISO 14443-4: the answer to select follows, its first byte counts itself
            if end >= len(data) or not data[end]:
                raise Damaged("answer to select missing")
            end += data[end]
        at = end
    return targets


class Pn532:
    """The chip. Every method raises an errors.PartError and leaves the chip ready for the next command.

    `reset` is None or a function that pulls RSTPD_N low for 100 ms and returns at once.
    """

    def __init__(self, bus, reset=None):
        self._bus = bus
        self._reset = reset
        self.version = None
        self.nacks = 0

    @property
    def frames_damaged(self):
        """Frames whose length or checksum was wrong."""
        return self._bus.reader.damaged

    async def command(self, code, parameters=b"", ms=_ANSWER_MS):
        """Send one command and return the parameters of its answer (bytes)."""
        self._bus.clear()
        self._bus.write(frame.build(code, parameters))
        await self._acknowledged()
        asked_again = False
        damaged = self._bus.reader.damaged
        for _ in range(_STALE_FRAMES):
            try:
                kind = await self._bus.receive(ms)
            except aio.TimeoutError:
                if asked_again or self._bus.reader.damaged == damaged:
                    await self.abort()
                    raise NoAnswer("command 0x%02x: no answer in %d ms" % (code, ms))
                asked_again = True  # something came and its checksum was wrong: the chip keeps its last frame
                self.nacks += 1
                self._bus.write(frame.NACK_FRAME)
                continue
            if kind == frame.ERROR:
                raise Damaged("command 0x%02x: the chip could not parse it" % code)
            payload = self._bus.reader.payload
            if kind == frame.DATA and payload[0] == frame.CHIP and payload[1] == code + 1:
                return bytes(payload[2:])
        await self.abort()
        raise Damaged("command 0x%02x: only answers to other commands came" % code)

    async def _acknowledged(self):
        for _ in range(_STALE_FRAMES):
            try:
                kind = await self._bus.receive(_ACK_MS)
            except aio.TimeoutError:
                break
            if kind == frame.ACK:
                return
            if kind == frame.NACK:
                break
        await self.abort()
        raise NoAck("no acknowledgement in %d ms" % _ACK_MS)

    async def abort(self):
        """Stop whatever the chip is doing: it never answers the aborted command."""
        self._bus.write(frame.ACK_FRAME)
        await self._bus.drain(_ABORTED_MS)

    async def start(self):
        """Wake the chip and put it into the mode that this driver polls in, whatever it did before."""
        self._bus.write(_WAKE)
        # After a restart of the host alone the chip may still be answering the previous program's command.
        self._bus.write(frame.ACK_FRAME)
        await self._bus.drain(_ABORTED_MS)
        try:
            await self.command(_SAM_CONFIGURATION, b"\x01\x14\x01")
        except (NoAck, NoAnswer, Damaged):
            self._bus.write(_WAKE)
            await self.command(_SAM_CONFIGURATION, b"\x01\x14\x01")
        try:
            self.version = await self.command(_GET_FIRMWARE_VERSION)
        except (NoAck, NoAnswer, Damaged):
            self.version = await self.command(_GET_FIRMWARE_VERSION)
        # Item 05: retries of attribute request, of parameter selection, of passive activation.
        await self.command(_RF_CONFIGURATION, bytes((0x05, 0xFF, 0x01, _PASSIVE_RETRIES)))
        await self.rf_off()

    async def hard_reset(self):
        """Pulse RSTPD_N; False if this board has no such line."""
        if self._reset is None:
            return False
        self._reset()
        await aio.sleep_ms(_RESET_MS)
        self._bus.clear()
        return True

    async def targets(self):
        """The cards in the field, at most two are looked for (the second only to see that it is there)."""
        return parse_targets(await self.command(_IN_LIST_PASSIVE_TARGET, b"\x02\x00"))

    async def exchange_apdu(self, data):
        """`exchange` with an ISO 14443-4 card: the chip does its blocks, and grants it more time where it asks."""
        return await self.exchange(data, _APDU_MS)

    async def exchange(self, data, ms=_ANSWER_MS):
        """Send bytes to the first target and return its answer; ChipStatus if the tag or the chip failed."""
        answer = await self.command(_IN_DATA_EXCHANGE, b"\x01" + data, ms)
        if not answer:
            raise Damaged("exchange without status")
        if answer[0] & _STATUS_ERROR:
            raise ChipStatus(answer[0] & _STATUS_ERROR)
        return answer[1:]

    async def rf_off(self):
        """Switch the field off, so that a card that stays is idle again at the next poll (ESPuino #444)."""
        await self.command(_RF_CONFIGURATION, b"\x01\x00")

    async def check(self):
        """Self-check of the line: the chip must echo what it is sent."""
        if await self.command(_DIAGNOSE, _LINE_TEST) != _LINE_TEST:
            raise Damaged("line test came back changed")
