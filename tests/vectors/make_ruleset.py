"""Writes ruleset.json: rulesets by cbor2, what is refused, and decisions worked out by hand from the page."""

from typing import Any

from independent import cbor, json_form, sha256, write

START = 1790000000000
HOUR = 3600000
MINUTE = 60000
SLOT = [START, START + 75 * MINUTE]
LATER = [START + 24 * HOUR, START + 25 * HOUR]
GRANT, DENY, UNCERTAIN = 1, 2, 14
NO = "Not this time."
GRANTED, NEAR, HAD, BUDGET, STOCK, OUTSIDE, TOKEN, NO_RULE, CLOCK, NO_RIGHTS = 1, 2, 3, 4, 5, 6, 7, 8, 9, 15
TOO_MANY, BASKET, CONDITION = 16, 19, 20


def rule(name: str, when: Any, grants: Any, need: Any, **other: Any) -> dict[int, Any]:
    fields: dict[int, Any] = {
        0: name, 1: [1, 2], 2: 3, 3: [0], 4: when, 5: False, 6: grants, 7: need, 8: 1, 9: 2, 10: {}, 11: 3,
        12: 3,
    }  # fmt: skip
    return fields | {int(key[1:]): value for key, value in other.items()}


def ruleset(rules: list[dict[int, Any]], slots: Any = (SLOT,), people: int = 100) -> dict[int, Any]:
    return {
        0: 1, 1: "market-hour", 2: 7, 3: "EUR", 4: [list(slot) for slot in slots], 5: rules, 6: b"\x11" * 16,
        7: people, 8: "Saturday market",
    }  # fmt: skip


OVER_20 = [10, [20, HOUR], 20]
SAMPLE = rule("welcome-sample", [0], [[5, 1, 0]], [[2, 1]], k10={0: "Enjoy!", 1: "Not this time."})
SURPRISE = rule("surprise-15", OVER_20, [[1, 1500, 500]], [[1, 500]], k5=True, k10={2: "Nearly there."})
BIG_BASKET = rule("two-off", [11, [22], 1000], [[2, 1, 200]], [[1, 200]], k8=0, k9=14)
EVERY_OPERATOR = rule(
    "every-operator",
    [1, [2, [10, [20, HOUR], 1], [3, [14, [23], 5]]], [11, [21], 1], [12, [22], [23]], [13, 7, [24]], [0]],
    [[1, 1, 1], [2, 1, 2], [5, 3, 0]],
    [[1, 3], [2, 3], [3, 1]],
    k3=[0, 1],
)
GOOD = {
    "market": ruleset([SAMPLE, SURPRISE]),
    "basket": ruleset([BIG_BASKET]),
    "every operator": ruleset([EVERY_OPERATOR], slots=(SLOT, LATER)),
    "two days": ruleset([rule("daily", [0], [[5, 1, 0]], [[2, 1]], k3=[0, 1])], slots=(SLOT, LATER)),
    "three people": ruleset([SAMPLE], people=3),
    "nothing": ruleset([], slots=()),
}


def without(fields: dict[int, Any], key: int) -> dict[int, Any]:
    return {known: value for known, value in fields.items() if known != key}


def bad_rule(**other: Any) -> dict[int, Any]:
    return ruleset([SURPRISE | {int(key[1:]): value for key, value in other.items()}])


REFUSED = [
    ("an older version", ruleset([]) | {0: 0}, "version 1"),
    ("a newer field", ruleset([]) | {9: 1}, "newer"),
    ("no slots field", without(ruleset([]), 4), "field 4"),
    ("a rule without a limit", ruleset([without(SURPRISE, 8)]), "field 8"),
    ("lower-case currency", ruleset([]) | {3: "eur"}, "currency"),
    ("a slot that ends before it starts", ruleset([], slots=([5, 4],)), "slot"),
    ("an unknown operator", bad_rule(k4=[15, [24], 1]), "operator"),
    ("an unknown value", bad_rule(k4=[10, [19], 1]), "value 19"),
    ("nothing to pay with", bad_rule(k7=[]), "rights"),
    ("money for people that can be minted", bad_rule(k12=2), "trust"),
    ("a latch on one basket", bad_rule(k4=[11, [22], 1]), "latch"),
    ("two rules of one name", ruleset([SAMPLE, SAMPLE]), "once"),
]


def event(
    person: int | None, at: int, trust: int = 3, kind: int = 1, quality: int = 2, **other: Any
) -> dict[int, Any]:
    fields: dict[int, Any] = {0: 1, 1: kind, 2: trust, 6: [quality, 40], 7: bytes(8)}
    if person is not None:
        fields[3] = sha256(b"person %d" % person)[:8]
    if quality:
        fields[4] = START + at
    return fields | {int(key[1:]): value for key, value in other.items()}


def step(happened: dict[int, Any], kind: int, why: list[Any], **other: Any) -> dict[str, Any]:
    """Expected: kind, rule, grants, rights, why, latches, until, opens, currency, message."""
    rule_index = why[1] if len(why) > 1 else None
    expected = [
        kind, rule_index, other.get("grants", []), other.get("rights", []), why, other.get("latches", []),
        other.get("until", []), other.get("opens", []), other.get("currency"), other.get("message"),
    ]  # fmt: skip
    return {"event": json_form(happened), "expect": json_form(expected)}


def piece(number: int, name: str, unit: int, amount: int) -> list[Any]:
    return [number, name, unit, amount, LATER[1]]


def market() -> dict[str, Any]:
    """A sample for the first tap; from the 21st person on 15 %; then stock, budget and hour end."""
    steps: list[dict[str, Any]] = []
    for person in range(20):
        opens = {"opens": [1]} if person == 0 else {}
        steps.append(
            step(event(person, person * MINUTE), GRANT, [GRANTED, 0, 0], grants=[[5, 1, 0]], rights=[[1, 1]],
                 message="Enjoy!", **opens)
        )  # fmt: skip
    steps.append(step(event(0, 20 * MINUTE), DENY, [NEAR, 1, 0, 0, 20, 21, None, 1], message="Nearly there."))
    steps.append(step(event(30, 20 * MINUTE, trust=2), DENY, [TOKEN, 0, None, None, 2, 3], message=NO))
    steps.append(step(event(None, 20 * MINUTE, trust=0), DENY, [TOKEN, 0, None, None, 0, 3], message=NO))
    steps.append(
        step(event(20, 21 * MINUTE, kind=2), GRANT, [GRANTED, 0, 0], grants=[[5, 1, 0]], rights=[[1, 1]],
             latches=[1], until=[SLOT[1]], message="Enjoy!")
    )  # fmt: skip
    win = {"grants": [[1, 1500, 500]], "currency": "EUR"}
    granted = [GRANTED, 1, 1, 0, 21, 21]
    steps.append(step(event(20, 22 * MINUTE), GRANT, granted, rights=[[2, 500]], opens=[2], **win))
    steps.append(step(event(20, 23 * MINUTE), DENY, [HAD, 0, 0, None, 1, 1], message=NO))
    both = {"rights": [[2, 100], [3, 400]], "opens": [3]}
    steps.append(step(event(21, 24 * MINUTE), GRANT, [GRANTED, 1, 1, 0, 22, 21], **both, **win))
    steps.append(step(event(1, 61 * MINUTE), DENY, [HAD, 0, 0, None, 1, 1], message=NO))
    steps.append(step(event(22, 62 * MINUTE), DENY, [STOCK, 0, None, None, 0, 1], message=NO))
    steps.append(step(event(1, 75 * MINUTE), DENY, [OUTSIDE, 0], message=NO))
    steps.append(step(event(1, 70 * MINUTE, quality=1), DENY, [STOCK, 0, None, None, 0, 1], message=NO))
    steps.append(step(event(1, 70 * MINUTE, kind=3), DENY, [NO_RULE]))
    slices = [piece(1, "welcome-sample", 2, 21), piece(2, "surprise-15", 1, 600)]
    slices.append(piece(3, "surprise-15", 1, 450))
    return {"name": "a market", "ruleset": "market", "slices": slices, "steps": steps}


def basket() -> dict[str, Any]:
    two = {"grants": [[2, 1, 200]], "currency": "EUR", "rights": [[9, 200]], "opens": [9]}
    steps = [
        step(event(0, 0), UNCERTAIN, [CONDITION, 0, 0, 0, None, 1000]),
        step(event(0, 0, k8=[680, 2]), DENY, [BASKET, 0, 0, 0, 680, 1000, None, 320], currency="EUR"),
        step(event(0, 0, quality=0), UNCERTAIN, [CLOCK, 0]),
        step(event(0, 0, k8=[1000, None]), GRANT, [GRANTED, 0, 1, 0, 1000, 1000], **two),
        step(event(0, 0, quality=0), DENY, [BUDGET, 0, None, None, 50, 200]),
        step(event(0, 0, k8=[1000, 1]), DENY, [BUDGET, 0, None, None, 50, 200]),
    ]
    return {"name": "a basket", "ruleset": "basket", "slices": [piece(9, "two-off", 1, 250)], "steps": steps}


def days() -> dict[str, Any]:
    sample = {"grants": [[5, 1, 0]], "rights": [[1, 1]]}
    steps = [
        step(event(0, 0), GRANT, [GRANTED, 0, 0], opens=[1], **sample),
        step(event(0, HOUR), DENY, [HAD, 0, 0, None, 1, 1]),
        step(event(0, 24 * HOUR - 500), DENY, [OUTSIDE, 0, None, None, None, None, None, 1]),
        step(event(0, 24 * HOUR), GRANT, [GRANTED, 0, 0], **sample),
        step(event(0, 25 * HOUR), DENY, [OUTSIDE, 0]),
    ]
    return {"name": "two days", "ruleset": "two days", "slices": [piece(1, "daily", 2, 5)], "steps": steps}


def crowd() -> dict[str, Any]:
    """More people than the table holds: who cannot be remembered is not granted what is limited."""
    sample = {"grants": [[5, 1, 0]], "rights": [[1, 1]], "message": "Enjoy!"}
    steps = [step(event(0, 0), GRANT, [GRANTED, 0, 0], opens=[1], **sample)]
    steps += [step(event(n, n), GRANT, [GRANTED, 0, 0], **sample) for n in (1, 2)]
    steps.append(step(event(3, 3), DENY, [TOO_MANY, 0, 0], message=NO))
    steps.append(step(event(1, 4), DENY, [HAD, 0, 0, None, 1, 1], message=NO))
    slices = [piece(1, "welcome-sample", 2, 9)]
    return {"name": "a crowd", "ruleset": "three people", "slices": slices, "steps": steps}


def nothing() -> dict[str, Any]:
    steps = [step(event(0, 0), DENY, [NO_RULE])]
    return {"name": "no rules", "ruleset": "nothing", "slices": [], "steps": steps}


def empty() -> dict[str, Any]:
    steps = [step(event(0, 0), DENY, [NO_RIGHTS, 0, None, None, None, 1], message=NO)]
    return {"name": "no slices yet", "ruleset": "three people", "slices": [], "steps": steps}


# --- version 2


def rule2(name: str, **other: Any) -> dict[int, Any]:
    fields: dict[int, Any] = {
        0: name, 1: [1], 2: 3, 3: [0], 4: [0], 5: False, 6: [[2, 1, 200]], 7: [1], 8: [], 9: [2, 1, 0, 0],
        10: [[None, None, None]], 11: 2, 12: 3, 13: None, 14: None, 15: [], 16: None, 17: None, 18: 0,
        19: None, 20: None, 21: None,
    }  # fmt: skip
    return fields | {int(key[1:]): value for key, value in other.items()}


def ruleset2(rules: list[dict[int, Any]], **other: Any) -> dict[int, Any]:
    fields: dict[int, Any] = {
        0: 2, 1: "market-hour", 2: 8, 3: "EUR", 4: [SLOT], 5: rules, 6: b"\x11" * 16, 7: 100, 8: "Saturday market", 9: ["en"],
        10: [], 11: None, 12: [], 13: [], 14: [], 15: [], 16: 0,
    }  # fmt: skip
    return fields | {int(key[1:]): value for key, value in other.items()}


SALT = b"saltsalt"
HALVES = ["surprise", SALT, [5000, 5000], 0]
KIT_OVER_2 = [10, [20, 0, HOUR, 0], 2]
GOOD2 = {
    "percent of a basket": ruleset2([rule2("percent", k6=[[1, 1500, 500]])]),
    "groups and a cap": ruleset2(
        [rule2("first"), rule2("second", k13=0, k6=[[2, 1, 250]]), rule2("third", k13=0, k6=[[2, 1, 300]]),
         rule2("fourth", k13=1, k6=[[2, 1, 300]])],
        k12=[[2, False, 0], [3, False, 150]], k16=600,
    ),
    "an experiment": ruleset2([rule2("tried", k14=[0, 1])], k10=[HALVES]),
    "a holdout": ruleset2([rule2("offer")], k11=[SALT, 10000]),
    "at least two": ruleset2([rule2("two of three", k4=[4, 2, [11, [22], 500], [15, [36], 1, 2], [16, [35], 4, 5]])]),
    "strict": ruleset2([rule2("strict", k9=[14, 3, 0, 0])]),
    "kit wide": ruleset2([rule2("many", k4=KIT_OVER_2)]),
    "overflow": ruleset2([rule2("large", k4=[10, [50, [22], 2**63 - 1], 0], k9=[14, 1, 0, 0])]),
    "a voucher": ruleset2([rule2("redeem", k2=4, k6=[[2, 1, 0]], k7=[], k20=7)]),
}  # fmt: skip
REFUSED2 = [
    ("2: less than of a kit-wide count", ruleset2([rule2("few", k4=[12, [20, 0, HOUR, 0], 5])]), "kit-wide"),
    ("2: a rule latched by itself", ruleset2([rule2("own", k4=[14, [37, 0], 1])]), "latched"),
    ("2: a group that is not there", ruleset2([rule2("a", k13=0)]), "group"),
    ("2: arms that do not sum", ruleset2([], k10=[["x", SALT, [5000, 4999], 0]]), "sum"),
    ("2: a newer value", ruleset2([rule2("a", k4=[10, [38], 1])]), "newer"),
    ("2: money without rights", ruleset2([rule2("a", k7=[])]), "rights"),
    (
        "2: thirteen counts",
        ruleset2([rule2(f"r{n}", k4=[10, [20, 0, 1000 + n, 1], 5]) for n in range(13)]),
        "counts",
    ),
]


def arm(person: int) -> int:
    """0 control, 1 treated: buckets of 10,000 in two halves."""
    subject = event(person, 0)[3]
    bucket = int.from_bytes(sha256(SALT + b"surprise" + subject)[:4], "big") % 10000
    return 0 if bucket < 5000 else 1


def decided(kind: int, why: list[Any], **other: Any) -> list[Any]:
    """One expected decision: kind, rule, grants, rights, why, experiment, ask, detail, currency."""
    return [
        kind, why[1] if len(why) > 1 else None, other.get("grants", []), other.get("rights", []), why, other.get("experiment"),
        other.get("ask", 0), other.get("detail"), other.get("currency"),
    ]  # fmt: skip


def steps2(*steps: tuple[dict[int, Any], list[list[Any]]]) -> list[dict[str, Any]]:
    return [{"event": json_form(happened), "expect": json_form(expected)} for happened, expected in steps]


def two(slice_id: int, minor: int = 200, rule: int = 0, **other: Any) -> list[Any]:
    """A grant of a fixed credit."""
    return decided(
        GRANT,
        other.pop("why", [GRANTED, rule, 0]),
        grants=[[2, 1, minor]],
        rights=[[slice_id, minor]],
        currency="EUR",
        **other,
    )


def decisions2() -> list[dict[str, Any]]:
    control, treated = (next(n for n in range(40) if arm(n) == wanted) for wanted in (0, 1))
    code = {"k14": "0001020304050607", "k11": ["voucher:7", 250, 0]}
    ghost = decided(3, [12, 0, 0], experiment=[0, 0])
    four = [piece(n + 1, name, 1, 5000) for n, name in enumerate(("first", "second", "third", "fourth"))]
    cases: list[tuple[str, list[Any], list[dict[str, Any]]]] = [
        ("percent of a basket", [piece(1, "percent", 1, 1000)], steps2(
            (event(0, 0, k8=[1601, 3]),
             [decided(GRANT, [GRANTED, 0, 0], grants=[[1, 1500, 240]], rights=[[1, 240]], currency="EUR")]),
            (event(1, 0, k8=[1610, 3]),
             [decided(GRANT, [GRANTED, 0, 0], grants=[[1, 1500, 242]], rights=[[1, 242]], currency="EUR")]),
            (event(2, 0), [decided(GRANT, [GRANTED, 0, 0], grants=[[1, 1500, 500]], rights=[[1, 500]], currency="EUR")]),
            (event(3, 0, k8=[1000, 1]), [decided(DENY, [BUDGET, 0, None, None, 18, 150])]),
            (event(3, 0, k8=[3, 1]), [decided(DENY, [BASKET, 0], currency="EUR")]),
        )),
        ("groups and a cap", four, steps2(
            (event(0, 0), [two(1), two(3, 300, 2), two(4, 100, 3)]),
        )),
        ("an experiment", [piece(1, "tried", 1, 5000)], steps2(
            (event(treated, 0), [two(1, experiment=[0, 1])]), (event(control, 0), [ghost]),
        )),
        ("a holdout", [piece(1, "offer", 1, 5000)], steps2((event(0, 0), [decided(3, [12, 0, 0], experiment=[255, 0])]))),
        ("at least two", [piece(1, "two of three", 1, 5000)], steps2(
            (event(0, 0, k8=[500, 1]), [two(1, why=[GRANTED, 0, 3, 0, 500, 500])]),
            (event(0, 0, k8=[499, 1]), [decided(DENY, [BASKET, 0, 2, 0, 499, 500, None, 1], currency="EUR")]),
            (event(0, 0, trust=4), [two(1, why=[GRANTED, 0, 6, 0, None, 500])]),
        )),
        ("strict", [piece(1, "strict", 1, 5000)], steps2((event(0, 0), [two(1, ask=2)]))),
        ("kit wide", [piece(1, "many", 1, 5000)], steps2(
            (event(0, 0), [decided(DENY, [NEAR, 0, 0, 0, 1, 3, None, 2])]),
            (event(1, 0), [decided(DENY, [NEAR, 0, 0, 0, 2, 3, None, 1])]),
            (event(2, HOUR), [decided(DENY, [CONDITION, 0, 0, 0, 2, 3])]),
            (event(2, HOUR - 1), [two(1, why=[GRANTED, 0, 1, 0, 3, 3])]),
        )),
        ("overflow", [piece(1, "large", 1, 5000)], steps2(
            (event(0, 0, k8=[1, 1]), [decided(UNCERTAIN, [CONDITION, 0, 0, 0, None, 1])]),
            (event(0, 0, k8=[0, 1]), [two(1, why=[GRANTED, 0, 1, 0, 2**63 - 1, 1])]),
        )),
        ("a voucher", [], steps2(
            (event(0, 0, trust=4, **code),
             [decided(4, [GRANTED, 0, 0], grants=[[2, 1, 250]], detail=[bytes(range(8))], currency="EUR")]),
            (event(0, 0, trust=4, **code), [decided(DENY, [26, 0])]),
            (event(0, 0, trust=3, **code), [decided(DENY, [NO_RULE])]),
        )),
    ]  # fmt: skip
    return [
        {"name": name, "ruleset": name, "slices": slices, "steps": steps} for name, slices, steps in cases
    ]


def main() -> None:
    rulesets: list[dict[str, Any]] = []
    for name, fields in GOOD.items():
        data = cbor(fields)
        counters = sorted({(HOUR, 3) for rule in fields[5] if "20" in str(rule[4])})
        rulesets.append({
            "name": name,
            "data": data.hex(),
            "digest8": sha256(data)[:8].hex(),
            "names": [fields[1], fields[2], fields[3], fields[8]],
            "rules": [rule[0] for rule in fields[5]],
            "counters": [list(counter) for counter in counters],
        })  # fmt: skip
    refused = [{"name": name, "data": cbor(fields).hex(), "says": says} for name, fields, says in REFUSED]
    decisions = [market(), basket(), days(), crowd(), nothing(), empty()]
    second = [
        {"name": name, "data": cbor(fields).hex(), "digest8": sha256(cbor(fields))[:8].hex()}
        for name, fields in GOOD2.items()
    ]
    refused2 = [{"name": name, "data": cbor(fields).hex(), "says": says} for name, fields, says in REFUSED2]
    write("ruleset.json", {
        "rulesets": rulesets, "refused": refused + refused2, "decisions": decisions, "rulesets2": second,
        "decisions2": decisions2(),
    })  # fmt: skip


if __name__ == "__main__":
    main()
