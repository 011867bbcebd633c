"""The event behind a record of what was decided, as far as records say it: to decide it again. docs/rule-library.md"""

from stallmark.event import Event
from stallmark.people import answers
from stallmark.registry import FLAG_SHADOW, FLAG_TRAINING, REASON_PERSON
from stallmark.state import VISITORS

_NO_NONCE = bytes(8)
_NONCES = 1024  # latest events of a brick that are remembered


class Events:
    """The events of one deciding place, from its records in order of seq: several records of one nonce are one event.

    `training`: records of practice, which are no events; `unopened`: events whose private part is not there any more."""

    def __init__(self):
        self.training = self.unopened = 0
        self._nonces = {}
        self._order = []  # of the nonces, as a ring
        self._at = 0

    def take(self, fields, private):
        """The Event of a record (public fields, private fields or None), or None where it tells of no event or of one that
        was told before. References, vouchers, lines and what a token counts are not in records; staff is left out."""
        if fields[10] not in VISITORS or 11 not in fields:
            return None
        why = fields.get(14)
        if (why and why[0] == REASON_PERSON) or answers(fields):
            return None  # a person's answer to an event that was decided before
        if fields[0] & (FLAG_TRAINING | FLAG_SHADOW):
            self.training += 1
            return None
        nonce = fields.get(15)
        if nonce is not None and nonce != _NO_NONCE:
            if nonce in self._nonces:
                return None
            self._remember(nonce)
        if 17 in fields and not private:
            self.unopened += 1
        return of_fields(fields, private)

    def _remember(self, nonce):
        if len(self._order) < _NONCES:
            self._order.append(nonce)
        else:
            self._nonces.pop(self._order[self._at])
            self._order[self._at] = nonce
            self._at = (self._at + 1) % _NONCES
        self._nonces[nonce] = True


def of_fields(fields, private):
    """The Event of a decision's record."""
    private = private or {}
    kind, trust = divmod(fields[11], 16)
    basket, items = private.get(2) or (None, None)
    return Event(
        kind, trust, private.get(1), fields[5], fields[6], fields[7][0], fields[7][1], fields.get(15, _NO_NONCE), basket, items,
        private.get(3), None, private.get(8), None, None, None, None, fields[4], fields[2],
    )  # fmt: skip
