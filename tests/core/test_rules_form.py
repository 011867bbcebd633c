"""A ruleset is taken exactly as its page says, or refused with the reason."""

from rulekit import HOUR, OVER_20, SLOT, START, data, fields, rule, sample
from stallmark import cbor, expr, rules
from stallmark.errors import FormatError, LimitError
from vectors import load, raises, value


def refused(expected, *found, **other):
    error = raises(FormatError, rules.Ruleset, data(*found, **other))
    assert expected in str(error), "{} not in {}".format(expected, error)


def changed(**keys):
    """The surprise rule with map entries changed: k5=1 sets key 5; None takes it out."""
    found = rule()
    for key, entry in keys.items():
        number = int(key[1:])
        if entry is None:
            del found[number]
        else:
            found[number] = entry
    return found


def test_vectors_of_the_page():
    vectors = load("ruleset.json")
    for case in vectors["rulesets"]:
        ruleset = rules.Ruleset(bytes.fromhex(case["data"]))
        assert ruleset.digest8.hex() == case["digest8"], case["name"]
        assert [ruleset.id, ruleset.rev, ruleset.currency, ruleset.market] == case["names"]
        assert [rule.id for rule in ruleset.rules] == case["rules"]
        assert [[counter[2], counter[5]] for counter in ruleset.counters] == case["counters"]
        assert bytes.fromhex(case["data"]) == cbor.encode(cbor.decode(bytes.fromhex(case["data"]), 16, 4096))
    for case in vectors["refused"]:
        error = raises(FormatError, rules.Ruleset, bytes.fromhex(case["data"]))
        assert case["says"] in str(error), "{}: {}".format(case["name"], error)


def test_vectors_of_decisions():
    from rulekit import Brick
    from stallmark import event

    vectors = load("ruleset.json")
    data_of = {case["name"]: bytes.fromhex(case["data"]) for case in vectors["rulesets"]}
    for case in vectors["decisions"]:
        brick = Brick(data_of[case["ruleset"]])
        for number, rule_id, unit, amount, expires in case["slices"]:
            assert brick.slice(number, rule_id, unit, amount, expires) == 1
        for index, step in enumerate(case["steps"]):
            happened = event.from_fields(value(step["event"]))
            decision = brick.look(happened)
            expected = value(step["expect"])
            got = [
                decision.kind, decision.rule, decision.grants, decision.rights, decision.why,
                decision.latches, decision.until, decision.opens, decision.currency,
                brick.ruleset.words(decision.rule, decision.message),
            ]  # fmt: skip
            assert got == expected, "{} step {}: {}".format(case["name"], index, got)
            found = rules.record_fields(brick.ruleset, happened, decision)
            for latched, until in zip(decision.latches, decision.until):
                brick.write({5: found[5], 7: found[7], 8: found[8], 9: latched, 10: 9, 24: [until]})
            for slice_id in decision.opens:
                brick.write({10: 10, 13: [[slice_id, 0]]})
            brick.write(found, happened.subject)


def test_the_usual_ruleset_reads():
    ruleset = rules.Ruleset(data(sample(), rule()))
    assert (ruleset.id, ruleset.rev, ruleset.currency) == ("market-hour", 1, "EUR")
    assert ruleset.people_capacity == 100
    assert ruleset.slots == (tuple(SLOT),) and ruleset.terms is None
    assert ruleset.counters == ((20, 0, HOUR, 1, 0, 3),) and ruleset.latching == (1,) and ruleset.limited == (0, 1)
    assert ruleset.tree(1) == (expr.GT, (expr.PEOPLE, 0, HOUR), 20, 0)
    assert rules.Ruleset(data()).rules == (), "a ruleset without rules stops everything"


def test_fields_are_exactly_those_of_the_page():
    for key in range(9):
        found = fields([])
        del found[key]
        raises(FormatError, rules.Ruleset, cbor.encode(found))
    found = fields([])
    found[9] = 0
    assert "newer" in str(raises(FormatError, rules.Ruleset, cbor.encode(found)))
    for key in range(13):
        raises(FormatError, rules.Ruleset, data(changed(**{"k" + str(key): None})))
    refused("newer", changed(k13=1))
    found = fields([])
    found[0] = 3
    assert "version 1" in str(raises(FormatError, rules.Ruleset, cbor.encode(found)))


def test_values_out_of_bounds_are_named():
    refused("rule id", changed(k0=""))
    refused("rule id", changed(k0="x" * 33))
    refused("event types", changed(k1=[]))
    refused("event type", changed(k1=[0]))
    refused("minimum trust", changed(k2=16))
    refused("slots", changed(k3=[]))
    refused("slot index", changed(k3=[1]))
    refused("latch", changed(k5=1))
    refused("limit", changed(k8=256))
    refused("policy", changed(k9=1))
    refused("messages", changed(k10={3: "x"}))
    refused("message", changed(k10={0: "x" * 121}))
    refused("intent", changed(k11=5))
    refused("each id once", rule(), rule())
    refused("slot (4)", slots=([5, 5],))
    refused("slot (4)", slots=([START, START + 13 * 24 * HOUR],))
    refused("people capacity", people=8193)
    refused("array", *[rule("r{}".format(n)) for n in range(65)])
    for currency in ("eur", "EU", "EURO", "\u00c4UR", ""):
        found = fields([])
        found[3] = currency
        assert "currency" in str(raises(FormatError, rules.Ruleset, cbor.encode(found))), currency


def test_slots_of_one_rule_do_not_overlap():
    touching = (SLOT, [SLOT[1], SLOT[1] + HOUR])
    rules.Ruleset(data(rule(slots=[0, 1]), slots=touching))
    refused("overlap", rule(slots=[0, 1]), slots=(SLOT, [SLOT[1] - 1, SLOT[1] + HOUR]))
    refused("overlap", rule(slots=[0, 0]))


def test_what_is_granted_is_covered_by_rights():
    refused("rights for everything", rule(need=[]))
    refused("rights for everything", rule(need=[[1, 499]]))
    refused("rights for everything", rule(need=[[2, 500]]))
    refused("rights for everything", rule(grants=[[2, 1, 300], [1, 100, 300]], need=[[1, 599]]))
    rules.Ruleset(data(rule(grants=[[2, 1, 300], [1, 100, 300]], need=[[1, 600]])))
    refused("rights for everything", sample(grants=[[5, 2, 0]]))
    refused("each unit once", rule(need=[[1, 500], [1, 500]]))
    refused("newer", rule(grants=[[13, 1, 0]]))
    refused("grant", rule(grants=[]))
    refused("basis points", rule(grants=[[1, 10001, 500]]))


def test_people_that_open_money_cannot_be_minted():
    refused("anyone can make", rule(people_trust=2))
    rules.Ruleset(data(rule(when=[0], latch=False, people_trust=0)))


def test_only_what_is_the_same_for_everyone_can_latch():
    refused("whole slot", rule(when=[11, [22], 500]))
    refused("whole slot", rule(when=[1, OVER_20, [11, [21], 2]]))
    rules.Ruleset(data(rule(when=[1, OVER_20, [11, [24], 60000]])))


def test_conditions_are_bounded():
    deep = OVER_20
    for _ in range(7):
        deep = [3, deep]
    rules.Ruleset(data(rule(when=deep)))
    refused("levels", rule(when=[3, deep]))
    wide = [1] + [[10, [24], n] for n in range(16)]
    refused("nodes", rule(when=wide))
    rules.Ruleset(data(rule(when=wide[:16])))
    nine = [rule("r{}".format(n), when=[10, [20, 1000 + n], 20]) for n in range(9)]
    refused("different people counts", *nine)
    refused("two numbers", rule(when=[10, 1, 2]))
    refused("newer", rule(when=[4, OVER_20]))
    refused("newer", rule(when=[10, [25], 1]))
    refused("condition", rule(when=[]))
    refused("condition", rule(when=5))
    refused("comparison", rule(when=[10, [24]]))
    refused("array", rule(when=[1]))


def test_a_number_on_the_left_is_turned_round():
    for op, turned in ((10, 12), (11, 13), (12, 10), (13, 11), (14, 14)):
        ruleset = rules.Ruleset(data(rule(when=[op, 20, [24]], latch=False)))
        assert ruleset.tree(0) == (turned, (24,), 20, 0)


def test_a_ruleset_over_its_versions_bytes_is_not_even_read():
    error = raises(LimitError, rules.Ruleset, bytes(49153))
    assert "49152" in str(error)
    long = [rule("r{}".format(n), messages={0: "x" * 120, 1: "x" * 120, 2: "x" * 120}) for n in range(40)]
    assert "16384" in str(raises(LimitError, rules.Ruleset, data(*long)))


def test_foreign_bytes_are_refused():
    good = data(sample(), rule())
    for bad in (b"", b"\xf6", b"\x80", b"\xa0", good[:-1], good + b"\x00", bytes(100)):
        raises(FormatError, rules.Ruleset, bad)


def test_every_cut_and_every_flipped_byte_is_a_ruleset_or_a_format_error():
    good = data(rule())
    for at in range(len(good)):
        raises(FormatError, rules.Ruleset, good[:at])
        for flip in (1, 0x20, 0xFF):
            bad = bytearray(good)
            bad[at] ^= flip
            try:
                rules.Ruleset(bytes(bad))
            except FormatError:
                pass
