"""A market in a few lines: rulesets from plain values, people, and a brick that keeps its records."""

from stallmark import cbor, event, record, rights, rules, state
from stallmark.registry import KIND_LATCH, KIND_RIGHTS, QUALITY_HOST

START = 1790000000000  # a slot's start, ms
HOUR = 3600000
MINUTE = 60000
SLOT = [START, START + HOUR + 15 * MINUTE]
OVER_20 = [10, [20, HOUR], 20]
BRICK = b"brick--1"
ZERO16 = bytes(16)


def rule(name="surprise-15", **other):
    """The map of a rule; 15 % off, at most 5.00, once, when more than 20 people came in the first hour."""
    fields = {
        "events": [1, 2], "trust": 3, "slots": [0], "when": OVER_20, "latch": True,
        "grants": [[1, 1500, 500]], "need": [[1, 500]], "limit": 1, "policy": 2, "messages": {}, "intent": 3,
        "people_trust": 3,
    }  # fmt: skip
    assert all([key in fields for key in other])
    fields.update(other)
    names = "events trust slots when latch grants need limit policy messages intent people_trust".split()
    out = {0: name}
    for number, key in enumerate(names):
        out[number + 1] = fields[key]
    return out


def sample(**other):
    """First tap of the day: a sample, while stock lasts."""
    values = {"when": [0], "latch": False, "grants": [[5, 1, 0]], "need": [[2, 1]]}
    values.update(other)
    return rule("welcome-sample", **values)


def fields(found, slots=(SLOT,), people=100):
    """The map of a ruleset."""
    return {
        0: 1, 1: "market-hour", 2: 1, 3: "EUR", 4: [list(slot) for slot in slots], 5: list(found), 6: None,
        7: people, 8: "Market hour",
    }  # fmt: skip


def data(*found, **other):
    return cbor.encode(fields(found, **other))


def subject(number):
    """Pseudonym of person `number`: eight bytes that look like a hash."""
    return ((number + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")


def tap(person, at=0, trust=3, type=1, quality=QUALITY_HOST, **other):
    """A tap of person `person` (None: nobody known) `at` ms after START."""
    wall = None if quality == 0 else START + at
    who = None if person is None else subject(person)
    return event.make(
        type=type, trust=trust, subject=who, wall_ms=wall, uptime_ms=HOUR + at, quality=quality, spread_ms=40,
        nonce=bytes(8), **other
    )  # fmt: skip


class Brick:
    """A ruleset, its state and the records it wrote; `restart` builds the state anew from them."""

    def __init__(self, ruleset_data, people_capacity=None):
        self.people_capacity = people_capacity
        self.journal = []
        self.install(ruleset_data)

    def install(self, ruleset_data):
        self.ruleset = None if ruleset_data is None else rules.Ruleset(ruleset_data)
        self.restart()

    def restart(self, from_seq=1):
        self.state = state.State(self.ruleset, self.people_capacity)
        for found in self.journal:
            if found.seq >= from_seq:
                assert self.state.apply(found)

    def slice(self, number, rule_id, unit, amount, expires=START + 10 * HOUR, floor=0):
        piece = rights.Slice(number, rights.rule8(rule_id), unit, amount, bytes(8), 1, expires)
        return self.state.add_slice(piece, floor)

    def look(self, happened):
        """The first Decision: all that there is where no rule has a group."""
        return rules.decide_one(self.ruleset, self.state, happened)

    def tap(self, *args, **other):
        """Decides on a tap and writes what there is to write, in order; the Decision."""
        flags = other.pop("flags", 0)
        happened = tap(*args, **other)
        decision = self.look(happened)
        found = rules.record_fields(self.ruleset, happened, decision)
        for index, until in zip(decision.latches, decision.until):
            self.write({5: found[5], 7: found[7], 8: found[8], 9: index, 10: KIND_LATCH, 24: [until]}, None)
        for slice_id in decision.opens:
            self.write({5: found[5], 7: found[7], 10: KIND_RIGHTS, 13: [[slice_id, 0]]}, None)
        self.write(found, happened.subject, flags)
        return decision

    def write(self, found, who=None, flags=0):
        """One record more, through the real encoding, applied and kept."""
        seq = len(self.journal) + 1
        public = {0: flags, 1: getattr(self, "brick8", BRICK), 2: seq, 3: 0, 4: 1, 5: None, 6: 0, 7: [0, 0], 16: 1, 18: ZERO16}
        public.update(found)
        private = b"" if who is None else record.encode_private({0: ZERO16, 1: who})
        if private:
            public[17] = record.commit(private)
        written = record.from_parts(seq, record.encode_public(public), ZERO16, private)
        self.journal.append(written)
        assert self.state.apply(written)
        assert not self.state.apply(written), "twice the same record"
        return written


def shown(decision):
    """A decision as bytes: what two interpreters must agree on."""
    return cbor.encode(list(decision))
