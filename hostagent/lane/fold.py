"""What the lane's records come to, folded up and kept: a start reads only what was written since.

A fold holds what records alone make: the state of the rules, where the chain of keys is, paper slips. It counts for
one ruleset and one version of the program; for any other the records are read from the first on.
"""

import functools
import hashlib
import importlib
import logging
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from hostagent.core import FormatError, cbor, state
from hostagent.lane import plain, taken
from hostagent.lane.book import Place
from hostagent.lane.slipbook import SlipBook
from hostagent.store.database import Sql
from hostagent.store.records import Stored, after
from hostagent.store.store import Store

VERSION = 2
# Records read at a time; and after how many new ones a fold is kept anew.
PAGE = 200
KEEP_AFTER = 500
KEEP_RUNNING = 5_000
# While customers are served: a few at a time, with a rest (s) after them.
FEW = 50
REST_S = 0.1
# Of grants and what was taken back of them so many are handed on: the newest.
RECENT = 4_096
# Values in a kept fold, at most.
MOST_VALUES = 200_000
_KEEP = "INSERT OR REPLACE INTO lane_fold VALUES (1, ?, ?)"
log = logging.getLogger("hostagent.lane")


class Fold:
    """Takes in a lane's records in order. `recent`: the newest that granted or took back."""

    def __init__(self, brick: bytes, rules: Any) -> None:
        self._brick = brick
        self._rules = rules
        self.seq = 0
        self.state: Any = state.State(rules)
        self.place = Place()
        self.slips = SlipBook()
        self.recent: deque[Stored] = deque(maxlen=RECENT)

    def add(self, item: Stored) -> None:
        """The next record."""
        self.seq = item.record.seq
        self.state.apply(item.record)
        self.place.passed(item.record.fields)
        self.slips.note(item.record, self.state)
        if item.record.fields[10] in taken.GRANTED or item.record.fields[10] in taken.REVERSALS:
            self.recent.append(item)

    def page(self, store: Store, most: int) -> "Future[list[Stored]]":
        """The records that come next in the store, at most so many; none at the end."""
        return store.read(lambda sql: after(sql, self._brick, self.seq, most))

    def data(self) -> bytes:
        """CBOR of all but `recent`. Raises plain.NotPlain."""
        told = plain.difference(self.state, state.State(self._rules))
        place = self.place
        encoded: bytes = cbor.encode(
            {
                "version": VERSION,
                "program": program(),
                "rules": None if self._rules is None else self._rules.digest8,
                "brick": self._brick,
                "seq": self.seq,
                "place": [place.epoch, place.in_epoch, place.over, place.boot, place.steps],
                "slips": [[seq, cbor.encode(fields)] for seq, fields in self.slips.reserves.items()],
                "paid": sorted(self.slips.paid),
                "state": told,
            }
        )
        return encoded

    def keep(self, store: Store) -> "Future[None] | None":
        """Keeps it; None where it cannot be told: then the next start reads more."""
        try:
            data = self.data()
        except (plain.NotPlain, FormatError) as failed:
            log.warning("where the lane stands is not kept: %s", failed)
            return None
        seq = self.seq

        def work(sql: Sql) -> None:
            sql.execute(_KEEP, (seq, data))

        return store.write(work)


def kept(store: Store) -> "Future[bytes | None]":
    """What was kept last."""

    def query(sql: Sql) -> bytes | None:
        row = sql.execute("SELECT data FROM lane_fold").fetchone()
        return None if row is None else row[0]

    return store.read(query)


def unfolded(data: bytes | None, brick: bytes, rules: Any) -> Fold:
    """The fold that was kept, where it is of this brick, these rules and this program; else one of no records."""
    fold = Fold(brick, rules)
    if data is None:
        return fold
    try:
        told: Any = cbor.decode(data, max_depth=16, max_items=MOST_VALUES, text_keys=True)
        digest8 = None if rules is None else rules.digest8
        if (told["version"], told["program"], told["brick"], told["rules"]) != (
            VERSION,
            program(),
            brick,
            digest8,
        ):
            return fold
        plain.put_back(fold.state, told["state"])
        if fold.state.seq != told["seq"]:
            raise plain.NotPlain("its state is of another record")
        fold.place = Place(*told["place"])
        fold.slips.reserves = {seq: cbor.decode(fields) for seq, fields in told["slips"]}
        fold.slips.paid = set(told["paid"])
        fold.seq = told["seq"]
    except (FormatError, plain.NotPlain, KeyError, TypeError, ValueError) as failed:
        log.warning("the lane reads all its records: what was kept of them is of no use (%s)", failed)
        return Fold(brick, rules)
    return fold


@functools.cache
def program() -> bytes:
    """Stands for the program whose state a fold holds: the core's files and the lane's."""
    digest = hashlib.sha256()
    core = importlib.import_module("stallmark")
    for folder in (Path(str(core.__file__)).parent, Path(__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()[:16]


__all__ = ["FEW", "KEEP_AFTER", "KEEP_RUNNING", "PAGE", "REST_S", "Fold", "kept", "program", "unfolded"]
