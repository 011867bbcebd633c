"""How a budget is cut into slices: a pure function of the forecast. docs/rights.md, *Sizes*"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.config import Expected

MOST = 64  # slices cut at once, where the configuration does not ask for more


@dataclass(frozen=True, slots=True)
class Planned:
    """A slice to be minted, and the brick that the forecast has in mind: a hint, any brick may get it."""

    amount: int
    brick: bytes | None = None


def cut(
    amount: int, each: int, forecast: Sequence[Expected] = (), least: int = 1, most: int = MOST
) -> list[Planned]:
    """Slices that together are exactly `amount`, none larger than needed to stay within `most` slices.

    `each`: the size of one, at most; a rooted host or brick can do no more harm than that at a time. `least`:
    smaller ones are not worth it, where that can be helped. Without anybody expected, equal slices of `each`.
    Else every brick gets a share by its expected takers, and of that a slice for each hour, in the order of
    hours; hours that come to less than `least` are taken together. Where that makes more than `most`, both
    limits are doubled until it does not. Deterministic; sums, order and shares are tested.
    """
    if amount <= 0:
        return []
    takers: dict[bytes, dict[int, int]] = {}
    for cell in forecast:
        hours = takers.setdefault(cell.brick, {})
        hours[cell.hour] = hours.get(cell.hour, 0) + cell.takers
    takers = {brick: hours for brick, hours in sorted(takers.items()) if sum(hours.values())}
    if not takers or len(takers) > most:
        return [Planned(part) for part in _pieces(amount, max(each, -(-amount // most)))]
    shares = shared(amount, [sum(hours.values()) for hours in takers.values()])
    while True:
        planned: list[tuple[int, bytes, int]] = []
        for (brick, hours), share in zip(takers.items(), shares, strict=True):
            parts = shared(share, [hours[hour] for hour in sorted(hours)])
            for hour, part in _together(zip(sorted(hours), parts, strict=True), least):
                planned += [(hour, brick, piece) for piece in _even(part, each)]
        if len(planned) <= most:
            return [Planned(piece, brick) for _, brick, piece in sorted(planned, key=lambda one: one[:2])]
        each, least = each * 2, least * 2


def shared(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` in whole units in proportion to `weights`, by largest remainder; the first of equals wins.
    All weights 0: the first gets it."""
    total = sum(weights)
    if not total:
        return [amount, *[0] * (len(weights) - 1)] if weights else []
    parts = [amount * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % total), i))
    for i in order[: amount - sum(parts)]:
        parts[i] += 1
    return parts


def _together(hours: Iterable[tuple[int, int]], least: int) -> list[tuple[int, int]]:
    """Hours in order, those below `least` with the next; what is left over at the end with the last."""
    found: list[tuple[int, int]] = []
    waiting = 0
    first = 0
    for hour, part in hours:
        first = first if waiting else hour
        waiting += part
        if waiting >= least:
            found.append((first, waiting))
            waiting = 0
    if waiting and found:
        found[-1] = (found[-1][0], found[-1][1] + waiting)
    elif waiting:
        found.append((first, waiting))
    return [(hour, part) for hour, part in found if part]


def _even(part: int, each: int) -> list[int]:
    """A part in as few, as equal pieces as stay within `each`."""
    count = -(-part // each)
    return [part // count + (i < part % count) for i in range(count)]


def _pieces(amount: int, each: int) -> list[int]:
    """Pieces of `each`, and one of what is left over."""
    return [each] * (amount // each) + ([amount % each] if amount % each else [])
