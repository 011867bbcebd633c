"""A world and a controller that knows it, for tests: delivers what the world makes, publishes, checks."""

from pathlib import Path

from fleet.config import load
from fleet.controller import Controller, initialise
from fleet.ledger import fsck
from tests.world import World


class WorldClock:
    """Market time is the world's."""

    def __init__(self, world):
        self._world = world

    def now_ms(self):
        """Milliseconds since 1970."""
        return self._world.now_ms


class Stall:
    """A controller in a folder, without its web server. `records` are all that were delivered, in order."""

    def __init__(self, folder, seed=1, bricks=3, **config):
        self.folder = Path(folder)
        self.world = World(seed)
        for _ in range(bricks):
            self.world.brick()
        self.records = []
        self.answers = []
        self.settings = config
        self.configure()
        initialise(self.config, self.clock)
        self.controller = Controller(self.config, self.clock)

    @property
    def clock(self):
        return WorldClock(self.world)

    def configure(self):
        """Writes and reads the configuration anew, with the hosts and bricks that the world has now."""
        self.config = load(self.world.controller(self.folder, **self.settings))

    def host(self, host=None):
        """The controller's entry of one of the world's hosts."""
        wanted = (host or self.world.host).host8
        return next(known for known in self.config.hosts if known.host == wanted)

    def restart(self):
        """Closes and opens it again."""
        self.controller.close()
        self.configure()
        self.controller = Controller(self.config, self.clock)

    def take(self, body, host=None):
        """Delivers a body; returns the answer's JSON text. Raises Refused."""
        answer = self.controller.take(self.host(host), body)
        self.answers.append(answer)
        return answer

    def deliver(self, n=10, host=None, **more):
        """n fresh receipts in one batch; returns their records."""
        records = []
        self.take(self.world.batch(self.world.receipts(n, host=host, records=records, **more), host), host)
        self.records += records
        return records

    def hand_in(self, records, host=None):
        """These records, in this order, in one batch; returns their receipts."""
        receipts = [self.world.receipt(item, host) for item in records]
        self.take(self.world.batch(receipts, host), host)
        self.records += records
        return receipts

    def publish(self):
        """Everything, disclosures included."""
        while self.controller.publish():
            pass

    def receipt(self, item, host=None):
        """The public receipt of a record."""
        return self.controller.archive.receipt_by_handle(self.world.handle(item, host))

    def leaves(self):
        """Leaves by type, as counted."""
        return self.controller.archive.leaf_totals()

    def fsck(self):
        """The full check, which must find nothing; returns the report."""
        report = fsck.check(self.config.ledger, self.controller.log.verifier)
        assert report.clean, report.lines()
        return report

    def close(self):
        """Ends it."""
        self.controller.close()
