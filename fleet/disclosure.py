"""Publishes the record key of an epoch, once every record of the epoch stands in a published checkpoint.

From then on anybody can check the MACs of that epoch, and anybody could make one: a record counts as its
brick's only where its leaf stands before the disclosure's tree size.
"""

from __future__ import annotations

from sqlalchemy import update

from fleet.core import leaf, reg
from fleet.db import tables
from fleet.errors import LedgerError
from fleet.ledger.log import Log
from fleet.store import Store

AT_ONCE = 256


def disclose(store: Store, log: Log) -> int:
    """Appends leaf 6 for the epochs that are due, at most AT_ONCE; returns how many. They too need
    publishing."""
    size = log.published.size
    due = [item for item in store.withheld() if item[2].ready is not None and item[2].ready <= size][:AT_ONCE]
    if not due:
        return 0
    epochs = tables.epochs
    with log.writing() as tx:
        for state, epoch, _ in due:
            key = store.keys.mac_key(state.brick, epoch)
            if key is None:
                raise LedgerError(f"no record key for epoch {epoch} of brick {state.brick.hex()}")
            payload = leaf.encode_disclosure(
                state.brick, epoch, key, store.keys.rental(state.brick, epoch), size
            )
            index = tx.add([leaf.entry(reg.LEAF_DISCLOSURE, payload)])
            tx.connection.execute(
                update(epochs)
                .where(epochs.c.brick == state.brick, epochs.c.epoch == epoch)
                .values(leaf=index, tree_size=size)
            )
    for state, epoch, _ in due:
        store.disclosed(state.brick, epoch)
    return len(due)
