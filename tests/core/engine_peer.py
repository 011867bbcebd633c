"""
The engine on request: one line in, one line out, the same file on both interpreters.

    R hex people    a new brick with this ruleset and room for so many people
    J               its rules are functions from now on
    S hex           a slice: cbor [id, rule id, unit, amount, expires, floor]
    E hex           an event: decided, recorded, applied; answers the decision, the slices and the sentence
    B seq           a restart that reads the journal from this record on
"""

import sys

from rulekit import Brick
from stallmark import cbor, event, explain, judge, rules
from stallmark.errors import StallmarkError
from stallmark.registry import KIND_LATCH, KIND_RIGHTS


class Session:
    """One brick and the lines that drive it."""

    def __init__(self):
        self._brick = None

    def answer(self, line):
        """Text without line breaks; CRASH for anything but the errors that the format allows."""
        try:
            return self._do(line.split())
        except StallmarkError as error:
            return type(error).__name__
        except Exception as error:  # noqa: BLE001 (a crash is the finding)
            return "CRASH {}: {}".format(type(error).__name__, error).replace("\n", " ")

    def _do(self, words):
        brick = self._brick
        if words[0] == "R":
            self._brick = Brick(bytes.fromhex(words[1]), int(words[2]))
            return "ok"
        if words[0] == "S":
            number, name, unit, amount, expires, floor = cbor.decode(bytes.fromhex(words[1]))
            return str(brick.slice(number, name, unit, amount, expires, floor))
        if words[0] == "J":
            judge.prepare(brick.ruleset)
            return "ok"
        if words[0] == "B":
            brick.restart(int(words[1]))
            return "ok"
        return self._decide(event.decode(bytes.fromhex(words[1])))

    def _decide(self, happened):
        brick = self._brick
        decision = brick.look(happened)
        found = rules.record_fields(brick.ruleset, happened, decision)
        for index, until in zip(decision.latches, decision.until):
            brick.write({5: found[5], 7: found[7], 8: found[8], 9: index, 10: KIND_LATCH, 24: [until]})
        if decision.opens:
            brick.write({10: KIND_RIGHTS, 13: [[number, 0] for number in decision.opens]})
        written = brick.write(found, happened.subject)
        words = explain.sentence(written.fields, brick.ruleset)
        answer = [list(decision), brick.state.slices_left(), brick.state.carry_forward(), words]
        return cbor.encode(answer).hex()


def main():
    """Answers lines until the input ends."""
    session = Session()
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        print(session.answer(line))


if __name__ == "__main__":
    main()
