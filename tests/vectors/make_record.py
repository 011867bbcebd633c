"""Writes record.json and journal.json: records, their flash pages and a whole ring, by cbor2, hashlib and
zlib."""

import zlib

from independent import cbor, expand, extract, hmac, json_form, sha256, write

ROOT = bytes(range(32))  # a test key, as everything here
CHAIN = expand(ROOT, b"record", 32)
MK = hmac(CHAIN, b"mac")
K_ONLY = extract(b"stallmark/only/1", bytes(range(32, 64)))
BRICK = bytes(range(0xB0, 0xB8))
ZERO16 = bytes(16)
START = 1790000000000


def commitment(private: bytes) -> bytes:
    return sha256(b"stallmark/private/1\0" + private)[:16]


def record_mac(public: bytes) -> bytes:
    return hmac(MK, b"stallmark/record/1\0" + public)[:16]


def chain(public: bytes, mac: bytes) -> bytes:
    return sha256(b"stallmark/link/1\0" + public + mac)[:16]


def salt(boot: int, seq: int, rand: bytes) -> bytes:
    return hmac(K_ONLY, boot.to_bytes(4, "big") + seq.to_bytes(4, "big") + rand)[:16]


def page(seq: int, public: bytes, mac: bytes, private: bytes) -> bytes:
    body = b"\x53\x01" + len(public).to_bytes(2, "big") + len(private).to_bytes(2, "big")
    body += seq.to_bytes(4, "big") + bytes(2) + public + mac + private
    size = 256 if len(body) + 4 <= 256 else 512
    body = body.ljust(size - 4, b"\xff")
    return body + zlib.crc32(body).to_bytes(4, "big")


def common(seq: int, kind: int, prev: bytes, wall: int | None = START) -> dict[int, object]:
    return {
        0: 0, 1: BRICK, 2: seq, 3: 0, 4: 3, 5: wall, 6: 12000 + 900 * seq, 7: [2, 40] if wall else [0, 0],
        10: kind, 16: 7, 18: prev,
    }  # fmt: skip


STORY: list[tuple[str, dict[int, object], dict[int, object] | None]] = [
    ("the first record of a brick", {10: 0, 5: None, 7: [0, 0], 24: []}, None),
    ("start-up, no ruleset yet", {10: 17, 5: None, 7: [0, 0], 24: [None, b"\xfd" * 32, 0, 1, 0]}, None),
    ("the host sets the clock", {10: 18, 24: [None, START, 0]}, None),
    ("the ruleset is active", {10: 17, 8: b"\x8e" * 8, 24: [b"\x8e" * 32, b"\xfd" * 32, 0, 1, 0]}, None),
    (
        "first use of a slice",
        {8: b"\x8e" * 8, 9: 0, 10: 10, 13: [[4711, 500]]},
        None,
    ),
    (
        "the 21st person makes the rule true",
        {8: b"\x8e" * 8, 9: 0, 10: 9, 24: [START + 3600000]},
        None,
    ),
    (
        "a realistic grant",
        {
            8: b"\x8e" * 8, 9: 0, 10: 1, 11: 1 * 16 + 3, 12: [[1, 1500, 270]], 13: [[4711, 770]],
            14: [1, 0, 1, 0, 21, 20], 15: bytes(range(8)), 19: [12, 1], 23: "EUR",
        },
        {1: b"\x51" * 8, 2: [1800, 3], 5: 17},
    ),
    (
        "a deny that was near, with nulls in why",
        {8: b"\x8e" * 8, 10: 2, 11: 1 * 16 + 2, 14: [2, 0, None, None, 12, 20, None, 1], 15: bytes(8)},
        {1: b"\x52" * 8},
    ),
    (
        "an anonymous phone",
        {8: b"\x8e" * 8, 10: 2, 11: 1 * 16, 14: [7], 15: b"\x09" * 8, 22: 31},
        {},
    ),
    (
        "a training record with everything known",
        {
            0: 1 | 4 | 8, 8: b"\x8e" * 8, 9: 63, 10: 1, 11: 3 * 16 + 7, 12: [[5, 1, None], [8, 30, None]],
            13: [[1, 1], [2, 2]], 14: [1, 3, 5, 2, 100, 50, 60, 1], 15: b"\xee" * 8, 19: [1, 0], 20: 7,
            21: b"\x21" * 16, 22: 1000, 23: "CHF",
        },
        {1: b"\x53" * 8, 2: [2500, None], 3: 100, 4: ["mug", "4006381333931"], 5: 2**32, 6: b"\x66" * 8},
    ),
    (
        "a large record takes two pages",
        {10: 10, 13: [[100000 + n, 1000000 + n] for n in range(16)]},
        None,
    ),
    (
        "repeated denials merged",
        {10: 12, 11: 1 * 16 + 2, 24: [97, START + 5000]},
        {1: b"\x52" * 8},
    ),
    ("a person closes the stall", {10: 13, 24: ["Ada"]}, None),
    ("lost records named", {10: 20, 24: [3, 9]}, None),
    ("the next rental begins", {10: 21, 16: 8, 24: [8]}, None),
    (
        "a kind and fields newer than this program",
        {10: 99, 24: ["anything", 1], 25: {0: b"new"}, 40: None},
        {9: [1, 2, 3]},
    ),
    (
        "a signal at the gateway lane",
        {0: 2, 8: b"\x8e" * 8, 10: 2, 11: 6 * 16, 14: [7], 15: b"\x0a" * 8},
        {7: "counted by hand", 8: ["footfall", 17, 30]},
    ),
]

records = []
prev = ZERO16
for number, (name, extra, private_extra) in enumerate(STORY, 1):
    private, private_fields = b"", None
    fields = common(number, 0, prev)
    fields.update(extra)
    rand = bytes([number]) * 16
    if private_extra is not None:
        private_fields = {0: salt(3, number, rand), **private_extra}
        private = cbor(private_fields)
        fields[17] = commitment(private)
    public = cbor(dict(sorted(fields.items())))
    mac = record_mac(public)
    records.append(
        {
            "name": name,
            "seq": number,
            "fields": json_form(dict(sorted(fields.items()))),
            "private_fields": None if private_fields is None else json_form(private_fields),
            "rand": None if private_fields is None else rand.hex(),
            "public": public.hex(),
            "mac": mac.hex(),
            "private": private.hex(),
            "link": chain(public, mac).hex(),
            "page": page(number, public, mac, private).hex(),
        }
    )
    prev = chain(public, mac)

# What is refused: the parts of a record of which one thing is wrong, and the word that the reason has.
GOOD = common(5, 2, bytes(16))


def broken(change: dict[int, object], drop: int | None = None) -> bytes:
    fields = {**GOOD, **change}
    if drop is not None:
        del fields[drop]
    return cbor(dict(sorted(fields.items())))


REFUSED: list[tuple[str, str, bytes]] = [
    *[(f"without field {key}", f"field {key}", broken({}, key)) for key in sorted(GOOD)],
    ("brick of 7 bytes", "(1)", broken({1: bytes(7)})),
    ("seq of another record", "public part", broken({2: 6})),
    ("seq 0", "(2)", broken({2: 0})),
    ("epoch over u32", "field 3", broken({3: 2**32})),
    ("boot that is text", "field 4", broken({4: "3"})),
    ("wall before 1970", "(5)", broken({5: -1})),
    ("uptime null", "(6)", broken({6: None})),
    ("clock of three entries", "(7)", broken({7: [2, 40, 1]})),
    ("clock quality true", "(7)", broken({7: [True, 40]})),
    ("ruleset digest of 32 bytes", "field 8", broken({8: bytes(32)})),
    ("negative rule", "(9)", broken({9: -1})),
    ("event and trust over u16", "(11)", broken({11: 65536})),
    ("grant of two entries", "(12)", broken({12: [[1, 1500]]})),
    ("negative rights", "(13)", broken({13: [[1, -1]]})),
    ("why that ends with null", "(14)", broken({14: [1, None]})),
    ("why of nine entries", "(14)", broken({14: [1] * 9})),
    ("nonce of 7 bytes", "field 15", broken({15: bytes(7)})),
    ("prev of 15 bytes", "(18)", broken({18: bytes(15)})),
    ("commitment without a private part", "(17)", broken({17: bytes(16)})),
    ("reference seq 0", "(20)", broken({20: 0})),
    ("currency of four letters", "(23)", broken({23: "EURO"})),
    ("detail that is a number", "(24)", broken({24: 1})),
    ("boot without firmware digest", "detail", broken({10: 17, 24: [None, None, 0, 1, 0]})),
    ("a negative key", "keys", broken({-1: 0})),
    ("not a map", "map", cbor([1, 2])),
    ("a float", "float", cbor(GOOD)[:-17] + b"\xfa\x00\x00\x00\x00"),
    ("keys out of order", "order", b"\xa2\x01\x00\x00\x00"),
    ("trailing byte", "after", cbor(GOOD) + b"\x00"),
    ("cut", "ends", cbor(GOOD)[:-1]),
    ("nothing", "", b""),
    ("over 440 bytes", "440", broken({30: bytes(400)})),
]

write(
    "record.json",
    {
        "mk": MK.hex(),
        "k_only": K_ONLY.hex(),
        "boot": 3,
        "records": records,
        "refused": [{"name": name, "reason": reason, "public": data.hex()} for name, reason, data in REFUSED],
    },
)

# A ring of six sectors: marks, records that wrap, a torn page, the head written again.
SECTOR, PAGE = 4096, 256
image = bytearray(b"\xff" * 6 * SECTOR)


def mark(host: int, ledger: int, generation: int) -> bytes:
    body = b"SMMK" + host.to_bytes(4, "big") + ledger.to_bytes(4, "big") + generation.to_bytes(4, "big")
    body += b"\xff" * 12
    return body + zlib.crc32(body).to_bytes(4, "big")


def put(offset: int, data: bytes) -> None:
    image[offset : offset + len(data)] = data


put(0, mark(3, 0, 127) + mark(6, 2, 128))
put(SECTOR, mark(9, 4, 129) + mark(12, 4, 130) + b"\x00" * 7)  # the last one torn
prev = ZERO16
at = 0  # page of the ring; the ring has 64
ring = []


def program(at: int, data: bytes) -> int:
    """Fills the next page or two, in a sector that was erased before its first one; the page after them."""
    if at % 16 == 0:
        put((2 + at // 16 % 4) * SECTOR, b"\xff" * SECTOR)
    put(2 * SECTOR + at % 64 * PAGE, data)
    return at + (len(data) + PAGE - 1) // PAGE


for number in range(1, 73):
    fields = common(number, 12 if number % 9 == 0 else 2, prev)
    if number % 9 == 0:
        fields[13] = [[100000 + n, 1000000 + n] for n in range(16)]  # two pages
    public = cbor(dict(sorted(fields.items())))
    mac = record_mac(public)
    data = page(number, public, mac, b"")
    if at % 16 + len(data) // PAGE > 16:
        at += 16 - at % 16
    at = program(at, data)
    ring.append((number, public, mac))
    prev = chain(public, mac)
at = program(at, page(73, public, mac, b"")[:100])  # torn by a cut
at = program(at, page(72, ring[-1][1], ring[-1][2], b""))  # the head once more, after the start
held = {
    int.from_bytes(image[offset + 6 : offset + 10], "big")
    for offset in range(2 * SECTOR, len(image), PAGE)
    if image[offset : offset + 2] == b"\x53\x01"
} - {73}
pages = {
    str(offset): bytes(image[offset : offset + PAGE]).hex()
    for offset in range(0, len(image), PAGE)
    if image[offset : offset + PAGE] != b"\xff" * PAGE
}
write(
    "journal.json",
    {
        "size": len(image),
        "pages": pages,
        "host_seq": 12,
        "ledger_seq": 4,
        "first": min(held),
        "last": 72,
        "count": len(held),
        "torn": 1,
        "conflicts": 0,
        "next_pages": [2 * SECTOR + at % 64 * PAGE, 2 * SECTOR + (at + 1) % 64 * PAGE],
        "head": {"public": ring[-1][1].hex(), "mac": ring[-1][2].hex(), "link": prev.hex()},
    },
)
