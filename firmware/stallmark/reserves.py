"""Reserves without their end yet: rights that are set aside until a grant or a release. docs/formats/ruleset.md"""

MOST = 128  # open at a time; of more the oldest are taken for granted: nothing of them comes back


class Reserves:
    """Open reserves in order of seq."""

    def __init__(self):
        self._open = []  # (seq, rule or None, parts, nonce)

    def add(self, seq, rule, parts, nonce):
        """Record `seq` set parts ([[slice, amount], …]) aside."""
        if len(self._open) == MOST:
            self._open.pop(0)
        self._open.append((seq, rule, parts, nonce))

    def end(self, seq):
        """Takes out the reserve of record `seq`: its parts; None where it is not open (any more)."""
        for index, one in enumerate(self._open):
            if one[0] == seq:
                self._open.pop(index)
                return one[2]
        return None

    def get(self, seq):
        """(seq, rule, parts, nonce) of an open one, or None."""
        for one in self._open:
            if one[0] == seq:
                return one
        return None

    def all(self):
        """[(seq, rule, parts), …]"""
        return [one[:3] for one in self._open]


def given_back(parts, released):
    """What a release gives back: what it names, and no more than the reserve took of each slice."""
    out = []
    for slice_id, amount in parts:
        named = sum([part[1] for part in released if part[0] == slice_id])
        if named:
            out.append([slice_id, min(amount, named)])
    return out
