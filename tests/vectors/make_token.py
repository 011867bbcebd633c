"""Writes token.json and event.json: pseudonyms, issued tags, passes, NDEF messages, events, by hmac, ndeflib,
cbor2."""

import base64

import ndef
from independent import cbor, expand, hmac, json_form, sha256, write

EVENT_KEY = bytes(range(32))  # a test key
SUBJECT, TOKEN = expand(EVENT_KEY, b"subject", 32), expand(EVENT_KEY, b"token", 32)


def pseudonym(kind: int, ident: bytes) -> bytes:
    return hmac(SUBJECT, bytes([kind]) + ident)[:8]


def payload(uid: bytes) -> bytes:
    return b"\x01" + hmac(TOKEN, b"stallmark/tag/1\0" + bytes([len(uid)]) + uid)[:16]


def message(*records: ndef.Record) -> bytes:
    return b"".join(ndef.message_encoder(list(records)))


def issued(uid: bytes) -> ndef.Record:
    return ndef.Record("urn:nfc:ext:stallmark.org:t", "", payload(uid))


UIDS = [bytes.fromhex(text) for text in ("04a1b2c3d4e5f6", "11223344", "00112233445566778899", "08aabbcc")]
tags = []
for uid in UIDS:
    random = len(uid) == 4 and uid[0] == 8
    other = payload(bytes(reversed(uid)))
    name = None if random else pseudonym(1, uid).hex()
    tags.append(
        {
            "uid": uid.hex(),
            "payload": payload(uid).hex(),
            "ndef": message(issued(uid)).hex(),
            "wrong": other.hex(),
            "subject": name,
            "random": random,
        }
    )

good = issued(UIDS[0])
link = ndef.UriRecord("https://stall.example/t")
text = ndef.TextRecord("Welcome", "en")
long_text = ndef.TextRecord("x" * 300, "en")
FOUND = [
    ("alone", message(good)),
    ("after a link", message(link, good)),
    ("after a long text", message(long_text, good)),
    ("with an id", message(ndef.Record("urn:nfc:ext:stallmark.org:t", "an id", payload(UIDS[0])))),
    ("as the sixteenth record", message(*[text] * 15, good)),
]
NOT_FOUND = [
    ("nothing", b""),
    ("one byte", b"\xd4"),
    ("a link alone", message(link)),
    ("another external type", message(ndef.Record("urn:nfc:ext:stallmark.org:x", "", payload(UIDS[0])))),
    ("as the seventeenth record", message(*[text] * 16, good)),
    ("cut inside the payload", message(good)[:-1]),
    ("payload length of 4 GiB", b"\xc4\x0f\xff\xff\xff\xff" + b"stallmark.org:t" + payload(UIDS[0])),
    ("type length beyond the end", b"\xd4\xff\x11" + b"stallmark.org:t" + payload(UIDS[0])),
    ("chunked", b"\xf4\x0f\x11" + b"stallmark.org:t" + payload(UIDS[0])),
    ("well-known type of that name", b"\xd1\x0f\x11" + b"stallmark.org:t" + payload(UIDS[0])),
    ("after the message's end", message(link) + message(good)),
    ("zeros", bytes(64)),
    ("ones", b"\xff" * 64),
]


def pass_text(serial: bytes, token: bytes = TOKEN) -> str:
    mac = hmac(token, b"stallmark/pass/1\0" + serial)[:16]
    return "SM1." + b32(serial) + "." + b32(mac)


def b32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")


SERIALS = [bytes(10), bytes(range(10)), b"\xff" * 10]
forged = pass_text(SERIALS[1], bytes(32))


def plain(data: bytes, counter: str | None = None) -> dict[str, object]:
    return {"data": data.hex(), "trust": 1, "subject": pseudonym(3, sha256(data)).hex(), "counter": counter}


def refused(data: bytes, counter: str) -> dict[str, object]:
    return {"data": data.hex(), "trust": None, "subject": None, "counter": counter}


TEXTS = [
    *[
        {"data": pass_text(s).encode().hex(), "trust": 3, "subject": pseudonym(2, s).hex(), "counter": None}
        for s in SERIALS
    ],
    plain(forged.encode(), "wrong_pass"),
    plain(pass_text(SERIALS[1]).lower().encode()),
    plain(pass_text(SERIALS[1]).encode()[:-1], "wrong_pass"),
    plain(b"SM1.", "wrong_pass"),
    plain(pass_text(SERIALS[1]).encode()[:-1] + b"1", "wrong_pass"),
    plain(b"x"),
    plain(b"https://stall.example/poster"),
    plain(b"~" * 128),
    plain(b"%x"),
    refused(b"", "not_readable"),
    refused(b"x" * 129, "not_readable"),
    refused(b"x" * 4000, "not_readable"),
    refused("Straße".encode(), "not_readable"),
    refused(b"\xff\xfe", "not_readable"),
    refused(b"$RESET", "setup_codes"),
    refused(b"^3", "setup_codes"),
    refused(b"@FACDEF", "setup_codes"),
    refused(b"%%SpecCode9B", "setup_codes"),
    refused(b"a\x1bb", "setup_codes"),
    refused(b"a\nb", "setup_codes"),
    refused(b"\x7f", "setup_codes"),
    refused(b"\x16M\r", "setup_codes"),
]
write(
    "token.json",
    {
        "event_key": EVENT_KEY.hex(),
        "tags": tags,
        "found": [{"name": name, "ndef": data.hex()} for name, data in FOUND],
        "not_found": [{"name": name, "ndef": data.hex()} for name, data in NOT_FOUND],
        "passes": [{"serial": serial.hex(), "text": pass_text(serial)} for serial in SERIALS],
        "texts": TEXTS,
    },
)

# --- events
NONCE = bytes(range(8))
EVENTS = [
    {0: 1, 1: 1, 2: 0, 7: NONCE},
    {0: 1, 1: 1, 2: 3, 3: b"\x51" * 8, 4: 1790000000000, 5: 12345, 6: [2, 40], 7: NONCE, 16: 3, 17: 9},
    {
        0: 1, 1: 3, 2: 7, 3: b"\x51" * 8, 4: 1790000000000, 7: NONCE, 8: [1800, 3], 9: 100,
        10: [["mug", 1, 1300], [4711, 2, 500]], 13: b"\x66" * 8, 14: "Z-0042/17", 15: b"source.8",
    },
    {0: 1, 1: 6, 2: 0, 7: NONCE, 8: [None, 12], 11: ["footfall", -3, 60], 12: 2**40},
]  # fmt: skip
BAD = [
    ("version 2", {0: 2, 1: 1, 2: 0, 7: NONCE}),
    ("no nonce", {0: 1, 1: 1, 2: 0}),
    ("trust 16", {0: 1, 1: 1, 2: 16, 7: NONCE}),
    ("subject of 7 bytes", {0: 1, 1: 1, 2: 0, 3: bytes(7), 7: NONCE}),
    ("wall as text", {0: 1, 1: 1, 2: 0, 4: "now", 7: NONCE}),
    ("basket of one entry", {0: 1, 1: 1, 2: 0, 7: NONCE, 8: [1]}),
    ("negative tip", {0: 1, 1: 1, 2: 0, 7: NONCE, 9: -1}),
    ("reference of 33 bytes", {0: 1, 1: 1, 2: 0, 7: NONCE, 14: "x" * 33}),
    ("line of two entries", {0: 1, 1: 1, 2: 0, 7: NONCE, 10: [["mug", 1]]}),
]
write(
    "event.json",
    {
        "events": [{"fields": json_form(fields), "bytes": cbor(fields).hex()} for fields in EVENTS],
        "newer": cbor({**EVENTS[0], 18: "newer than this program"}).hex(),
        "refused": [{"name": name, "bytes": cbor(fields).hex()} for name, fields in BAD],
    },
)
