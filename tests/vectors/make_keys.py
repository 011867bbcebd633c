"""Writes keys.json and provision.json, by cryptography and cbor2: key schedule, partition, provisioning."""

import zlib

from independent import cbor, expand, extract, hmac, json_form, sha256, write

BRICK_ENTROPY = bytes(range(32))
BENCH_ENTROPY = bytes(range(32, 64))
ONLY_ENTROPY = bytes(range(64, 96))
EVENT_KEY = bytes(range(96, 128))
RENTAL = 7

root0 = extract(b"stallmark/root/1", BRICK_ENTROPY + BENCH_ENTROPY)
root1 = expand(root0, b"root" + RENTAL.to_bytes(4, "big"), 32)
root2 = expand(root1, b"root" + (RENTAL + 1).to_bytes(4, "big"), 32)
brick = hmac(root0, b"stallmark/brick-id/1")[:8]
link0 = expand(root1, b"link", 32)
chain0 = expand(root1, b"record", 32)
only = extract(b"stallmark/only/1", ONLY_ENTROPY)

write(
    "keys.json",
    {
        "brick_entropy": BRICK_ENTROPY.hex(),
        "bench_entropy": BENCH_ENTROPY.hex(),
        "only_entropy": ONLY_ENTROPY.hex(),
        "event_key": EVENT_KEY.hex(),
        "rental": RENTAL,
        "root0": root0.hex(),
        "brick8": brick.hex(),
        "root1": root1.hex(),
        "root2": root2.hex(),
        "link0": link0.hex(),
        "link1": hmac(link0, b"ratchet").hex(),
        "link2": hmac(hmac(link0, b"ratchet"), b"ratchet").hex(),
        "chain0": chain0.hex(),
        "mac0": hmac(chain0, b"mac").hex(),
        "chain1": hmac(chain0, b"chain").hex(),
        "mac1": hmac(hmac(chain0, b"chain"), b"mac").hex(),
        "control": expand(root1, b"control", 32).hex(),
        "only": only.hex(),
        "subject": expand(EVENT_KEY, b"subject", 32).hex(),
        "token": expand(EVENT_KEY, b"token", 32).hex(),
    },
)

HARDWARE = "esp32s3 devkit, 8 MiB"
AUTHORS = [[b"author-1", b"\xa1" * 32], [b"author-2", b"\xa2" * 32]]
IDENTIFY = {0: 1, 1: 1}
IDENTITY = {0: 1, 1: 1, 2: HARDWARE, 3: 8388608, 4: b"\xf0" * 32, 5: BRICK_ENTROPY}
REQUEST = {
    0: 1,
    1: 2,
    2: BENCH_ENTROPY,
    3: RENTAL,
    4: EVENT_KEY,
    5: b"event..8",
    6: AUTHORS,
    7: 2,
    8: b"kit....8",
    9: b"hub....8",
    10: b"\xd0" * 32,
    11: b"host...8",
    12: 1790000000000,
    13: "EUR",
}
request = cbor(REQUEST)
check = hmac(root0, b"stallmark/provisioned/1\0" + sha256(request))[:16]
STORED = {
    0: brick,
    1: root1,
    2: RENTAL,
    3: only,
    4: 0,
    5: link0,
    6: 0,
    7: chain0,
    8: EVENT_KEY,
    9: REQUEST[5],
    10: AUTHORS,
    11: 2,
    12: REQUEST[8],
    13: REQUEST[9],
    14: REQUEST[10],
    15: REQUEST[11],
    16: HARDWARE,
    17: "EUR",
    18: 1,
}
stored = cbor(STORED)
page = b"SMKY\x01" + (1).to_bytes(4, "big") + len(stored).to_bytes(2, "big") + stored
page += zlib.crc32(page).to_bytes(4, "big")

write(
    "provision.json",
    {
        "identify": cbor(IDENTIFY).hex(),
        "identity": cbor(IDENTITY).hex(),
        "request": request.hex(),
        "answer": cbor({0: 1, 1: 2, 2: brick, 3: check}).hex(),
        "fields": json_form(STORED),
        "sector": page.hex(),
    },
)
