"""The lane's paper slips: all that are open, and of the others the newest."""

from typing import Any

from hostagent.core import Fields, reg
from hostagent.lane.taken import GRANTED

# Slips remembered. Of an older one, paid or given back, its number alone says that it was used.
MOST = 1_024


class SlipBook:
    """`reserves`: public fields of slips' reserves by seq; `paid`: seqs of those that came back and were paid."""

    def __init__(self) -> None:
        self.reserves: dict[int, Fields] = {}
        self.paid: set[int] = set()

    def note(self, record: Any, state: Any) -> None:
        """A record of the lane, applied to its state before."""
        fields: Fields = record.fields
        if fields[10] == reg.KIND_RENTAL:  # slips of the rental before are worth nothing
            self.reserves.clear()
            self.paid.clear()
        elif fields[10] == reg.KIND_RESERVE and fields.get(24):
            self.reserves[record.seq] = fields
            if len(self.reserves) > MOST:
                self._forget(state)
        elif fields[10] in GRANTED and fields.get(20) in self.reserves:
            self.paid.add(fields[20])

    def _forget(self, state: Any) -> None:
        open_now = {seq for seq, _, _ in state.open_reserves()}
        for seq in list(self.reserves):
            if len(self.reserves) <= MOST:
                break
            if seq not in open_now:
                del self.reserves[seq]
                self.paid.discard(seq)
