"""Writes voucher.json: base45 by plain arithmetic on RFC 9285's text, payloads by cbor2, signatures by PyNaCl."""

from typing import Any

from independent import cbor, hmac, sha256, write
from nacl.signing import SigningKey

SEED, OTHER = bytes(range(32)), bytes(range(1, 33))  # test keys
SUBJECT = bytes(range(64, 96))
CHARS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
NOW = 1790000000
AUDIENCE, SERIAL = b"brick--1", bytes.fromhex("00112233445566ff")


def base45(data: bytes) -> str:
    """RFC 9285 §4: [a, b] = 256a + b = c + 45d + 45²e."""
    text = ""
    for pair in [data[i : i + 2] for i in range(0, len(data), 2)]:
        number = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            number, digit = divmod(number, 45)
            text += CHARS[digit]
    return text


def public(seed: bytes) -> bytes:
    return bytes(SigningKey(seed).verify_key)


def voucher(seed: bytes = SEED, **other: Any) -> dict[str, Any]:
    """One voucher, every step of it."""
    kid = sha256(public(seed))[:4]
    fields: dict[int, Any] = {
        0: 1, 1: kid, 2: SERIAL, 3: 7, 4: 200, 5: AUDIENCE, 6: NOW + 86400, 7: None,
    }  # fmt: skip
    for key, value in other.items():
        fields[int(key[1:])] = value
    payload = cbor(fields)
    signature = SigningKey(seed).sign(b"stallmark/voucher/1\0" + payload).signature
    serial = fields[2]
    return {
        "public": public(seed).hex(),
        "kid": fields[1].hex(),
        "serial": serial.hex(),
        "series": fields[3],
        "minor": fields[4],
        "audience": fields[5].hex(),
        "expires": fields[6],
        "not_before": fields[7],
        "payload": payload.hex(),
        "signature": signature.hex(),
        "text": "SMV1:" + base45(payload + signature),
        "subject": hmac(SUBJECT, b"\x04" + serial)[:8].hex(),
    }


GOOD = [
    voucher(),
    voucher(f3=0, f4=0, f7=NOW),
    voucher(OTHER, f2=bytes(8), f3=0xFFFF, f4=0xFFFFFFFF, f6=0xFFFFFFFF, f7=0xFFFFFFFF),
]


def made_of(fields: Any) -> str:
    return "SMV1:" + base45(cbor(fields) + bytes(64))


KID = sha256(public(SEED))[:4]
WHOLE: dict[int, Any] = {0: 1, 1: KID, 2: SERIAL, 3: 7, 4: 200, 5: AUDIENCE, 6: NOW, 7: None}
BAD = [
    ("no voucher", "SM1.AAAA"),
    ("lower case", GOOD[0]["text"].lower()),
    ("nothing behind the mark", "SMV1:"),
    ("a signature alone", "SMV1:" + base45(bytes(64))),
    ("one character short", GOOD[0]["text"][:-1]),
    ("one byte short", "SMV1:" + base45(bytes.fromhex(GOOD[0]["payload"] + GOOD[0]["signature"])[1:])),
    ("another version", made_of({**WHOLE, 0: 2})),
    ("a field more", made_of({**WHOLE, 8: 1})),
    ("a field less", made_of({key: WHOLE[key] for key in range(7)})),
    ("short serial", made_of({**WHOLE, 2: SERIAL[1:]})),
    ("series too large", made_of({**WHOLE, 3: 65536})),
    ("negative minor", made_of({**WHOLE, 4: -1})),
    ("true as minor", made_of({**WHOLE, 4: True})),
    ("audience as text", made_of({**WHOLE, 5: "brick--1"})),
    ("no expiry", made_of({**WHOLE, 6: None})),
    ("a list", made_of([1, KID, SERIAL, 7, 200, AUDIENCE, NOW, None])),
    ("too long", "SMV1:" + base45(bytes(64) + bytes(68))),
]

write(
    "voucher.json",
    {
        # The examples of RFC 9285 §4.3 and §4.4, then others by the arithmetic above
        "base45": [
            ["4142", "BB8"],
            ["48656c6c6f2121", "%69 VD92EX0"],
            ["626173652d3435", "UJCLQE7W581"],
            ["6965746621", "QED8WEX0"],
            ["", ""],
            ["00", "00"],
            ["ffff", "FGW"],
            ["ff", "U5"],
        ]
        + [[data.hex(), base45(data)] for data in (sha256(b"1"), sha256(b"2")[:31], bytes(9))],
        "not_base45": ["GGW", ":::", "V5", "::", "A", "AAAA", "BB8a", "BB_", "BB8\n", "BBÄ"],
        "subject_key": SUBJECT.hex(),
        "now": NOW,
        "good": GOOD,
        "bad": [[name, text] for name, text in BAD],
    },
)
