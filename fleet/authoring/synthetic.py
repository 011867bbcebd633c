"""Made-up market days as recorded streams: hubs, kits, bricks, a crowd that comes back. The same seed, the same stream."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from fleet.authoring.engine import event, reg
from fleet.authoring.recorded import Source

HUBS = ("north", "east", "south", "west")
EVENTS_PER_KIT = 2_000
BRICKS = 3
DAY_MS = 6 * 3_600_000
DAYS = 2
MAX_KITS = 20_000
_TYPES = (reg.EVENT_NFC_TAP,) * 11 + (reg.EVENT_QR_SCAN,) * 4 + (reg.EVENT_TILL_SALE,) * 4 + (reg.EVENT_TIP,)
_TRUSTS = (reg.TRUST_ISSUED,) * 17 + (reg.TRUST_BARE,) * 2 + (reg.TRUST_ANONYMOUS,)


def sources(count: int) -> list[Source]:
    """Bricks of as many kits as a stream of `count` events keeps busy, spread over four hubs; hubs differ in size."""
    kits = max(1, min(MAX_KITS, count // EVENTS_PER_KIT))
    out: list[Source] = []
    for number in range(kits):
        hub = HUBS[0] if number % 7 < 3 else HUBS[number % len(HUBS)]
        out += [
            Source(hub, f"kit-{number + 1:05d}", f"brick-{number * BRICKS + one + 1:05d}")
            for one in range(BRICKS)
        ]
    return out


def events(
    count: int, seed: int, start_ms: int, progress: Callable[[int], None] = lambda done: None
) -> Iterator[tuple[int, Any]]:
    """`count` events as (source number, Event): kit after kit, within a kit in order of time.

    A kit's day has a rush at its beginning and one in the middle; about one visit in two is somebody's first; every kit
    has two market days of six hours, the second 24 hours after the first."""
    places = sources(count)
    kits = len(places) // BRICKS
    done = 0
    for kit in range(kits):
        share = count * (kit + 1) // kits - done
        yield from _kit(random.Random(seed * 1_000_003 + kit), kit, share, start_ms)
        done += share
        progress(done)


def _kit(rng: random.Random, kit: int, count: int, start_ms: int) -> Iterator[tuple[int, Any]]:
    crowd = [rng.randbytes(8) for _ in range(max(8, count * 2 // 5))]
    times = sorted(_instant(rng) for _ in range(count))
    usual = rng.choice((450, 800, 1200, 1900))  # minor units: what a stall's basket comes to
    for at in times:
        # Squared: the front of the crowd comes often, the tail once
        who = crowd[int(len(crowd) * rng.random() ** 1.6)]
        kind = rng.choice(_TYPES)
        trust = rng.choice(_TRUSTS)
        basket = items = tip = None
        if kind in (reg.EVENT_TILL_SALE, reg.EVENT_TIP) or rng.random() < 0.3:
            basket = max(50, int(rng.lognormvariate(0, 0.6) * usual) // 10 * 10)
            items = 1 + basket // 900
        if kind == reg.EVENT_TIP or (basket and rng.random() < 0.1):
            tip = rng.choice((50, 100, 100, 200, 300))
        made = event.make(
            type=kind, trust=trust, subject=None if trust == reg.TRUST_ANONYMOUS else who, wall_ms=start_ms + at,
            uptime_ms=at, quality=reg.QUALITY_HOST, spread_ms=40, nonce=rng.randbytes(8), basket_minor=basket,
            items=items, tip_minor=tip,
        )  # fmt: skip
        yield kit * BRICKS + min(int(rng.random() * 4), BRICKS - 1), made


def _instant(rng: random.Random) -> int:
    """Ms after the start: a rush in the first hour, one around the third, the rest even."""
    day = rng.randrange(DAYS) * 24 * 3_600_000
    draw = rng.random()
    if draw < 0.25:
        return day + int(rng.random() * 3_600_000)
    if draw < 0.55:
        return day + min(DAY_MS - 1, max(0, int(rng.gauss(3 * 3_600_000, 1_800_000))))
    return day + int(rng.random() * DAY_MS)
