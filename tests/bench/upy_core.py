"""CBOR and COBS throughput, the same file on both interpreters; prints one JSON object. Run by bench_core."""

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


from stallmark import cbor, cobs

# A realistic grant's public part: docs/formats/record.md.
PUBLIC = {
    0: 0,
    1: bytes(range(8)),
    2: 88,
    3: 1,
    4: 3,
    5: 1790000000000,
    6: 3600000,
    7: [2, 40],
    8: bytes(8),
    9: 0,
    10: 1,
    11: 19,
    12: [[1, 1500, 500]],
    13: [[7, 500]],
    14: [1, 0, 7, 0, 21, 20],
    15: bytes(range(8)),
    16: 1,
    17: bytes(16),
    18: bytes(range(16)),
    23: "EUR",
}


def rate(function, argument, size, microseconds):
    """Bytes per second of `function(argument)`, over at least `microseconds`."""
    count = 0
    started = ticks_us()
    while True:
        for _ in range(50):
            function(argument)
        count += 50
        spent = ticks_diff(ticks_us(), started)
        if spent >= microseconds:
            return size * count * 1000000 // spent


def main(microseconds):
    encoded = cbor.encode(PUBLIC)
    block = bytes((n * 7) & 255 for n in range(480))
    stuffed = bytes(cobs.encode(block))
    print(
        json.dumps(
            {
                "bytes": len(encoded),
                "cbor encode": rate(cbor.encode, PUBLIC, len(encoded), microseconds),
                "cbor decode": rate(cbor.decode, encoded, len(encoded), microseconds),
                "cobs encode": rate(cobs.encode, block, len(block), microseconds),
                "cobs decode": rate(cobs.decode, stuffed, len(block), microseconds),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
