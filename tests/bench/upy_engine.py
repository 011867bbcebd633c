"""The engine against a plain JsonLogic evaluator, and its heap, on one interpreter; prints JSON. Run by bench_engine."""

import gc
import json
import sys

from stallmark import rights, rules, state
from stallmark.golden import Seen

try:
    import engine_rules as made  # beside this file, on MicroPython
except ImportError:
    from tests.bench import engine_rules as made

try:
    from time import ticks_diff, ticks_us
except ImportError:
    from time import perf_counter_ns

    def ticks_us():
        return perf_counter_ns() // 1000

    def ticks_diff(later, earlier):
        return later - earlier


# --- a straightforward evaluator of JsonLogic: operators by name, variables by path


def _var(data, path):
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def apply(logic, data):
    """The value of a JsonLogic expression, as the page of the language describes it."""
    if not isinstance(logic, dict):
        return logic
    operator = next(iter(logic))
    values = logic[operator]
    if not isinstance(values, list):
        values = [values]
    if operator == "and":
        value = True
        for part in values:
            value = apply(part, data)
            if not value:
                return value
        return value
    if operator == "or":
        value = False
        for part in values:
            value = apply(part, data)
            if value:
                return value
        return value
    values = [apply(part, data) for part in values]
    if operator == "var":
        return _var(data, values[0])
    if operator == "in":
        return values[0] in values[1]
    if operator == "!":
        return not values[0]
    left, right = values
    if left is None or right is None:
        return False
    if operator == ">":
        return left > right
    if operator == ">=":
        return left >= right
    if operator == "<":
        return left < right
    if operator == "<=":
        return left <= right
    return left == right


def world(data):
    """(ruleset, state) with rights enough for every rule that finds a place."""
    ruleset = rules.Ruleset(data)
    kept = state.State(ruleset, 500)
    number = 0
    for index, rule in enumerate(ruleset.rules):
        for unit, _amount in rule.need:
            number += 1
            piece = rights.Slice(
                number, ruleset.rule8[index], unit, 1 << 30, bytes(8), 1, made.START + 100 * made.HOUR
            )
            kept.add_slice(piece, 0)
    return ruleset, kept


def take(ruleset, kept, happened):
    """Decides and applies as a brick does, without a journal."""
    for decision in rules.decide(ruleset, kept, happened):
        fields = rules.record_fields(ruleset, happened, decision)
        fields[0] = 0
        fields[16] = 1
        kept.apply(Seen(kept.seq + 1, fields, {1: happened.subject}))


def clocked(call, things, microseconds):
    """Microseconds of `call` of one of the things, the best of several rounds over all of them."""
    best = None
    began = ticks_us()
    while best is None or ticks_diff(ticks_us(), began) < microseconds:
        gc.collect()
        since = ticks_us()
        for thing in things:
            call(thing)
        spent = ticks_diff(ticks_us(), since)
        best = spent if best is None else min(best, spent)
    return best / len(things)


def heap(make):
    """Bytes that what `make` returns keeps on the heap."""
    gc.collect()
    before = gc.mem_alloc()
    kept = make()
    gc.collect()
    used = gc.mem_alloc() - before
    del kept
    return used


def main(given, microseconds):
    """`given`: file of {rulesets: [[hex, JSON text] …], data: ruleset hex, logic: [JsonLogic …], contexts: [{…} …]}."""
    with open(given) as file:
        given = json.load(file)
    out = {}
    if hasattr(gc, "mem_alloc"):
        for name, hexed, text in given["rulesets"]:
            out["heap of " + name] = heap(lambda hexed=hexed: rules.Ruleset(bytes.fromhex(hexed)))
            out["heap of JSON of " + name] = heap(lambda text=text: json.loads(text))
    ruleset, kept = world(bytes.fromhex(given["data"]))
    events = made.events(96)
    for happened in events:
        take(ruleset, kept, happened)
    out["decide"] = clocked(lambda happened: rules.decide(ruleset, kept, happened), events, microseconds)
    logic = given["logic"]
    out["jsonlogic"] = clocked(
        lambda data: [apply(rule, data) for rule in logic], given["contexts"], microseconds
    )
    if hasattr(gc, "mem_alloc"):
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        for happened in events:
            rules.decide(ruleset, kept, happened)
        out["garbage of a tap"] = (gc.mem_alloc() - before) // len(events)
        gc.enable()
        gc.collect()
        before = gc.mem_alloc()
        for number in range(given["taps"]):
            happened = events[number % len(events)]
            take(
                ruleset,
                kept,
                happened._replace(subject=made.subject(number))
                if hasattr(happened, "_replace")
                else happened,
            )
        gc.collect()
        out["growth"] = gc.mem_alloc() - before
    print(json.dumps(out))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
