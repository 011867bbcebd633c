"""Where a voucher waits while its signature is checked: a piece at a time, under a light of its own, and nothing else waits."""

from stallmark.constant import const

from brick import aio, config, indicator
from brick import counters as count
from brick.unload import unload

_TURN_MS = const(500)
_WAITING = const(1)  # behind the one that is being checked


class VoucherDesk:
    """The task. `flash`: the partition of the tables, or None; `issuers()`: public keys of the ruleset in use; `quiet(ms)`:
    whether nobody has tapped for so long.

    The tables of the issuers' keys are made when nobody is there, once for each key. Without them a check says the same and takes
    six times as long. What they are and where they stand: stallmark.comb, stallmark.combstore."""

    def __init__(self, flash, issuers, lamp, quiet, counters):
        self._flash = flash
        self._issuers = issuers
        self._lamp = lamp
        self._quiet = quiet
        self._counters = counters
        self._waiting = []
        self._checking = False
        self._store = None
        self._builder = None  # (key, generator)
        self._known = ()  # issuers whose tables were looked for
        self._without = []  # keys that get no table: no point of the group, or flash that fails
        self._wake = aio.Flag()

    def offer(self, found, done):
        """Check a voucher.Voucher's signature; `done(found, good)` once it is known. False: too many are being checked."""
        if len(self._waiting) >= _WAITING + (not self._checking):
            self._counters.add(count.VOUCHER_CROWDED)
            return False
        self._waiting.append((found, done))
        self._lamp.show(indicator.WORKING)
        self._wake.raise_()
        return True

    async def run(self, pulse):
        """Check what waits; make tables while nothing does."""
        self._checking = False
        while True:
            pulse.beat()
            if self._waiting:
                found, done = self._waiting.pop(0)
                self._checking = True
                try:
                    good = await self._good(found, pulse)
                except MemoryError:
                    self._counters.add(count.VOUCHER_UNCHECKED)
                    self._lamp.show(indicator.ASK)
                else:
                    done(found, good)
                finally:
                    self._checking = False
            elif not self._build():
                await self._wake.wait(_TURN_MS)
            else:
                await aio.sleep_ms(0)

    # --- signatures

    async def _good(self, found, pulse):
        from stallmark import voucher

        message = voucher.message(found.payload)
        for public in self._issuers():
            if voucher.kid4(public) == found.kid and await self._signed(
                public, message, found.signature, pulse
            ):
                return True
        return False

    async def _signed(self, public, message, signature, pulse):
        from stallmark import comb, combstore, ed25519

        _quicken()
        try:
            store = self._tables()
            if store is not None:
                had = len(store.keys())
                base, signer = store.rows(combstore.BASE), store.rows(public)
                if base is not None and signer is not None:
                    good = await _through(comb.checking(public, message, signature, base, signer), pulse)
                    if good or (store.sound(combstore.BASE) and store.sound(public)):
                        return good
                if len(store.keys()) < had:
                    self._counters.add(count.TABLES_DAMAGED)
                    self._known = ()  # to be made again
        except OSError:
            self._counters.add(count.FLASH_ERRORS)
        return await _through(ed25519.checking(public, message, signature), pulse)

    # --- tables

    def _tables(self):
        if self._store is None and self._flash is not None:
            from stallmark.combstore import CombStore

            self._store = CombStore(self._flash)
        return self._store

    def _build(self):
        """Do a piece of what tables are to be made; False where nothing is to be done now."""
        if self._builder is None and self._issuers() == self._known:
            return False
        if self._flash is None or not self._quiet(config.LULL_MS):
            return False
        try:
            if self._builder is None and not self._next_table():
                return False
            key, steps = self._builder  # type: ignore
            try:
                next(steps)
                return True
            except StopIteration as end:
                if end.value:
                    self._counters.add(count.TABLES_MADE)
                else:
                    self._without.append(key)
        except (OSError, MemoryError):
            self._counters.add(count.FLASH_ERRORS)
            if self._builder is not None:
                self._without.append(self._builder[0])
            else:
                self._flash = self._store = None
        self._builder = None
        unload("stallmark.combmake")
        return True

    def _next_table(self):
        """Begin with the next table that is wanted; False where there is none."""
        issuers = self._issuers()
        store = self._tables()
        signers = tuple([key for key in issuers if key not in self._without])
        key = store.wanted(signers)
        if key is None or key in self._without:
            self._known = issuers
            return False
        self._builder = (key, store.build(key, signers))
        return True


async def _through(steps, pulse):
    """The value of a generator; everything else has its turn between two of its steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        pulse.beat()
        await aio.sleep_ms(0)


def _quicken():
    """SHA-512 and the one inversion in machine code, where this interpreter can make some."""
    try:
        from brick import inversewords, sha512words
    except (ImportError, SyntaxError, ValueError, MemoryError):  # ValueError: machine code for another chip
        return
    from stallmark import ed25519, sha512

    sha512.use(sha512words.digest)
    ed25519.use(inversewords.inverse)
