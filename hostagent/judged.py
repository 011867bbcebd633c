"""By what a host judges directives: the newest root, else the director of config.json, and what it took before.

The verdict is that of stallmark.trust, as on a brick; here is what goes into it. Pure: no clock, no storage."""

from collections.abc import Callable
from typing import Any

from hostagent import signer
from hostagent.core import Fields, FormatError, bundle, cbor, directive, reg, trust, truststate

# What stands for a root where none is here: it never runs out, and no directive wants a newer one.
_ENDLESS = 2**63 - 1
_NEWEST = 0xFFFFFFFF
_OF_ORDERS: tuple[int, ...] = (
    truststate.NUMBER, truststate.DIGEST, truststate.ISSUED, truststate.EXPIRES, truststate.FLAGS, truststate.ITEMS,
    truststate.RENTAL, truststate.ALARM,
)  # fmt: skip


class Judged:
    """One for a host. `root()`: the trust state after the newest root that is here, None without one; `rental()`: the kit's;
    `signed_ms()`: the latest instant that other signed things know of."""

    def __init__(self, kit: bytes, director: bytes | None, rental: Callable[[], int] = lambda: 0) -> None:
        self._kit = kit
        self._director = director
        self._rental = rental
        self.root: Callable[[], Fields | None] = lambda: None
        self.signed_ms: Callable[[], int] = lambda: 0
        # The state after the directive that was taken last: what makes an older one, or a second one, be refused.
        self.taken: Fields | None = None

    @property
    def state(self) -> Fields | None:
        """What the next directive is held against; None where nobody says who directs."""
        base = self.root() or _unrooted(self._director)
        return base if base is None or self.taken is None else _after(base, self.taken)

    def named(self, digest: bytes) -> bool:
        """Whether the directive of this payload digest is the one taken last, under today's directors."""
        state = self.state
        return state is not None and state[truststate.DIGEST] == digest

    def binds(self, digest: bytes) -> bool:
        """The same, and it is for the rental of now."""
        state = self.state
        return self.named(digest) and state is not None and state[truststate.RENTAL] == self._rental()

    def verdict(self, envelope: bytes) -> tuple[int, Fields | None, Any]:
        """(install result, new state or None, Directive or None), as a brick would say for what is no item of its own."""
        me = truststate.Me(self._kit, None, self._rental())
        found: tuple[int, Fields | None, Any] = trust.Trust(self.state).take_directive(
            bytes(envelope), signer.verify, me, self.signed_ms()
        )
        return found

    def words(self, result: int, envelope: bytes) -> tuple[str, bool]:
        """Why a directive is not taken, and whether a newer one is here."""
        order = read(envelope)
        state = self.state
        if state is None:
            return "config.json names no director: no directive can be checked", False
        number, bound = (0 if order is None else order.number), state[truststate.NUMBER]
        if result == reg.INSTALL_OLDER and number < bound:
            return (
                f"directive {number} is older than {bound}, which is here: was the controller restored from a copy?",
                True,
            )
        version = state[truststate.ROOT_VERSION]
        said = {
            reg.INSTALL_OLDER: f"directive {number} was issued before root {version}, which ended its directors",
            reg.INSTALL_EQUIVOCATION: f"a second directive {number} with other content: its director signed two",
            reg.INSTALL_THRESHOLD: "the director did not sign this directive: if its key is a new one, a root has to name it",
            reg.INSTALL_UNREADABLE: "unreadable directive",
            reg.INSTALL_EXPIRED: f"directive {number} has expired",
            reg.INSTALL_OTHER_KIT: "a directive for another kit",
            reg.INSTALL_OTHER_RENTAL: f"directive {number} is for another rental than this one",
            reg.INSTALL_NAMED_TWICE: "a directive that names a brick twice",
            reg.INSTALL_NEWER_FORM: "the directive asks for what this program does not know: bring the host up to date",
            reg.INSTALL_ROOT_WANTED: f"directive {number} wants a newer root than {version}, which is the newest here",
            reg.INSTALL_ROOT_EXPIRED: f"directive {number} was issued when root {version} is over: sign the next root; or the "
            "controller's clock is wrong",
        }
        return said.get(result) or f"directive {number}: {reg.INSTALL_WORDS.get(result, result)}", False

    def stop_of(self, envelope: bytes) -> Any:
        """The stop that this host once took, whoever its director was; None where it was none."""
        found = read(envelope)
        return (
            found
            if found is not None and found.kit8 == self._kit and found.flags & directive.HALTED
            else None
        )


def read(envelope: bytes) -> Any:
    """What a directive says (stallmark.directive.Directive), by its form alone; None where it has none."""
    try:
        payload = bundle.opened(bytes(envelope), directive.TYPE)[0]
        return directive.of(directive.check_fields(cbor.decode(payload)), bundle.sha256(payload))
    except FormatError:
        return None


def packed(state: Fields | None) -> bytes | None:
    """For storage."""
    return None if state is None else cbor.encode(state)


def unpacked(data: bytes | None) -> Fields | None:
    """From storage; None for what is no state."""
    try:
        return None if data is None else truststate.check_state(cbor.decode(data))
    except FormatError:
        return None


def _unrooted(director: bytes | None) -> Fields | None:
    """A state of one director, without a root."""
    if director is None:
        return None
    directors = [[signer.kid8(director), director]]
    root: Fields = {1: _NEWEST, 2: 0, 3: _ENDLESS, 4: [], 5: 1, 6: directors, 7: 1, 8: [], 9: 1}
    state: Fields = truststate.with_root(None, root, bytes(32))
    return state


def _after(base: Fields, taken: Fields) -> Fields:
    """A root's state with what was taken under the same directors; of what others ordered a stop alone is left."""
    since, directors, threshold = truststate.SINCE, truststate.DIRECTORS, truststate.DIRECTOR_THRESHOLD
    same = (
        base[since] == taken[since]
        and base[threshold] == taken[threshold]
        and {public for _, public in base[directors]} == {public for _, public in taken[directors]}
    )
    if not same:
        return {**base, truststate.FLAGS: taken[truststate.FLAGS] & directive.HALTED}
    return {**base, **{key: taken[key] for key in _OF_ORDERS}}
