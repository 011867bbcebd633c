"""Writes bundle.json, slot.json, rights.json and control.json, by cbor2, hashlib, zlib and PyNaCl."""

import zlib

from independent import cbor, expand, hmac, json_form, sha256, write
from nacl.signing import SigningKey

AUTHORS = [SigningKey(bytes([number]) * 32) for number in (1, 2, 3)]  # test keys, as everything here
STRANGER = SigningKey(b"\x99" * 32)
TYPE = "application/vnd.stallmark.bundle+cbor"
ARTEFACT = bytes(range(256)) * 3
OLD = b"an older ruleset"


def kid(key: SigningKey) -> bytes:
    return sha256(key.verify_key.encode())[:8]


def pae(payload: bytes, kind: str = TYPE) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(kind.encode()), kind.encode(), len(payload), payload)


def fields(**change: object) -> dict[int, object]:
    out: dict[int, object] = {
        0: 1, 1: 1, 2: sha256(ARTEFACT), 3: len(ARTEFACT), 4: 10, 5: [], 6: [1, 1], 7: [], 8: None, 9: [],
        10: "test", 11: None, 12: 1790000000000,
    }  # fmt: skip
    names = {"kind": 1, "artefact": 2, "rev": 4, "fallback": 5, "engine": 6, "hardware": 7, "until": 8}
    names["golden"] = 9
    for name, value in change.items():
        out[names[name]] = value
    return out


def envelope(payload: bytes, keys: list[SigningKey], kind: str = TYPE, spoil: int | None = None) -> bytes:
    signatures = []
    for index, key in enumerate(keys):
        signature = key.sign(pae(payload, kind)).signature
        if index == spoil:
            signature = signature[:10] + bytes([signature[10] ^ 1]) + signature[11:]
        signatures.append([kid(key), signature])
    return cbor({0: 1, 1: kind, 2: payload, 3: signatures})


INSTALLED = envelope(cbor(fields(artefact=sha256(OLD), rev=5, fallback=[b"\xfb" * 32])), AUTHORS[:2])
GOLDEN = [[{0: 1, 1: 1, 2: 3, 7: bytes(8)}, 1, 0, 1], [{0: 1, 1: 2, 2: 0, 7: bytes(8)}, 2, None, 7]]
two = AUTHORS[:2]
# name, envelope, expected install result against INSTALLED, threshold 2 of the three authors, "esp32s3",
# engine 1,
# time floor 1790000000000
CASES = [
    ("two authors", envelope(cbor(fields()), two), 1),
    ("three authors, golden vectors", envelope(cbor(fields(golden=GOLDEN)), AUTHORS), 1),
    ("for this hardware among others", envelope(cbor(fields(hardware=["esp32", "esp32s3"])), two), 1),
    ("valid a millisecond longer", envelope(cbor(fields(until=1790000000001)), two), 1),
    ("one author twice", envelope(cbor(fields()), [AUTHORS[0], AUTHORS[0]]), 3),
    ("one author", envelope(cbor(fields()), AUTHORS[:1]), 3),
    ("nobody", envelope(cbor(fields()), []), 3),
    ("one author and a stranger", envelope(cbor(fields()), [AUTHORS[0], STRANGER]), 3),
    ("one signature spoilt", envelope(cbor(fields()), two, spoil=1), 3),
    ("spoilt, then good of the same author", envelope(cbor(fields()), [AUTHORS[0], *two], spoil=0), 1),
    ("older", envelope(cbor(fields(rev=4)), two), 4),
    ("the same rev", envelope(cbor(fields(rev=5)), two), 4),
    ("older, but the installed one names it", envelope(cbor(fields(rev=1, artefact=b"\xfb" * 32)), two), 1),
    ("older, names itself", envelope(cbor(fields(rev=1, fallback=[sha256(ARTEFACT)])), two), 4),
    ("the same artefact", envelope(cbor(fields(rev=11, artefact=sha256(OLD))), two), 2),
    ("other hardware", envelope(cbor(fields(hardware=["rp2040"])), two), 7),
    ("a newer engine", envelope(cbor(fields(engine=[2, 3])), two), 7),
    ("expired", envelope(cbor(fields(until=1790000000000)), two), 8),
    ("another artefact kind", envelope(cbor(fields(kind=2)), two), 10),
]
good = cbor(fields())
UNREADABLE = [
    ("another type", envelope(good, two, "text/plain")),
    ("five signatures", cbor({0: 1, 1: TYPE, 2: good, 3: [[bytes(8), bytes(64)]] * 5})),
    ("a signature of 63 bytes", cbor({0: 1, 1: TYPE, 2: good, 3: [[bytes(8), bytes(63)]]})),
    ("version 2", cbor({0: 2, 1: TYPE, 2: good, 3: []})),
    ("payload without a field", envelope(cbor({k: v for k, v in fields().items() if k != 12}), two)),
    ("five fallbacks", envelope(cbor(fields(fallback=[bytes(32)] * 5)), two)),
    ("engine range upside down", envelope(cbor(fields(engine=[2, 1])), two)),
    ("over 4,096 bytes", envelope(cbor({**fields(), 20: bytes(4096)}), two)),
    ("a byte after it", envelope(good, two) + b"\x00"),
    ("empty", b""),
]
write(
    "bundle.json",
    {
        "authors": [[kid(key).hex(), key.verify_key.encode().hex()] for key in AUTHORS],
        "artefact": ARTEFACT.hex(),
        "installed": INSTALLED.hex(),
        "manifest": good.hex(),
        "pae": pae(good).hex(),
        "dsse": {"type": "http://example.com/HelloWorld", "payload": b"hello world".hex(),
                 "pae": b"DSSEv1 29 http://example.com/HelloWorld 11 hello world".hex()},
        "cases": [
            {"name": name, "envelope": data.hex(), "digest": sha256(data).hex(), "result": result}
            for name, data, result in CASES
        ],
        "unreadable": [{"name": name, "envelope": data.hex()} for name, data in UNREADABLE],
    },
)  # fmt: skip

# --- a slot header
envelope0 = CASES[0][1]
bundle = len(envelope0).to_bytes(4, "big") + envelope0 + ARTEFACT
head = b"SMSL\x01" + (7).to_bytes(4, "big") + len(bundle).to_bytes(4, "big") + sha256(bundle)
head = head.ljust(252, b"\xff")
write(
    "slot.json",
    {"generation": 7, "bundle": bundle.hex(), "header": (head + zlib.crc32(head).to_bytes(4, "big")).hex()},
)

# --- slices of rights
DIRECTOR = SigningKey(b"\xd1" * 32)
SLICE = {0: 1, 1: 4711, 2: sha256(b"crowd-15")[:8], 3: 1, 4: 500, 5: b"kit....8", 6: 7, 7: 1790003600000}
payload = cbor(SLICE)
BAD_SLICES = [
    ("version 2", {**SLICE, 0: 2}),
    ("id over u32", {**SLICE, 1: 2**32}),
    ("rule of 7 bytes", {**SLICE, 2: bytes(7)}),
    ("amount 0", {**SLICE, 4: 0}),
    ("kit that is text", {**SLICE, 5: "kit....8"}),
    ("expires null", {**SLICE, 7: None}),
    ("no rental", {k: v for k, v in SLICE.items() if k != 6}),
]
write(
    "rights.json",
    {
        "rule": "crowd-15",
        "fields": json_form(SLICE),
        "payload": payload.hex(),
        "message": (b"stallmark/slice/1\0" + payload).hex(),
        "director": DIRECTOR.verify_key.encode().hex(),
        "signature": DIRECTOR.sign(b"stallmark/slice/1\0" + payload).signature.hex(),
        "newer": cbor({**SLICE, 8: "newer than this program"}).hex(),
        "refused": [{"name": name, "payload": cbor(bad).hex()} for name, bad in BAD_SLICES],
    },
)

# --- the controller's tag on a ledger mark
K_CTL = expand(bytes(range(32)), b"control", 32)
BRICK = bytes(range(0xB0, 0xB8))


def ack(seq: int) -> bytes:
    return hmac(K_CTL, b"stallmark/ack/1\0" + BRICK + seq.to_bytes(4, "big"))[:16]


def u32s(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def step(rental: int, following: int, epoch: int) -> dict[str, object]:
    tag = hmac(K_CTL, b"stallmark/step/1\0" + BRICK + u32s(rental, following, epoch))[:16]
    return {
        "rental": rental, "following": following, "epoch": epoch, "tag": tag.hex(),
        "value": cbor({0: rental, 1: following, 2: epoch, 3: tag}).hex(),
    }  # fmt: skip


def stepped(result: int, asked: int, rental: int, record_epoch: int, link_epoch: int) -> dict[str, object]:
    said = (result, asked, rental, record_epoch, link_epoch)
    tag = hmac(K_CTL, b"stallmark/stepped/1\0" + BRICK + u32s(*said))[:16]
    return {"said": said, "tag": tag.hex(), "value": cbor({**dict(enumerate(said)), 5: tag}).hex()}


# --- rules in the shadow
TRIED = bytes(range(0x40, 0x60))
SUMMARY = {
    0: 1, 1: BRICK, 2: TRIED[:8], 3: 3, 4: 12, 5: 7, 6: 120, 7: 4,
    8: [[2, 3, 1, 1, 3], [1, 1, 14, 10, 1]], 9: 0, 10: [4200, 4650, 1, 2],
    11: [[1_790_000_123_456, 19, 0, [1, 0, None, None, 21, 20]], [0, 33, 1, [10]]], 12: 0, 13: 2,
}  # fmt: skip


def tried(length: int, until: int) -> dict[str, object]:
    data = BRICK + TRIED + length.to_bytes(4, "big") + until.to_bytes(8, "big")
    tag = hmac(K_CTL, b"stallmark/shadow/1\0" + data)[:16]
    return {"length": length, "until": until, "tag": tag.hex(), "value": cbor({0: TRIED, 1: length, 2: until, 3: tag}).hex()}


BAD_SUMMARIES = {
    "another brick's form": {**SUMMARY, 1: BRICK[:7]}, "counts do not add up": {**SUMMARY, 7: 5},
    "more differ than came": {**SUMMARY, 6: 3},
    "nine pairs": {**SUMMARY, 7: 9, 8: [[2, 3, 1, 1, 1]] * 9}, "a pair of four": {**SUMMARY, 7: 0, 8: [[2, 3, 1, 1]]},
    "four examples": {**SUMMARY, 11: [[0, 19, 0, [1]]] * 4}, "a later version": {**SUMMARY, 0: 2},
    "money below nothing": {**SUMMARY, 10: [0, -1, 0, 0]},
}  # fmt: skip
write(
    "shadow.json",
    {
        "k_ctl": K_CTL.hex(), "brick8": BRICK.hex(), "bundle": TRIED.hex(),
        "orders": [tried(1800, 1_790_000_600_000), tried(1, 0), tried(65536, 2**53)],
        "summary": {
            "fields": json_form(SUMMARY), "bytes": cbor(SUMMARY).hex(),
            "tag": hmac(K_CTL, b"stallmark/shadowed/1\0" + cbor(SUMMARY))[:16].hex(),
        },
        "refused": [{"name": name, "bytes": cbor(bad).hex()} for name, bad in BAD_SUMMARIES.items()],
    },
)  # fmt: skip

ROOT_AFTER = expand(bytes(range(32)), b"root" + u32s(4), 32)
write(
    "control.json",
    {
        "root": bytes(range(32)).hex(),
        "brick8": BRICK.hex(),
        "acks": [
            {"ledger_seq": seq, "tag": ack(seq).hex()} for seq in (0, 1, 4711, 2**32 - 1)
        ],
        "steps": [step(3, 4, 1 << 20), step(0, 1, 1), step(2**32 - 2, 2**32 - 1, 2**32 - 1)],
        "answers": [
            stepped(28, 4, 4, 18, (1 << 20) + 1), stepped(29, 4, 3, 17, 40), stepped(30, 9, 3, 17, 40),
            stepped(31, 4, 3, 17, 1 << 21), stepped(11, 4, 3, 17, 40),
        ],
        "after": {
            "rental": 4, "root": ROOT_AFTER.hex(), "k_ctl": expand(ROOT_AFTER, b"control", 32).hex(),
            "link": expand(ROOT_AFTER, b"link", 32).hex(), "chain": expand(ROOT_AFTER, b"record", 32).hex(),
        },
    },
)
