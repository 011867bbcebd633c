"""Sixteen rules of the worked library as one market's campaign, and a seeded stream of that market's events."""

import random
from typing import Any

from stallmark import event

from fleet.authoring import library
from fleet.authoring.candidates import instant
from fleet.authoring.compile import compile_campaign

# Sixteen rules of eleven entries: tap, scan, till sale and tip; all, any, not, at least, gt, ge, lt, eq, between, one of;
# people first and sliding, events tumbling, seen, basket, items, item, tip, since start, trust, type, signal, latched, open
# value, share; groups of each kind, an experiment, latches, limits, need of money, pieces and people, asking the host.
ENTRIES = (
    "basket-2-off", "best-offer", "crowd-basket", "fair-tip", "first-20-sample", "happy-percent", "quiet-hour", "rush-and-rhythm",
    "surprise-15", "third-bag", "walk-in",
)  # fmt: skip
SEED = 20261003
START_MS = instant("2026-10-03T09:00:00+02:00")
PEOPLE = 140
EARLIER = 480  # events that fill the state: a bit over an hour
MEASURED = 96
_KINDS = (
    (1, 40),
    (3, 34),
    (2, 14),
    (15, 5),
    (5, 4),
    (12, 3),
)  # event type, share: taps, sales, scans, tips, entries …
_WARES = (("BAG", 1250), ("CUP", 390), ("CAKE", 420), ("GRINDER", 3900), ("BEANS", 890))


def rules() -> bytes:
    """The compiled ruleset. Slots that say the same are one, as in a campaign that somebody writes for one market."""
    campaign = library.combined(ENTRIES)
    slots: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, slot in campaign["slots"].items():
        names[name] = next((kept for kept, other in slots.items() if other == slot), name)
        slots.setdefault(names[name], slot)
    campaign["slots"] = slots
    for rule in campaign["rules"]:
        rule["slots"] = [names[name] for name in rule["slots"]]
    data, _ = compile_campaign(campaign, START_MS)
    return data


def stream() -> list[Any]:
    """[event bytes | (footfall, ms), …]: earlier ones, then the 96 that are measured, all drawn with one seed."""
    draw = random.Random(SEED)
    out: list[Any] = []
    now = START_MS + 60_000
    kinds, shares = zip(*_KINDS, strict=True)
    for number in range(EARLIER + MEASURED):
        now += draw.randint(1_000, 14_000)
        if number % 40 == 0 and number < EARLIER:
            out.append((draw.randint(4, 60), now))
        out.append(event.encode(_event(draw, number, now, draw.choices(kinds, shares)[0])))
    return out


def _event(draw: random.Random, number: int, now: int, kind: int) -> Any:
    person = min(draw.randrange(PEOPLE), draw.randrange(PEOPLE))  # some come often
    known = draw.random() < (0.8 if kind == 3 else 0.95)
    lines = basket = tip = None
    if kind == 3:
        lines = []
        for _ in range(draw.randint(1, 3)):
            code, price = draw.choice(_WARES)
            many = draw.choice((1, 1, 1, 2, 3))
            lines.append([code, many, many * price])
        basket = sum(line[2] for line in lines)
        tip = draw.choice((None, None, None, 50, 100, 200))
        if draw.random() < 0.4:
            lines = None  # a till that says the sum alone
    elif kind == 15:
        tip = draw.choice((50, 100, 200, 300))
    elif kind == 1 and draw.random() < 0.15:
        basket = draw.randint(20, 150) * 10
    return event.make(
        type=kind, trust=draw.choice((3, 3, 3, 6)) if known else 0,
        subject=((person + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big") if known else None,
        wall_ms=now, uptime_ms=now - START_MS, quality=2, spread_ms=40, nonce=number.to_bytes(8, "big"),
        basket_minor=basket, items=None if lines is None else sum(line[1] for line in lines), tip_minor=tip, lines=lines,
    )  # fmt: skip
