"""Writes receipt.json and batch.json, by cbor2, hashlib and PyNaCl (Ed25519 and XChaCha20-Poly1305)."""

import base64
import json

import cbor2
from independent import HERE, cbor, hmac, json_form, sha256, write
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt
from nacl.signing import SigningKey

SEED = bytes(range(32))  # a test key, as everything here
KEY = SigningKey(SEED)
PUBLIC = KEY.verify_key.encode()
KID = sha256(PUBLIC)[:8]
HOST = sha256(PUBLIC)[:8]
HANDLE_KEY = bytes(range(64, 96))
RECORDS = json.loads((HERE / "record.json").read_text())["records"]
BRICK = bytes(range(0xB0, 0xB8))
NOW = 1790000003210


def sign1(payload: bytes, alg: int = -19) -> tuple[bytes, bytes, bytes]:
    protected = cbor({1: alg, 4: KID})
    message = cbor(["Signature1", protected, b"", payload])
    signature = KEY.sign(message).signature
    return protected, message, cbor(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def short(cose: bytes) -> bytes:
    return sha256(b"stallmark/receipt/1\0" + cose)[:16]


def payload_fields(number: int, prev: bytes, extra: dict[int, object]) -> dict[int, object]:
    source = RECORDS[number]
    mac = bytes.fromhex(source["mac"])
    h = hmac(HANDLE_KEY, BRICK + source["seq"].to_bytes(4, "big") + mac)[:16]
    fields = {
        0: 1, 1: bytes.fromhex(source["public"]), 2: mac, 3: HOST, 4: number + 1, 5: prev, 6: NOW + number,
        7: NOW // 300000, 8: 1, 9: b"\x8e" * 32, 10: b"\x7e" * 16, 11: sha256(h)[:16], 15: 7, 16: b"hub....8",
    }  # fmt: skip
    fields.update(extra)
    return {key: fields[key] for key in sorted(fields) if fields[key] is not ...}


EXTRAS: list[dict[int, object]] = [
    {},
    {9: ..., 10: ..., 8: 3},
    {
        12: [["A", 1900, 1800, -270], [2, 700, 500, 0]], 13: ["creator", 2500], 14: "Z-0042/17",
        17: [b"\x17" * 32], 18: b"\x18" * 16, 19: [1, 21],
    },
    {20: "newer than this program", 30: [1]},
]  # fmt: skip

receipts = []
prev = bytes(16)
for number in range(len(RECORDS)):
    fields = payload_fields(number, prev, EXTRAS[number] if number < len(EXTRAS) else {})
    payload = cbor(fields)
    protected, message, cose = sign1(payload)
    mac = bytes.fromhex(RECORDS[number]["mac"])
    h = hmac(HANDLE_KEY, BRICK + (number + 1).to_bytes(4, "big") + mac)[:16]
    receipts.append(
        {
            "fields": json_form(fields),
            "payload": payload.hex(),
            "protected": protected.hex(),
            "to_be_signed": message.hex(),
            "cose": cose.hex(),
            "receipt16": short(cose).hex(),
            "seq": number + 1,
            "mac": mac.hex(),
            "handle": h.hex(),
            "link": "https://stall.example/r/" + base64.b32encode(h).decode().rstrip("="),
        }
    )
    prev = short(cose)

payload0 = bytes.fromhex(receipts[0]["payload"])
good = bytes.fromhex(receipts[0]["cose"])
first = payload_fields(0, bytes(16), {})


def bad(change: dict[int, object]) -> bytes:
    fields = sorted({**first, **change}.items())
    return sign1(cbor({key: value for key, value in fields if value is not ...}))[2]


protected0 = cbor({1: -19, 4: KID})
REFUSED = [
    ("untagged", good[1:]),
    ("another tag", cbor(cbor2.CBORTag(17, [protected0, {}, payload0, bytes(64)]))),
    ("alg -7", sign1(payload0, -7)[2]),
    ("an unprotected header", cbor(cbor2.CBORTag(18, [protected0, {4: KID}, payload0, bytes(64)]))),
    ("a signature of 63 bytes", cbor(cbor2.CBORTag(18, [protected0, {}, payload0, bytes(63)]))),
    ("payload null", cbor(cbor2.CBORTag(18, [protected0, {}, None, bytes(64)]))),
    ("a byte after it", good + b"\x00"),
    ("cut", good[:-1]),
    ("payload head longer than needed", good[:17] + b"\x5a\x00\x00" + good[18:]),
    ("empty", b""),
    *[(f"without field {key}", bad({key: ...})) for key in (0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16)],
    ("version 2", bad({0: 2})),
    ("public part empty", bad({1: b""})),
    ("MAC of 15 bytes", bad({2: bytes(15)})),
    ("host seq 0", bad({4: 0})),
    ("host ms negative", bad({6: -1})),
    ("till reference of 33 bytes", bad({14: "x" * 33})),
    ("attachment of 31 bytes", bad({17: [bytes(31)]})),
    ("tax line of three entries", bad({12: [["A", 1900, 1800]]})),
    ("payload with keys out of order", sign1(b"\xa2\x01\x00\x00\x01")[2]),
]

write(
    "receipt.json",
    {
        "public_key": PUBLIC.hex(),
        "kid": KID.hex(),
        "handle_key": HANDLE_KEY.hex(),
        "brick8": BRICK.hex(),
        "receipts": receipts,
        "eddsa": sign1(payload0, -8)[2].hex(),
        "refused": [{"name": name, "cose": data.hex()} for name, data in REFUSED],
    },
)


# --- batches


def rfc6962(hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1 as it is written."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + rfc6962(hashes[:split]) + rfc6962(hashes[split:]))


PART_KEY = bytes(range(96, 128))
batches = []
prev32 = bytes(32)
number = 1
all_cose = [bytes.fromhex(entry["cose"]) for entry in receipts]
for start, stop in ((0, 1), (1, 8), (8, len(all_cose))):
    inside = all_cose[start:stop]
    root = rfc6962([sha256(b"\x00" + b"\x01" + cose) for cose in inside])
    fields = {
        0: 1, 1: HOST, 2: number, 3: prev32, 4: root, 5: len(inside), 6: start + 1, 7: NOW // 300000,
        8: NOW + 500, 9: {} if number == 1 else {0: 2, 1: 1},
    }  # fmt: skip
    header = sign1(cbor(fields))[2]
    private = []
    for index in range(start, stop):
        plain = bytes.fromhex(RECORDS[index]["private"])
        if plain:
            seq = RECORDS[index]["seq"]
            aad = b"stallmark/private-part/1\0" + BRICK + seq.to_bytes(4, "big")
            nonce = bytes([index]) * 24
            sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(plain, aad, nonce, PART_KEY)
            private.append([BRICK, seq, 1, b"key id, sixteen.", nonce, sealed])
    evidence = [b"heads of other bricks"] if number == 2 else []
    batches.append(
        {
            "fields": json_form(fields),
            "header_payload": cbor(fields).hex(),
            "header": header.hex(),
            "body": cbor([header, inside, evidence, private]).hex(),
            "link": sha256(b"stallmark/batch/1\0" + header).hex(),
            "private": len(private),
        }
    )
    prev32 = sha256(b"stallmark/batch/1\0" + header)
    number += 1


def batch_of(change: dict[int, object], inside: list[bytes]) -> bytes:
    root = rfc6962([sha256(b"\x00" + b"\x01" + cose) for cose in inside])
    fields = {0: 1, 1: HOST, 2: 1, 3: bytes(32), 4: root, 5: len(inside), 6: 1, 7: 1, 8: NOW, 9: {}, **change}
    return sign1(cbor(fields))[2]


two = all_cose[:2]
entry = [BRICK, 7, 1, bytes(16), bytes(24), b"x"]
BAD_BATCHES = [
    ("three parts", cbor([batch_of({}, two), two, []])),
    ("count of one more", cbor([batch_of({5: 3}, two), two, [], []])),
    ("receipts in another order", cbor([batch_of({}, two), two[::-1], [], []])),
    ("root of others", cbor([batch_of({4: bytes(32)}, two), two, [], []])),
    ("number 0", cbor([batch_of({2: 0}, two), two, [], []])),
    ("no receipt", cbor([batch_of({}, two), [], [], []])),
    ("a receipt that is text", cbor([batch_of({}, two), ["x"], [], []])),
    ("private entry of five", cbor([batch_of({}, two), two, [], [entry[:5]]])),
    ("private seq 0", cbor([batch_of({}, two), two, [], [[BRICK, 0, *entry[2:]]]])),
    ("nonce of 12 bytes", cbor([batch_of({}, two), two, [], [[*entry[:4], bytes(12), b"x"]]])),
    ("header that is no COSE", cbor([b"\x00" * 90, two, [], []])),
    ("a map", cbor({0: 1})),
    ("empty", b""),
]
KEYS = [[b"key id, sixteen.", b"event..8", None, PART_KEY], [bytes(16), b"event..8", b"\x51" * 8, PART_KEY]]
write(
    "batch.json",
    {
        "public_key": PUBLIC.hex(),
        "part_key": PART_KEY.hex(),
        "brick8": BRICK.hex(),
        "batches": batches,
        "keys": {"value": json_form(KEYS), "bytes": cbor(KEYS).hex()},
        "refused": [{"name": name, "body": data.hex()} for name, data in BAD_BATCHES],
    },
)
