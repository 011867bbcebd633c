"""What a host tells the rules in use reaches those tried beside them, by numbers of another row of records."""

from brick.shadowtold import Told
from rulekit import HOUR, MINUTE, START, subject
from stallmark import registry as reg
from statekit import SIGNALS, Books, over, rule, ruleset


class Decider:
    """What a trial asks of the rules in use."""

    def __init__(self, state):
        self.state = state


def both():
    """The books of the rules in use, those of others beside them, and what is told: ten records are in both."""
    found = [rule("loyal", [1, over([30], 4), over([32, 0], 1)]), rule("alone", offline=[14, 2, 3, 9])]
    used = Books(ruleset(*found, signals=SIGNALS))
    tried = Books(ruleset(*found, signals=SIGNALS[:1]))
    for at in (used, tried):
        for _ in range(10):
            at.write(reg.KIND_HEARTBEAT)
    return used, tried


def came(at, who, number=1):
    """Somebody is granted tokens by rule 0."""
    return at.visit(who, kind=reg.KIND_GRANT, rule=0, f12=[[reg.GRANT_TOKENS, number, None]])


def balance(who, number):
    return subject(who)[:6] + number.to_bytes(4, "big")


def test_balances_of_before_and_of_later_count_and_no_token_twice():
    used, tried = both()
    used.state.balances(START, 10, balance(0, 7))
    came(used, 0, 2)
    came(tried, 0, 2)  # as it is read back from the journal
    told = Told(Decider(used.state), tried.state)
    assert tried.state.balance(subject(0)) == 9 and tried.state.balance(subject(1)) == 0
    assert tried.state.balance_age(START + MINUTE) == 60
    told.reached(used.state.seq)
    came(used, 1, 2)
    used.write(reg.KIND_HEARTBEAT)  # of the journal alone
    for _ in range(3):
        came(tried, 1, 5)
    told.reached(used.state.seq)
    came(used, 1, 2)
    came(tried, 1, 4)
    for state, take in ((used.state, used.state.balances), (tried.state, told.balances)):
        take(START + 9000, used.state.seq - 1, balance(1, 20))
        assert state.balance(subject(1)) == (22 if state is used.state else 24), (
            "only what came after the host's count"
        )
    told.balances(START + 9500, 3, balance(0, 1))
    assert tried.state.balance(subject(0)) == 1


def test_grants_that_the_host_has_are_at_risk_no_more():
    used, tried = both()
    told = Told(Decider(used.state), tried.state)
    for number in range(40):  # more than there are pairs of numbers
        told.reached(used.state.seq)
        used.visit(number, kind=reg.KIND_GRANT, rule=1)
        tried.visit(number, kind=reg.KIND_GRANT, rule=1)
        tried.write(reg.KIND_LATCH, {9: 1, 24: [START + HOUR]})
    assert tried.state.exposed(1) == 40
    told.reconciled(used.state.seq - 1)
    assert tried.state.exposed(1) == 1
    told.reached(used.state.seq)
    told.reconciled(used.state.seq - 30)
    assert tried.state.exposed(1) == 1, "what is at the host stays there"
    told.reconciled(used.state.seq)
    assert tried.state.exposed(1) == 0


def test_signals_by_name_and_who_was_revoked():
    used, tried = both()
    told = Told(Decider(used.state), tried.state)
    used.state.signals(0, 6, START)
    used.state.signals(1, 9, START)
    used.state.revoke(True, subject(3)[:6])
    told.take_over()
    assert tried.state.signal(0, START) == (6, 0) and tried.state.revoked(subject(3))
    used.state.revoke(True, b"")
    told.take_over()
    assert not tried.state.revoked(subject(3))
