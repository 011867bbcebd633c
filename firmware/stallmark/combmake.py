"""Makes the rows that stallmark.comb reads: seconds on a small chip, so a few at a time; not in memory otherwise."""

from stallmark.comb import ROW, SECOND, SPAN
from stallmark.constant import const
from stallmark.ed25519 import (
    D2,
    SMALL_ORDER,
    L,
    P,
    add,
    base_point,
    cached,
    decode,
    double,
    extended,
    inverse,
)

_TEETH = const(7)
_BATCH = const(16)  # rows that share one inversion, and come at once


def rows(public):
    """Generator of `(row, bytes)`: the 128 rows of a point, 16 of them (1,536 bytes) at a time; and of None in between, so that
    others have their turn.

    `public`: a signer's key (32 bytes), whose rows are those of the point negated; None for the base point. No rows come of a key
    that ed25519.verify refuses, nor of one outside the group of prime order: a scalar made odd would not be the same there."""
    point = base_point() if public is None else decode(public)
    if point is None:
        return
    if public is not None:
        if point[1] in SMALL_ORDER:
            return
        point = (P - point[0], point[1])
        whole = yield from _times_order(point)
        if whole[0] or whole[1] != whole[2]:
            return
    for table in (0, 1):
        spaced = [extended(*point)]
        power = spaced[0]
        for _ in range(_TEETH - 1):
            for step in range(SPAN):
                power = double(power)
                if step == SECOND - 1 and len(spaced) == 1:
                    later = power
            spaced.append(power)
            yield None
        batch = []
        for index in range(64):
            batch.append(_sum(spaced, index))
            if len(batch) == _BATCH:
                yield 64 * table + index + 1 - _BATCH, _affine(batch)
                batch = []
        z = inverse(later[2])
        point = (later[0] * z % P, later[1] * z % P)


def _times_order(point):
    """The group's order times a point: the neutral one, (0, z, z), for a point of prime order."""
    total = (0, 1, 1, 0)
    once = cached(extended(*point))
    for bit in range(252, -1, -1):
        total = double(total)
        if L >> bit & 1:
            total = add(total, once)
        if not bit & 31:
            yield None
    return total


def _sum(spaced, index):
    """The point of a row: the last tooth, and each other one added where its bit is set, taken away where not."""
    total = spaced[-1]
    for tooth in range(_TEETH - 1):
        y_minus, y_plus, z2, t2d = cached(spaced[tooth])
        if not index >> tooth & 1:
            y_minus, y_plus, t2d = y_plus, y_minus, P - t2d
        total = add(total, (y_minus, y_plus, z2, t2d))
    return total


def _affine(points):
    """The rows of some extended points, in one piece: one inversion for all of them (Montgomery's trick)."""
    before = []
    product = 1
    for point in points:
        before.append(product)
        product = product * point[2] % P
    whole = inverse(product)
    out = bytearray(ROW * len(points))
    for at in range(len(points) - 1, -1, -1):
        x, y, z, _ = points[at]
        one = whole * before[at] % P
        whole = whole * z % P
        x = x * one % P
        y = y * one % P
        start = ROW * at
        out[start : start + 32] = ((y - x) % P).to_bytes(32, "little")
        out[start + 32 : start + 64] = ((y + x) % P).to_bytes(32, "little")
        out[start + 64 : start + 96] = (x * y % P * D2 % P).to_bytes(32, "little")
    return out
