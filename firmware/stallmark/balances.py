"""Loyalty tokens: what the host last said of a subject, and what was granted here since. docs/formats/ruleset.md"""

from array import array
from struct import pack_into, unpack_from

from stallmark.constant import const
from stallmark.numbers import GRANT_TOKENS

ENTRY = const(10)  # of a message: subject6, balance u32
_RECENT = const(32)  # own grants of tokens that a snapshot can be told apart from
_MOST = const(0xFFFFFFFF)
_MOST_HERE = const(0xFFFF)
# In a subject's entry: the host's number u32, granted here since u16
_HERE = const(4)


class Balances:
    """Balances in the entries of a stallmark.peopleever.Ever. A grant is never counted twice: where it can not
    be told whether a snapshot counts it, it waits for the next snapshot."""

    def __init__(self, ever):
        self._ever = ever
        self._newest = -1  # as of, ms
        self._upto = 0  # own records up to this seq are in some snapshot
        self._seqs = array("I", [0] * _RECENT)
        self._places = array("I", [0] * _RECENT)
        self._tokens = array("I", [0] * _RECENT)
        self._next = 0

    def granted(self, subject6, grants, seq):
        """Own record `seq` granted `grants` (its field 12)."""
        tokens = 0
        for grant in grants:
            if grant[0] == GRANT_TOKENS and grant[1]:
                tokens += grant[1]
        if not tokens or seq <= self._upto:
            return
        at = self._ever.place(subject6)
        if at >= 0:
            tokens = min(tokens, _MOST)
            self._add(at, tokens)
            self._seqs[self._next] = seq
            self._places[self._next] = at
            self._tokens[self._next] = tokens
            self._next = (self._next + 1) % _RECENT

    def void(self, seq):
        """Own record `seq` was taken back: so are its tokens, where no snapshot has counted them."""
        for index in range(_RECENT):
            if self._seqs[index] == seq and self._tokens[index]:
                self._add(self._places[index], -self._tokens[index])
                self._tokens[index] = 0

    def _add(self, at, tokens):
        data = self._ever.table.pieces[at >> 12]
        at = (at & 4095) + self._ever.balance_at + _HERE
        pack_into(">H", data, at, min(max(unpack_from(">H", data, at)[0] + tokens, 0), _MOST_HERE))

    def take(self, as_of, seq, entries):
        """The host's numbers as of an instant (ms), which count own records up to `seq`. False where there was not
        room for all of them (a quarter of the places is kept for people who come here), or where newer ones came
        before: older ones are passed over."""
        if as_of < self._newest:
            return False
        self._newest = as_of
        self._upto = max(self._upto, seq)
        table = self._ever.table
        all_in = True
        for start in range(0, len(entries) - ENTRY + 1, ENTRY):
            at = self._ever.place(entries[start : start + 6], table.capacity // 4)
            if at < 0:
                all_in = False
            else:
                where = (at & 4095) + self._ever.balance_at
                balance = unpack_from(">I", entries, start + 6)[0]
                pack_into(">IH", table.pieces[at >> 12], where, balance, self._since(at, seq))
        return all_in

    def _since(self, at, seq):
        """Tokens of own grants after `seq`, of those that are still told apart; earlier ones are done with."""
        total = 0
        for index in range(_RECENT):
            if self._places[index] == at:
                if self._seqs[index] > seq:
                    total += self._tokens[index]
                else:
                    self._tokens[index] = 0
        return min(total, _MOST_HERE)

    def of(self, subject6):
        """The balance of a subject, 0 for one of whom nothing is known; None where newcomers can not be
        remembered."""
        table = self._ever.table
        at = table.find(b"\x01" + subject6)
        if at < 0:
            return None if self._ever.full else 0
        balance, here = unpack_from(">IH", table.pieces[at >> 12], (at & 4095) + self._ever.balance_at)
        return balance + here

    def age(self, wall):
        """Seconds since the newest of the host's numbers; None where none ever came."""
        return None if self._newest < 0 or wall is None else max(wall - self._newest, 0) // 1000
