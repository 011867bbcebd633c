"""Deciding: sixteen rules against other engines on CPython, and on MicroPython against plain JsonLogic; heap of rulesets."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import celpy
import json_logic
import zen
from stallmark import rules
from virtualkit import interpreter

from tests.bench import Figure, engine_peers, engine_rules, say, upy_engine, upy_path

SCRIPT = Path(upy_engine.__file__)
RULES = 16


def _clocked(call: Callable[[Any], Any], things: list[Any], rounds: int) -> float:
    """Microseconds of one call, the best round over all things."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for thing in things:
            call(thing)
        best = min(best, time.perf_counter() - began)
    return best / len(things) * 1e6


def _cpython(data: bytes, quick: bool) -> list[Figure]:
    ruleset, kept = upy_engine.world(data)
    events = engine_rules.events(96)
    for happened in events:
        upy_engine.take(ruleset, kept, happened)
    contexts = engine_peers.contexts(ruleset, kept, events)
    rounds = 3 if quick else 15
    ours = _clocked(lambda happened: rules.decide(ruleset, kept, happened), events, rounds * 4)
    peers = engine_peers.conditions(ruleset)
    logic = [peer.json_logic() for peer in peers]
    say("zen-engine, cel-python and json-logic")
    each = [zen.compile_expression(peer.expression()) for peer in peers]
    packed = zen.compile_expression("[" + ", ".join(peer.expression() for peer in peers) + "]")
    environment = celpy.Environment()
    programs = [environment.program(environment.compile(peer.cel())) for peer in peers]
    typed = [celpy.json_to_cel(context) for context in contexts]
    _agree(peers, logic, each, packed, programs, contexts, typed)
    found = {
        "zen-engine (Rust), an expression for each rule": (
            _clocked(lambda c: [e.evaluate(c) for e in each], contexts, rounds),
            1,
        ),
        "zen-engine (Rust), all rules in one expression": (_clocked(packed.evaluate, contexts, rounds), None),
        "json-logic-qubit": (
            _clocked(
                lambda c: [json_logic.jsonLogic(one, c) for one in logic], contexts, max(rounds // 3, 2)
            ),
            10,
        ),
        "cel-python": (
            _clocked(lambda c: [p.evaluate(c) for p in programs], typed[: 4 if quick else 12], 1),
            10,
        ),
    }
    what = "One decision of sixteen rules, with why, rights and limits"
    return [
        Figure(what, ours, "µs", f"{name}, conditions alone: {spent:.1f} µs", spent / ours, aim)
        for name, (spent, aim) in found.items()
    ]


def _agree(peers: Any, logic: Any, each: Any, packed: Any, programs: Any, contexts: Any, typed: Any) -> None:
    """All peers come to the same truths: else the race is none."""
    for context, cel in list(zip(contexts, typed, strict=True))[:24]:
        truths = [peer.truth(context) for peer in peers]
        assert [bool(json_logic.jsonLogic(one, context)) for one in logic] == truths
        assert [one.evaluate(context) for one in each] == truths == packed.evaluate(context)
        assert [bool(one.evaluate(cel)) for one in programs] == truths


def _micropython(data: bytes, quick: bool) -> list[Figure]:
    ruleset, kept = upy_engine.world(data)
    events = engine_rules.events(96)
    for happened in events:
        upy_engine.take(ruleset, kept, happened)
    given = {
        "rulesets": [
            [f"{count} rules", engine_rules.ruleset(count).hex(), json.dumps(engine_peers.authored(count))]
            for count in (50, 200)
        ],
        "data": data.hex(),
        "logic": [peer.json_logic() for peer in engine_peers.conditions(ruleset)],
        "contexts": engine_peers.contexts(ruleset, kept, events),
        "taps": 5_000 if quick else 100_000,
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
    found: dict[str, float] = json.loads(done.stdout)
    out = [
        Figure(
            "The same on MicroPython",
            found["decide"],
            "µs",
            f"a plain JsonLogic evaluator there, conditions alone: {found['jsonlogic']:.0f} µs",
            found["jsonlogic"] / found["decide"],
            10,
        )
    ]
    for count in (50, 200):
        size, peer = found[f"heap of {count} rules"], found[f"heap of JSON of {count} rules"]
        against = f"as JSON in dicts: {peer / 1024:.0f} KiB"
        out.append(Figure(f"Heap of {count} rules", size / 1024, "KiB", against, size / peer, 0.2, True))
    out.append(Figure("Garbage of one decision", found["garbage of a tap"], "bytes"))
    grown, name = found["growth"], f"Heap after {given['taps']:,} taps of other people"
    out.append(Figure(name, grown, "bytes more", "1 KiB", grown / 1024, 1, True))
    return out


def run(quick: bool = False) -> list[Figure]:
    """Sixteen rules of the library where it compiles, else made ones."""
    data = engine_peers.library(RULES) or engine_rules.ruleset(RULES)
    return _cpython(data, quick) + _micropython(data, quick)
