"""Which grants a customer keeps when the sale is taken back: as their rule said, also of rules that are not in use any more.

A record has what was given, without what came out as nothing; so a rule's grants are kept here with it, in their order.
"""

import asyncio
import logging
from concurrent.futures import Future
from typing import Any

from hostagent.core import Fields, cbor
from hostagent.errors import StoreUnavailable
from hostagent.store.database import Sql
from hostagent.store.store import Store

FLAGS, FIRST_BIT = 18, 3  # of a rule's wire map: docs/formats/ruleset.md
log = logging.getLogger("hostagent.keeping")
Shape = list[
    tuple[int, int | None, bool]
]  # of each grant: type, quantity (None: an open value), whether it is kept


class Keeping:
    """One for a host."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shapes: dict[tuple[bytes, int], Shape] = {}

    async def load(self) -> None:
        """Takes up what the store knows."""

        def query(sql: Sql) -> list[tuple[bytes, int, bytes]]:
            return sql.execute("SELECT ruleset, rule, grants FROM kept_grants").fetchall()

        for ruleset, rule, grants in await asyncio.wrap_future(self._store.read(query)):
            shape: Any = cbor.decode(grants, 4, 64)
            self._shapes[ruleset, rule] = [(kind, quantity, kept) for kind, quantity, kept in shape]

    def learn(self, ruleset: Any) -> None:
        """Keeps what rules of a stallmark.rules.Ruleset leave with the customer."""
        rows: list[tuple[bytes, int, bytes]] = []
        for index, rule in enumerate(ruleset.rules):
            mask = (ruleset.fields(index).get(FLAGS, 0) if ruleset.version > 1 else 0) >> FIRST_BIT
            if mask and (ruleset.digest8, index) not in self._shapes:
                shape: Shape = [
                    (grant[0], grant[1] if isinstance(grant[1], int) else None, bool(mask >> place & 1))
                    for place, grant in enumerate(rule.grants)
                ]
                self._shapes[ruleset.digest8, index] = shape
                rows.append((ruleset.digest8, index, cbor.encode([list(one) for one in shape])))
        if rows:

            def work(sql: Sql) -> None:
                sql.executemany("INSERT OR IGNORE INTO kept_grants VALUES (?, ?, ?)", rows)

            self._store.write(work).add_done_callback(_kept)

    def places(self, public: Fields) -> frozenset[int]:
        """Places in field 12 of a granting record that stay with the customer."""
        index = public.get(9)
        shape = self._shapes.get((public.get(8) or b"", -1 if index is None else index))
        found: set[int] = set()
        at = 0
        for place, grant in enumerate((public.get(12) or ()) if shape else ()):
            assert shape is not None
            while at < len(shape) and not (shape[at][0] == grant[0] and shape[at][1] in (None, grant[1])):
                at += 1
            if at < len(shape) and shape[at][2]:
                found.add(place)
            at += 1
        return frozenset(found)


def _kept(done: "Future[None]") -> None:
    try:
        done.result()
    except StoreUnavailable as failed:
        log.warning("what customers keep is not on the disk yet: %s", failed)
