"""One voucher checked in three ways in one interpreter; prints one JSON object. Run by bench_voucher."""

import gc
import json
import sys

try:
    from time import ticks_diff, ticks_us
except ImportError:
    from time import perf_counter_ns

    def ticks_us():
        return perf_counter_ns() // 1000

    def ticks_diff(later, earlier):
        return later - earlier


from nor import NorChip, NorFile
from stallmark import comb, ed25519, sha512, voucher
from stallmark.combstore import BASE, CombStore
from stallmark.ed25519 import D2, L, P, base_point, decode, extended

# --- the peers: the textbook, and two bits at a time; both with SHA-512 in Python and one power for each inverse


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = p[3] * D2 * q[3] % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _double(p):
    a = p[0] * p[0] % P
    b = p[1] * p[1] % P
    h = a + b
    e = h - (p[0] + p[1]) * (p[0] + p[1]) % P
    g = a - b
    f = 2 * p[2] * p[2] % P + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar, point):
    """Double and add with one formula for both: the RFC's own way (section 5.1.4, section 6)."""
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _scalars(public, message, signature):
    h = int.from_bytes(sha512.sha512_python(signature[:32] + public + message), "little") % L
    return int.from_bytes(signature[32:], "little"), h


def _encoded(point):
    z = pow(point[2], P - 2, P)
    x = point[0] * z % P
    return (point[1] * z % P | (x & 1) << 255).to_bytes(32, "little")


def plain(public, message, signature):
    """S·B = R + h·A, both sides by double and add."""
    s, h = _scalars(public, message, signature)
    left = _times(s, extended(*base_point()))
    right = _add(extended(*decode(signature[:32])), _times(h, extended(*decode(public))))
    return (
        not (left[0] * right[2] - right[0] * left[2]) % P
        and not (left[1] * right[2] - right[1] * left[2]) % P
    )


def straus(public, message, signature):
    """S·B - h·A, two bits of both scalars at a time."""
    s, h = _scalars(public, message, signature)
    x, y = decode(public)
    rows = []
    for point in (extended(*base_point()), extended(P - x, y)):
        twice = _double(point)
        rows.append(((0, 1, 1, 0), point, twice, _add(twice, point)))
    table = [_add(a, b) for a in rows[1] for b in rows[0]]
    total = (0, 1, 1, 0)
    for shift in range(252, -1, -2):
        total = _double(_double(total))
        index = (h >> shift & 3) << 2 | s >> shift & 3
        if index:
            total = _add(total, table[index])
    return _encoded(total) == signature[:32]


# --- measuring


def measured(ways, text, runs):
    """{way: [best µs of some runs, bytes of garbage of one]} of {way: (check, what prepares it)}. They take turns, so that a busy
    machine is busy for all of them."""
    found = {way: [1 << 30, 0] for way in ways}
    for _ in range(runs):
        for way, (check, prepare) in ways.items():
            prepare()
            gc.collect()
            started = ticks_us()
            assert check(text)
            found[way][0] = min(found[way][0], ticks_diff(ticks_us(), started))
    if hasattr(gc, "mem_alloc"):
        for way, (check, prepare) in ways.items():
            prepare()
            gc.collect()
            gc.disable()
            before = gc.mem_alloc()
            check(text)
            found[way][1] = gc.mem_alloc() - before
            gc.enable()
    return found


def _pieces(make, runs):
    """µs of each step of a generator, the best of some runs of each; what collecting its garbage takes is not counted."""
    best = []
    for _ in range(runs):
        steps = make()
        place = 0
        while True:
            gc.collect()
            begun = ticks_us()
            try:
                next(steps)
            except StopIteration:
                break
            spent = ticks_diff(ticks_us(), begun)
            if place == len(best):
                best.append(spent)
            best[place] = min(best[place], spent)
            place += 1
    return best


def main(path, public, text, runs):
    public = bytes.fromhex(public)
    store = CombStore(NorFile(NorChip(path)))
    total = longest = 0
    for key in (BASE, public):
        spent = _pieces(lambda key=key: store.build(key, (public,)), runs)
        total += sum(spent)
        longest = max(longest, *spent)
    found = {"tables": [total, 0], "longest piece of making them": [longest, 0]}
    rows = store.rows(BASE), store.rows(public)

    def by(verify):
        def check(text):
            one = voucher.parse(text)
            return verify(public, voucher.message(one.payload), one.signature)

        return check

    def from_tables(public, message, signature):
        return comb.verify(public, message, signature, *rows)

    def bytecode():
        sha512.use(sha512.sha512_python)
        ed25519.use(ed25519.inverse_power)

    machine_code = bytecode
    try:
        from brick import inversewords, sha512words
    except (ImportError, SyntaxError):
        pass
    else:

        def machine_code():
            sha512.use(sha512words.digest)
            ed25519.use(inversewords.inverse)

    ways = {
        "plain": (by(plain), bytecode),
        "straus": (by(straus), bytecode),
        "tables, in Python": (by(from_tables), bytecode),
        "comb": (by(from_tables), machine_code),
    }
    found.update(measured(ways, text, runs))
    machine_code()
    one = voucher.parse(text)

    def steps():
        return comb.checking(public, voucher.message(one.payload), one.signature, *rows)

    found["longest step"] = [max(_pieces(steps, runs)), 0]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
