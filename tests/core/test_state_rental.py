"""What one operator set and one crowd latched holds for no other: a rental that follows begins with the authors' defaults."""

from rulekit import START
from stallmark import registry as reg
from statekit import OPEN_VALUES, Books, rule, ruleset


def test_open_values_and_latches_end_with_their_rental():
    at = Books(ruleset(rule("first", latch=True), open_values=OPEN_VALUES))
    at.write(reg.KIND_PARAMETERS, {24: [[[0, 1500]], "operator"]})
    at.write(reg.KIND_LATCH, {9: 0, 24: [START + 1000]})
    assert at.state.parameter(0) == 1500 and at.state.latched(0, START + 1000)
    at.write(reg.KIND_RENTAL, {24: [2, 1 << 20]})
    assert at.state.parameter(0) == 1000 and not at.state.latched(0, START + 1000)
    assert at.state.carry_forward() == [], "nothing of them is written anew"
    at.write(reg.KIND_PARAMETERS, {16: 2, 24: [[[0, 700]], "next operator"]})
    assert at.state.parameter(0) == 700
