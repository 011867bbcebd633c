"""Deciding: sixteen rules against other engines on CPython, and on MicroPython against plain JsonLogic; heap of rulesets."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import celpy
import json_logic
import zen
from stallmark import event, expr, rules
from stallmark.values import View
from virtualkit import interpreter

from tests.bench import Figure, engine_market, engine_peers, engine_rules, say, upy_engine, upy_path

SCRIPT = Path(upy_engine.__file__)
RULES = 16


class Racer(NamedTuple):
    """What is called with one of the things after the other, in so many rounds; the aim of ours against it."""

    call: Callable[[Any], Any]
    things: list[Any]
    rounds: int
    aim: float | None = None


def _race(racers: dict[str, Racer]) -> dict[str, float]:
    """Microseconds of the CPU for one call of each, the best of its rounds. They take turns: a busy machine is busy for all."""
    best = dict.fromkeys(racers, float("inf"))
    for number in range(max(racer.rounds for racer in racers.values())):
        for name, racer in racers.items():
            if number < racer.rounds:
                began = time.thread_time()
                for thing in racer.things:
                    racer.call(thing)
                best[name] = min(best[name], (time.thread_time() - began) / len(racer.things) * 1e6)
    return best


class World(NamedTuple):
    """A ruleset, the state that earlier events left, the events that are measured, and what peers are given for them."""

    name: str
    data: bytes
    stream: list[Any]
    ruleset: Any
    kept: Any
    events: list[Any]
    contexts: list[dict[str, int]]
    context: Callable[[Any], dict[str, int]]
    peers: list[engine_peers.Condition]


def _world(name: str, data: bytes, stream: list[Any], measured: int) -> World:
    ruleset, kept = upy_engine.world(data)
    upy_engine.fill(ruleset, kept, stream[:-measured])
    events = [event.decode(one) for one in stream[-measured:]]
    make = engine_peers.Contexts(ruleset, kept).of
    contexts = [make(happened) for happened in events]
    return World(name, data, stream, ruleset, kept, events, contexts, make, engine_peers.conditions(ruleset))


def _worlds() -> list[World]:
    """The library's rules on a seeded stream; made ones of six comparisons each, every event once before it is measured."""
    made = [event.encode(one) for one in engine_rules.events(96)]
    return [
        _world("of the library", engine_market.rules(), engine_market.stream(), engine_market.MEASURED),
        _world("of six comparisons", engine_rules.ruleset(RULES), made + made, len(made)),
    ]


def _cpython(world: World, quick: bool) -> list[Figure]:
    """Peers get every value in a dict: made outside their time in the rows *conditions alone*, within it where it says so."""
    ruleset, kept, events, contexts = world.ruleset, world.kept, world.events, world.contexts
    assert len(ruleset.rules) == RULES
    logic = [peer.json_logic() for peer in world.peers]
    say("zen-engine, cel-python and json-logic")
    each = [zen.compile_expression(peer.expression()) for peer in world.peers]
    packed = zen.compile_expression("[" + ", ".join(peer.expression() for peer in world.peers) + "]")
    environment = celpy.Environment()
    programs = [environment.program(environment.compile(peer.cel())) for peer in world.peers]
    typed = [celpy.json_to_cel(context) for context in contexts]
    _agree(world, logic, each, packed, programs, typed)
    rounds = 6 if quick else 60
    for happened in events * 4:  # a ruleset that decides often has functions for its rules by then
        rules.decide(ruleset, kept, happened)
    assert ruleset.judges is not None
    by_hand, kept_by_hand = upy_engine.world(world.data)
    upy_engine.fill(by_hand, kept_by_hand, world.stream[: -len(events)])
    by_hand.slow, by_hand.judges = 0, None
    alone, built = ", conditions alone", ", conditions and looking values up in the same state"
    racers = {
        "ours": Racer(lambda happened: rules.decide(ruleset, kept, happened), events, rounds),
        "by hand": Racer(lambda happened: rules.decide(by_hand, kept_by_hand, happened), events, rounds),
        "zen-engine (Rust), an expression for each rule" + alone: Racer(
            lambda c: [e.evaluate(c) for e in each], contexts, rounds, 1
        ),
        "zen-engine (Rust), all rules in one expression" + alone: Racer(packed.evaluate, contexts, rounds),
        "zen-engine (Rust), all rules in one expression" + built: Racer(
            lambda happened: packed.evaluate(world.context(happened)), events, rounds
        ),
        "json-logic-qubit" + built: Racer(
            lambda happened: _logic(logic, world.context(happened)), events, rounds, 10
        ),
        "json-logic-qubit" + alone: Racer(lambda c: _logic(logic, c), contexts, rounds, 10),
        "cel-python" + alone: Racer(
            lambda c: [p.evaluate(c) for p in programs], typed[: 4 if quick else 12], 1, 10
        ),
    }
    found = _race(racers)
    ours, hand = found.pop("ours"), found.pop("by hand")
    what = f"One decision of sixteen rules {world.name}, with why, rights and limits"
    return [
        Figure(what, ours, "µs", f"{name}: {spent:.1f} µs", spent / ours, racers[name].aim)
        for name, spent in found.items()
    ] + [Figure(what + ", without functions", hand, "µs", f"with them: {ours:.1f} µs", hand / ours)]


def _logic(logic: list[Any], context: dict[str, int]) -> list[Any]:
    return [json_logic.jsonLogic(one, context) for one in logic]


def _agree(world: World, logic: Any, each: Any, packed: Any, programs: Any, typed: Any) -> None:
    """This engine and all peers come to the same truths: else the race is none."""
    for at, (happened, context) in enumerate(zip(world.events, world.contexts, strict=True)):
        truths = [peer.truth(context) for peer in world.peers]
        assert _own(world, happened) == truths
        assert [bool(json_logic.jsonLogic(one, context)) for one in logic] == truths
        assert [one.evaluate(context) for one in each] == truths == packed.evaluate(context)
        if at < 24:
            assert [bool(one.evaluate(typed[at])) for one in programs] == truths


def _own(world: World, happened: Any) -> list[bool]:
    view = View(world.ruleset, world.kept, happened)
    return [
        happened.type in rule.events
        and happened.trust >= rule.trust
        and view.enter(index, rule) >= 0
        and expr.truth(rule.when, view) == expr.TRUE
        for index, rule in enumerate(world.ruleset.rules)
    ]


def _micropython(worlds: list[World], quick: bool) -> list[Figure]:
    given = {
        "rulesets": [
            [f"{count} rules", engine_rules.ruleset(count).hex(), json.dumps(engine_peers.authored(count))]
            for count in (50, 200)
        ],
        "worlds": {
            world.name: {
                "data": world.data.hex(),
                "stream": [one.hex() if isinstance(one, bytes) else one for one in world.stream],
                "measured": len(world.events),
                "logic": [peer.json_logic() for peer in world.peers],
                "contexts": world.contexts,
                "taps": (5_000 if quick else 100_000) // len(worlds),
            }
            for world in worlds
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.json"
        path.write_text(json.dumps(given))
        done = subprocess.run(
            [interpreter.find(), "-X", "heapsize=32M", SCRIPT, path, str(300_000 if quick else 2_000_000)],
            env={**os.environ, "MICROPYPATH": f"{upy_path()}:{SCRIPT.parent}:.frozen"},
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, Any] = json.loads(done.stdout)
    out: list[Figure] = []
    for world in worlds:
        one = found[world.name]
        assert one["truths"] == [[peer.truth(context) for peer in world.peers] for context in world.contexts]
        against = f"a plain JsonLogic evaluator there, conditions alone: {one['jsonlogic']:.0f} µs"
        what = f"Sixteen rules {world.name} on MicroPython"
        out.append(
            Figure(
                what + ", as a brick decides",
                one["decide"],
                "µs",
                against,
                one["jsonlogic"] / one["decide"],
                10,
            )
        )
        against = f"a plain JsonLogic evaluator there, conditions alone: {one['jsonlogic again']:.0f} µs"
        ratio = one["jsonlogic again"] / one["functions"]
        out.append(
            Figure(what + ", with a function for each rule", one["functions"], "µs", against, ratio, 10)
        )
        out.append(Figure(f"Garbage of one decision, rules {world.name}", one["garbage"], "bytes"))
        grown, taps = one["growth"], (5_000 if quick else 100_000) // len(worlds)
        name = f"Heap after {taps:,} events of other people, rules {world.name}"
        out.append(Figure(name, grown, "bytes more", "1 KiB", grown / 1024, 1, True))
    for count in (50, 200):
        size, peer = found[f"heap of {count} rules"], found[f"heap of JSON of {count} rules"]
        against = f"as JSON in dicts: {peer / 1024:.0f} KiB"
        out.append(Figure(f"Heap of {count} rules", size / 1024, "KiB", against, size / peer, 0.2, True))
        more = found[f"heap with functions of {count} rules"]
        out.append(Figure(f"Heap of {count} rules with functions", more / 1024, "KiB", against, more / peer))
        what = f"Making functions of {count} rules on MicroPython"
        out.append(Figure(what, found[f"ms for functions of {count} rules"], "ms"))
    return out


def run(quick: bool = False) -> list[Figure]:
    """Sixteen rules of the library, and sixteen made ones."""
    worlds = _worlds()
    return [figure for world in worlds for figure in _cpython(world, quick)] + _micropython(worlds, quick)
