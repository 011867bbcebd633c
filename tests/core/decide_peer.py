"""
Version 2 on request: one line in, one line out, the same file on both interpreters.

    R hex            two new bricks with this ruleset
    J                … whose rules are functions from now on
    E hex            cbor [event bytes, answer or None, reason, risk, at the lane]: taken by the first brick
    O hex            cbor [event bytes]: taken by the second one
    H wall           the first brick hears what the second one recorded
    F hex            cbor [what, arguments …]: balances, a signal, revoked subjects, open values, seq durable at the host
    P hex            cbor [event bytes, rule, granted]: a person answers
    B seq            a restart of the first brick that reads its journal from this record on
"""

import sys

from deckit import Kit
from stallmark import byperson, cbor, event, explain, judge, rules
from stallmark.errors import StallmarkError
from stallmark.registry import KIND_PARAMETERS
from statekit import digest


class Session:
    """Two bricks and the lines that drive them."""

    def __init__(self):
        self.kit = self.other = None

    def answer(self, line):
        """Text without line breaks; CRASH for anything but the errors that the format allows."""
        try:
            return self._do(line.split())
        except StallmarkError as error:
            return "{}: {}".format(type(error).__name__, error).replace("\n", " ")
        except Exception as error:  # noqa: BLE001 (a crash is the finding)
            return "CRASH {}: {}".format(type(error).__name__, error).replace("\n", " ")

    def _do(self, words):
        kit = self.kit
        if words[0] == "R":
            self.kit = self.other = None
            data = bytes.fromhex(words[1])
            self.kit, self.other = Kit(data), Kit(data, brick=b"brick--2")
            return "ok"
        if kit is None:
            return "none"
        if words[0] == "J":
            judge.prepare(kit.ruleset, 1)
            judge.prepare(self.other.ruleset, 2)
            return "ok"
        if words[0] == "B":
            kit.restart(int(words[1]))
            return "ok"
        if words[0] == "H":
            return str(kit.hears(self.other, int(words[1])))
        given = cbor.decode(bytes.fromhex(words[1]))
        if words[0] == "F":
            return str(self._told(given))
        happened = event.decode(given[0])
        if words[0] == "O":
            self.other.take(happened)
            return "ok"
        if words[0] == "P":
            if given[1] >= len(kit.ruleset.rules):
                return "none"
            said = byperson.operator(
                kit.ruleset,
                kit.state,
                happened,
                given[1],
                (b"brick--1", 1, happened.wall_ms),
                "staff",
                given[2],
            )
            return cbor.encode(list(said)).hex()
        decisions = kit.take(happened, given[1], given[2], risk=given[3], lane=given[4])
        words = []
        for decision in decisions:
            found = rules.record_fields(kit.ruleset, happened, decision)
            for language in (0, 1, None):
                words.append(explain.sentence(found, kit.ruleset, language))
        shown = [list(decision) for decision in decisions]
        state = digest(kit.state)
        return cbor.encode([shown, words, rules.outcome(decisions), kit.state.slices_left(), state]).hex()

    def _told(self, given):
        kit = self.kit
        if given[0] == 0:
            return kit.state.balances(*given[1:])
        if given[0] == 1:
            return kit.state.signals(*given[1:]) if given[1] < len(kit.ruleset.signals) else None
        if given[0] == 2:
            return kit.state.revoke(*given[1:])
        if given[0] == 3:
            values = [[index, value] for index, value in given[2] if index < len(kit.ruleset.open_values)]
            kit.write(
                {5: given[1], 7: [2, 0], 8: kit.ruleset.digest8, 10: KIND_PARAMETERS, 24: [values, "Ana"]}
            )
            return True
        return kit.state.reconciled(given[1])


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
