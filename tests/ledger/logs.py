"""A log in a folder, for tests: opens, grows and reopens one."""

import random
from pathlib import Path

from stallmark import tree

from fleet.clock import RealClock
from fleet.db.engine import Database
from fleet.ledger.files import Folder
from fleet.ledger.log import Log
from fleet.ledger.note import Signer

ORIGIN = "localhost/test/2026"
SIGNER = Signer(ORIGIN, b"checkpoint key of a test, 32 by.")


class Site:
    """A database and a ledger folder below one path; `entries` are all that was appended, in memory."""

    def __init__(self, path, seed=1):
        self.path = Path(path)
        self.random = random.Random(seed)
        self.entries = []
        self.database = self.log = None

    def create(self):
        """Makes the log and opens it."""
        self.database = Database(self.path / "db.sqlite")
        Log.create(self.database, self.folder, SIGNER, RealClock())
        return self.open()

    def open(self):
        """Opens what is there."""
        if self.database is None:
            self.database = Database(self.path / "db.sqlite")
        try:
            self.log = Log(self.database, self.folder, SIGNER, RealClock())
        except BaseException:
            self.close()
            raise
        return self

    def close(self):
        """As a program that ends."""
        if self.database is not None:
            self.database.close()
        self.database = self.log = None

    @property
    def folder(self):
        return Folder(self.path / "ledger")

    def append(self, n, size=24):
        """n entries of an unknown leaf type."""
        entries = [b"\x63" + self.random.randbytes(size) for _ in range(n)]
        with self.log.writing() as tx:
            first = tx.add(entries)
        assert first == len(self.entries)
        self.entries += entries
        return entries

    def publish(self):
        """Everything that is there."""
        while self.log.publish() is not None:
            pass

    def grow(self, n):
        """Appends and publishes."""
        self.append(n)
        self.publish()

    def hashes(self, size=None):
        """Leaf hashes of the entries."""
        return [tree.leaf_hash(entry) for entry in self.entries[:size]]

    def root(self, size=None):
        """The root as the core works it out."""
        return tree.root(self.hashes(size))

    def agrees(self):
        """The published checkpoint is that of the first entries."""
        published = self.log.published
        assert published.root == self.root(published.size)
        return published.size
