"""Somebody in the middle drops, delays, doubles, reorders, bends, forges and plays back: nothing false gets through, and
when he stops, both ends go on."""

import sys

from linkpair import BRICK, Killed, Pair, body_of
from ports import Random
from stallmark import control, frame, handshake

SEED = 20260913
WALKS = 60 if sys.implementation.name == "cpython" else 5
REKEY = 1 << 20


class Middle:
    """Has the wire in his hands. `evil`: percent of the frames with which he does something."""

    def __init__(self, pair, random):
        self.pair = pair
        self.random = random
        self.evil = random.below(70) + 10
        self.seen = []  # (direction, frame) of the last 200, of all sessions
        self.held = {"b2h": [], "h2b": []}
        self.active = True
        pair.via = self.take

    def take(self, direction, data):
        """What comes out at the other side in place of this frame."""
        if not self.active:
            return [data]
        random = self.random
        self.seen.append((direction, data))
        if len(self.seen) > 200:
            self.seen.pop(random.below(100))
        out = [data]
        if random.chance(self.evil):
            act = random.below(10)
            if act == 0:
                out = []
            elif act == 1:
                out = [data, data]
            elif act == 2:
                self.held[direction].append(data)
                out = []
            elif act == 3:
                out = [self.bent(data)]
            elif act == 4:
                out = [data[: random.below(len(data))]]
            elif act == 5:
                out = [data, self.again(direction)]
            elif act == 6:
                out = [self.again(direction), data]
            elif act == 7:
                out = [data, self.forged(direction)]
            elif act == 8:
                out = [self.reflected(direction), data]
            else:
                out = [b"\x00" + random.bytes(random.below(40)) + b"\x00", data]
        if self.held[direction] and random.chance(40):
            out.insert(0, self.held[direction].pop(random.below(len(self.held[direction]))))
        return out

    def bent(self, data):
        """The frame with changed bits under a good CRC, or with the damage that noise makes."""
        random = self.random
        if random.chance(40):
            made = bytearray(data)
            made[random.below(len(made))] ^= 1 << random.below(8)
            return bytes(made)
        kind, body = body_of(data)
        made = bytearray(body)
        for _ in range(1 + random.below(3)):
            if made:
                made[random.below(len(made))] ^= 1 << random.below(8)
        return frame.build(kind if random.chance(80) else random.below(12), bytes(made))

    def again(self, direction):
        """Something of before, of this session or another."""
        found = [data for way, data in self.seen if way == direction]
        return found[self.random.below(len(found))]

    def reflected(self, direction):
        """Something that came from there goes back there."""
        found = [data for way, data in self.seen if way != direction]
        return found[self.random.below(len(found))] if found else b""

    def forged(self, direction):
        """Handshakes, notices, orders and sealed frames of his own making."""
        random = self.random
        pick = random.below(5)
        if pick == 0:
            return frame.notice(random.below(8), "no session")
        if pick == 1:
            order = BRICK + (REKEY + random.below(9)).to_bytes(4, "big")
            return frame.build(10, order + control.rekey_tag(random.bytes(32), BRICK, REKEY))
        if pick == 2:
            epoch = random.below(6)
            return frame.build(2, handshake.make_m1(random.bytes(32), BRICK, epoch, 1, 1, random.bytes(16)))
        if pick == 3:
            return frame.build(3, random.bytes(46))
        session = self.pair.host._session
        head = session.session if session else random.bytes(4)
        return frame.build(5 + random.below(2), head + random.bytes(4 + random.below(40)))


class Talk:
    """Both ends say numbers under the session that they are in; what arrives is compared."""

    def __init__(self, pair):
        self.pair = pair
        self.number = 0
        self.sent = {}  # (sender, session) → what was said in it, in order
        self.got = {}
        self.delivered = 0

    def say(self, name):
        """One message more, where there is room."""
        end = getattr(self.pair, name)
        if end.up and end.room:
            self.number += 1
            end.send(1 if name == "brick" else 32, self.number)
            self.sent.setdefault((name, end._session.session), []).append(self.number)

    def look(self):
        """Every message that came is the next one that the other end said in the same session."""
        for name, other in (("brick", "host"), ("host", "brick")):
            events = self.pair.brick_events if name == "brick" else self.pair.host_events
            for event in events:
                if event[0] == "message":
                    session = getattr(self.pair, name)._session.session
                    said = self.sent.get((other, session), [])
                    got = self.got.setdefault((other, session), [])
                    got.append(event[3])
                    assert got == said[: len(got)], (name, got[-3:], said[:9])
                    self.delivered += 1
            del events[:]

    def flows(self):
        """Whether both directions carry what was said in the session of now."""
        session = self.pair.brick._session.session
        return all([self.got.get((name, session)) for name in ("brick", "host")])


def walk(seed, what):
    random = Random(seed)
    pair = Pair(seed)
    pair.keep = False
    middle, talk = Middle(pair, random), Talk(pair)
    ordered = False
    for _ in range(400):
        act = random.below(100)
        if act < 25:
            talk.say("brick")
        elif act < 50:
            talk.say("host")
        elif act == 97:
            pair.start_brick()
        elif act == 98:
            pair.start_host()
        elif act == 99 and not ordered:
            ordered = True
            pair.rekey(REKEY)
        pair.kill_in = ("advance", "commit")[random.below(2)] if random.chance(3) else None
        before = pair.brick_key
        try:
            pair.poll()
            talk.look()
            _deliver(pair, talk)
        except Killed:
            (pair.start_brick if pair.kill_in == "advance" else pair.start_host)()
            what["kills"] += 1
        assert pair.brick_key[0] >= before[0], "an epoch went back"
        assert pair.brick_key[0] in (0, before[0], before[0] + 1) or ordered
        pair.now += (5, 5, 20, 60, 250, 1100)[random.below(6)]
    middle.active = False
    pair.kill_in = None
    stopped = pair.now
    while not (pair.up() and talk.flows() and (pair.brick_key[0] > REKEY or not ordered)):
        assert pair.now < stopped + 30000, "did not recover within 30 s"
        talk.say("brick")
        talk.say("host")
        pair.poll()
        talk.look()
        _deliver(pair, talk)
        pair.now += 20
    what["longest ms"] = max(what["longest ms"], pair.now - stopped)
    what["delivered"] += talk.delivered
    what["handshakes"] += pair.brick.handshakes
    if ordered:
        assert pair.host_keys[BRICK][pair.brick_key[0]] == pair.brick_key[1]
        what["orders"] += 1


def _deliver(pair, talk):
    """Frame by frame, so that each message is seen in the session in which it came."""
    for line, reader, end, events in (
        (pair.to_host, pair.host_reader, pair.host, pair.host_events),
        (pair.to_brick, pair.brick_reader, pair.brick, pair.brick_events),
    ):
        data = b"".join(line)
        line.clear()
        for kind, body in reader.feed(data):
            events.extend(end.receive(kind, body, pair.now))
            talk.look()


def test_nothing_false_gets_through_and_both_ends_go_on_when_he_stops():
    print("seeds from", SEED, "walks", WALKS)
    what = {"kills": 0, "longest ms": 0, "delivered": 0, "handshakes": 0, "orders": 0}
    for seed in range(SEED, SEED + WALKS):
        try:
            walk(seed, what)
        except AssertionError as failed:
            raise AssertionError("seed {}: {}".format(seed, failed))
    print(what)
    assert what["delivered"] > WALKS * 10 and what["handshakes"] > WALKS
