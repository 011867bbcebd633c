"""Made-up market hours with honest people and eight kinds of fraud, each event labelled: what the risk model learns from.

The features are computed by the code of the brick (stallmark.risk.Watch), event after event, as a brick would. What kind
of token somebody holds is drawn from the same shares for honest people and for frauds: it must not give either away.
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
FRAUDS = ("hammer", "script", "clone", "staff", "self", "harvest", "queue-jumper", "burst")
HONEST = ("stroll", "queue", "clerk", "class", "crew")
MINUTE_MS = 60_000
LONG_MS = 1_200_000  # a scene that does not come to an end by itself ends after twenty minutes


class Tap(NamedTuple):
    """One event before it is told to a Watch."""

    at_ms: int
    subject: bytes | None
    trust: int
    counter: int | None
    staff: bytes | None
    scene: str
    """A name of HONEST or FRAUDS."""
    fraud: bool
    elsewhere_ms: int | None
    """Another brick of the kit saw this person then, if one did."""


class Sample(NamedTuple):
    """Features of one event, the scene that it belongs to, and whether it is fraud."""

    features: list[int]
    scene: str
    fraud: bool


class _Person(NamedTuple):
    """Somebody with a token, or without one."""

    subject: bytes | None
    trust: int
    counter: int | None


def day(seed: int) -> list[Sample]:
    """Some hours at one brick. The same seed, the same samples."""
    chance = random.Random(seed)
    taps: list[Tap] = []
    for scene in ("stroll", *chance.sample(HONEST[1:], 3)):
        taps += honest(chance, scene)
    for _ in range(chance.randrange(6)):
        taps += fraud(chance, chance.choice(FRAUDS))
    return watched(taps)


def watched(taps: list[Tap], table: bytes = MODEL) -> list[Sample]:
    """What a brick sees of taps, in their order of time."""
    watch = risk.Watch(table)
    samples: list[Sample] = []
    for tap in sorted(taps, key=lambda one: one.at_ms):
        if tap.elsewhere_ms is not None and tap.subject is not None:
            watch.told(tap.subject[:6], WALL_MS + tap.elsewhere_ms)
        happened = event.make(
            type=reg.EVENT_NFC_TAP, trust=tap.trust, subject=tap.subject, nonce=bytes(8), wall_ms=WALL_MS + tap.at_ms,
            uptime_ms=tap.at_ms, quality=2, spread_ms=20, token_counter=tap.counter, staff=tap.staff,
        )  # fmt: skip
        samples.append(Sample(watch.features(happened), tap.scene, tap.fraud))
        watch.granted(risk.served_by(happened), tap.at_ms)
    return samples


def _person(chance: random.Random, nobody: float = 0.1) -> _Person:
    if chance.random() < nobody:
        return _Person(None, reg.TRUST_ANONYMOUS, None)
    trust = chance.choices((reg.TRUST_BARE, reg.TRUST_ISSUED, reg.TRUST_SDM, reg.TRUST_LIVE), (3, 4, 2, 2))[0]
    counter = chance.randrange(1, 60) if trust in (reg.TRUST_SDM, reg.TRUST_LIVE) else None
    return _Person(chance.randbytes(8), trust, counter)


def _tap(at: int, who: _Person, scene: str, more: int = 0, *, staff: bytes | None = None, elsewhere: int | None = None) -> Tap:
    """`more`: how far the tag's counter went on since the first one of a row."""
    counter = None if who.counter is None else who.counter + more
    return Tap(at, who.subject, who.trust, counter, staff, scene, False, elsewhere)


# --- honest people


def honest(chance: random.Random, scene: str) -> list[Tap]:
    """One honest scene of a day."""
    if scene == "stroll":
        return _stroll(chance)
    at = chance.randrange(0, HOURS * 3_600_000 - 2 * LONG_MS)
    if scene == "queue":  # different people, one served after the other: as regular as service is
        return _row(chance, at, scene, chance.randrange(3_000, 25_000), chance.uniform(1.15, 5), chance.randrange(20, 200))
    if scene == "class":  # a school class, a tour group: everybody at once
        return _row(chance, at, scene, chance.randrange(1_200, 4_000), chance.uniform(1.3, 4), chance.randrange(15, 45))
    if scene == "clerk":  # one person at one till serves everybody, up to two a minute
        least = chance.randrange(10_000, 50_000)
        return _row(chance, at, scene, least, chance.uniform(1.3, 5), chance.randrange(40, 200), chance.randbytes(8))
    taps: list[Tap] = []  # staff have tokens too: a drink in the break, and showing how it works
    for _ in range(chance.randrange(2, 6)):
        who = _Person(chance.randbytes(8), reg.TRUST_STAFF, None)
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(0, HOURS * 3_600_000)
            for _ in range(chance.choice((1, 1, 2))):
                taps.append(_tap(at, who, scene))
                at += chance.randrange(3_000, 40_000)
    return taps


def _row(
    chance: random.Random, at: int, scene: str, least_ms: int, times: float, count: int, staff: bytes | None = None
) -> list[Tap]:
    """Different people `least_ms` to `times` as much apart; one in twelve holds the tag there a second time."""
    taps: list[Tap] = []
    end = at + 2 * LONG_MS
    for _ in range(count):
        who = _person(chance)
        taps.append(_tap(at, who, scene, staff=staff))
        if chance.random() < 0.08:
            taps.append(_tap(at + chance.randrange(2_100, 4_000), who, scene, 1, staff=staff))
        at += chance.randrange(least_ms, int(least_ms * times) + 1)
        if at > end:
            break
    return taps


def _stroll(chance: random.Random) -> list[Tap]:
    """People come in a wave, most once, some again; a child plays with its tag; three staff serve."""
    taps: list[Tap] = []
    busy = chance.choice((40, 120, 300))
    staff = [chance.randbytes(8) for _ in range(3)]
    for _ in range(busy * HOURS // 2):
        at = int(chance.triangular(0, HOURS * 3_600_000, HOURS * 1_200_000))
        who = _person(chance)
        serving = chance.choice(staff) if chance.random() < 0.3 else None
        strolled = None
        if chance.random() < 0.15:
            strolled = max(0, at - int(chance.expovariate(1 / 300_000)) - 4_000)
        again = 1 + (chance.random() < 0.15) + (chance.random() < 0.04) * chance.randrange(1, 4)
        for number in range(again):
            taps.append(_tap(at, who, "stroll", number, staff=serving, elsewhere=strolled))
            strolled = None
            at += int(chance.expovariate(1 / MINUTE_MS)) + 2_500
    return taps


# --- fraud


def fraud(chance: random.Random, scene: str) -> list[Tap]:
    """One kind of fraud. The first event of a row cannot be told from an honest one, and is none yet."""
    at = chance.randrange(600_000, HOURS * 3_600_000 - 2 * LONG_MS)
    who = _person(chance, 0)
    taps: list[Tap] = []
    if scene == "hammer":
        for number in range(chance.randrange(5, 14)):
            taps.append(_tap(at, who, scene, number))
            at += chance.randrange(2_100, 5_000)
    elif scene == "script":  # a machine with many names
        step = chance.randrange(4_000, 25_000)
        for _ in range(chance.randrange(12, 40)):
            taps.append(_tap(at, _person(chance, 0), scene))
            at += step + chance.randrange(-step // 50, step // 50 + 1)
    elif scene == "clone":
        for number in range(chance.randrange(2, 6)):
            taps.append(_tap(at, who, scene, number, elsewhere=at - chance.randrange(300, 2_500)))
            at += chance.randrange(5_000, 60_000)
    elif scene == "staff":  # a few tags of friends, over and over, from behind the counter
        friends = [_person(chance, 0) for _ in range(chance.randrange(1, 6))]
        for number in range(chance.randrange(15, 50)):
            taps.append(_tap(at, chance.choice(friends), scene, number, staff=who.subject))
            at += chance.randrange(4_000, 30_000)
    elif scene == "self":  # the clerk's own token
        clerk = _Person(who.subject, reg.TRUST_STAFF, None)
        step = chance.randrange(3_000, 40_000)
        for _ in range(chance.randrange(10, 40)):
            taps.append(_tap(at, clerk, scene))
            at += chance.randrange(step, step * 2)
    elif scene == "harvest":  # somebody read the tag many times somewhere else
        ahead = 0
        who = _Person(who.subject, chance.choice((reg.TRUST_SDM, reg.TRUST_LIVE)), chance.randrange(10))
        for _ in range(chance.randrange(2, 6)):
            taps.append(_tap(at, who, scene, ahead))
            ahead += chance.randrange(30, 400)
            at += chance.randrange(5_000, 90_000)
    elif scene == "queue-jumper":
        for number in range(chance.randrange(8, 16)):
            taps.append(_tap(at, who, scene, number))
            at += chance.randrange(15_000, 50_000)
    else:  # a bag of tags
        for _ in range(chance.randrange(20, 50)):
            taps.append(_tap(at, _person(chance, 0), scene))
            at += chance.randrange(300, 1_200)
    return [taps[0], *(tap._replace(fraud=True) for tap in taps[1:])]
