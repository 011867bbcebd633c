"""The host's encrypted store: one file, one writer, group commit; a module for each group of tables."""

from hostagent.store.store import Opened, Store, open_store

__all__ = ["Opened", "Store", "open_store"]
