"""Trust at work on a brick: state from flash, verdict by stallmark.trust, state to flash. Loaded for a moment."""

from stallmark import bundle, control, rules
from stallmark.trust import Trust
from stallmark.truststate import Me
from stallmark.truststore import TrustStore


class _Later(Exception):
    """One signature was checked in this turn; the rest in the next one."""


def _held(directing):
    """The Trust of now. Raises OSError."""
    identity = directing.identity
    fields, damaged = None, False
    if directing.flash is not None:
        store = TrustStore(directing.flash)
        fields, damaged = store.load(), store.damaged
    return Trust(fields, identity.authors, identity.threshold, identity.first_root, damaged)


def _me(directing, installed):
    have = {}
    if installed is not None:
        f = installed.fields
        have[f[1]] = (f[2], f[4], f[5])
    identity = directing.identity
    return Me(identity.kit8, identity.brick8, identity.rental, directing.hardware, have)


def keep(directing, fields):
    """Makes a state durable. Raises OSError, LimitError."""
    store = TrustStore(directing.flash)
    store.load()
    store.save(fields)


def may_install(directing, found, installed, floor_ms, clock_ms, known, kind=1):
    """Install result for a parsed bundle; None where another turn is needed. Raises OSError."""
    held = _held(directing)
    me = _me(directing, installed)
    try:
        return held.may_install(found, _one(directing, known), me, installed, rules.ENGINE, floor_ms, clock_ms, kind)
    except _Later:
        return None


def authored(directing, found, installer, known):
    """Install result for a parsed bundle of rules that nobody is to act by: all but what the director orders. None where another
    turn is needed. Raises OSError."""
    held = _held(directing)
    authors, threshold = held.authors
    now_ms = held.time_lb(installer.floor_ms)
    try:
        return bundle.check(
            found, authors, threshold, _one(directing, known), installer.installed, directing.hardware, rules.ENGINE, now_ms
        )
    except _Later:
        return None


def _one(directing, known):
    """`verify` for one turn: a signature is checked once, and one in each turn."""
    asked = []

    def verify(public, message, signature):
        key = public + signature
        if key not in known:
            if asked:
                raise _Later
            asked.append(key)
            known[key] = directing.verify(public, message, signature)
        return known[key]

    return verify


class Judge:
    """One root (`what` 1) or directive (2), one signature a turn."""

    def __init__(self, what, envelope, tag):
        self._what = what
        self._envelope = envelope
        self._tag = tag
        self._known = {}

    def step(self, directing, installed, floor_ms):
        """(install result, new state or None), or (None, None) where another turn is needed. Raises OSError."""
        verify = _one(directing, self._known)

        def tag_good(version, digest32):
            identity = directing.identity
            return control.root_good(identity.control_key, identity.brick8, version, digest32, self._tag)

        held = _held(directing)
        try:
            if self._what == 1:
                return held.take_root(self._envelope, verify, tag_good)
            return held.take_directive(self._envelope, verify, _me(directing, installed), floor_ms)[:2]
        except _Later:
            return None, None
