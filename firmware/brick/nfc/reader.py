"""Watches for one card at a time: polls, debounces, reads the issued record, recovers the chip."""

from stallmark.constant import const

from brick import aio, config
from brick import counters as count
from brick.errors import ChipStatus, Damaged, NoAck, NoAnswer, PartError, Slow
from brick.nfc import type2, type4

GOOD = const(1)  # reader states of the status message
FAULT = const(2)

_PHONE = b"\x08"  # stands for every random UID: a phone invents a new one each time the field comes back
_SAK_TYPE2 = const(0x00)  # AN10833: 00 Ultralight and NTAG, 20 Type 4 and phones, 08 and 18 Classic
_SAK_TYPE4 = const(0x20)


def card_key(uid):
    """What tells cards apart while they lie on the reader: the UID, or one mark for all random ones."""
    return _PHONE if len(uid) == 4 and uid[0] == 0x08 else uid


class Reader:
    """The task. `desk.tap(uid, ndef, proof)` takes a card and decides; `desk.trouble(number)` asks for help.

    `tags` (brick.tags.Tags or None) lets cards prove who they are. The card number goes to `desk.tap` once, and stays
    here while the card lies there and for its cooldown.
    """

    def __init__(self, chip, desk, counters, ticks, tags=None):
        self._chip = chip
        self._desk = desk
        self._counters = counters
        self._ticks = ticks
        self._tags = tags
        self.state = GOOD
        self.poll_ms = config.POLL_MS
        self._running = False
        self._failures = 0
        self._present = None
        self._misses = 0
        self._attempts = 0
        self._since = 0  # when the card that is being read came
        self._several = False
        self._recent = []
        self._checked = ticks()
        self._pulse = None

    @property
    def frames_damaged(self):
        """Frames from the chip whose length or checksum was wrong."""
        return self._chip.frames_damaged

    @property
    def busy(self):
        """True while a card is in the field."""
        return self._present is not None or self._several or self._attempts > 0

    async def run(self, pulse):
        """Poll for ever; every failure ends as a state, never as an exception."""
        self._pulse = pulse
        while True:
            pulse.beat()
            begun = self._ticks()
            try:
                await self._round()
                # whoever is here is served at full speed, whatever power is saved (brick.power)
                every = config.POLL_MS if self.busy else self.poll_ms
                pause = every - (self._ticks() - begun)
            except (PartError, OSError) as error:  # OSError: the bus itself failed
                pause = await self._recover(error)
            await aio.sleep_ms(max(pause, 1))

    async def _round(self):
        if not self._running:
            await self._chip.start()
            self._counters.add(count.NFC_SOFT_STARTS)
            self._running = True
            self._checked = self._ticks()
        await self._look(await self._chip.targets())
        await self._chip.rf_off()
        if not self.busy and self._ticks() - self._checked > config.SELF_CHECK_MS:
            await self._chip.check()
            self._checked = self._ticks()
        self._failures = 0
        self.state = GOOD

    async def _recover(self, error):
        """Count the failure, choose the remedy (again, set up anew, reset line) and return the pause."""
        if isinstance(error, NoAck):
            self._counters.add(count.NFC_NO_ACK)
        elif isinstance(error, NoAnswer):
            self._counters.add(count.NFC_NO_ANSWER)
        elif isinstance(error, ChipStatus):
            self._counters.add(count.NFC_CHIP_STATUS)
        else:
            self._counters.add(count.NFC_DAMAGED)
        self._failures += 1
        if self._failures % config.SOFT_AFTER:
            return config.POLL_MS
        self._running = False
        if self._failures == config.SOFT_AFTER:
            return config.POLL_MS
        if await self._chip.hard_reset():
            self._counters.add(count.NFC_HARD_RESETS)
        self.state = FAULT
        return config.FAULT_RETRY_MS

    async def _look(self, targets):
        if not targets:
            self._gone()
        elif len(targets) > 1:
            self._misses = 0
            if not self._several:
                self._several = True
                self._present = None
                self._desk.trouble(count.NFC_TWO_CARDS)
        else:
            self._misses = 0
            self._several = False
            await self._one(targets[0])

    def _gone(self):
        self._misses += 1
        if self._misses < config.REMOVED_AFTER:
            return
        if self._attempts:  # it left while its memory was being read: the customer is told to come again
            self._attempts = 0
            self._desk.trouble(count.NFC_UNREADABLE)
        self._present = None
        self._several = False
        self._forget_old()

    async def _one(self, target):
        key = card_key(target.uid)
        if key == self._present:
            self._remember(key)
            return
        # A phone that comes back may be anybody's: it has no number to wait for.
        if key is not _PHONE and not self._attempts and self._in_cooldown(key):
            self._counters.add(count.NFC_COOLDOWN)
            self._present = key
            return
        if not self._attempts:
            self._since = self._ticks()
        try:
            ndef, proof = await self._read(target)
        except (ChipStatus, Damaged, NoAnswer, Slow) as error:  # the card's failure, or that of its place in the field
            if isinstance(error, Slow):
                self._counters.add(count.NFC_SLOW)
                self._attempts = config.READ_ATTEMPTS  # it would take as long again
            else:
                self._counters.add(count.NFC_CHIP_STATUS)
                self._attempts += 1
            if self._attempts < config.READ_ATTEMPTS:
                return
            ndef = proof = None
            if key is not _PHONE:
                self._attempts = 0
                self._present = key
                self._remember(key)
                self._desk.trouble(count.NFC_UNREADABLE)
                return
        self._attempts = 0
        self._present = key
        self._remember(key)
        self._desk.since = self._since
        self._desk.tap(target.uid, ndef, proof)

    async def _read(self, target):
        """(NDEF message or None, proof or None) of the one card in the field."""
        if target.sak == _SAK_TYPE2:
            return await type2.read_ndef(self._patient(self._chip.exchange)), None
        if not target.sak & _SAK_TYPE4:
            return None, None
        exchange, tags = self._patient(self._chip.exchange_apdu), self._tags
        if not await type4.select(exchange):
            return None, None
        if tags is not None and tags.version:
            proof = await tags.prove(exchange, target.uid)
            if proof is not None:
                return None, proof
            await type4.select(exchange)  # what was begun is forgotten
        ndef = await type4.read_ndef(exchange)
        return ndef, None if tags is None else tags.by_link(ndef, target.uid)

    def _patient(self, exchange):
        """`exchange` for one reading of a card: a sign of life before each, Slow once the card has had its time."""
        end = self._ticks() + config.CARD_MS

        async def ask(data):
            self._pulse.beat()
            if self._ticks() > end:
                raise Slow("a card took longer than {} ms".format(config.CARD_MS))
            return await exchange(data)

        return ask

    def _remember(self, key):
        for entry in self._recent:
            if entry[0] == key:
                entry[1] = self._ticks()
                return
        if len(self._recent) >= config.RECENT_CARDS:
            self._recent.pop(0)
        self._recent.append([key, self._ticks()])

    def _in_cooldown(self, key):
        self._forget_old()
        for entry in self._recent:
            if entry[0] == key:
                return True
        return False

    def _forget_old(self):
        now = self._ticks()
        self._recent = [entry for entry in self._recent if now - entry[1] < config.COOLDOWN_MS]
