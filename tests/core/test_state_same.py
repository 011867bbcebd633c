"""A made-up day with everything in it: the same bytes on both interpreters, and nothing that grows."""

import gc

from rulekit import HOUR, MINUTE, START, subject
from stallmark import registry as reg
from stallmark.crypt import sha256
from statekit import OPEN_VALUES, SIGNALS, Books, digest, entry, over, rule, ruleset

SLOTS = [[START, START + 2 * HOUR], [START + HOUR, START + 3 * HOUR], [START + 3 * HOUR, START + 4 * HOUR]]
DAY = "47d1ad441d14dbcf"  # of the digest below, as CPython gave it


def everything(people=60):
    found = [
        rule("first", over([20, 0, HOUR, 0]), slots=[0, 2], limits=[[0, 2], [1, 3]]),
        rule("sliding", over([20, 1, 8 * MINUTE, 0]), slots=[1], offline=[14, 2, 2, 4]),
        rule("tumbling", over([25, 2, 10 * MINUTE, 0, 1]), slots=[0, 2], people_trust=0),
        rule("fence", [1, over([26, 5, HOUR]), over([21]), over([32, 0])], slots=[0]),
        rule("loyal", [1, over([29]), over([30])], slots=[0, 2], grants=[[8, 3, 0, 30]]),
        rule("voucher", trust=4, slots=[0, 2], grants=[[2, 1, 0]], redeems=7),
        rule("open", over([22], [40, 0]), slots=[0, 2]),
    ]
    return ruleset(*found, slots=SLOTS, signals=SIGNALS, open_values=OPEN_VALUES, people=people)


class Chance:
    """A repeatable stream of small numbers."""

    def __init__(self):
        self._state = 12345

    def below(self, n):
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._state >> 8) % n


def live(at, chance, steps, keep=True):
    """Steps of everything that can happen; where `keep` is False records are not held in memory."""
    for step in range(steps):
        who, now = chance.below(90), min(step * 20000, 4 * HOUR - 1)
        what = chance.below(12)
        if what < 6:
            kind = (reg.KIND_DENY, reg.KIND_GRANT, reg.KIND_GRANT, reg.KIND_GHOST)[chance.below(4)]
            other = {"f12": [[8, 3, None]]} if kind == reg.KIND_GRANT else {}
            at.visit(
                who, now, kind, chance.below(7), 2 + chance.below(3), (1, 2, 5)[chance.below(3)], **other
            )
        elif what == 6:
            entries = b"".join(
                [entry(chance.below(90), now % HOUR + i, 1, chance.below(7), 3, 1, i % 3) for i in range(4)]
            )
            at.state.remote(bytes((chance.below(3) + 65,)) * 8, step + 1, entries, START + now)
        elif what == 7:
            at.visit(who, now, reg.KIND_REDEEM, 5, 4, 2, f24=[chance.below(30).to_bytes(8, "big")])
        elif what == 8:
            seq = at.write(reg.KIND_RESERVE, {9: 0, 13: [[chance.below(5), 1 + chance.below(9)]]})
            if chance.below(3):
                kind = reg.KIND_RELEASE if chance.below(2) else reg.KIND_GRANT
                at.write(
                    kind,
                    {13: [[chance.below(5), 3]], 20: seq} if kind == reg.KIND_RELEASE else {9: 0, 20: seq},
                )
        elif what == 9:
            at.write(reg.KIND_PARAMETERS, {24: [[[chance.below(2), chance.below(900)]], "Ana"]})
            at.state.signals(chance.below(2), chance.below(50), START + now)
        elif what == 10:
            at.state.balances(
                START + now, at.state.seq - chance.below(3), subject(who)[:6] + bytes((0, 0, 0, step & 255))
            )
            at.state.reconciled(at.state.seq - chance.below(20))
        else:
            at.state.revoke(not chance.below(9), subject(who)[:6])
        if not keep:
            for index in range(len(at.journal) - 1, max(len(at.journal) - 4, -1), -1):
                at.journal[index] = None


def test_both_interpreters_keep_the_same_bytes():
    at = Books(everything())
    live(at, Chance(), 600)
    found = sha256(digest(at.state))[:8].hex()
    assert found == DAY, found


def test_a_restart_keeps_what_is_in_records():
    at = Books(everything())
    for record in quiet(at):
        assert not at.state.apply(record)
    assert digest(at.again()) == digest(at.state)


def quiet(at):
    """A day of records alone."""
    chance = Chance()
    for step in range(300):
        at.visit(
            chance.below(90),
            step * 30000,
            (1, 2, 3, 14)[chance.below(4)],
            chance.below(7),
            3,
            1 + chance.below(2),
        )
    return at.journal


def test_what_is_kept_has_its_size_from_the_start():
    if not hasattr(gc, "mem_alloc"):
        return  # only MicroPython says what is allocated
    at = Books(everything(people=40))
    chance = Chance()
    live(at, chance, 300, keep=False)
    for seq, _rule, _parts in at.state.open_reserves():
        at.write(reg.KIND_RELEASE, {20: seq})
        at.journal[-1] = None
    gc.collect()
    before = gc.mem_alloc()
    live(at, chance, 900, keep=False)
    for seq, _rule, _parts in at.state.open_reserves():
        at.write(reg.KIND_RELEASE, {20: seq})
        at.journal[-1] = None
    gc.collect()
    # The journal's list of nothing grows by a word for each record; what a state keeps does not.
    assert gc.mem_alloc() - before < 1024 + 16 * 900
