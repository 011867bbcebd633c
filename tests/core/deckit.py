"""Rulesets of version 2 in a few lines, and a brick that carries out every decision on an event."""

import rulekit
from rulekit import HOUR, MINUTE, SLOT, START, subject, tap
from stallmark import cbor, event, people, rules
from stallmark import registry as reg

__all__ = (
    "HOUR",
    "MINUTE",
    "SLOT",
    "START",
    "Kit",
    "data",
    "fields",
    "people_over",
    "rule",
    "subject",
    "tap",
)
NAMES = (
    "id events trust slots when latch grants need limits offline messages intent people_trust group experiment early tax"
    " funder flags odds redeems stale"
).split()
TOP = (
    "version id rev currency slots rules terms people market languages experiments holdout groups signals open_values issuers"
    " basket_cap"
).split()
SALT = b"saltsalt"


def people_over(number, scope=0, window=0, ms=HOUR):
    """More than so many different people."""
    return [10, [20, window, ms, scope], number]


def rule(name="offer", **other):
    """The map of a rule: two off now, as often as wanted, on every tap."""
    values = {
        "id": name, "events": [1], "trust": 3, "slots": [0], "when": [0], "latch": False, "grants": [[2, 1, 200]],
        "need": [1], "limits": [], "offline": [2, 1, 0, 0], "messages": [[None, None, None]],
        "intent": 2, "people_trust": 3, "group": None,
        "experiment": None, "early": [], "tax": None, "funder": None, "flags": 0, "odds": None, "redeems": None, "stale": None,
    }  # fmt: skip
    assert all([key in values for key in other]), other
    values.update(other)
    return {number: values[key] for number, key in enumerate(NAMES)}


def fields(found, **other):
    """The map of a ruleset."""
    values = {
        "version": 2, "id": "market-hour", "rev": 1, "currency": "EUR", "slots": [list(SLOT)], "rules": list(found),
        "terms": None, "people": 60, "market": "Market hour", "languages": ["en"], "experiments": [], "holdout": None,
        "groups": [], "signals": [],
        "open_values": [], "issuers": [], "basket_cap": 0,
    }  # fmt: skip
    assert all([key in values for key in other]), other
    values.update(other)
    return {number: values[key] for number, key in enumerate(TOP)}


def data(*found, **other):
    return cbor.encode(fields(found, **other))


class Kit(rulekit.Brick):
    """A brick under a ruleset of version 2 with a slice of every unit for every rule, unless `rich` is False."""

    def __init__(self, ruleset_data, rich=True, people_capacity=None, brick=b"brick--1"):
        self.brick8 = brick
        self.rich = rich
        rulekit.Brick.__init__(self, ruleset_data, people_capacity)

    def restart(self, from_seq=1):
        rulekit.Brick.restart(self, from_seq)
        if self.rich:
            number = 0
            for found in self.ruleset.rules:
                for unit, _amount in found.need:
                    number += 1
                    self.slice(number, found.id, unit, 100000)

    def decide(self, happened, risk=None, lane=False):
        """The Decisions, nothing written."""
        return rules.decide(self.ruleset, self.state, happened, risk, lane)

    def take(self, happened, answer=1, reason=None, **other):
        """Decides, and writes what there is to write; the Decisions."""
        decisions = self.decide(happened, **other)
        for decision in decisions:
            found = rules.record_fields(self.ruleset, happened, decision)
            for index, until in zip(decision.latches, decision.until):
                self.write({5: found[5], 7: found[7], 8: found[8], 9: index, 10: reg.KIND_LATCH, 24: [until]})
            for slice_id in decision.opens:
                self.write({5: found[5], 7: found[7], 10: reg.KIND_RIGHTS, 13: [[slice_id, 0]]})
            if decision.ask:
                reserve = self.write(rules.reserve_fields(self.ruleset, happened, decision), happened.subject)
                for kind, settled in rules.settle(
                    self.ruleset, happened, decision, reserve.seq, answer, reason
                ):
                    assert settled[10] == kind
                    self.write(settled, happened.subject)
            else:
                self.write(found, happened.subject)
        return decisions

    def go(self, person, at=0, **other):
        """`take` of a tap with a nonce of its own."""
        keep = {key: other.pop(key) for key in ("answer", "reason", "risk", "lane") if key in other}
        self.nonce = getattr(self, "nonce", 0) + 1
        happened = list(tap(person, at, **other))
        happened[7] = self.nonce.to_bytes(8, "big")
        return self.take(event.Event(*happened), **keep)

    def hears(self, other, wall, since_seq=0):
        """Takes over what another brick recorded, as the host passes it on."""
        entries = b""
        seq = 0
        for found in other.journal:
            if found.seq > since_seq:
                entries += people.of_record(self.ruleset.slots, found.fields, found.private_fields)
            seq = found.seq
        return self.state.remote(other.brick8, seq, entries, wall)
