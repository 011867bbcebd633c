"""The engine against a plain JsonLogic evaluator, and its heap, on one interpreter; prints JSON. Run by bench_engine."""

import gc
import json
import sys

from stallmark import event, judge, rights, ruleread, rules, state  # noqa: F401 (ruleread: its code is no part of a ruleset's heap)
from stallmark.golden import Seen
from stallmark.registry import KIND_LATCH

try:
    import engine_rules as made  # beside this file, on MicroPython
except ImportError:
    from tests.bench import engine_rules as made

try:
    from time import clock as _seconds  # MicroPython's unix port: time of the CPU
except ImportError:
    from time import thread_time as _seconds


def ticks_us():
    """Microseconds of the CPU: other programs on the machine do not count."""
    return int(_seconds() * 1000000)


def ticks_diff(later, earlier):
    """How many passed."""
    return later - earlier


PASSES = 12  # of one round over all things: the CPU's clock steps by a millisecond

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
    if operator == "if":
        return apply(values[1] if apply(values[0], data) else values[2], data)
    values = [apply(part, data) for part in values]
    if operator == "var":
        return _var(data, values[0])
    if operator == "in":
        return values[0] in values[1]
    if operator == "!":
        return not values[0]
    if operator == "+":
        return sum(values)
    if len(values) == 3:  # only <= is used so: between
        return values[0] <= values[1] <= values[2]
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
    if operator == "==":
        return left == right
    if operator == "*":
        return left * right
    if operator == "/":
        return left / right
    if operator == "-":
        return left - right
    raise ValueError(operator)


def world(data):
    """(ruleset, state) with rights enough for every rule that finds a place."""
    ruleset = rules.Ruleset(data)
    kept = state.State(ruleset, 500)
    number = 0
    for index, rule in enumerate(ruleset.rules):
        for unit, _amount in rule.need:
            number += 1
            piece = rights.Slice(
                number,
                ruleset.rule8[index],
                unit,
                1 << 30,
                bytes(8),
                1,
                ruleset.slots[0][1] + 100 * made.HOUR,
            )
            kept.add_slice(piece, 0)
    return ruleset, kept


def take(ruleset, kept, happened):
    """Decides and applies as a brick does, without a journal."""
    for decision in rules.decide(ruleset, kept, happened):
        fields = rules.record_fields(ruleset, happened, decision)
        fields[0] = 0
        fields[16] = 1
        for index, until in zip(decision.latches, decision.until):  # noqa: B905  (MicroPython has no strict)
            latch = {
                0: 0,
                5: fields[5],
                7: fields[7],
                8: fields[8],
                9: index,
                10: KIND_LATCH,
                16: 1,
                24: [until],
            }
            kept.apply(Seen(kept.seq + 1, latch, None))
        kept.apply(Seen(kept.seq + 1, fields, {1: happened.subject}))


def fill(ruleset, kept, stream):
    """Lives through a stream: events (bytes) and footfall [number, ms]; returns the events."""
    out = []
    for one in stream:
        if type(one) is bytes:
            out.append(event.decode(one))
            take(ruleset, kept, out[-1])
        else:
            kept.signals(0, one[0], one[1])
    return out


def clocked(racers, microseconds):
    """Microseconds of a call of one of the things for each (call, things): the best of several rounds over all of them. They take
    turns, so that a busy machine is busy for all."""
    best = [None] * len(racers)
    began = ticks_us()
    while best[0] is None or ticks_diff(ticks_us(), began) < microseconds:
        for number, (call, things) in enumerate(racers):
            gc.collect()
            since = ticks_us()
            for _ in range(PASSES):
                for thing in things:
                    call(thing)
            spent = ticks_diff(ticks_us(), since) / len(things) / PASSES
            best[number] = spent if best[number] is None else min(best[number], spent)
    return best


def heap(make):
    """Bytes that what `make` returns keeps on the heap."""
    gc.collect()
    before = gc.mem_alloc()
    kept = make()
    gc.collect()
    used = gc.mem_alloc() - before
    del kept
    return used


def functions(data):
    """(bytes of heap of a ruleset whose rules are functions, ms that making these took)."""
    gc.collect()
    before = gc.mem_alloc()
    ruleset = rules.Ruleset(data)
    since = ticks_us()
    judge.prepare(ruleset, 8)
    spent = ticks_diff(ticks_us(), since) // 1000
    gc.collect()
    return gc.mem_alloc() - before, spent


def figures(world_of, events, given, microseconds):
    """{figure: number} of one ruleset: a decision, its garbage, JsonLogic; and that the heap does not grow."""
    ruleset, kept = world_of
    logic = given["logic"]
    out = {}
    ours = lambda happened: rules.decide(ruleset, kept, happened)  # noqa: E731
    plain = lambda data: [apply(rule, data) for rule in logic]  # noqa: E731
    racers = ((ours, events), (plain, given["contexts"]))
    out["decide"], out["jsonlogic"] = clocked(racers, 2 * microseconds)
    judge.prepare(ruleset, 1)
    out["functions"], out["jsonlogic again"] = clocked(racers, 2 * microseconds)
    ruleset.judges = None
    out["truths"] = [[bool(apply(rule, data)) for rule in logic] for data in given["contexts"]]
    if hasattr(gc, "mem_alloc"):
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        for happened in events:
            rules.decide(ruleset, kept, happened)
        out["garbage"] = (gc.mem_alloc() - before) // len(events)
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
    return out


def main(given, microseconds):
    """`given`: file of {rulesets: [[hex, JSON text] …], worlds: {name: {data: ruleset hex, stream, measured,
    logic: [JsonLogic …], contexts: [{…} …], taps}}}."""
    with open(given) as file:
        given = json.load(file)
    out = {}
    if hasattr(gc, "mem_alloc"):
        functions(
            bytes.fromhex(given["rulesets"][0][1])
        )  # imports what reads rulesets and writes functions: code, not rules
        for name, hexed, text in given["rulesets"]:
            out["heap of " + name] = heap(lambda hexed=hexed: rules.Ruleset(bytes.fromhex(hexed)))
            out["heap with functions of " + name], out["ms for functions of " + name] = functions(
                bytes.fromhex(hexed)
            )
            out["heap of JSON of " + name] = heap(lambda text=text: json.loads(text))
    for name, one in given["worlds"].items():
        ruleset, kept = world(bytes.fromhex(one["data"]))
        stream = [bytes.fromhex(part) if type(part) is str else part for part in one["stream"]]
        earlier = stream[: -one["measured"]]
        events = [event.decode(part) for part in stream[len(earlier) :]]
        fill(ruleset, kept, earlier)
        out[name] = figures((ruleset, kept), events, one, microseconds)
    print(json.dumps(out))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
