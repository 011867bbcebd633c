"""The one place that trusts: bytes and a state in, a verdict and the state after it out. docs/formats/directive.md

No I/O, no clock, no key is made here. A state is a map that the caller keeps (None: no root was told yet); a method that
changes something gives the whole new map, which counts once it is durable. Loaded for a moment, then forgotten."""

from stallmark import bundle, cbor, directive, rootmeta
from stallmark.constant import const
from stallmark.crypt import sha256
from stallmark.errors import FormatError, LimitError
from stallmark.numbers import (
    INSTALL_ALREADY,
    INSTALL_EXPIRED,
    INSTALL_HARDWARE,
    INSTALL_OK,
    INSTALL_OLDER,
    INSTALL_THRESHOLD,
    INSTALL_TOO_LARGE,
    INSTALL_UNREADABLE,
)
from stallmark.quorum import Signed
from stallmark.truststate import (
    ALARM_DIRECTIVE,
    ALARM_ROOT,
    AUTHOR_THRESHOLD,
    AUTHORS,
    DIGEST,
    DIRECTOR_THRESHOLD,
    DIRECTORS,
    EXPIRES,
    FLAGS,
    FLOOR,
    ISSUED,
    ITEMS,
    NUMBER,
    RENTAL,
    ROOT_DIGEST,
    ROOT_EXPIRES,
    ROOT_THRESHOLD,
    ROOT_VERSION,
    ROOTS,
    SINCE,
    alarmed,
    named,
    with_root,
)

# Words and public names of these: stallmark.registry. Here they cost a brick nothing.
_EQUIVOCATION = const(12)
_OTHER_KIT = const(13)
_OTHER_RENTAL = const(14)
_NEWER_FORM = const(15)
_ROOT_STEP = const(16)
_ROOT_WANTED = const(17)
_ROOT_EXPIRED = const(18)
_NOT_NAMED = const(19)
_HALTED = const(20)
_NOT_FIRST = const(21)
_TWICE = const(22)
_MANY_ROOTS = const(24)

MAX_STEPS = 8  # roots at once
MAX_KINDS = 3  # of artefacts that one brick can be ordered


class Trust:
    """`fields`: the state, or None. `authors` and `threshold`: as provisioned, they hold until a root is told; `promised`:
    SHA-256 of the payload that the first root must have, where provisioning said it. `strict`: nothing is to be installed
    without a directive, even where no root is there (it was, and is damaged)."""

    def __init__(self, fields, authors=(), threshold=0, promised=None, strict=False):
        self.fields = fields
        self._authors = authors
        self._threshold = threshold
        self._promised = promised
        self._damaged = strict
        self._strict = strict or promised is not None

    @property
    def authors(self):
        """([(kid8, public32) …], threshold) of who may sign bundles now."""
        if self.fields is None:
            return list(self._authors), self._threshold
        return [(kid8, public) for kid8, public in self.fields[AUTHORS]], self.fields[AUTHOR_THRESHOLD]

    def time_lb(self, signed_ms=0):
        """The latest instant (ms) that something signed knows of."""
        f = self.fields
        return signed_ms if f is None else max(signed_ms or 0, f[FLOOR], f[ISSUED])

    # --- roots

    def take_root(self, envelope, verify, tag_good=None):
        """`(install result, new state or None)` for one root: the first, or the one after that in force.

        `verify(public32, message, signature64) -> bool`. The first one is told under K_ctl (`tag_good(version, payload
        digest32) -> bool`) and signed by the authors as provisioned, or it is the promised one."""
        try:
            payload, signatures = bundle.opened(envelope, rootmeta.TYPE)
        except FormatError as error:
            return _wrong_form(error), None
        digest = sha256(payload)
        old = self.fields
        if old is not None and digest == old[ROOT_DIGEST]:
            return INSTALL_ALREADY, None
        signed = Signed(bundle.pae(rootmeta.TYPE, payload), signatures, verify)
        if old is not None:
            if not signed.by(old[ROOTS], old[ROOT_THRESHOLD]):
                return INSTALL_THRESHOLD, None
        elif self._promised is not None:
            if digest != self._promised:
                return _NOT_FIRST, None
        elif not signed.by(self._authors, self._threshold):
            return INSTALL_THRESHOLD, None
        try:
            f = rootmeta.check_fields(cbor.decode(payload))
        except FormatError:
            return INSTALL_UNREADABLE, None
        if rootmeta.unknown_critical(f) is not None:
            return _NEWER_FORM, None
        if old is not None:
            if f[1] < old[ROOT_VERSION]:
                return INSTALL_OLDER, None
            if f[1] > old[ROOT_VERSION] + 1:
                return _ROOT_STEP, None
        elif self._promised is None and not (tag_good is not None and tag_good(f[1], digest)):
            return _NOT_FIRST, None
        if not signed.by(f[4], f[5]):
            return INSTALL_THRESHOLD, None
        if old is not None and f[1] == old[ROOT_VERSION]:
            return _EQUIVOCATION, alarmed(old, ALARM_ROOT)
        new = with_root(old, f, digest)
        if old is None and self._damaged:
            new[FLAGS] = directive.HALTED  # what was lost may have been a stop: the next directive says so
        return INSTALL_OK, new

    def take_roots(self, envelopes, verify, tag_good=None):
        """`(result, new state or None, how many were taken)` for a chain of at most eight, told at once. It goes as far as
        it is good."""
        if len(envelopes) > MAX_STEPS:
            return _MANY_ROOTS, None, 0
        trust, result, taken = self, INSTALL_ALREADY, 0
        for envelope in envelopes:
            result, fields = trust.take_root(envelope, verify, tag_good)
            if fields is not None:
                trust = Trust(fields)
            if result == INSTALL_OK:
                taken += 1
            elif result != INSTALL_ALREADY:
                break
        return result, None if trust is self else trust.fields, taken

    # --- directives

    def take_directive(self, envelope, verify, me, signed_ms=0):
        """`(install result, new state or None, Directive or None)`; the Directive comes with 1 and 2.

        `me`: a Me; `signed_ms`: the latest instant that other signed things know of (bundles, signed host time)."""
        try:
            payload, signatures = bundle.opened(envelope, directive.TYPE)
        except FormatError as error:
            return _wrong_form(error), None, None
        old = self.fields
        if old is None:
            return _ROOT_WANTED, None, None
        time_lb = self.time_lb(signed_ms)
        signed = Signed(bundle.pae(directive.TYPE, payload), signatures, verify)
        if not signed.by(old[DIRECTORS], old[DIRECTOR_THRESHOLD]):
            return INSTALL_THRESHOLD, None, None
        try:
            f = directive.check_fields(cbor.decode(payload))
        except FormatError:
            return INSTALL_UNREADABLE, None, None
        # A stop is taken however late it comes, and whoever has the kit: only a newer directive lifts it.
        stopped = f[7] & directive.HALTED  # pyright: ignore[reportOperatorIssue] - a whole number, by its form
        # What a wrong clock signs is believed for no longer than the root that names its director.
        if not stopped and old[ROOT_EXPIRES] <= max(time_lb, f[3]):
            return _ROOT_EXPIRED, None, None
        digest = sha256(payload)
        if f[2] == old[NUMBER]:
            if digest == old[DIGEST]:
                return INSTALL_ALREADY, None, directive.of(f, digest)
            if f[1] != me.kit8:  # not one director's two words, but a word to somebody else
                return _OTHER_KIT, None, None
            return _EQUIVOCATION, alarmed(old, ALARM_DIRECTIVE), None
        if f[2] < old[NUMBER] or f[3] < old[SINCE]:
            return INSTALL_OLDER, None, None
        if not stopped and f[4] <= max(time_lb, f[3]):
            return INSTALL_EXPIRED, None, None
        if f[1] != me.kit8:
            return _OTHER_KIT, None, None
        if not stopped and f[10] != me.rental:
            return _OTHER_RENTAL, None, None
        if directive.named_twice(f[5]):
            return _TWICE, None, None
        if directive.unknown_critical(f) is not None:
            return _NEWER_FORM, None, None
        if not stopped and f[6] > old[ROOT_VERSION]:
            return _ROOT_WANTED, None, None
        own = [item[1:] for item in f[5] if item[0] == me.brick8]
        if len(own) > MAX_KINDS:
            return INSTALL_TOO_LARGE, None, None
        for item in () if stopped else own:
            result = _fits(item, me)
            if result != INSTALL_OK:
                return result, None, None
        new = dict(old)
        new[NUMBER], new[DIGEST], new[EXPIRES] = f[2], digest, f[4]
        if f[3] < old[ROOT_EXPIRES]:
            new[ISSUED] = max(old[ISSUED], f[3])
        new[FLAGS], new[ITEMS], new[RENTAL] = f[7], own, f[10]
        return INSTALL_OK, new, directive.of(f, digest)

    # --- installs

    def may_install(self, found, verify, me, installed, engine, signed_ms=0, clock_ms=None, kind=1):
        """Install result for a parsed bundle.Bundle: what the director ordered, and the authors signed.

        `installed`: the Bundle in use or None; `clock_ms`: the brick's own clock or None, which can only refuse. Where no
        root was told, the authors alone decide."""
        f = self.fields
        now_ms = self.time_lb(signed_ms)
        if f is not None:
            result = self._ordered(found, kind, me, max(now_ms, clock_ms or 0), now_ms)
            if result != INSTALL_OK:
                return result
        elif self._strict:
            return _ROOT_WANTED
        authors, threshold = self.authors
        return bundle.check(found, authors, threshold, verify, installed, me.hardware, engine, now_ms, kind)

    def _ordered(self, found, kind, me, now_ms, signed_ms):
        """Whether the directive in force names exactly this bundle."""
        f = self.fields
        if f[FLAGS] & directive.HALTED:
            return _HALTED
        item = named(f, kind)
        if item is None or item[5] != found.digest:
            return _NOT_NAMED
        if f[ROOT_EXPIRES] <= signed_ms:
            return _ROOT_EXPIRED
        if f[EXPIRES] <= now_ms:
            return INSTALL_EXPIRED
        if f[RENTAL] != me.rental:
            return _OTHER_RENTAL
        b = found.fields
        if item[0] != b[1] or item[1] != b[2] or item[2] != b[3] or item[3] != b[4]:
            return _NOT_NAMED
        return INSTALL_HARDWARE if item[4] and item[4] != me.hardware else INSTALL_OK


def _wrong_form(error):
    return INSTALL_TOO_LARGE if isinstance(error, LimitError) else INSTALL_UNREADABLE


def _fits(item, me):
    """Install result for one own item: hardware, then not older than what is installed, unless that names it."""
    if item[4] and item[4] != me.hardware:
        return INSTALL_HARDWARE
    installed = me.installed.get(item[0])
    if installed is None or installed[0] == item[1] or item[3] > installed[1] or item[1] in installed[2]:
        return INSTALL_OK
    return INSTALL_OLDER
