"""Deciding allocates the same on the thousandth customer as on the tenth, and what is remembered never grows."""

import gc

from rulekit import Brick, data, rule, sample, subject, tap
from stallmark import golden, rules
from stallmark import registry as reg
from vectors import SkipTest

if not hasattr(gc, "mem_alloc"):
    raise SkipTest("only MicroPython says what is allocated")

PER_DECISION = 6000  # bytes of garbage, on a 64-bit build; half of it on an ESP32


def market():
    brick = Brick(data(sample(), rule(), people=1000))
    brick.slice(1, "welcome-sample", 2, 10000)
    brick.slice(2, "surprise-15", 1, 1000000)
    return brick


def visit(brick, person):
    """Decides and applies as a brick does, without keeping the record."""
    happened = tap(person)
    decision = brick.look(happened)
    found = rules.record_fields(brick.ruleset, happened, decision)
    found[0] = 0
    found[16] = 1
    brick.state.apply(golden.Seen(brick.state.seq + 1, found, {1: subject(person)}))
    return decision


def garbage(brick, person):
    happened = tap(person)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    brick.look(happened)
    used = gc.mem_alloc() - before
    gc.enable()
    return used


def test_a_decision_costs_the_same_all_day():
    brick = market()
    for person in range(10):
        visit(brick, person)
    early = garbage(brick, 5), garbage(brick, 5000)
    for person in range(10, 900):
        visit(brick, person)
    late = garbage(brick, 5), garbage(brick, 5000)
    assert max(early + late) < PER_DECISION, (early, late)
    # From the 21st person on the second rule grants: a few lists more, not more with every person.
    assert late[0] < early[0] + 1024 and late[1] < early[1] + 1024, (early, late)


def test_what_is_remembered_grows_to_its_limit_and_no_further():
    brick = market()
    for person in range(30):
        visit(brick, person)
    gc.collect()
    begun = gc.mem_alloc()
    for person in range(30, 1000):
        visit(brick, person)
    gc.collect()
    before = gc.mem_alloc()
    assert before - begun < 970 * 20, before - begun  # 13 bytes of an entry, 2 of its chain's beginning, a piece
    for person in range(1000, 3000):
        assert visit(brick, person).kind in (reg.KIND_GRANT, reg.KIND_DENY)
    gc.collect()
    assert gc.mem_alloc() - before < 256
