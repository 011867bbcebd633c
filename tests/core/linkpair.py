"""A brick and a host on one line, with what each has made durable; either can be killed and started again."""

from ports import Random, make_ecb
from stallmark import control, frame
from stallmark.hostlink import HostLink
from stallmark.link import BrickLink

BRICK = b"brick..8"
HOST = b"host...8"
KEY = bytes(range(32))
K_CTL = bytes(range(32, 64))  # of brick and controller


class Killed(Exception):
    """The power went away inside advance or commit, after it had made its key durable."""


class Pair:
    """
    Both ends, a clock in ms, and the line between them.

    to_host and to_brick are lists of what one end wrote and the other has not read; step() moves them on. A
    test may set via to a function (direction, frame bytes) -> list of bytes to deliver in its place.
    """

    def __init__(self, seed=1, key=KEY, epoch=0):
        self.random = Random(seed)
        self.now = 0
        self.host_keys = {BRICK: {epoch: key}}  # what the host has committed
        self.brick_key = (epoch, key)  # what is in the key partition
        self.boot = 0
        self.order = None  # the controller's for a new link key, as the host has it: (epoch, tag16)
        self.kill_in = None  # "advance" or "commit": dies there, after the key is durable
        self.via = None
        self.to_host = []
        self.to_brick = []
        self.brick_events = []
        self.host_events = []
        self.keep = True
        self.wrote = []  # (direction, frame) of everything written, while keep
        self.start_brick()
        self.start_host()

    def start_brick(self):
        """Power on, or again: what was in memory is gone."""
        self.boot += 1
        epoch, key = self.brick_key

        def taken(epoch, tag):
            return control.rekey_taken(K_CTL, BRICK, epoch, tag)

        self.brick = BrickLink(
            BRICK, epoch, key, self.boot, make_ecb, self.random.bytes, self._advance, taken
        )
        self.brick_reader = frame.Reader()
        self.to_brick.clear()

    def start_host(self):
        """A new process on the same store."""
        self.host = HostLink(
            HOST, self._find, self._commit, self._drop, make_ecb, self.random.bytes, self._order
        )
        self.host_reader = frame.Reader()
        self.to_host.clear()

    def rekey(self, epoch):
        """The controller orders a new link key, and the host has fetched it."""
        self.host_keys.setdefault(BRICK, {})[epoch] = control.rekeyed(K_CTL, epoch)
        self.order = (epoch, control.rekey_tag(K_CTL, BRICK, epoch))

    def _order(self, brick8):
        return self.order if brick8 == BRICK else None

    def _find(self, brick8):
        keys = self.host_keys.get(brick8)
        return dict(keys) if keys else None

    def _commit(self, brick8, epoch, key):
        self.host_keys[brick8][epoch] = key
        if self.kill_in == "commit":
            raise Killed

    def _drop(self, brick8, epoch):
        self.host_keys[brick8] = {e: k for e, k in self.host_keys[brick8].items() if e >= epoch}

    def _advance(self, epoch, key):
        self.brick_key = (epoch, key)
        if self.kill_in == "advance":
            raise Killed

    def _write(self, direction, frames, line):
        for data in frames:
            if self.keep:
                self.wrote.append((direction, data))
            line.extend(self.via(direction, data) if self.via else [data])

    def poll(self):
        """Lets both ends write."""
        self._write("b2h", self.brick.poll(self.now), self.to_host)
        self._write("h2b", self.host.poll(self.now), self.to_brick)
        self.brick_events.extend(self.brick.events())
        self.host_events.extend(self.host.events())

    def deliver(self):
        """Lets both ends read what was written."""
        to_host = b"".join(self.to_host)
        to_brick = b"".join(self.to_brick)
        self.to_host.clear()
        self.to_brick.clear()
        for kind, body in self.host_reader.feed(to_host):
            self.host_events.extend(self.host.receive(kind, body, self.now))
        for kind, body in self.brick_reader.feed(to_brick):
            self.brick_events.extend(self.brick.receive(kind, body, self.now))

    def step(self, ms=5):
        """One turn of both loops."""
        self.poll()
        self.deliver()
        self.now += ms

    def run(self, ms, step=5):
        """Turns for so many milliseconds."""
        end = self.now + ms
        while self.now < end:
            self.step(step)

    def until(self, condition, limit_ms=60000):
        """Turns until condition() holds; AssertionError when it does not within the limit."""
        end = self.now + limit_ms
        while not condition():
            assert self.now < end, "did not happen in {} ms".format(limit_ms)
            self.step()

    def up(self):
        """Both ends in one session."""
        return self.brick.up and self.host.up and self.brick._session.session == self.host._session.session

    def bring_up(self):
        """Turns until both ends are up and quiet; returns self."""
        self.until(self.up)
        self.run(50)
        self.brick_events.clear()
        self.host_events.clear()
        self.wrote.clear()
        return self

    def messages(self, events):
        """Values of the messages among these events, in order."""
        return [event[3] for event in events if event[0] == "message"]

    def common_epochs(self):
        """Epochs of which both ends hold the same key."""
        epoch, key = self.brick_key
        return [epoch] if self.host_keys[BRICK].get(epoch) == key else []


def body_of(data):
    """(type, body) of one written frame."""
    (got,) = frame.Reader().feed(data)
    return got
