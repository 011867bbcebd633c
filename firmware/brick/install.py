"""Takes a bundle from the host by the piece; installs it only if authors, bytes and vectors are right."""

from stallmark import form, numbers, rules
from stallmark.constant import const
from stallmark.crypt import sha256
from stallmark.errors import FormatError, LimitError
from stallmark.pages import Pages

from brick import config
from brick import counters as count
from brick.unload import unload

CHUNK = const(256)
_ENVELOPE_MOST = const(4096)

_IDLE = const(0)
_OFFERED = const(1)  # the slot is to be erased
_ENVELOPE = const(2)  # chunks up to the envelope's end
_ARTEFACT = const(3)  # chunks up to the end
_COMPLETE = const(4)
_CHECK = const(5)  # the envelope is whole: one signature a turn
_READY = const(6)  # an application, whole and good: the switch waits for a quiet moment

_APPLICATION = const(2)
_RETURNED = const(25)
_NO_SLOTS = const(26)
_ON_TRIAL = const(27)
_PACK = b"SMPK\x01"


class Installer:
    """One download at a time. Messages only note what came; flash and signatures wait for `step`.

    `directing` (brick.directing.Directing) says what may be installed; `post(kind, value)` answers the host;
    `activate(ruleset)` is a coroutine that switches over. `installed` is the bundle.Bundle in use, or None. `stir()`:
    there is work.

    Code that reads bundles and rulesets is loaded where it is needed, and forgotten once nothing is to be read.
    """

    def __init__(self, slots, directing, clock, post, activate, stir, counters):
        self._slots = slots
        self._directing = directing
        self._clock = clock
        self._post = post
        self._activate = activate
        self._counters = counters
        self.installed = None
        self._stir = stir
        self._state = _IDLE
        self._digest8 = None
        self._length = 0
        self._kind = 0
        self._chunk = None
        self._envelope_end = 0
        self._start = b""
        self._bundle = None
        self._checked = None  # signatures that were checked, while more are to be
        self._rules = slots
        self._gone = None  # (digest8, directive) of rules that made start-ups fail
        self._told_gone = False
        self._reading = None  # an application that is read back
        self.before = None  # called before rules are written over the slot that is not in use
        self._application = self._flash = self._switch_to = None

    def load(self, failed=0, judge=None):
        """The Ruleset of the newest good slot, or None: start-up. `failed`: start-ups in a row that failed. `judge(ruleset,
        golden vectors)`, where given, hears what was found."""
        from stallmark import bundle

        slots = self._rules
        if failed >= config.RULES_BOOTS and slots.give_up(self._directing.number):
            self._counters.add(count.RULES_RETURNS)
        ruleset, vectors = None, []
        try:
            gone = slots.gone()
            if gone is not None:
                self._gone = sha256(_envelope_of(gone[0]))[:8], gone[1]
            active = slots.active()
            if active is not None:
                envelope, artefact = _opened(active[1])
                found = bundle.parse(envelope)
                ruleset = rules.Ruleset(artefact)
                if not bundle.artefact_good(found, len(artefact), ruleset.digest):
                    raise FormatError("the artefact is not the one that was signed")
                vectors = found.fields[9]
                self.installed = _slim(found)
        except FormatError:
            ruleset = None  # installed by a newer program: the brick runs without a ruleset and says so
        if judge is not None:
            judge(ruleset, vectors)
        _forget()
        return ruleset

    def lasted(self):
        """The rules have been in use for a minute. Raises OSError."""
        self._rules.lasted()

    @property
    def floor_ms(self):
        """The latest instant known from signed things."""
        floor = 0 if self.installed is None else self.installed.fields[12]
        programs = self._held(_APPLICATION)
        return floor if programs is None else max(floor, programs.fields[12])

    def connect(self, application, flash, switch):
        """Where programs lie in slots: brick.application.Application, the flash ports by name, and what ends this start-up:
        `switch(slot, digest of the bundle)`."""
        self._application, self._flash, self._switch_to = application, flash, switch

    def _held(self, kind):
        """The bundle in use of a kind, or None."""
        if kind == _APPLICATION:
            return None if self._application is None else self._application.installed
        return self.installed

    @property
    def large(self):
        """True for an application: its pieces wait for a lull, however long that takes."""
        return self._state != _IDLE and self._kind == _APPLICATION

    @property
    def ready(self):
        """True where only the switch is left."""
        return self._state == _READY

    @property
    def pending(self):
        """(digest8, bytes written, bytes of all) of an application that comes, or None."""
        if not self.large:
            return None
        return self._digest8, 0 if self._state == _OFFERED else self._slots.written, self._length

    @property
    def waiting(self):
        """True while `step` has something to do; `heavy` where that takes seconds on a small chip."""
        return self._state in (_OFFERED, _CHECK, _COMPLETE, _READY) or self._chunk is not None

    @property
    def heavy(self):
        """True where the next step checks signatures."""
        return self._state == _CHECK or (self._state == _COMPLETE and self._kind != _APPLICATION)

    @property
    def busy(self):
        """True during a download."""
        return self._state != _IDLE

    # --- messages

    def restart(self):
        """A new session: what was asked for and not answered is asked for again."""
        if self._gone is not None and not self._told_gone:
            self._told_gone = True
            self._say(self._gone[0], _RETURNED, "start-ups failed with it")
        if self._state in (_ENVELOPE, _ARTEFACT) and self._chunk is None:
            self._want()

    def offered(self, value):
        """Message 35. Raises FormatError."""
        form.fields(value, "offer", (0, 1, 2))
        digest8 = form.octets(value[0], "offer digest (0)", 8)
        length = form.uint(value[1], "offer length (1)", form.U32)
        kind = form.uint(value[2], "offer kind (2)", 255)
        held = self._held(kind)
        if kind == _APPLICATION and self._application is None:
            self._say(digest8, _NO_SLOTS, "this brick's programs do not run from a slot")
        elif held is not None and held.digest[:8] == digest8:
            trial = kind == _APPLICATION and self._application.on_trial
            self._say(digest8, _ON_TRIAL if trial else numbers.INSTALL_ALREADY, "")
        elif kind not in (numbers.ARTEFACT_RULESET, _APPLICATION):
            self._say(digest8, numbers.INSTALL_UNREADABLE, "this firmware installs rulesets and applications only")
        elif self._directing.refuses(kind, digest8) is not None:
            if digest8 == self._digest8:
                self.reconsider()  # it was under way
            self._say(digest8, self._directing.refuses(kind, digest8), "")
        elif self._gone is not None and self._gone[0] == digest8 and self._directing.number <= self._gone[1]:
            self._say(digest8, _RETURNED, "start-ups failed with it")
        elif kind == _APPLICATION and self._application.refuses(digest8, self._directing.number) is not None:
            self._say(digest8, self._application.refuses(digest8, self._directing.number), "")
        elif self._state != _IDLE and digest8 == self._digest8 and length == self._length and kind == self._kind:
            self.restart()
        else:
            self._digest8 = digest8
            self._kind = kind
            self._length = length
            self._chunk = self._reading = None
            self._state = _OFFERED
            self._stir()

    def reconsider(self):
        """Another directive is in force: what it does not name, or stops, ends here."""
        if self._state == _IDLE:
            return False
        result = self._directing.refuses(self._kind, self._digest8)
        if result is None:
            return False
        self._counters.add(count.INSTALLS_HALTED)
        self._end(result)
        return True

    def chunk(self, value):
        """Message 36. Raises FormatError."""
        form.fields(value, "chunk", (0, 1, 2))
        digest8 = form.octets(value[0], "chunk digest (0)", 8)
        offset = form.uint(value[1], "chunk offset (1)", form.U32)
        data = value[2]
        if type(data) is not bytes or not 0 < len(data) <= CHUNK:
            form.fail("chunk bytes (2)", "1 to 256 bytes")
        right = self._state in (_ENVELOPE, _ARTEFACT) and digest8 == self._digest8
        if right and offset == self._slots.written and offset + len(data) <= self._length:
            self._chunk = data
            self._stir()
        else:
            self._counters.add(count.CHUNKS_WRONG)

    def _want(self):
        self._post(numbers.MSG_CHUNK_WANTED, {0: self._digest8, 1: self._slots.written})

    def _say(self, digest8, result, text):
        if result not in (numbers.INSTALL_OK, numbers.INSTALL_ALREADY):
            self._counters.add(count.INSTALLS_REFUSED)
        self._post(numbers.MSG_BUNDLE_RESULT, {0: digest8, 1: result, 2: text})

    def _end(self, result, text=""):
        self._state = _IDLE
        self._chunk = None
        self._start = b""
        self._bundle = self._checked = self._reading = None
        self._rules.abandon()
        self._slots = self._rules
        _forget()
        self._say(self._digest8, result, text)

    # --- work

    async def step(self):
        """Do the next piece of work."""
        try:
            if self._state == _OFFERED:
                self._begin()
            elif self._chunk is not None:
                data, self._chunk = self._chunk, None
                self._take(data)
            elif self._state == _CHECK:
                self._check()
            elif self._state == _READY:
                self._switch()
            elif self._state == _COMPLETE and self._kind == _APPLICATION:
                self._read_back()
            elif self._state == _COMPLETE:
                await self._finish()
        except LimitError as error:
            self._end(numbers.INSTALL_TOO_LARGE, str(error))
        except FormatError as error:
            self._end(numbers.INSTALL_UNREADABLE, str(error))
        except MemoryError:
            self._end(numbers.INSTALL_TOO_LARGE, "not enough memory for this ruleset")
        except OSError:
            self._counters.add(count.FLASH_ERRORS)
            self._end(numbers.INSTALL_FLASH, "the slot cannot be read or written")

    def _begin(self):
        self._state = _ENVELOPE
        self._start = b""
        if self._kind == _APPLICATION:
            self._slots = self._application.target(self._flash)
            self._slots.begin(self._digest8, self._length)
            # What came before a restart is still there; nothing of it is believed, and its envelope is judged again.
            self._start = self._slots.read(0, min(self._slots.written, 4 + _ENVELOPE_MOST))
            if self._start and not self._envelope():
                return
        else:
            if self.before is not None:
                self.before()
            self._slots = self._rules
            self._slots.begin(self._length)
        self._go_on()

    def _take(self, data):
        self._slots.write(self._slots.written, data)
        if self._state == _ENVELOPE:
            self._start += data
            if not self._envelope():
                return
        self._go_on()

    def _go_on(self):
        if self._slots.written < self._length:
            self._want()
        elif self._state == _ENVELOPE:
            raise FormatError("bundle ends inside its envelope")
        else:
            self._state = _COMPLETE

    def _envelope(self):
        """Look at the envelope as soon as it is whole, before more is fetched. False: nothing more is wanted now."""
        from stallmark import bundle

        if len(self._start) < 4:
            return True
        end = 4 + bundle.envelope_size(self._start)
        if len(self._start) < end:
            return True
        found = bundle.parse(self._start[4:end])
        self._start = b""
        if found.digest[:8] != self._digest8:
            self._end(numbers.INSTALL_DIGEST, "the envelope is not the one that was offered")
            return False
        self._bundle, self._checked = found, {}
        self._envelope_end = end
        self._state = _CHECK
        return False

    def _check(self):
        found = self._bundle
        result = self._directing.may_install(
            found, self._held(self._kind), self.floor_ms, self._clock.wall_ms(), self._checked, self._kind
        )
        if result is None:
            return  # another turn
        if self._kind != _APPLICATION:
            self._checked = None
        if result != numbers.INSTALL_OK:
            self._end(result)
            return
        if self._kind != _APPLICATION and found.fields[3] > rules.MAX_BYTES:
            raise LimitError("ruleset of {} bytes".format(found.fields[3]))
        if found.fields[3] != self._length - self._envelope_end:
            self._end(numbers.INSTALL_DIGEST, "the artefact has another length")
            return
        self._state = _ARTEFACT
        self._go_on()

    def _read_back(self):
        """A sector more of an application; at the end: is it what was signed?"""
        slots, fields = self._slots, self._bundle.fields
        if self._reading is None:
            self._reading = slots.check(self._envelope_end)
        if not self._reading.step():
            return
        if self._reading.artefact != fields[2]:
            self._end(numbers.INSTALL_DIGEST, "the artefact is not the one that was signed")
            return
        start = slots.read(self._envelope_end, 12)
        if start[:5] != _PACK or int.from_bytes(start[8:], "big") != fields[3]:
            raise FormatError("the artefact is no pack of programs")
        self._state = _READY
        unload("stallmark.bundle")

    def _switch(self):
        """Nobody is there: the last look at what the director wants, then the header, then a new start."""
        result = self._directing.may_install(
            self._bundle, self._held(_APPLICATION), self.floor_ms, self._clock.wall_ms(), self._checked, _APPLICATION
        )
        if result is None:
            return
        if result != numbers.INSTALL_OK:
            self._end(result)
            return
        slots, digest = self._slots, self._reading.digest
        self._state = _IDLE
        self._bundle = self._checked = self._reading = None
        self._slots = self._rules
        self._switch_to(slots, digest)  # pyright: ignore[reportOptionalCall]

    async def _finish(self):
        from stallmark import bundle, golden

        written = self._slots.candidate()
        artefact = Pages(written, self._envelope_end, written.length - self._envelope_end)
        found = self._bundle
        if not bundle.artefact_good(found, len(artefact), artefact.sha256()):
            self._end(numbers.INSTALL_DIGEST, "the artefact is not the one that was signed")
            return
        ruleset = rules.Ruleset(artefact)  # hashes once more: its digest is of what it reads
        if ruleset.digest != found.fields[2]:
            raise OSError("the slot reads in another way than before")
        del artefact
        wrong = golden.first_wrong(ruleset, found.fields[9])
        if wrong is not None:
            self._end(numbers.INSTALL_VECTOR, "golden vector {}: {}".format(wrong[0], wrong[1]))
            return
        if self.reconsider():
            return
        self._slots.finish(written.digest)
        self.installed = _slim(found)
        self._bundle = None
        self._state = _IDLE
        del bundle, golden, found
        _forget()
        await self._activate(ruleset)
        self._say(self._digest8, numbers.INSTALL_OK, "")


def _envelope_of(reader):
    """Envelope bytes of a bundle in its slot. Raises FormatError."""
    from stallmark import bundle

    return reader.read(4, bundle.envelope_size(reader.read(0, 4)))


def _opened(reader):
    """(envelope, artefact as Pages) of a bundle in its slot: only the envelope is held in memory. Raises FormatError."""
    from stallmark import bundle

    if reader.length < 5:
        raise FormatError("bundle of {} bytes".format(reader.length))
    end = 4 + bundle.envelope_size(reader.read(0, 4))
    if end > reader.length:
        raise FormatError("bundle ends inside its envelope")
    return reader.read(4, end - 4), Pages(reader, end, reader.length - end)


def _slim(found):
    """The bundle without what only its check needed: signatures, payload bytes, vectors."""
    from stallmark import bundle

    fields = dict(found.fields)
    fields[9] = []
    return bundle.Bundle(found.type, b"", [], found.digest, fields)


def _forget():
    """A third of the code that deciding takes is only for reading: its room is for what comes next."""
    unload("stallmark.bundle", "stallmark.golden", "brick.appslot", *rules.READING)
