"""What an author wrote is what a brick decides: conditions are judged twice, in the JSON and by the engine."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from stallmark import event, golden, rules
from stallmark import registry as reg

from fleet.authoring import prose
from fleet.authoring.compile import check_campaign

START = 1_790_000_000_000
BASKET, TIP, ITEMS, SINCE = 1250, 300, 4, 1_800_000
SEEN: dict[str, int] = {
    "basket": BASKET,
    "tip": TIP,
    "basket_items": ITEMS,
    "since_start": SINCE,
    "visits": 1,
    "attended": 1,
}
UNITS = {"basket": "money", "tip": "money", "since_start": "time"}


def campaign(condition: Any, mode: str = "local", latch: bool = False) -> dict[str, Any]:
    return {
        "$schema": "stallmark-campaign/2", "id": "meaning", "rev": 1, "market": "m", "currency": "EUR", "people": 100,
        "slots": {"day": {"start": "PT0S", "duration": "PT6H"}},
        "experiments": {"e": {"arms": {"a": "50", "b": "50"}, "control": "a"}},
        "rules": [{"id": "one", "on": ["till sale"], "slots": ["day"], "when": condition, "latch": latch,
                   "grants": [{"unlock": "room"}], "intent": "loyalty", "offline": {"mode": mode}}],
    }  # fmt: skip


def meant(condition: Any) -> bool:
    """The condition's truth on the event below, straight from the JSON."""
    if condition is True:
        return True
    [(name, inner)] = condition.items()
    if name == "all":
        return all(map(meant, inner))
    if name == "any":
        return any(map(meant, inner))
    if name == "not":
        return not meant(inner)
    if name == "at_least":
        return sum(map(meant, inner["of"])) >= inner["n"]
    a, *rest = [number(part) for part in inner]
    if name == "between":
        return rest[0] <= a <= rest[1]
    if name == "in":
        return a in rest
    b = rest[0]
    return {"gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b, "eq": a == b}[name]


def number(value: Any) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return SEEN[value]
    [(name, inner)] = value.items()
    if name == "money":
        return round(float(inner) * 100)
    if name == "time":
        return int(inner[2:-1]) * 60_000
    if name == "share":
        return (number(inner["value"]) * 1250 + 5000) // 10_000  # 12.5 %, half up
    if name == "down_to":
        step = number(inner["step"])
        return number(inner["value"]) // step * step
    parts = [number(part) for part in inner]
    if name == "sub":
        return parts[0] - parts[1]
    return {"add": sum, "min": min, "max": max}[name](parts)


def numbers(unit: str) -> Any:
    if unit == "money":
        return st.sampled_from(["12.50", "3.00", "0.00", "9.50", "1.56", "15.5", "12"]).map(
            lambda text: {"money": text}
        )
    if unit == "time":
        return st.sampled_from(["PT30M", "PT29M", "PT31M", "PT60M"]).map(lambda text: {"time": text})
    return st.integers(0, 6)


def values(unit: str) -> Any:
    step = {"money": "1.00"} if unit == "money" else {"time": "PT7M"} if unit == "time" else 3
    step = {unit: step[unit]} if isinstance(step, dict) else step
    atoms = st.sampled_from([name for name in SEEN if UNITS.get(name, "count") == unit])
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds(
                lambda op, a, b: {op: [a, b]},
                st.sampled_from(["add", "sub", "min", "max"]),
                inner,
                inner | numbers(unit),
            ),
            st.builds(lambda a: {"share": {"value": a, "percent": "12.5"}}, atoms),
            st.builds(lambda a: {"down_to": {"value": a, "step": step}}, atoms),
        ),
        max_leaves=3,
    )


def comparisons(unit: str) -> Any:
    value, fixed = values(unit), numbers(unit)
    ops = st.sampled_from(["gt", "ge", "lt", "le", "eq"])
    return st.one_of(
        st.builds(lambda op, a, b: {op: [a, b]}, ops, value, fixed | value),
        st.builds(lambda op, a, b: {op: [b, a]}, ops, value, fixed),
        st.builds(lambda a, b, c: {"between": [a, *sorted((b, c), key=number)]}, value, fixed, fixed),
        st.builds(lambda a, b, c: {"in": [a, b, c]}, value, fixed, fixed),
    )


CONDITIONS = st.recursive(
    st.sampled_from(["money", "time", "count"]).flatmap(comparisons),
    lambda inner: st.one_of(
        st.builds(
            lambda op, parts: {op: parts},
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda part: {"not": part}, inner),
        st.lists(inner, min_size=2, max_size=3).flatmap(
            lambda parts: st.integers(1, len(parts)).map(lambda n: {"at_least": {"n": n, "of": parts}})
        ),
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(condition=CONDITIONS)
def test_a_brick_decides_what_was_written(condition: Any) -> None:
    report = check_campaign(campaign(condition), START)
    if report.errors:
        assert all("more than 48 parts" in str(e) or "nested more" in str(e) for e in report.errors), (
            report.errors
        )
        return
    happened = event.make(
        type=reg.EVENT_TILL_SALE, trust=reg.TRUST_ISSUED, subject=b"somebody", wall_ms=START + SINCE, uptime_ms=1,
        quality=reg.QUALITY_HOST, nonce=bytes(8), basket_minor=BASKET, items=ITEMS, tip_minor=TIP,
    )  # fmt: skip
    decision = golden.Trial(rules.Ruleset(report.ruleset)).decide(happened)
    assert (decision.kind == reg.KIND_GRANT) == meant(condition), (condition, decision)


SPANS = st.sampled_from(["PT1H", "PT30M", "P1D"])
WINDOWS = st.sampled_from(["first", "sliding", "tumbling"])
SCOPES = st.sampled_from(["kit", "brick"])
COUNTS = st.recursive(
    st.one_of(
        st.builds(
            lambda window, span, scope: {"people": {window: span, "scope": scope}}, WINDOWS, SPANS, SCOPES
        ),
        st.builds(
            lambda window, span, scope: {"events": {window: span, "scope": scope, "of": "tip"}},
            WINDOWS,
            SPANS,
            SCOPES,
        ),
        st.sampled_from(["visits", "attended", "tokens", {"item": "x"}]),
    ),
    lambda inner: st.builds(
        lambda op, a, b: {op: [a, b]},
        st.sampled_from(["add", "sub", "min", "max"]),
        inner,
        inner | st.integers(0, 9),
    ),
    max_leaves=3,
)
CROWDS = st.recursive(
    st.one_of(
        st.builds(
            lambda op, a, b: {op: [a, b]},
            st.sampled_from(["gt", "ge", "lt", "le", "eq"]),
            COUNTS,
            COUNTS | st.integers(0, 9),
        ),
        st.builds(lambda a, b: {"lt": [b, a]}, COUNTS, st.integers(0, 9)),
        st.builds(lambda span: {"seen": {"of": "share", "within": span}}, SPANS),
        st.just({"eq": [{"arm": "e"}, "b"]}),
    ),
    lambda inner: st.one_of(
        st.builds(
            lambda op, parts: {op: parts},
            st.sampled_from(["all", "any"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=200)
@given(condition=CROWDS, mode=st.sampled_from(["local", "strict"]), latch=st.booleans())
def test_what_compiles_is_taken_by_the_engine_and_has_words(condition: Any, mode: str, latch: bool) -> None:
    """The compiler refuses all that a brick refuses, with a place and a word; what is left can be told."""
    report = check_campaign(campaign(condition, mode, latch), START)
    assert not any("the engine refuses" in error.text for error in report.errors), report.errors
    assert all(error.pointer.startswith("/rules/0/") for error in report.errors)
    if report.ruleset:
        assert "Who:" in prose.ruleset(report.ruleset, report)[2]
