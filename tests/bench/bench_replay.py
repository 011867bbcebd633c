"""`stallmark rules replay`: recorded events through two rulesets of sixteen rules; seconds, events per second, memory."""

import json
import resource
import tempfile
from pathlib import Path

from fleet.authoring import library, recorded, replay, synthetic
from fleet.authoring.candidates import instant
from fleet.authoring.compile import compile_campaign
from fleet.authoring.replay import Candidate, Plan, Share
from tests.bench import Figure, say

SEED = 1
EVENTS = 1_000_000
START_MS = instant("2026-10-03T09:00:00+02:00")
RULES = (
    "surprise-15", "basket-2-off", "next-visit-10", "first-20-sample", "upgrade-after-18", "tip-match", "early-access",
    "attendance-unlock", "commitment-voucher", "donation-5", "tip-split", "settlement-split", "micro-drop",
    "community-unlock", "walk-in", "happy-percent",
)  # fmt: skip


def _candidate(name, campaign):
    data, report = compile_campaign(campaign, START_MS)
    return Candidate(
        name, data, tuple(Share(one.rule, one.unit, one.slice, one.count) for one in report.rights)
    )


def candidates():
    """Sixteen rules of the library, and the same with two conditions changed."""
    old = library.combined(RULES)
    new = json.loads(json.dumps(old))
    for rule in new["rules"]:
        if rule["id"] == "basket-2-off":
            rule["when"] = {"ge": ["basket", {"money": "8.00"}]}
        elif rule["id"] == "surprise-15":
            rule["when"] = {"gt": [{"people": {"first": "PT1H"}}, 30]}
    return _candidate("old", old), _candidate("new", new)


def run(quick: bool = False) -> list[Figure]:
    """The whole stream on every core; a part of it on one core and on two, for what the second one brings."""
    count = 20_000 if quick else EVENTS
    part = 10_000 if quick else 100_000
    old, new = candidates()
    with tempfile.TemporaryDirectory() as folder:
        rates = {}
        for name, size, workers in (("one", part, 1), ("two", part, 2), ("all", count, 2)):
            say(f"{size:,} events through two rulesets with {workers} processes")
            path = Path(folder) / f"{size}.cbor"
            if not path.exists():
                recorded.write(
                    path, START_MS, synthetic.sources(size), synthetic.events(size, SEED, START_MS), True
                )
            rates[name] = replay.run(Plan(old, new, recorded.index(path), budget="each", workers=workers))
    result = rates["all"]
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    both = rates["two"].rate / rates["one"].rate
    return [
        Figure(
            f"replay of {count:,} events through two rulesets of 16 rules",
            result.seconds,
            "s",
            "two processes",
        ),
        Figure("replay, the same", result.rate, "events/s", "two processes"),
        Figure("replay of a part with two processes", rates["two"].rate, "events/s", "one process", both),
        Figure("replay, most memory of one process", most, "MiB"),
    ]
