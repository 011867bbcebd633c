"""What the director ordered: roots and directives from the host, and whether an install may begin. docs/formats/directive.md

Here is only what must be in memory all the time: what is in force, in short, and what is being told. Judging is in
brick.judging and stallmark.trust, loaded for a moment."""

from stallmark import form
from stallmark import numbers as reg
from stallmark.constant import const
from stallmark.crypt import sha256
from stallmark.errors import FormatError

from brick import counters as count
from brick.unload import unload

_MOST = const(4096)  # bytes of an envelope
_PIECE = const(256)
_ROOTS = const(8)  # taken in one session
_ROOT_WANTED = const(17)
_NOT_NAMED = const(19)
_HALTED = const(20)
_STOPPED = const(2)  # a directive's flag
_NO_STORE = const(23)
_MANY_ROOTS = const(24)
_ALARM = const(1)
_WITHOUT = const(2)
_DAMAGED = const(4)
_PROMISED = const(8)


class Directing:
    """`open_flash(name)` gives a flash port; `verify(public32, message, signature64)`; `post(kind, value)` answers the host;
    `stir()`: there is work; `changed()`: something else is in force.

    Messages only note what came; signatures wait for `step`, one at a time."""

    def __init__(self, open_flash, identity, hardware, verify, post, stir, changed, counters):
        self.identity = identity
        self.hardware = hardware
        self.verify = verify
        self._post = post
        self._stir = stir
        self._changed = changed
        self._counters = counters
        try:
            self.flash = open_flash("trust")
        except (KeyError, OSError):
            self.flash = None  # flashed before there was such a partition
        self._judge = None
        self._roots = 0  # in this session
        self._envelope = None
        self._refused = None  # (digest8, result) of the last one: told again, it costs nothing
        self._forget()
        self._look(True)

    # --- what is in force

    def _look(self, mend=False):
        """Take over, in short, what the flash holds. Raises OSError."""
        from stallmark import truststate, truststore

        self._bits = 0 if self.identity.first_root is None else _PROMISED
        fields = None
        if self.flash is None:
            self._bits |= _WITHOUT
        else:
            store = truststore.TrustStore(self.flash)
            fields = store.load(mend)
            if store.damaged:
                self._bits |= _DAMAGED
        if fields is None:
            self.root, self.number, self.order8, self._flags, self._named = None, 0, None, 0, ()
            # What was there may have named others, or stopped this kit: until somebody says it anew, nobody directs.
            self.directors = () if self._bits & _DAMAGED else (self.identity.director,)
        else:
            self.root, self.number, self.order8, self._flags = truststate.summary(fields)
            self._named, self.directors = truststate.parties(fields)
            if fields[truststate.ALARM]:
                self._bits |= _ALARM
        _unload()

    @property
    def root_version(self):
        """Of the root in force; 0 without one."""
        return 0 if self.root is None else self.root[0]

    def stopped(self):
        """Whether the director stopped this kit: nothing is installed and nothing is given, until a newer directive. A trust
        store that is damaged may have held a stop: so it is one."""
        if self._bits & _DAMAGED:
            return True
        return self.root is not None and self._flags & _STOPPED != 0  # pyright: ignore[reportOperatorIssue]

    def status(self):
        """Field 15 of the status message."""
        version, digest8 = (0, None) if self.root is None else self.root
        return [version, digest8, self.number, self.order8, self._bits]

    def refuses(self, kind, digest8):
        """Why a bundle is not to be installed, as an install result; None where nothing here says so."""
        if self.root is None:
            return _ROOT_WANTED if self._bits & (_DAMAGED | _PROMISED) else None
        if self._flags & _STOPPED:  # pyright: ignore[reportOperatorIssue]
            return _HALTED
        return None if (kind, digest8) in self._named else _NOT_NAMED

    def may_install(self, found, installed, floor_ms, clock_ms, known, kind=1):
        """Install result for a parsed bundle; None where another turn is needed: one signature is checked in each, `known`
        (a dict) holds those that were. Raises OSError."""
        from brick import judging

        result = None
        try:
            result = judging.may_install(self, found, installed, floor_ms, clock_ms, known, kind)
        finally:
            if result is not None:
                _unload()
        return result

    # --- messages

    def restart(self):
        """A new session: the host begins anew."""
        self._roots = 0
        if self._envelope is None:
            self._forget()

    def _forget(self):
        self._what = self._length = 0
        self._digest8 = self._tag = self._envelope = None
        self._judge = None
        self._told = b""

    def told(self, value):
        """Message 50. Raises FormatError."""
        form.fields(value, "trust", (0, 1, 2))
        what = form.uint(value[0], "trust what (0)", 2, 1)
        digest8 = form.octets(value[1], "trust digest (1)", 8)
        length = form.uint(value[2], "trust length (2)", _MOST, 1)
        if self._envelope is not None and digest8 == self._digest8:
            return  # it is being judged
        early = self._early(what, digest8)
        if early is not None:
            self._say(digest8, early)
            return
        self._forget()
        self._what, self._digest8, self._length, self._tag = what, digest8, length, value.get(4)
        whole = value.get(3)
        if type(whole) is bytes and len(whole) == length:
            self._whole(whole)
        else:
            self._want()

    def _early(self, what, digest8):
        if self.flash is None:
            return _NO_STORE
        if self._refused is not None and self._refused[0] == digest8:
            return self._refused[1]
        return _MANY_ROOTS if what == 1 and self._roots >= _ROOTS else None

    def piece(self, value):
        """Message 51. Raises FormatError."""
        form.fields(value, "trust piece", (0, 1, 2))
        digest8 = form.octets(value[0], "trust digest (0)", 8)
        offset = form.uint(value[1], "trust offset (1)", form.U32)
        data = value[2]
        if type(data) is not bytes or not 0 < len(data) <= _PIECE:
            form.fail("trust bytes (2)", "1 to 256 bytes")
        right = self._envelope is None and digest8 == self._digest8 and offset == len(self._told)
        if not right or offset + len(data) > self._length:
            self._counters.add(count.CHUNKS_WRONG)
            return
        self._told += data
        if len(self._told) == self._length:
            whole, self._told = self._told, b""
            self._whole(whole)
        else:
            self._want()

    def _whole(self, envelope):
        if sha256(envelope)[:8] != self._digest8:
            digest8 = self._digest8
            self._forget()
            self._say(digest8, reg.INSTALL_DIGEST)
            return
        self._envelope = envelope
        self._stir()

    def _want(self):
        self._post(reg.MSG_TRUST_WANTED, {0: self._digest8, 1: len(self._told)})

    def _say(self, digest8, result):
        if result not in (reg.INSTALL_OK, reg.INSTALL_ALREADY):
            self._counters.add(count.TRUST_REFUSED)
        self._post(reg.MSG_TRUST_RESULT, {0: digest8, 1: result, 2: self.root_version, 3: self.number})

    # --- work

    @property
    def busy(self):
        """True while something is told, and where rules for this brick are ordered, or nothing yet."""
        if self._digest8 is not None or (self.root is not None and not self.number):
            return True
        for kind, _ in self._named:
            if kind == reg.ARTEFACT_RULESET:
                return True
        return False

    @property
    def waiting(self):
        """True while `step` has something to do: a signature, or what follows from it."""
        return self._envelope is not None

    def step(self, installed, floor_ms):
        """Check one signature; after the last one it is durable, in force and said, or refused.

        `installed`: the bundle.Bundle in use or None; `floor_ms`: the latest instant known from other signed things."""
        from brick import judging

        digest8, what = self._digest8, self._what
        try:
            if self._judge is None:
                self._judge = judging.Judge(what, self._envelope, self._tag)
            result, fields = self._judge.step(self, installed, floor_ms)
            if result is None:
                return  # another turn
            if fields is not None:
                judging.keep(self, fields)
        except OSError:
            self._counters.add(count.FLASH_ERRORS)
            result, fields = reg.INSTALL_FLASH, None
        except (FormatError, MemoryError):
            result, fields = reg.INSTALL_TOO_LARGE, None
        self._forget()
        _unload()
        if fields is not None:
            self._refused = None
            self._look()
            self._changed()
        if result == reg.INSTALL_OK:
            self._roots += what == 1
            self._counters.add(count.ROOTS_TAKEN if what == 1 else count.DIRECTIVES_TAKEN)
        elif result == reg.INSTALL_THRESHOLD:
            self._refused = (digest8, result)
        self._say(digest8, result)


def _unload():
    unload(
        "brick.judging", "stallmark.trust", "stallmark.truststore", "stallmark.truststate", "stallmark.quorum",
        "stallmark.directive", "stallmark.rootmeta", "stallmark.bundle",
    )  # fmt: skip
