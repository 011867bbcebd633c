"""Writes link.json: one session with fixed nonces, by cryptography: M1 to M3, keys, sealed frames."""

from independent import aes_ctr, cbor, expand, frame, hmac, json_form, sha256, write

KEY = bytes(range(32))
BRICK = b"brick..8"
HOST = b"host...8"
EPOCH, BOOT, ATTEMPT = 5, 3, 1
NONCE_B = bytes(range(0x40, 0x50))
NONCE_H = bytes(range(0x60, 0x70))

auth = expand(KEY, b"stallmark/link/auth/1", 32)
m1 = BRICK + EPOCH.to_bytes(4, "big") + BOOT.to_bytes(4, "big") + ATTEMPT.to_bytes(4, "big") + NONCE_B
m1 += hmac(auth, b"stallmark/link/m1/1\0" + m1)[:16]
m2 = HOST + NONCE_H + EPOCH.to_bytes(4, "big") + b"\0\0"
m2 += hmac(auth, b"stallmark/link/m2/1\0" + m1 + m2)[:16]
m3 = hmac(auth, b"stallmark/link/m3/1\0" + m1 + m2)[:16]
okm = expand(hmac(sha256(m1 + m2), KEY), b"stallmark/link/keys/1\0" + BRICK + HOST, 96)
session = sha256(b"stallmark/link/session/1\0" + m1 + m2)[:4]
KEYS = {0: (okm[:16], okm[16:48]), 1: (okm[48:64], okm[64:])}


def sealed(direction: int, counter: int, plaintext: bytes) -> bytes:
    enc, mac = KEYS[direction]
    count = counter.to_bytes(4, "big")
    first = session + bytes([direction]) + b"\0\0\0" + count + b"\0\0\0\0"
    body = session + count + aes_ctr(enc, first, plaintext)
    return frame(5, body + hmac(mac, b"\x01\x05" + body)[:16])


def acknowledgement(direction: int, following: int) -> bytes:
    body = session + following.to_bytes(4, "big")
    return frame(6, body + hmac(KEYS[direction][1], b"\x01\x06" + body)[:16])


# direction, kind, id, value
MESSAGES = [
    (0, 2, 1, {0: BOOT, 1: 1, 2: 1, 3: bytes(16), 6: 4064, 7: 0, 8: 0, 9: [], 10: 1, 11: 0, 12: None}),
    (0, 1, 2, [4711, bytes(range(200)), bytes(16), bytes(36)]),
    (1, 32, 1, {0: 4711, 1: 4700, 2: bytes(range(16))}),
    (1, 33, 0x1234, {0: 1790000000000, 1: 2, 2: 40}),
]
# The controller orders a new link key: frame 10 to the brick, the key sealed to the host.
K_CTL = bytes(range(32, 64))
REKEY = 1 << 20
order = BRICK + REKEY.to_bytes(4, "big")
order += hmac(K_CTL, b"stallmark/rekey/1\0" + order)[:16]

counters = {0: 0, 1: 0}
frames = []
for direction, kind, number, value in MESSAGES:
    counters[direction] += 1
    plaintext = bytes([kind]) + number.to_bytes(2, "big") + cbor(value)
    frames.append(
        {
            "direction": direction,
            "kind": kind,
            "id": number,
            "value": json_form(value),
            "plaintext": plaintext.hex(),
            "frame": sealed(direction, counters[direction], plaintext).hex(),
        }
    )

write(
    "link.json",
    {
        "key": KEY.hex(),
        "brick8": BRICK.hex(),
        "host8": HOST.hex(),
        "epoch": EPOCH,
        "boot": BOOT,
        "attempt": ATTEMPT,
        "nonce_brick": NONCE_B.hex(),
        "nonce_host": NONCE_H.hex(),
        "m1": m1.hex(),
        "m2": m2.hex(),
        "m3": m3.hex(),
        "session": session.hex(),
        "keys": okm.hex(),
        "next_key": hmac(KEY, b"ratchet").hex(),
        "frame_m1": frame(2, m1).hex(),
        "frame_m2": frame(3, m2).hex(),
        "frame_m3": frame(4, m3).hex(),
        "messages": frames,
        "rekey": {
            "k_ctl": K_CTL.hex(),
            "epoch": REKEY,
            "tag": order[12:].hex(),
            "frame": frame(10, order).hex(),
            "key": expand(K_CTL, b"link" + REKEY.to_bytes(4, "big"), 32).hex(),
        },
        "ack_of_brick": acknowledgement(0, 3).hex(),
        "ack_of_host": acknowledgement(1, 3).hex(),
    },
)
