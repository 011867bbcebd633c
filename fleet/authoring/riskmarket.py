"""Made-up market hours with honest people and seven kinds of fraud, each event labelled: what the risk model learns from.

The features are computed by the code of the brick (stallmark.risk.Watch), event after event, as a brick would.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from stallmark import risk as _risk
from stallmark import risktable as _risktable

from fleet.authoring.engine import event, reg

risk: Any = _risk
MODEL: bytes = _risktable.MODEL

WALL_MS = 1_790_000_100_000
HOURS = 4
FRAUDS = ("hammer", "script", "clone", "staff", "harvest", "queue-jumper", "burst")


class Tap(NamedTuple):
    """One event before it is told to a Watch. `fraud`: its kind, "" for an honest one."""

    at_ms: int
    subject: bytes | None
    trust: int
    counter: int | None
    staff: bytes | None
    fraud: str
    elsewhere_ms: int | None
    """Another brick of the kit saw this person then, if one did."""


class Sample(NamedTuple):
    """Features of one event and its label."""

    features: list[int]
    fraud: str


def day(seed: int) -> list[Sample]:
    """Some hours at one brick. The same seed, the same samples."""
    chance = random.Random(seed)
    taps = sorted(_honest(chance) + _frauds(chance), key=lambda tap: tap.at_ms)
    watch = risk.Watch(MODEL)
    samples: list[Sample] = []
    for tap in taps:
        if tap.elsewhere_ms is not None and tap.subject is not None:
            watch.told(tap.subject[:6], WALL_MS + tap.elsewhere_ms)
        happened = event.make(
            type=reg.EVENT_NFC_TAP, trust=tap.trust, subject=tap.subject, nonce=bytes(8), wall_ms=WALL_MS + tap.at_ms,
            uptime_ms=tap.at_ms, quality=2, spread_ms=20, token_counter=tap.counter, staff=tap.staff,
        )  # fmt: skip
        samples.append(Sample(watch.features(happened), tap.fraud))
        watch.granted(tap.staff, tap.at_ms)
    return samples


def _honest(chance: random.Random) -> list[Tap]:
    """People come in a wave, most once, some again; a child plays with its tag; staff serve, and show how it works."""
    taps: list[Tap] = []
    busy = chance.choice((40, 120, 300))
    staff = [chance.randbytes(8) for _ in range(3)]
    for _ in range(busy * HOURS // 2):
        at = int(chance.triangular(0, HOURS * 3_600_000, HOURS * 1_200_000))
        subject = None if chance.random() < 0.1 else chance.randbytes(8)
        trust = reg.TRUST_ANONYMOUS if subject is None else chance.choice((reg.TRUST_BARE, reg.TRUST_ISSUED, reg.TRUST_LIVE))
        counter = chance.randrange(1, 60) if trust == reg.TRUST_LIVE else None
        serving = chance.choice(staff) if chance.random() < 0.3 else None
        strolled = None
        if chance.random() < 0.15:
            strolled = max(0, at - int(chance.expovariate(1 / 300_000)) - 4_000)
        again = 1 + (chance.random() < 0.15) + (chance.random() < 0.04) * chance.randrange(1, 4)
        for number in range(again):
            taps.append(Tap(at, subject, trust, None if counter is None else counter + number, serving, "", strolled))
            strolled = None
            at += int(chance.expovariate(1 / 60_000)) + 2_500
    return taps


def _frauds(chance: random.Random) -> list[Tap]:
    taps: list[Tap] = []
    for fraud in FRAUDS:
        for _ in range(chance.randrange(3)):
            taps += _fraud(chance, fraud)
    return taps


def _fraud(chance: random.Random, fraud: str) -> list[Tap]:
    at = chance.randrange(600_000, HOURS * 3_600_000 - 900_000)
    subject, taps = chance.randbytes(8), []
    if fraud == "hammer":
        for _ in range(chance.randrange(5, 14)):
            taps.append(Tap(at, subject, reg.TRUST_ISSUED, None, None, fraud, None))
            at += chance.randrange(2_100, 5_000)
    elif fraud == "script":
        step = chance.randrange(4_000, 25_000)
        for _ in range(chance.randrange(12, 40)):
            taps.append(Tap(at, chance.randbytes(8), reg.TRUST_BARE, None, None, fraud, None))
            at += step + chance.randrange(-step // 30, step // 30 + 1)
    elif fraud == "clone":
        for _ in range(chance.randrange(2, 6)):
            taps.append(Tap(at, subject, reg.TRUST_BARE, None, None, fraud, at - chance.randrange(300, 2_500)))
            at += chance.randrange(5_000, 60_000)
    elif fraud == "staff":
        for _ in range(chance.randrange(25, 60)):
            taps.append(Tap(at, chance.randbytes(8), reg.TRUST_ISSUED, None, subject, fraud, None))
            at += chance.randrange(8_000, 50_000)
    elif fraud == "harvest":
        counter = chance.randrange(10)
        for _ in range(chance.randrange(2, 6)):
            taps.append(Tap(at, subject, reg.TRUST_SDM, counter, None, fraud, None))
            counter += chance.randrange(30, 400)
            at += chance.randrange(5_000, 90_000)
    elif fraud == "queue-jumper":
        for _ in range(chance.randrange(8, 16)):
            taps.append(Tap(at, subject, reg.TRUST_ISSUED, None, None, fraud, None))
            at += chance.randrange(15_000, 50_000)
    else:
        for _ in range(chance.randrange(20, 50)):
            taps.append(Tap(at, chance.randbytes(8), reg.TRUST_BARE, None, None, fraud, None))
            at += chance.randrange(300, 2_500)
    # the first of a row cannot be told from an honest one, and is none yet
    return [taps[0]._replace(fraud=""), *taps[1:]]
