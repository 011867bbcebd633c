"""Grants that the host does not have yet: how far a brick has gone alone. docs/formats/ruleset.md, Exposure"""

from array import array

from stallmark.constant import const

MOST = const(128)  # grants told apart; of more, all count until the last of them is at the host


class Exposure:
    """Grants of the rules that have exposure limits, by seq, until the host has them durable."""

    def __init__(self, rules):
        self._rules = rules  # indexes
        self._seqs = array("I", [0] * MOST)
        self._which = bytearray(MOST)
        self._used = 0
        self._more = array("H", [0] * len(rules))
        self._last = 0  # seq of the last of `_more`
        self.host_seq = 0

    def grant(self, rule, seq):
        """Record `seq` granted a rule (its index)."""
        if rule not in self._rules or seq <= self.host_seq:
            return
        which = self._rules.index(rule)
        if self._used < MOST and not self._last:
            self._seqs[self._used] = seq
            self._which[self._used] = which
            self._used += 1
        else:
            self._last = seq
            if self._more[which] < 0xFFFF:
                self._more[which] += 1

    def reconciled(self, host_seq):
        """Every record up to `host_seq` is durable at the host."""
        self.host_seq = max(self.host_seq, host_seq)
        kept = 0
        for index in range(self._used):
            if self._seqs[index] > self.host_seq:
                self._seqs[kept] = self._seqs[index]
                self._which[kept] = self._which[index]
                kept += 1
        self._used = kept
        if self._last <= self.host_seq:
            self._last = 0
            for index in range(len(self._more)):
                self._more[index] = 0

    def of(self, rule):
        """Grants of a rule that the host does not have yet; never too few. 0 of rules without limits."""
        if rule not in self._rules:
            return 0
        which = self._rules.index(rule)
        count = self._more[which]
        for index in range(self._used):
            if self._which[index] == which:
                count += 1
        return count
