"""What the host tells of the rest of the kit, and what it sets: messages 40 to 46 (docs/formats/link.md).

Every handler raises FormatError for what it cannot read; nothing of such a message is taken.
"""

from stallmark import form
from stallmark import numbers as reg
from stallmark.constant import const
from stallmark.errors import FullError

from brick import counters as count

_ENTRY = const(14)
_ENTRIES = const(28)
_SIGNALS = const(16)
_BALANCE = const(10)
_BALANCES = const(40)
_SUBJECT = const(6)
_SUBJECTS = const(64)


class Kitwide:
    """`hand_out(state)` gives a state the slices held; `post(kind, value)` sends a message."""

    def __init__(self, brick8, decider, recorder, clock, counters, post, hand_out):
        self._brick8 = brick8
        self._decider = decider
        self._recorder = recorder
        self._clock = clock
        self._counters = counters
        self._post = post
        self._hand_out = hand_out
        self._last = None  # (nonce, result) of the last parameters: asked twice, written once

    def _of_ours(self, ruleset8):
        """Whether something is of the ruleset that decides here; a host is ahead or behind for a moment."""
        ruleset = self._decider.ruleset
        if ruleset is not None and ruleset8 == ruleset.digest8:
            return True
        self._counters.add(count.EXCHANGE_OTHER)
        return False

    def people(self, value):
        """Message 40: records of another brick, or of the lane."""
        form.fields(value, "people", (0, 1, 2, 3))
        ruleset8 = form.octets(value[0], "people ruleset (0)", 8)
        brick8 = form.octets(value[1], "people brick (1)", 8)
        seq = form.uint(value[2], "people seq (2)", form.U32)
        entries = _packed(value[3], "people entries (3)", _ENTRY, _ENTRIES)
        if brick8 != self._brick8 and self._of_ours(ruleset8):
            self._decider.state.remote(brick8, seq, entries, self._clock.wall_ms())
            self._counters.add(count.EXCHANGED)
            self._seen_elsewhere(entries)

    def _seen_elsewhere(self, entries):
        """Others' people, for the risk: who stood at another brick a second ago cannot stand here."""
        watch, ruleset = self._decider.watch, self._decider.ruleset
        if watch is None:
            return
        for at in range(0, len(entries), _ENTRY):
            slot = entries[at + 9]
            since = int.from_bytes(entries[at + 10 : at + 14], "big")
            # Nobody stood there: without an event it is a person's answer; at 0 may be who came early, hours before
            if slot < len(ruleset.slots) and any(entries[at : at + 6]) and entries[at + 6] and since:
                watch.told(bytes(entries[at : at + 6]), ruleset.slots[slot][0] + since)

    def signals(self, value):
        """Message 41."""
        form.fields(value, "signals", (0, 1))
        for signal in form.array(value[0], "signals (0)", _SIGNALS):
            form.array(signal, "signal", 3, 3)
            form.uint(signal[0], "signal index", 255)
            form.integer(signal[1], "signal value")
            form.uint(signal[2], "signal instant")
        if not self._of_ours(form.octets(value[1], "signals ruleset (1)", 8)):
            return  # the same index is another signal there
        for index, amount, wall_ms in value[0]:
            if index < len(self._decider.ruleset.signals):
                self._decider.state.signals(index, amount, wall_ms)

    def balances(self, value):
        """Message 42."""
        form.fields(value, "balances", (0, 1, 2))
        as_of = form.uint(value[0], "balances as of (0)")
        seq = form.uint(value[1], "balances seq (1)", form.U32)
        entries = _packed(value[2], "balances entries (2)", _BALANCE, _BALANCES)
        self._decider.state.balances(as_of, seq, entries)
        if self._decider.shadow is not None:
            self._decider.shadow.balances(as_of, seq, entries)

    def revoked(self, value):
        """Message 45."""
        form.fields(value, "revoked", (0, 1))
        first = _flag(value[0], "revoked first (0)")
        entries = _packed(value[1], "revoked entries (1)", _SUBJECT, _SUBJECTS)
        self._decider.state.revoke(first, entries)

    def parameters(self, value):
        """Message 43: the operator's open values, checked against what the authors signed, then a record."""
        form.fields(value, "parameters", (0, 1, 2, 3))
        ruleset8 = form.octets(value[0], "parameters ruleset (0)", 8)
        values = form.array(value[1], "parameters (1)", 16, 1)
        for pair in values:
            form.array(pair, "parameter", 2, 2)
            form.uint(pair[0], "parameter index", 255)
            form.integer(pair[1], "parameter value")
        who = form.text(value[2], "parameters who (2)", 24)
        nonce = form.octets(value[3], "parameters nonce (3)", 8)
        if self._last is None or self._last[0] != nonce:
            self._last = (nonce, self._set(ruleset8, values, who))
        if self._last[1] != reg.PARAMETERS_OK:
            self._counters.add(count.PARAMETERS_REFUSED)
        self._post(reg.MSG_PARAMETERS_RESULT, {0: nonce, 1: self._last[1]})

    def _set(self, ruleset8, values, who):
        if not self._of_ours(ruleset8):
            return reg.PARAMETERS_OTHER_RULESET
        bounds = self._decider.ruleset.open_values
        for index, amount in values:
            if index >= len(bounds) or not bounds[index][1] <= amount <= bounds[index][2]:
                return reg.PARAMETERS_BOUNDS
        try:
            self._recorder.write(reg.KIND_PARAMETERS, {8: ruleset8, 24: [values, who]})
        except FullError:
            self._counters.add(count.JOURNAL_FULL)
            return reg.PARAMETERS_NO_ROOM
        except OSError:
            self._counters.add(count.FLASH_ERRORS)
            return reg.PARAMETERS_NO_ROOM
        return reg.PARAMETERS_OK

    def training(self, value):
        """Message 46."""
        form.fields(value, "training", (0, 1))
        on = _flag(value[0], "training on (0)")
        form.text(value[1], "training who (1)", 24)
        decider = self._decider
        if decider.asking is not None:
            decider.asking.finish()
        if not on:
            decider.training = None
        elif decider.training is None:
            from brick.training import Training  # seldom needed: not in memory before

            try:
                decider.training = Training(decider.ruleset, self._hand_out)
            except MemoryError:
                self._counters.add(count.PARAMETERS_REFUSED)


def _packed(data, what, size, most):
    if type(data) is not bytes or len(data) % size or len(data) > size * most:
        form.fail(what, "at most {} entries of {} bytes".format(most, size))
    return data


def _flag(value, what):
    if type(value) is not bool:
        form.fail(what, "true or false")
    return value
