"""A bad cable: what is sent while up arrives in order, exactly once, or the session drops."""

from linkpair import BRICK, Killed, Pair
from ports import Random


class BadCable:
    """Loses, doubles, bends and cuts frames, each in so many of a hundred."""

    def __init__(self, seed, loss, double, bend, cut):
        self.random = Random("cable {}".format(seed))
        self.rates = (loss, double, bend, cut)

    def __call__(self, direction, data):
        loss, double, bend, cut = self.rates
        random = self.random
        if random.chance(loss):
            return []
        if random.chance(bend):
            bent = bytearray(data)
            bent[random.below(len(bent))] ^= 1 << random.below(8)
            data = bytes(bent)
        if random.chance(cut):
            data = data[: random.below(len(data))]
        return [data, data] if random.chance(double) else [data]


class Stream:
    """One direction of a run: what was sent in each session, what arrived in it."""

    def __init__(self):
        self.sessions = []

    def begin(self):
        self.sessions.append(([], []))

    def check(self, seed):
        for sent, got in self.sessions:
            assert got == sent[: len(got)], "order or double, seed {}: {} {}".format(seed, sent, got)


def _run(seed, rates, kills, turns):
    """Sends numbers both ways over a bad cable; returns how many arrived."""
    pair = Pair(seed=seed)
    pair.keep = False
    pair.via = BadCable(seed, *rates)
    random = Random("run {}".format(seed))
    up, down = Stream(), Stream()
    names = {}
    number = 0
    arrived = 0

    def note(events, own, other):
        """Files events of one end: own is what it sends, other what it gets."""
        count = 0
        for event in events:
            if event[0] == "message":
                session, value = event[3]
                other.sessions[session][1].append(value)
                count += 1
        return count

    def session_of(end):
        """Index of the session that this end is in: both ends see one and the same."""
        key = end._session.session
        if key not in names:
            names[key] = len(names)
            up.begin()
            down.begin()
        return names[key]

    for _ in range(turns):
        for end, stream in ((pair.brick, up), (pair.host, down)):
            if end.room and random.chance(40):
                index = session_of(end)
                end.send(1, [index, number])
                stream.sessions[index][0].append(number)
                number += 1
        if kills and random.chance(1):
            pair.kill_in = ("advance", "commit")[random.below(2)]
        try:
            pair.step(5)
        except Killed:
            pair.kill_in = None
            pair.start_brick()
            pair.start_host()
        if kills and random.chance(1):
            pair.start_brick()
        if kills and random.chance(1):
            pair.start_host()
        arrived += note(pair.host_events, down, up) + note(pair.brick_events, up, down)
        pair.host_events.clear()
        pair.brick_events.clear()
        assert pair.common_epochs(), "no common key, seed {}".format(seed)
        assert len(pair.host_keys[BRICK]) <= 3
    up.check(seed)
    down.check(seed)
    # On a good cable all that the last session still owes comes through.
    pair.via = None
    pair.kill_in = None
    pair.until(pair.up)
    last = session_of(pair.brick)
    pair.run(3000)
    note(pair.host_events, down, up)
    note(pair.brick_events, up, down)
    if session_of(pair.brick) == last:
        for stream in (up, down):
            sent, got = stream.sessions[last]
            assert got == sent, "lost in a session that stands, seed {}".format(seed)
    return arrived


def test_loss_and_doubling():
    for seed in range(6):
        print("seed {}".format(seed))
        assert _run(seed, (10, 10, 0, 0), False, 1500) > 100


def test_bent_and_cut_frames():
    for seed in range(10, 16):
        print("seed {}".format(seed))
        assert _run(seed, (0, 0, 10, 5), False, 1500) > 100


def test_all_of_it_at_once():
    for seed in range(20, 26):
        print("seed {}".format(seed))
        assert _run(seed, (8, 8, 8, 4), False, 1500) > 100


def test_all_of_it_with_kills_of_both_ends():
    for seed in range(30, 36):
        print("seed {}".format(seed))
        assert _run(seed, (5, 5, 5, 2), True, 2500) > 100


def test_a_cable_that_is_nearly_dead_still_never_doubles():
    for seed in range(40, 42):
        print("seed {}".format(seed))
        _run(seed, (50, 20, 20, 10), False, 1500)
