"""What a tag's proof costs an interpreter: link and live authentication, without radio. Prints JSON. Run by bench_tags."""

import gc
import json
import sys
import time

import cryptolib
from stallmark import sdm, tagauth, tagkeys


def make_ecb(key):
    return cryptolib.aes(key, 1).encrypt


def make_inverse(key):
    return cryptolib.aes(key, 1).decrypt


with open(sys.argv[1]) as file:
    DATA = json.load(file)
ROUNDS = int(sys.argv[2])
UID = bytes.fromhex(DATA["uid"])
META, FILE = bytes.fromhex(DATA["bases"]["meta"]), bytes.fromhex(DATA["bases"]["file"])
LINK = b"\x04stall.example/t?e=" + DATA["sdm"][1]["picc"].encode() + b"&c=" + DATA["sdm"][1]["mac"].encode()
MESSAGE = bytes((0xD1, 1, len(LINK))) + b"U" + LINK
CASE = DATA["an12196_authentication"][0]
CHALLENGE, PROOF = bytes.fromhex(CASE["challenge"]), bytes.fromhex(CASE["proof"])
REPLY, RANDOM = bytes.fromhex(CASE["reply"]), bytes.fromhex(CASE["random"])


def link():
    picc, mac = sdm.find(MESSAGE)
    uid, counter = sdm.open_picc(picc, make_inverse(META))
    key = tagkeys.diversified(make_ecb, FILE, uid, tagkeys.KEY_FILE)
    assert uid == UID and sdm.check(make_ecb, key, uid, counter, mac)


def live():
    tagkeys.diversified(make_ecb, FILE, UID, tagkeys.KEY_LIVE)
    session = tagauth.Session(make_ecb, make_inverse, lambda n: RANDOM)
    session.begin(1)
    session.challenged(CHALLENGE, bytes(16))
    session.proved(PROOF)
    session.command(0x8D, bytes.fromhex(CASE["header"]), bytes.fromhex(CASE["data"]))
    session.opened(REPLY)


def measure(work):
    """(microseconds, bytes of garbage) of one."""
    work()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    work()
    garbage = gc.mem_alloc() - before
    gc.enable()
    best = None
    for _ in range(5):
        gc.collect()
        started = time.ticks_us()
        for _ in range(ROUNDS):
            work()
        took = time.ticks_diff(time.ticks_us(), started) / ROUNDS
        best = took if best is None else min(best, took)
    return best, garbage


print(json.dumps({"link": measure(link), "live": measure(live)}))
