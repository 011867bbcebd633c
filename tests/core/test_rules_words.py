"""What screens say of a record: plain English, money without floats, and honest about what is newer."""

from rulekit import HOUR, MINUTE, SLOT, START, Brick, data, rule, sample
from stallmark import explain, money
from stallmark import registry as reg


def said(brick):
    """The sentence of the brick's newest record."""
    return explain.sentence(brick.journal[-1].fields, brick.ruleset)


def market():
    brick = Brick(data(sample(), rule()))
    brick.slice(1, "welcome-sample", 2, 100)
    brick.slice(2, "surprise-15", 1, 5000)
    return brick


def test_a_market_in_words():
    brick = market()
    for person in range(19):
        brick.tap(person)
    assert said(brick) == "Granted: a sample."
    brick.tap(0, at=46 * MINUTE + 1)
    assert said(brick) == "Nothing this time: 2 more people within 14 minutes."
    assert explain.sentence(brick.journal[-1].fields) == "Nothing this time: 2 more people are needed."
    brick.tap(19)
    brick.tap(0, at=59 * MINUTE + 20001)
    assert said(brick) == "Nothing this time: 1 more person within 40 seconds."
    brick.tap(20)
    brick.tap(20)
    assert said(brick) == (
        "Granted: 15 % off now, at most 5.00 EUR, because 21 different people came in the first hour"
        " (more than 20 were needed)."
    )
    assert explain.sentence(brick.journal[-1].fields) == "Granted: 15 % off now, at most 5.00 EUR."
    brick.tap(20)
    assert said(brick) == "Nothing this time: this person already had it."
    brick.tap(21, trust=reg.TRUST_BARE)
    assert said(brick) == "Nothing this time: this tag was not issued by the market."
    brick.tap(21, trust=reg.TRUST_TEXT, type=reg.EVENT_QR_SCAN)
    assert said(brick) == "Nothing this time: this code was not issued by the market."
    brick.tap(None, trust=reg.TRUST_ANONYMOUS)
    assert "told apart" in said(brick)
    brick.tap(22, at=2 * HOUR)
    assert said(brick) == "Nothing this time: it is not on now."
    brick.tap(22, quality=0)
    assert said(brick) == "Nothing this time: the time of day is not known yet."
    latch = next(found for found in brick.journal if found.fields[10] == reg.KIND_LATCH)
    assert "surprise-15" in explain.sentence(latch.fields, brick.ruleset)
    assert "slice 1 is used from now on" in explain.sentence(brick.journal[0].fields)


def test_stock_and_budget_that_are_used_up():
    brick = Brick(data(sample()))
    brick.tap(0)
    assert "has not received" in said(brick)
    brick.slice(1, "welcome-sample", 2, 1)
    brick.tap(0)
    brick.tap(1)
    assert said(brick) == "Nothing this time: this stall's share of the stock is used up."


def test_a_count_that_came_too_late():
    brick = Brick(data(rule()))
    brick.slice(1, "surprise-15", 1, 500)
    for person in range(5):
        brick.tap(person)
    brick.tap(6, at=HOUR)
    assert said(brick).endswith("5 different people came in the first hour (more than 20 were needed).")


def test_a_basket_in_money():
    brick = Brick(data(rule(when=[11, [22], 1000], latch=False, policy=14)))
    brick.slice(1, "surprise-15", 1, 5000)
    brick.tap(0, basket_minor=680)
    assert said(brick) == "Nothing this time: 3.20 EUR more in the basket would do."
    brick.tap(0, basket_minor=1250)
    assert said(brick).endswith("because the basket is 12.50 EUR.")
    brick.tap(1)
    assert said(brick) == "Ask at the stall: a condition of the offer is not met."


def test_the_words_of_a_ruleset_are_not_used_for_another_ones_records():
    brick = market()
    brick.tap(0)
    brick.tap(0)
    other = Brick(data(rule(), sample()))
    assert "within" not in explain.sentence(brick.journal[-1].fields, other.ruleset)


def test_records_that_are_not_a_customers():
    for fields, words in (
        ({10: reg.KIND_BOOT, 4: 3, 24: [bytes(32), bytes(32), 0, 1, 0]}, "The brick started (start 3)"),
        ({10: reg.KIND_BOOT, 4: 3, 24: [None, bytes(32), 0, 1, 0]}, "no rules"),
        ({10: reg.KIND_CLOCK, 24: [None, START, 0]}, "The clock was set."),
        ({10: reg.KIND_CLOCK, 24: [START, START - 90000, 2]}, "The clock was moved back by 2 minutes."),
        ({10: reg.KIND_CLOCK, 24: [START, START + 3 * HOUR, 2]}, "on by 3 hours"),
        ({10: reg.KIND_CLOSE, 24: ["Ada"]}, "The stall closed, signed off by Ada."),
        ({10: reg.KIND_CLOSE}, "The stall closed."),
        ({10: reg.KIND_RIGHTS, 13: [[7, 40]]}, "40 spent so far of slice 7"),
        ({10: reg.KIND_LOST, 24: [4, 4]}, "Record 4 was lost."),
        ({10: reg.KIND_LOST, 24: [4, 9]}, "Records 4 to 9 were lost."),
        ({10: reg.KIND_RENTAL, 24: [2]}, "Rental 2 began."),
        ({10: reg.KIND_COLLECTIVE, 24: [3, None]}, "again 3 times within a minute"),
        ({10: reg.KIND_COLLECTIVE, 24: [1, None]}, "once more within a minute"),
        ({10: reg.KIND_GHOST}, "comparison group"),
        ({10: reg.KIND_DENY, 14: [reg.REASON_NO_RULESET]}, "no rules are installed"),
        ({10: reg.KIND_DENY, 0: reg.FLAG_TRAINING, 14: [8]}, "Training: "),
        ({10: reg.KIND_GRANT, 0: reg.FLAG_SHADOW, 12: [[5, 2, 0]]}, "nothing given: Granted: 2 samples"),
    ):  # fmt: skip
        assert words in explain.sentence(fields), (fields, explain.sentence(fields))


def test_unknown_numbers_are_said_to_be_newer():
    for fields in (
        {10: 200},
        {10: reg.KIND_DENY, 14: [200]},
        {10: reg.KIND_GRANT, 12: [[200, 1, 2]], 23: "EUR"},
    ):
        assert explain.NEWER in explain.sentence(fields)


def test_no_record_that_can_be_written_is_beyond_words():
    ruleset = market().ruleset
    for kind in range(24):
        for why in ([], [1], [2, 0, 0, 0, 1, 2, None, 1], [3, 0, 0, 0, None, 2], [20, 9, 0, 9, 5], [7], [6]):
            for detail in ([], [1], [None, None], ["x", 1], [5, 3, 1]):
                fields = {8: ruleset.digest8, 9: 1, 10: kind, 5: START, 12: [[1, None, None]], 24: detail}
                if why:
                    fields[14] = why
                if kind == reg.KIND_BOOT:
                    fields[24] = [None, bytes(32), 0, 0, 0]
                if kind == reg.KIND_CLOSE:
                    fields[24] = [""]
                if kind == reg.KIND_CLOCK and len(detail) > 1:
                    fields[24] = [1, 2, 0]
                assert explain.sentence(fields, ruleset) and explain.sentence(fields)


def test_every_reason_has_words():
    for code, _name in reg.REASON_NAMES:
        words = explain.reason({14: [code]})
        assert words and explain.NEWER not in words, code


def test_outcomes_are_the_three_that_customers_see():
    assert explain.outcome(reg.KIND_GRANT) == "granted"
    assert explain.outcome(reg.KIND_DENY) == explain.outcome(reg.KIND_GHOST) == "nothing this time"
    assert explain.outcome(reg.KIND_UNCERTAIN) == "ask at the stall"
    assert explain.outcome(reg.KIND_BOOT) == ""


def test_money_and_shares_without_floats():
    for minor, currency, words in (
        (500, "EUR", "5.00 EUR"),
        (5, "EUR", "0.05 EUR"),
        (-1234, "EUR", "-12.34 EUR"),
        (500, "JPY", "500 JPY"),
        (500, "KWD", "0.500 KWD"),
        ((1 << 62), "EUR", "46116860184273879.04 EUR"),
        (5, None, "5 minor units"),
    ):
        assert money.text(minor, currency) == words
    for bps, words in ((1500, "15 %"), (1250, "12.5 %"), (1, "0.01 %"), (10000, "100 %"), (0, "0 %")):
        assert money.percent(bps) == words


def test_spans_of_time():
    for ms, words in (
        (1, "1 second"),
        (59000, "59 seconds"),
        (60000, "1 minute"),
        (60001, "2 minutes"),
        (119 * MINUTE, "119 minutes"),
        (2 * HOUR, "2 hours"),
        (50 * HOUR, "3 days"),
    ):
        assert explain.duration(ms) == words
    assert explain.window(HOUR) == "the first hour"
    assert explain.window(30 * MINUTE) == "the first 30 minutes"
    assert explain.window(MINUTE) == "the first minute"
    assert SLOT[1] - SLOT[0] == 75 * MINUTE
