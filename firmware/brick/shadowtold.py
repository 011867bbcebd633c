"""What the host told the rules in use, for those that are tried beside them. docs/formats/shadow.md

The records that a trial would have written have numbers of their own; the host speaks of those in the journal. A few pairs of
numbers say how far the one is where the other is."""

# pyright: reportAttributeAccessIssue=false
# What is None in a state is made where its rules use it.

from stallmark.constant import const

_PAIRS = const(16)


class Told:
    """`decider`: of the rules in use; `tried`: the state by the others, which has the journal read to its end."""

    def __init__(self, decider, tried):
        self._decider = decider
        self._tried = tried
        self._start = tried.seq  # up to here both have the same numbers
        self._pairs = [(tried.seq, tried.seq)]
        self._begin(decider.state)

    def _begin(self, used):
        """Balances that came before; what was granted here since is in them."""
        tried = self._tried
        if tried._balances is None or used is None or used._balances is None or used._balances._newest < 0:
            return
        for key in used._ever.table.keys():
            balance = used._balances.of(key[1:])
            if balance:
                entry = key[1:] + min(balance, 0xFFFFFFFF).to_bytes(4, "big")
                tried.balances(used._balances._newest, tried.seq, entry)

    def reached(self, seq):
        """Whatever the journal's records up to `seq` are of has been compared."""
        pairs = self._pairs
        if pairs[-1][0] == seq:
            pairs.pop()
        elif len(pairs) == _PAIRS:
            pairs.pop(0)
        pairs.append((seq, self._tried.seq))

    def _own(self, seq):
        """What the trial would have written up to the journal's record `seq`: never too much."""
        for index in range(len(self._pairs) - 1, -1, -1):
            if self._pairs[index][0] <= seq:
                return self._pairs[index][1]
        return min(seq, self._start)

    def reconciled(self, host_seq):
        """The host has the journal's records up to a seq: it would have those of the trial."""
        self._tried.reconciled(self._own(host_seq))

    def balances(self, as_of, seq, entries):
        """Message 42. What the rules in use granted counts for those tried as well, once the host says it."""
        self._tried.balances(as_of, self._own(seq), entries)

    def take_over(self):
        """Before an event: signals that both know by the same name, and who was revoked."""
        used, tried = self._decider.state, self._tried
        if used is None:
            return
        tried._revoked = used._revoked
        if tried._signals is None or used._signals is None:
            return
        names = [one[0] for one in used.ruleset.signals]
        for place, one in enumerate(tried.ruleset.signals):
            if one[0] in names:
                known = used._signals._values[names.index(one[0])]
                if known is not None:
                    tried._signals.set(place, known[1], known[0])
