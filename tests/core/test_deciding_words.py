"""Sentences: the author's own in several languages, with the numbers put in; plain English where there are none."""

from deckit import HOUR, MINUTE, START, Kit, data, people_over, rule, tap
from stallmark import explain, rules
from stallmark import registry as reg

WORDS = [
    [
        "{percent} off, {amount} now ({what})",
        "Not yet, see you",
        "{missing} more of {need} in {minutes} min, {have} are here",
    ],
    ["{percent} Rabatt", None, "Noch {missing}"],
]


def said(kit, happened, language=0):
    decision = kit.decide(happened)[0]
    return explain.sentence(rules.record_fields(kit.ruleset, happened, decision), kit.ruleset, language)


def market(**other):
    values = {"when": people_over(2), "grants": [[1, 1500, 500]], "messages": WORDS}
    values.update(other)
    return Kit(data(rule(**values), languages=["en", "de"]))


def test_the_authors_words_in_each_language():
    kit = market()
    kit.go(1)
    assert said(kit, tap(2, 46 * MINUTE)) == "1 more of 3 in 14 min, 2 are here"
    assert said(kit, tap(2, 46 * MINUTE), 1) == "Noch 1"
    assert said(kit, tap(2, 46 * MINUTE), 9) == "1 more of 3 in 14 min, 2 are here", (
        "the first where there is no such"
    )
    assert said(kit, tap(2, 46 * MINUTE), None) == "Nothing this time: 1 more person within 14 minutes."
    assert said(kit, tap(2, trust=2)) == "Not yet, see you"
    assert said(kit, tap(2, trust=2), 1) == "Nothing this time: this tag was not issued by the market."
    kit.go(2)
    assert said(kit, tap(3, basket_minor=1600)) == "15 % off, 2.40 EUR now (15 % off now, at most 2.40 EUR)"
    assert said(kit, tap(3), 1) == "15 % Rabatt"


def test_a_number_that_is_not_there_leaves_the_plain_words():
    kit = market(messages=[["x", "{missing} more", None]] * 2)
    assert said(kit, tap(1, 2 * HOUR)) == "Nothing this time: it is not on now."
    assert said(kit, tap(1)) == "Nothing this time: 2 more people within 60 minutes."


def test_what_is_asked_at_the_stall_is_never_the_authors():
    kit = market(when=[11, [22], 500], offline=[14, 1, 0, 0])
    assert said(kit, tap(1)).startswith("Ask at the stall")


def test_money_that_is_missing_is_said_as_money():
    kit = market(when=[11, [22], 500], messages=[["x", "Just {missing} more for {percent}", None]] * 2)
    assert said(kit, tap(1, basket_minor=420)) == "Just 0.80 EUR more for 15 %"


def test_near_of_every_kind_in_plain_words():
    for when, other, expected in (
        ([11, [25, 0, HOUR, 1, 0], 3], {}, "2 more events within 60 minutes"),
        ([11, [21], 2], {}, "1 more visit is needed"),
        ([11, [27], 5], {"items": 3}, "2 more items are needed"),
        ([11, [29], 3], {}, "2 more time slots are needed"),
        ([11, [30], 1], {}, "1 more loyalty token is needed"),
        ([11, [20, 1, HOUR, 1], 3], {}, "2 more people within 75 minutes"),
    ):
        assert said(Kit(data(rule(when=when))), tap(1, **other)) == "Nothing this time: {}.".format(expected)


def test_the_age_of_what_others_told_is_said():
    kit, other = Kit(data(rule(when=people_over(2)))), Kit(data(rule(when=people_over(2))), brick=b"brick--2")
    other.go(1)
    kit.hears(other, START)
    assert (
        said(kit, tap(2, 5 * MINUTE))
        == "Nothing this time: 1 more person within 55 minutes (by what was known 5 minutes ago)."
    )


def test_every_grant_has_words():
    for grant, need, expected in (
        ([6, 1, 0, "large"], [2], "an upgrade"), ([8, 2, 0, 90], [], "2 loyalty tokens"), ([10, 1, 0, "chat"], [], "an unlock"),
        ([9, 7, 250, 30], [1], "a voucher of 2.50 EUR"), ([7, 10000, 200, "creator"], [1], "the tip matched with 2.00 EUR"),
    ):  # fmt: skip
        assert said(Kit(data(rule(grants=[grant], need=need))), tap(1)) == "Granted: {}.".format(expected)


def test_a_ghost_reads_like_a_denial():
    kit = market(when=[0], experiment=None)
    ghost = {8: kit.ruleset.digest8, 9: 0, 10: reg.KIND_GHOST, 14: [12, 0], 0: 0}
    assert explain.sentence(ghost, kit.ruleset) == "Not yet, see you"
