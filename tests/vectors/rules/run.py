"""Runs rule vectors: `run.py FILE.json …` with firmware/ on the path; docs/rule-library.md. Both interpreters alike."""
# ruff: noqa: B905, RUF005, UP032

import json
import sys

from stallmark import event, explain, people, rights, rules, state
from stallmark import registry as reg
from stallmark import risk as friction

NEVER = 1 << 52
FOLLOWS = (1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16, 18)  # who wrote, when, which event: not the decision's


class Record:
    """A record as the state takes it."""

    def __init__(self, seq, fields, private_fields):
        self.seq, self.fields, self.private_fields = seq, fields, private_fields


class Brick:
    """One deciding place: its state, and the records that rebuild it."""

    def __init__(self, number, ruleset, lane):
        self.name, self.ruleset, self.lane = b"brick--" + bytes((65 + number,)), ruleset, lane
        self.journal, self.slices = [], []
        self.restart()

    def restart(self):
        self.heard = {}
        self.state = state.State(self.ruleset)
        for record in self.journal:
            self.state.apply(record)
        for piece in self.slices:
            self.state.add_slice(piece, 0)

    def write(self, wall, quality, fields, happened=None):
        seq = len(self.journal) + 1
        public = {
            0: 0,
            1: self.name,
            2: seq,
            3: 0,
            4: 1,
            5: wall,
            6: 0,
            7: quality,
            8: self.ruleset.digest8,
            16: 1,
        }
        public.update(fields)
        private = {}
        if happened is not None and happened.subject is not None:
            private = {1: happened.subject, 2: [happened.basket_minor, happened.items], 3: happened.tip_minor}
        self.journal.append(Record(seq, public, private))
        self.state.apply(self.journal[-1])
        return seq

    def take(self, happened, answer, risk):
        """Decides, and writes what there is to write in its order; the fields of the decisions' own records."""
        out = []
        clock = happened.wall_ms, [happened.quality, happened.spread_ms or 0]
        for d in friction.decide(self.ruleset, self.state, happened, risk, self.lane):
            for rule, until in zip(d.latches, d.until):
                self.write(clock[0], clock[1], {9: rule, 10: reg.KIND_LATCH, 24: [until]})
            if d.opens:
                self.write(clock[0], clock[1], {10: reg.KIND_RIGHTS, 13: [[number, 0] for number in d.opens]})
            found = [(d.kind, rules.record_fields(self.ruleset, happened, d))]
            if d.ask:
                reserve = rules.reserve_fields(self.ruleset, happened, d)
                seq = self.write(clock[0], clock[1], reserve, happened)
                found = rules.settle(self.ruleset, happened, d, seq, answer)
            for kind, fields in found:
                fields[10] = kind
                self.write(clock[0], clock[1], fields, happened)
                if kind != reg.KIND_RELEASE:
                    out.append(fields)
        return out

    def hear(self, others, wall):
        """Everything that the others wrote since this one last heard of them."""
        for other in others:
            if other is not self:
                entries = b""
                for r in other.journal[self.heard.get(other.name, 0) :]:
                    entries += people.of_record(self.ruleset.slots, r.fields, r.private_fields)
                self.heard[other.name] = len(other.journal)
                self.state.remote(other.name, len(other.journal), entries, wall)


def shown(value):
    """A value as JSON has it: byte strings in hex."""
    if isinstance(value, bytes):
        return value.hex()
    return [shown(one) for one in value] if isinstance(value, list) else value


def decided(fields):
    """The fields of a record that the decision says."""
    return {str(key): shown(fields[key]) for key in sorted(fields) if key not in FOLLOWS}


def do(step, bricks, ruleset):
    """One step; None, or what came of its event."""
    name = step["do"]
    chosen = [bricks[number] for number in step.get("bricks", [step.get("brick", 0)])]
    if name == "event":
        found = chosen[0].take(event.decode(bytes.fromhex(step["event"])), step["answer"], step["risk"])
        return [
            {"record": decided(fields), "sentence": explain.sentence(fields, ruleset)} for fields in found
        ]
    for brick in chosen:
        if name == "slice":
            number, rule, unit, amount = step["slice"]
            brick.slices.append(rights.Slice(number, rights.rule8(rule), unit, amount, bytes(8), 1, NEVER))
            assert brick.state.add_slice(brick.slices[-1], 0) == reg.SLICE_OK
        elif name == "restart":
            brick.restart()
        elif name == "exchange":
            brick.hear(chosen, step["wall"])
        elif name == "signals":
            for index, value in step["values"]:
                brick.state.signals(index, value, step["wall"])
        elif name == "balances":
            brick.state.balances(step["wall"], len(brick.journal), bytes.fromhex(step["entries"]))
        elif name == "parameters":
            brick.write(step["wall"], [2, 0], {10: reg.KIND_PARAMETERS, 24: [step["values"], step["who"]]})
        elif name == "revoke":
            brick.state.revoke(False, bytes.fromhex(step["entries"]))
        else:
            raise ValueError(name)


def run(path):
    """Events of a file that came out otherwise: a line each."""
    with open(path) as file:
        vector = json.load(file)
    ruleset = rules.Ruleset(bytes.fromhex(vector["ruleset"]))
    bricks = [Brick(number, ruleset, number == vector["lane"]) for number in range(len(vector["bricks"]))]
    wrong = []
    for number, step in enumerate(vector["steps"]):
        found = do(step, bricks, ruleset)
        if found is not None and found != step["expect"]:
            wrong.append("{} step {}: {}, expected {}".format(path, number, found, step["expect"]))
    return wrong


if __name__ == "__main__":
    failed = [line for path in sys.argv[1:] for line in run(path)]
    print("\n".join(failed + ["{} files, {} events otherwise".format(len(sys.argv) - 1, len(failed))]))
    sys.exit(1 if failed else 0)
