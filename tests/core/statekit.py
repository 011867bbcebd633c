"""Rulesets of version 2, records and entries of other bricks from plain values; a state as canonical bytes."""

from rulekit import HOUR, SLOT, START, subject
from stallmark import cbor, golden, people, rules, state
from stallmark import registry as reg

HERE, THERE = b"brick--1", b"brick--2"
PEOPLE_KIT = [20, 0, HOUR, 0]
OPEN_VALUES = [[1, 500, 2000, 1000, "percent"], [3, 0, 50, 20, "pieces"]]
SIGNALS = [["rain", 6, 600], ["crowd", 6, 60]]


def rule(name, when=None, **other):
    """The map of a rule: a sample for everyone, local, without rights or limits."""
    fields = {
        "events": [1, 2], "trust": 2, "slots": [0], "when": [0] if when is None else when, "latch": False,
        "grants": [[10, 1, 0, "door"]], "need": [], "limits": [], "offline": [14, 1, 0, 0],
        "messages": [[None, None, None]], "intent": 3, "people_trust": 3, "group": None, "experiment": None,
        "early": [], "tax": None, "funder": None, "flags": 0, "odds": None, "redeems": None, "stale": None,
    }  # fmt: skip
    assert all([key in fields for key in other])
    fields.update(other)
    out = {0: name}
    names = (
        "events trust slots when latch grants need limits offline messages intent people_trust group"
        " experiment early tax funder flags odds redeems stale"
    )
    for number, key in enumerate(names.split()):
        out[number + 1] = fields[key]
    return out


def ruleset(*found, **other):
    """A Ruleset of these rules; `slots`, `people`, `signals`, `open_values` as named."""
    return rules.Ruleset(
        cbor.encode({
            0: 2, 1: "market-hour", 2: 1, 3: "EUR", 4: [list(slot) for slot in other.get("slots", [SLOT])],
            5: list(found), 6: None, 7: other.get("people", 100), 8: "Market hour", 9: ["en"], 10: [],
            11: None, 12: [], 13: other.get("signals", []), 14: other.get("open_values", []), 15: [], 16: 0,
        })
    )  # fmt: skip


def over(value, most=0):
    """A condition that asks for a value, true or not."""
    return [10, value, most]


class Books:
    """A state and the records that made it; `again` makes it anew."""

    def __init__(self, ruleset_, brick=HERE, people_capacity=None):
        self.ruleset = ruleset_
        self.brick = brick
        self.people_capacity = people_capacity
        self.journal = []
        self.state = state.State(ruleset_, people_capacity)

    def write(self, kind, fields=None, who=None):
        """One record more, applied; its seq."""
        seq = len(self.journal) + 1
        public = {0: 0, 1: self.brick, 2: seq, 3: 0, 4: 1, 5: None, 6: 0, 7: [2, 10], 10: kind, 16: 1}
        if self.ruleset is not None:
            public[8] = self.ruleset.digest8
        public.update(fields or {})
        self.journal.append(golden.Seen(seq, public, None if who is None else {1: subject(who)}))
        assert self.state.apply(self.journal[-1])
        assert not self.state.apply(self.journal[-1]), "twice the same record"
        return seq

    def visit(self, who, at=0, kind=reg.KIND_DENY, rule=0, trust=3, type=1, **other):
        """Person `who` (None: nobody known) comes `at` ms after START."""
        fields = {
            5: START + at,
            9: rule,
            11: type * 16 + trust,
            15: (len(self.journal) + 1).to_bytes(8, "big"),
        }
        for key, value in other.items():
            fields[int(key[1:])] = value
        return self.write(kind, fields, who)

    def again(self, from_seq=1):
        """The same records applied to a fresh state."""
        fresh = state.State(self.ruleset, self.people_capacity)
        for record in self.journal:
            if record.seq >= from_seq:
                assert fresh.apply(record)
        return fresh

    def told(self, since=1):
        """What others are told of the records from seq `since` on: bytes of entries."""
        out = b""
        for record in self.journal[since - 1 :]:
            fields, private = record.fields, record.private_fields
            out += people.of_record(self.ruleset.slots, fields, private, self.ruleset.leads)
        return out


def entry(who, at=0, kind=reg.KIND_DENY, rule=0, trust=3, type=1, slot=0):
    """An entry of another brick."""
    return people.entry(None if who is None else subject(who), type, trust, kind, rule, slot, at)


def digest(found, told=True):
    """A State as bytes: the same for equal states, however they came about. `told` False leaves out what does
    not survive a restart."""
    rules = 0 if found.ruleset is None else len(found.ruleset.rules)
    others = [0] * (rules - len(found._latched))  # behind the last rule that latches
    out = [
        found.seq,
        found._latched + others,
        found._latch_seq + others,
        found.slices_left(),
        found.open_reserves(),
    ]
    out.append(
        sorted(
            [[key, list(_value(found.rights._known, at))] for key, at in _places(found.rights._known)]
        )
    )
    kept = found._people
    if kept is not None:
        out.append([list(kept._sums), list(kept._entries), bytes(kept._unsure), bytes(kept._dropped)])
        out.append(_rows(kept.table))
        if kept._windows is not None:
            out.append([list(kept._windows._owner), list(kept._windows._cells)])
    if found._ever is not None:
        out.append(_rows(found._ever.table))
    if found._exposure is not None:
        out.append([found.exposed(rule) for rule in range(len(found.ruleset.rules))])
    if found._parameters is not None:
        out.append([found._parameters.values, found._parameters._seqs])
    if found._spent is not None:
        out.append(sorted(found._spent.keys()))
    if told:
        out.append(found.heads())
        out.append([] if found._revoked is None else sorted(found._revoked.keys()))
        if found._signals is not None:
            out.append([None if one is None else list(one) for one in found._signals._values])
    return cbor.encode(_plain(out))


def _places(table):
    return [(key, table.find(key)) for key in table.keys()]


def _rows(table):
    return sorted([[key, _value(table, at)] for key, at in _places(table)])


def _value(table, at):
    size = table._entry - table._key - 2
    return bytes(table.pieces[at >> 12][at & 4095 : (at & 4095) + size])


def _plain(value):
    return [_plain(one) for one in value] if type(value) in (list, tuple) else value
