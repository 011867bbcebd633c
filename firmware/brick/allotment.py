"""Slices of rights from the host: checked against the director's signature, then handed to the state."""

from stallmark import form, numbers, rights

from brick import config
from brick import counters as count


class Allotment:
    """Accepts slices for this kit and rental. Signatures wait for `step`: one takes a second on a small chip.

    `add(slice) -> slice result` is the state's; `stir()` is called when there is work.
    """

    def __init__(self, identity, directing, verify, add, post, stir, counters, ticks):
        self._identity = identity
        self._directing = directing
        self._verify = verify
        self._add = add
        self._post = post
        self._counters = counters
        self._ticks = ticks
        self._pending = []
        self._held = []  # (id, payload) of every good one: offered again to the state of the next ruleset
        self.waiting_since = None
        self._stir = stir
        self.refuses = None  # refuses(slice) -> slice result or None: what needs no signature to be refused

    def received(self, value):
        """Message 37. Raises FormatError."""
        form.fields(value, "slice message", (0, 1))
        payload = value[0]
        if type(payload) is not bytes:
            form.fail("slice payload (0)", "bytes")
        signature = form.octets(value[1], "slice signature (1)", 64)
        piece = rights.decode_slice(payload)
        for held_id, known in self._held:
            if held_id == piece.id:
                self._say(piece.id, numbers.SLICE_HELD if known == payload else numbers.SLICE_SIGNATURE)
                return
        if piece.kit != self._identity.kit8 or piece.rental != self._identity.rental:
            self._say(piece.id, numbers.SLICE_OTHER_KIT)
        elif (payload, signature) not in self._pending:
            if len(self._pending) >= config.PENDING_SLICES:
                self._counters.add(count.SLICES_DROPPED)
                return
            self._pending.append((payload, signature))
            if self.waiting_since is None:
                self.waiting_since = self._ticks()
            self._stir()

    def step(self):
        """Check one signature, and before it answer what is refused without: after a change of rules that may be all of them.
        True where one was checked."""
        while self._pending:
            payload, signature = self._pending.pop(0)
            self.waiting_since = self._ticks() if self._pending else None
            piece = rights.decode_slice(payload)
            result = None if self.refuses is None else self.refuses(piece)
            if result is None:
                self._check(piece, payload, signature)
                return True
            self._say(piece.id, result)
        return False

    def _check(self, piece, payload, signature):
        message = rights.slice_message(payload)
        for public in self._directing.directors:  # seldom more than one
            if self._verify(public, message, signature):
                break
        else:
            self._say(piece.id, numbers.SLICE_SIGNATURE)
            return
        result = self._add(piece)
        if result in (numbers.SLICE_OK, numbers.SLICE_HELD, numbers.SLICE_UNKNOWN_RULE):
            if len(self._held) >= config.HELD_SLICES:
                self._held.pop(0)
            self._held.append((piece.id, payload))
        self._say(piece.id, result)

    def renew(self):
        """Another ruleset: hand every good slice to its state, and tell the host what became of it."""
        for slice_id, payload in self._held:
            self._say(slice_id, self._add(rights.decode_slice(payload)))

    def hand_out(self, state):
        """Give another state every good slice, whole; nobody is told (practice)."""
        for _, payload in self._held:
            state.add_slice(rights.decode_slice(payload), 0)

    def _say(self, slice_id, result):
        self._post(numbers.MSG_SLICE_RESULT, {0: slice_id, 1: result})
