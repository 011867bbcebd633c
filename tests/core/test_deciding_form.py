"""Version 2 is read exactly as its page says; hostile bytes are refused, whatever they hold."""

from deckit import HOUR, SALT, START, Kit, data, fields, people_over, rule, tap
from stallmark import cbor, event, rules
from stallmark.errors import FormatError, LimitError
from vectors import load, raises, value


def refused(expected, *found, **top):
    error = raises(FormatError, rules.Ruleset, data(*found, **top))
    assert expected in str(error), "{} not in {}".format(expected, error)


def taken(*found, **top):
    return rules.Ruleset(data(*found, **top))


def test_fields_are_exactly_those_of_the_page():
    for key in range(17):
        found = fields([])
        del found[key]
        raises(FormatError, rules.Ruleset, cbor.encode(found))
    found = fields([])
    found[17] = 0
    assert "newer" in str(raises(FormatError, rules.Ruleset, cbor.encode(found)))
    for key in range(22):
        found = rule()
        del found[key]
        raises(FormatError, rules.Ruleset, data(found))
    found = rule()
    found[22] = 0
    refused("newer", found)
    refused("version", version=3)


def test_bounds_of_the_rulesets_own_fields():
    refused("languages", languages=[])
    refused("languages", languages=["en"] * 5)
    refused("arms", experiments=[["x", SALT, [10000], 0]])
    refused("sum to", experiments=[["x", SALT, [5000, 4000], 0]])
    refused("control arm", experiments=[["x", SALT, [5000, 5000], 2]])
    refused("holdout", holdout=[SALT, 10001])
    refused("mode of a group", groups=[[4, False, 0]])
    refused("exclusive", groups=[[1, 0, 0]])
    refused("signals", signals=[["a", 1, 1]] * 17)
    refused("highest", open_values=[[1, 0, 10001, 0, "x"]])
    refused("default", open_values=[[1, 10, 20, 9, "x"]])
    refused("issuer", issuers=[bytes(31)])
    refused("array", *[rule("r{}".format(n)) for n in range(251)])
    taken(*[rule("r{}".format(n)) for n in range(250)])
    refused("slots", slots=[[n, n + 1] for n in range(251)])


def test_bounds_of_a_rules_fields():
    refused("event types", rule(events=[1] * 9))
    refused("event type", rule(events=[256]))
    refused("limits", rule(limits=[[0, 1], [1, 1], [0, 1]]))
    refused("each window once", rule(limits=[[0, 1], [0, 2]]))
    refused("offline mode", rule(offline=[2, 4, 0, 0]))
    refused("lower limit", rule(offline=[2, 2, 3, 2]))
    refused("messages", rule(messages=[[None, None]]))
    refused("messages", rule(messages=[[None, None, None]] * 2))
    refused("message", rule(messages=[["x" * 161, None, None]]))
    refused("group", rule(group=0))
    refused("experiment", rule(experiment=[0, 0]))
    refused("early", rule(early=[[1, 1]] * 5))
    refused("tax", rule(tax=["", None]))
    refused("reimbursed", rule(funder=["merchant", 10001]))
    refused("odds", rule(odds=[2, 1]))
    refused("redeems", rule(redeems=65536))
    refused("flags", rule(flags=128))
    refused("flags", rule(flags=16))
    assert taken(rule(flags=15, need=[1])).rules[0].flags & 23 == 7, "not what a condition looks at"
    taken(rule(flags=8 + 64, grants=[[2, 1, 9], [5, 1, 0], [8, 1, 0, 3], [2, 1, 9]], need=[1, 2]))
    refused("needs", rule(need=[1, 1]))
    refused("rights for everything", rule(need=[]))
    refused("rights for everything", rule(grants=[[5, 1, 0]], need=[1]))
    taken(
        rule(need=[1, 3], tax=["D-RETAIL", 1900], funder=["merchant", 5000], odds=[1, 10], flags=7, stale=0)
    )
    taken(rule(redeems=7, grants=[[2, 1, 0]], need=[]))
    taken(rule(redeems=7, grants=[[1, 1000, 0]], need=[]))
    taken(rule(redeems=7, grants=[[2, 1, 0], [2, 1, 100]], need=[1]))
    # Money beyond the voucher's own value needs rights like everywhere; what is for later is refused.
    for grant in ([2, 1, 100], [1, 1000, 100], [11, 500, 100, "school"]):
        refused("rights for everything", rule(redeems=7, grants=[grant], need=[]))
        refused("rights for everything", rule(redeems=7, grants=[[2, 1, 0], grant], need=[]))
    refused("credit (6)", rule(redeems=7, grants=[[2, 1, 0], [2, 1, 0]], need=[]))
    refused("credit (6)", rule(redeems=7, grants=[[5, 1, 0], [2, 1, 0]], need=[2]))
    for grant in ([9, 7, 100, 30], [8, 2, 0, 30], [3, 1000, 100, 30], [4, 1, 100, 30]):
        refused("for later", rule(redeems=7, grants=[grant], need=[1]))
    refused("credit", rule(grants=[[2, 1, 0]]))


def test_grants_have_their_shape():
    for grant in ([1, 0, 5], [1, 1500, 0], [2, 2, 5], [3, 1500, 500], [3, 1500, 500, 0], [5, 1, 1], [6, 1, 0, ""], [7, 1, 1, 1],
                  [8, 0, 0, 1], [9, 65536, 1, 1], [10, 2, 0, "x"], [11, 10001, 1, "x"], [13, 1, 0], [0, 1, 0],
                  [12, 1, 1, "x" * 33],
                  [1, [40, 0], 5], [1, 1500, [41, 0]], [1, 1500], [], 5, [1, 1500, None]):  # fmt: skip
        raises(FormatError, rules.Ruleset, data(rule(grants=[grant], need=[1, 2])))
    values = [[1, 0, 2000, 1000, "percent"], [2, 0, 500, 100, "cap"]]
    taken(rule(grants=[[1, [40, 0], [40, 1]]]), open_values=values)
    refused("unit", rule(grants=[[1, [40, 1], 5]]), open_values=values)


def test_kit_wide_counts_may_only_be_exceeded():
    for when in ([12, [20, 0, HOUR, 0], 5], [13, [25, 0, HOUR, 0, 0], 5], [14, [20, 0, HOUR, 0], 5], [15, [20, 0, HOUR, 0], 1, 5],
                 [16, [20, 0, HOUR, 0], 5], [3, people_over(5)], [10, 5, [20, 0, HOUR, 0]], [10, [22], [20, 0, HOUR, 0]],
                 [10, [51, 100, [20, 0, HOUR, 0]], 5], [10, [52, [20, 0, HOUR, 0], -1], 5], [1, [3, [1, people_over(5)]]],
                 [15, [22], [20, 0, HOUR, 0], 9]):  # fmt: skip
        refused("kit-wide", rule(when=when))
        taken(rule(when=when, offline=[2, 3, 0, 0]))
    for when in (people_over(5), [12, 5, [20, 0, HOUR, 0]], [11, [50, [20, 0, HOUR, 0], [25, 0, HOUR, 0, 3]], 5],
                 [11, [52, [20, 0, HOUR, 0], 5000], 5], [4, 1, people_over(5), [0]], [12, [20, 0, HOUR, 1], 5]):  # fmt: skip
        taken(rule(when=when))


def test_a_window_that_moves_along_is_not_shorter_than_its_eight_steps():
    for count in ([20, 1, 7999, 0], [25, 1, 1000, 1, 2], [26, 5, 7999]):
        refused("at least 8 s", rule(when=[11, count, 1]))
    for count in ([20, 1, 8000, 0], [26, 5, 8000], [20, 0, 1, 0], [20, 2, 1000, 0]):
        taken(rule(when=[11, count, 1]))


def test_what_latches_is_the_same_for_everyone():
    for when in (
        [11, [22], 5],
        [10, [21], 1],
        [10, [30], 1],
        [14, [33, 0], 1],
        [14, [26, 5, 8000], 1],
        [10, [50, [22], 1], 2],
    ):
        refused("whole slot", rule(when=when, latch=True), experiments=[["x", SALT, [5000, 5000], 0]])
    taken(rule(when=[1, people_over(5), [12, [24], [40, 0]], [10, [32, 0], 5]], latch=True),
          open_values=[[4, 0, HOUR, HOUR, "until"]], signals=[["rain", 6, 600]])  # fmt: skip


def test_latched_names_an_earlier_rule_that_latches():
    latch = rule("a", when=people_over(5), latch=True)
    taken(latch, rule("b", when=[14, [37, 0], 1]))
    for index in (1, 2, -1):
        refused("latched", latch, rule("b", when=[14, [37, index], 1]))
    refused("latched", rule("b", when=[14, [37, 0], 1]))
    refused("latches", rule("a"), rule("b", when=[14, [37, 0], 1]))


def test_conditions_are_bounded():
    deep = [11, [22], 1]
    for _ in range(7):
        deep = [3, deep]
    taken(rule(when=deep))
    refused("levels", rule(when=[3, deep]))
    refused("nodes", rule(when=[1] + [[10, [24], [22]] for _ in range(16)]))
    sum_of = [22]
    for _ in range(7):
        sum_of = [50, sum_of, 1]
    taken(rule(when=[10, sum_of, 1]))
    refused("levels", rule(when=[10, [50, sum_of, 1], 1]))
    many = [rule("r{}".format(n), when=people_over(5, ms=1000 + n)) for n in range(13)]
    taken(*many[:12])
    refused("different people counts", *many)
    for when in ([4, 3, [0], [0]], [4, 0, [0]], [15, [22], 5, 4], [16, [22]], [16, [22], [22]], [10, [25, 0, HOUR, 0], 1],
                 [10, [29, 1], 1],
                 [10, [38], 1], [10, [56, 1, 1], 1], [10, [55, [22], 0], 1], [10, [32, 0], 1], [10, [40, 0], 1],
                 [10, 1, 2], [17, [22], 1],
                 [10, [20, 3, HOUR, 0], 1], [10, [20, 0, HOUR, 2], 1], [10, [28, ""], 1], [10, [22], 1 << 62, 1]):  # fmt: skip
        raises(FormatError, rules.Ruleset, data(rule(when=when)))


def test_people_that_open_money_cannot_be_minted():
    refused("anyone can make", rule(when=people_over(5), people_trust=2))
    taken(rule(when=people_over(5), people_trust=2, grants=[[8, 1, 0, 5]], need=[]))


def test_vectors_of_the_page():
    vectors = load("ruleset.json")
    data_of = {case["name"]: bytes.fromhex(case["data"]) for case in vectors["rulesets2"]}
    for case in vectors["rulesets2"]:
        assert rules.Ruleset(data_of[case["name"]]).digest8.hex() == case["digest8"]
    for case in vectors["decisions2"]:
        kit = Kit(data_of[case["ruleset"]], rich=False)
        for number, rule_id, unit, amount, expires in case["slices"]:
            assert kit.slice(number, rule_id, unit, amount, expires) == 1
        for index, step in enumerate(case["steps"]):
            got = []
            for d in kit.take(event.from_fields(value(step["event"]))):
                got.append(
                    [d.kind, d.rule, d.grants, d.rights, d.why, d.experiment, d.ask, d.detail, d.currency]
                )
            assert got == value(step["expect"]), "{} step {}: {}".format(case["name"], index, got)


def test_hostile_bytes_are_a_format_error_and_nothing_else():
    good = data(rule(when=[1, people_over(5), [14, [26, 5, 60000], 1]], early=[[1, 60000]]))
    for at in range(len(good)):
        raises(FormatError, rules.Ruleset, good[:at])
        for flip in (1, 0x20, 0x80, 0xFF):
            bad = bytearray(good)
            bad[at] ^= flip
            try:
                found = rules.Ruleset(bytes(bad))
                Kit(bytes(bad)).decide(tap(1, 5)) if found.rules and found.people_capacity < 100 else None
            except FormatError:
                pass
    for head in (b"\x9b", b"\xbb", b"\x5b", b"\x7b", b"\xdb", b"\x9a", b"\x1b"):
        raises(FormatError, rules.Ruleset, head + b"\x7f" + b"\xff" * 20)
        raises(FormatError, rules.Ruleset, good[:1] + b"\x05" + head + b"\xff" * 30)
    raises(FormatError, rules.Ruleset, b"\x81" * 5000)
    raises(FormatError, rules.Ruleset, b"\xb1" + b"\x00\x02" + b"\x05" + b"\x81" * 2000)
    raises(FormatError, rules.Ruleset, b"\xb1\x00\x02" + b"\x05\xa1" * 1000)
    raises(LimitError, rules.Ruleset, bytes(49153))


def test_huge_numbers_and_counts_are_refused():
    found = fields([rule()])
    found[4] = [[0, 1 << 62]]
    raises(FormatError, rules.Ruleset, cbor.encode(found))
    raises(FormatError, rules.Ruleset, data(rule(grants=[[2, 1, 1 << 40]])))
    raises(FormatError, rules.Ruleset, data(rule(when=[10, [20, 0, 1 << 50, 0], 1])))
    raises(FormatError, rules.Ruleset, data(people=8193))
    kit = Kit(data(rule(when=[10, [22], 0])))
    assert kit.decide(tap(1, basket_minor=(1 << 63) - 1))[0].kind == 1


def test_what_state_and_others_ask_of_a_ruleset():
    day = 24 * HOUR
    slots = [[START, START + HOUR], [START + day, START + day + HOUR]]
    ruleset = taken(
        rule("a", when=people_over(5, scope=1), limits=[[1, 2]], early=[[5, 60000]]),
        rule("b", slots=[1], limits=[[0, 1]], trust=2),
        slots=slots, open_values=[[1, 0, 10, 5, "x"]],
    )  # fmt: skip
    assert ruleset.counters == ((20, 0, HOUR, 1, 0, 3),)
    assert ruleset.limited == (1,) and ruleset.limited_ever == (0,) and list(ruleset.leads) == [60000, 0]
    assert bytes(ruleset.watched) == b"\x01\x01" and ruleset.least_trust == 2 and not ruleset.attends
    assert ruleset.parameters_defaults == (5,) and ruleset.version == 2 and len(ruleset.rule8) == 2
    assert (
        ruleset.open_at(START - 1)[0] == ()
        and ruleset.open_at(START)[0] == (0,)
        and ruleset.open_at(START + HOUR)[0] == ()
    )
    assert list(ruleset.open_at(START + day)[1]) == [255, 1]
    assert ruleset.words(0, 1) is None and ruleset.fields(1)[0] == "b"
