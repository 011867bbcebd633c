"""Writes cobs.json and frame.json: stuffing byte by byte as in the paper, CRC by zlib."""

from independent import cobs, frame, write

DATA = {
    "nothing": b"",
    "one zero": b"\x00",
    "two zeros": b"\x00\x00",
    "zero in the middle": b"\x11\x22\x00\x33",
    "zero at the end": b"\x11\x22\x33\x00",
    "253 other bytes": bytes(range(1, 254)),
    "254 other bytes": bytes(range(1, 255)),
    "255 other bytes": bytes(range(1, 256)),
    "254 other bytes, then zero": bytes(range(1, 255)) + b"\x00",
    "254 other bytes, then zero, then one": bytes(range(1, 255)) + b"\x00\x01",
    "zero, then 254 other bytes": b"\x00" + bytes(range(1, 255)),
    "253 other bytes, then zero": bytes(range(1, 254)) + b"\x00",
    "508 other bytes": bytes(range(1, 255)) * 2,
    "every byte": bytes(range(256)),
}
REFUSED = {
    "nothing": "",
    "zero inside": "031100",
    "block longer than the rest": "0511",
    "empty block after a full last one": (b"\xff" + bytes(range(1, 255)) + b"\x01").hex(),
}
FRAMES = {
    "empty body": (6, b""),
    "notice": (7, b"\x01no such session"),
    "zeros": (5, bytes(40)),
    "longest body": (5, bytes(1 + n % 255 for n in range(502))),
    "longest body of zeros": (5, bytes(502)),
}

write(
    "cobs.json",
    {
        "cases": [
            {"name": name, "data": data.hex(), "cobs": cobs(data).hex()} for name, data in DATA.items()
        ],
        "refused": [{"name": name, "cobs": data} for name, data in REFUSED.items()],
    },
)
write(
    "frame.json",
    {
        "cases": [
            {"name": name, "type": kind, "body": body.hex(), "frame": frame(kind, body).hex()}
            for name, (kind, body) in FRAMES.items()
        ]
    },
)
