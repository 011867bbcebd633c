"""Rules and events for the engine's figures, the same on both interpreters: rules of version 2, events of a market."""

from stallmark import cbor, event

START = 1790000000000
HOUR = 3600000
MINUTE = 60000
KINDS = ([1, 2], [3], [1, 2, 3], [5], [12, 1], [3, 15], [14], [7, 8])
GRANTS = (
    ([[1, 1500, 500]], [1]), ([[2, 1, 200]], [1]), ([[5, 1, 0]], [2]), ([[8, 2, 0, 30]], []),
    ([[3, 1000, 300, 30]], [1]), ([[6, 1, 0, "large"]], [2]), ([[7, 10000, 200, "creator"]], [1]),
    ([[10, 1, 0, "community:chat"]], []),
)  # fmt: skip


def when(n):
    """Six comparisons on people, time, basket, visits, tip and trust; the numbers differ from rule to rule."""
    return [
        1,
        [10, [20, 0, HOUR, 0], 5 + n % 30],
        [12, [24], 4 * HOUR - n * MINUTE],
        [11, [22], 300 + 10 * (n % 40)],
        [10, [21], n % 3],
        [11, [27], 1 + n % 2],
        [11, [35], 3],
    ]


def rule(n, words=True):
    """The wire map of rule `n`."""
    grants, need = GRANTS[n % len(GRANTS)]
    texts = [f"Enjoy it, number {n}!", "Not this time, come again.", "Only {missing} more to go."]
    return {
        0: f"rule-{n}", 1: KINDS[n % len(KINDS)], 2: 3, 3: [0], 4: when(n), 5: False, 6: grants, 7: need,
        8: [[0, 1 + n % 2]], 9: [2, 1, 0, 0], 10: [texts if words else [None, None, None]], 11: 1 + n % 4, 12: 3,
        13: None, 14: None, 15: [], 16: None, 17: None, 18: 0, 19: None, 20: None, 21: None,
    }  # fmt: skip


def ruleset(count, words=True):
    """Bytes of a ruleset of `count` rules of one slot of six hours."""
    return cbor.encode({
        0: 2, 1: "bench", 2: 1, 3: "EUR", 4: [[START, START + 6 * HOUR]], 5: [rule(n, words) for n in range(count)], 6: None,
        7: 500, 8: "Bench market", 9: ["en"], 10: [], 11: None, 12: [], 13: [], 14: [], 15: [], 16: 0,
    })  # fmt: skip


def subject(number):
    """Pseudonym of a person."""
    return ((number + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")


def events(count):
    """Events of a market: taps, scans, sales, tips, entries, of people who come again."""
    out = []
    kinds = (1, 2, 3, 1, 3, 5, 1, 12, 14, 3, 15, 7)
    for n in range(count):
        kind = kinds[n % len(kinds)]
        basket = 250 + n * 97 % 1500 if kind in (3, 14, 15) else None
        out.append(event.make(
            type=kind, trust=3, subject=subject(n * 7 % 41), wall_ms=START + n * MINUTE // 2 % HOUR, uptime_ms=n, quality=2,
            spread_ms=40, nonce=n.to_bytes(8, "big"), basket_minor=basket, items=None if basket is None else 1 + n % 4,
            tip_minor=100 if kind == 15 else None,
        ))  # fmt: skip
    return out
