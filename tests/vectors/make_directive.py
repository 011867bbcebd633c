"""Writes directive/*.json (compact roots and directives) by cbor2, hashlib and PyNaCl; none of our own code."""

from typing import Any

from independent import HERE, cbor, hmac, json_form, sha256, write
from nacl.signing import SigningKey

ROOT_TYPE = "application/vnd.stallmark.root+cbor"
TYPE = "application/vnd.stallmark.directive+cbor"
# Test keys, as everything here.
ROOTS = [SigningKey(bytes([0x10 + n]) * 32) for n in range(3)]
NEW_ROOTS = [SigningKey(bytes([0x18 + n]) * 32) for n in range(3)]
DIRECTORS = [SigningKey(bytes([0x20 + n]) * 32) for n in range(3)]
AUTHORS = [SigningKey(bytes([0x30 + n]) * 32) for n in range(3)]
STRANGER = SigningKey(b"\x99" * 32)
KIT, OTHER_KIT, BRICK, SISTER = b"kit-0001", b"kit-0002", b"brick-01", b"brick-02"
HARDWARE = "esp32s3"
T0 = 1_790_000_000_000  # the first root
DAY = 86_400_000
RULES, NEXT, BEFORE = sha256(b"rules"), sha256(b"next rules"), sha256(b"rules of before")
BUNDLE = sha256(b"an envelope")
K_CTL = sha256(b"a test's K_ctl")


def kid(key: SigningKey) -> bytes:
    return sha256(key.verify_key.encode())[:8]


def keys(of: list[SigningKey]) -> list[list[bytes]]:
    return [[kid(key), key.verify_key.encode()] for key in of]


def envelope(kind: str, payload: bytes, signers: list[SigningKey], spoil: int | None = None) -> bytes:
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    signatures = []
    for index, key in enumerate(signers):
        signature = key.sign(message).signature
        if index == spoil:
            signature = signature[:10] + bytes([signature[10] ^ 1]) + signature[11:]
        signatures.append([kid(key), signature])
    return cbor({0: 1, 1: kind, 2: payload, 3: signatures})


# --- roots


def root(version: int = 1, **change: Any) -> dict[int, Any]:
    out: dict[int, Any] = {
        0: 1, 1: version, 2: T0 + (version - 1) * DAY, 3: T0 + 365 * DAY, 4: keys(ROOTS), 5: 2, 6: keys(DIRECTORS[:1]), 7: 1,
        8: keys(AUTHORS), 9: 2,
    }  # fmt: skip
    return out | {int(name[1:]): value for name, value in change.items()}


FIRST = envelope(ROOT_TYPE, cbor(root()), ROOTS[:2] + AUTHORS[:2])
SECOND = root(2, f4=keys(NEW_ROOTS), f6=keys(DIRECTORS[1:2]))
# name, envelope, result against FIRST in force
STEPS: list[tuple[str, bytes, int]] = [
    ("two old and two new", envelope(ROOT_TYPE, cbor(SECOND), ROOTS[:2] + NEW_ROOTS[:2]), 1),
    ("two others of each", envelope(ROOT_TYPE, cbor(SECOND), ROOTS[1:] + NEW_ROOTS[1:]), 1),
    ("the same keys", envelope(ROOT_TYPE, cbor(root(2)), ROOTS[:2]), 1),
    ("old keys only", envelope(ROOT_TYPE, cbor(SECOND), ROOTS[:2]), 3),
    ("new keys only", envelope(ROOT_TYPE, cbor(SECOND), NEW_ROOTS[:2]), 3),
    ("one old, two new", envelope(ROOT_TYPE, cbor(SECOND), [ROOTS[0], *NEW_ROOTS[:2]]), 3),
    ("one old twice, two new", envelope(ROOT_TYPE, cbor(SECOND), [ROOTS[0], ROOTS[0], *NEW_ROOTS[:2]]), 3),
    ("two old, one new twice", envelope(ROOT_TYPE, cbor(SECOND), [*ROOTS[:2], NEW_ROOTS[0], NEW_ROOTS[0]]), 3),
    ("a stranger for an old one", envelope(ROOT_TYPE, cbor(SECOND), [ROOTS[0], STRANGER, *NEW_ROOTS[:2]]), 3),
    ("an old one spoilt", envelope(ROOT_TYPE, cbor(SECOND), ROOTS[:2] + NEW_ROOTS[:2], spoil=1), 3),
    ("authors and director", envelope(ROOT_TYPE, cbor(SECOND), AUTHORS + DIRECTORS[:1]), 3),
    ("skips a step", envelope(ROOT_TYPE, cbor(root(3)), ROOTS[:2]), 16),
    ("the one in force", FIRST, 2),
    ("another of the same version", envelope(ROOT_TYPE, cbor(root(1, f2=T0 + 1)), ROOTS[:2]), 12),
    ("a newer form", envelope(ROOT_TYPE, cbor(root(2, f10=1)), ROOTS[:2]), 15),
    ("a field that may be passed over", envelope(ROOT_TYPE, cbor(root(2, f64="later")), ROOTS[:2]), 1),
    ("a directive's type", envelope(TYPE, cbor(root(2)), ROOTS[:2]), 10),
    ("form version 2", envelope(ROOT_TYPE, cbor(root(2, f0=2)), ROOTS[:2]), 10),
    ("one key under two names", envelope(
        ROOT_TYPE, cbor(root(2, f6=[keys(DIRECTORS)[0], [b"another!", DIRECTORS[0].verify_key.encode()]])), ROOTS[:2],
    ), 10),
    ("a key twice", envelope(ROOT_TYPE, cbor(root(2, f6=keys(DIRECTORS[:1]) * 2)), ROOTS[:2]), 10),
    ("threshold over the keys", envelope(ROOT_TYPE, cbor(root(2, f7=2)), ROOTS[:2]), 10),
    ("a threshold of none", envelope(ROOT_TYPE, cbor(root(2, f9=0)), ROOTS[:2]), 10),
    ("five director keys", envelope(
        ROOT_TYPE, cbor(root(2, f6=keys([SigningKey(bytes([n]) * 32) for n in range(1, 6)]))), ROOTS[:2],
    ), 10),
    ("not signed", envelope(ROOT_TYPE, cbor(root(2)), []), 3),
    ("over 4,096 bytes", envelope(ROOT_TYPE, cbor(root(2, f70=bytes(4096))), ROOTS[:2]), 6),
    ("a byte after it", envelope(ROOT_TYPE, cbor(root(2)), ROOTS[:2]) + b"\0", 10),
    ("empty", b"", 10),
]  # fmt: skip
# name, envelope, whether the tag under K_ctl is good, result where no root is in force and AUTHORS, 2, are provisioned
BEGINNINGS: list[tuple[str, bytes, bool, int]] = [
    ("two roots, two authors, the controller's tag", FIRST, True, 1),
    ("no tag", FIRST, False, 21),
    ("the authors do not sign", envelope(ROOT_TYPE, cbor(root()), ROOTS[:2]), True, 3),
    ("one author", envelope(ROOT_TYPE, cbor(root()), [*ROOTS[:2], AUTHORS[0]]), True, 3),
    ("one author twice", envelope(ROOT_TYPE, cbor(root()), [*ROOTS[:2], AUTHORS[0], AUTHORS[0]]), True, 3),
    ("it does not sign itself", envelope(ROOT_TYPE, cbor(root()), [ROOTS[0], *AUTHORS[:2]]), True, 3),
    ("keys that are both count in both", envelope(ROOT_TYPE, cbor(root(f4=keys(AUTHORS))), AUTHORS[:2]), True, 1),
    ("a later one is good, too", envelope(ROOT_TYPE, cbor(root(5)), ROOTS[:2] + AUTHORS[:2]), True, 1),
]

# --- directives


def item(brick: bytes = BRICK, **change: Any) -> list[Any]:
    out = {"kind": 1, "artefact": NEXT, "length": 900, "rev": 12, "hardware": "", "bundle": BUNDLE} | change
    return [brick, *out.values()]


def order(number: int = 8, **change: Any) -> dict[int, Any]:
    out: dict[int, Any] = {
        0: 1, 1: KIT, 2: number, 3: T0 + 2 * DAY, 4: T0 + 16 * DAY, 5: [item(), item(SISTER)], 6: 1, 7: 0, 8: None, 9: "",
        10: 3,
    }  # fmt: skip
    return out | {int(name[1:]): value for name, value in change.items()}


def signed(fields: dict[int, Any], signers: list[SigningKey] | None = None, **more: Any) -> bytes:
    return envelope(TYPE, cbor(fields), DIRECTORS[:1] if signers is None else signers, **more)


IN_FORCE = signed(order(7, f3=T0 + DAY, f5=[item(artefact=RULES, rev=10)]))
# name, envelope, result with FIRST and IN_FORCE in force, RULES rev 10 installed with the fallback BEFORE
ORDERS: list[tuple[str, bytes, int]] = [
    ("the next one", signed(order()), 1),
    ("a number far on", signed(order(2**32 - 1)), 1),
    ("halted", signed(order(f7=2, f9="error rate")), 1),
    ("security-critical", signed(order(f7=1, f8="2026.11")), 1),
    ("for this hardware", signed(order(f5=[item(hardware=HARDWARE)])), 1),
    ("what is installed, again", signed(order(f5=[item(artefact=RULES, rev=10)])), 1),
    ("back to a fallback", signed(order(f5=[item(artefact=BEFORE, rev=9)])), 1),
    ("this brick is not named", signed(order(f5=[item(SISTER)])), 1),
    ("nobody is named", signed(order(f5=[])), 1),
    ("rules and programs", signed(order(f5=[item(), item(kind=2, rev=1)])), 1),
    ("a field that may be passed over", signed(order(f64="later")), 1),
    ("a flag that may be passed over", signed(order(f7=256)), 1),
    ("the one in force", IN_FORCE, 2),
    ("the one in force, signed by others, too", signed(order(7, f3=T0 + DAY, f5=[item(artefact=RULES, rev=10)]),
     [DIRECTORS[0], STRANGER]), 2),
    ("not signed", signed(order(), []), 3),
    ("a stranger", signed(order(), [STRANGER]), 3),
    ("an author", signed(order(), AUTHORS[:2]), 3),
    ("a root key", signed(order(), ROOTS[:2]), 3),
    ("the next director, too early", signed(order(), DIRECTORS[1:2]), 3),
    ("spoilt", signed(order(), spoil=0), 3),
    ("a number below", signed(order(6)), 4),
    ("older rules", signed(order(f5=[item(rev=9)])), 4),
    ("other rules of the same rev", signed(order(f5=[item(rev=10)])), 4),
    ("over 4,096 bytes", signed(order(f70=bytes(4096))), 6),
    ("other hardware", signed(order(f5=[item(hardware="rp2040")])), 7),
    ("expired before the root", signed(order(f3=T0 - DAY, f4=T0)), 8),
    ("expired before the last one was issued", signed(order(f3=T0, f4=T0 + DAY)), 8),
    ("expires before it is issued", signed(order(f3=T0 + 3 * DAY, f4=T0 + 2 * DAY)), 8),
    ("a root's type", envelope(ROOT_TYPE, cbor(order()), DIRECTORS[:1]), 10),
    ("form version 2", signed(order(f0=2)), 10),
    ("number 0", signed(order(0)), 10),
    ("a number of 33 bits", signed(order(2**32)), 10),
    ("an item of six entries", signed(order(f5=[item()[:-1]])), 10),
    ("33 items", envelope(TYPE, cbor(order(f5=[[bytes([n]) * 8, 1, b"", 0, 0, "", b""] for n in range(33)])),
     DIRECTORS[:1]), 10),
    ("a reason of 97 bytes", signed(order(f9="x" * 97)), 10),
    ("without a rental", signed({key: value for key, value in order().items() if key != 10}), 10),
    ("text for bytes", signed(order(f1="kit-0001")), 10),
    ("no map", envelope(TYPE, b"\x80", DIRECTORS[:1]), 10),
    ("a byte after it", signed(order()) + b"\0", 10),
    ("empty", b"", 10),
    ("another of the same number", signed(order(7)), 12),
    ("another kit's", signed(order(f1=OTHER_KIT)), 13),
    ("another kit's of the same number", signed(order(7, f1=OTHER_KIT)), 13),
    ("another rental's", signed(order(f10=4)), 14),
    ("a newer form", signed(order(f11=True)), 15),
    ("a flag that must be understood", signed(order(f7=4)), 15),
    ("of a root that is not here", signed(order(f6=2)), 17),
    ("this brick twice", signed(order(f5=[item(), item(rev=13)])), 22),
    ("another brick twice", signed(order(f5=[item(), item(SISTER), item(SISTER)])), 22),
]  # fmt: skip

(HERE / "directive").mkdir(exist_ok=True)
write(
    "directive/root.json",
    {
        "provisioned": [[kid(key).hex(), key.verify_key.encode().hex()] for key in AUTHORS],
        "threshold": 2,
        "fields": json_form(root()),
        "payload": cbor(root()).hex(),
        "digest": sha256(cbor(root())).hex(),
        "first": FIRST.hex(),
        "tag": {
            "k_ctl": K_CTL.hex(),
            "brick8": BRICK.hex(),
            "version": 1,
            "tag": hmac(K_CTL, b"stallmark/root/1\0" + BRICK + (1).to_bytes(4, "big") + sha256(cbor(root())))[:16].hex(),
        },
        "beginnings": [
            {"name": name, "envelope": data.hex(), "tag": tag, "result": result} for name, data, tag, result in BEGINNINGS
        ],
        "steps": [{"name": name, "envelope": data.hex(), "result": result} for name, data, result in STEPS],
    },
)
write(
    "directive/directive.json",
    {
        "root": FIRST.hex(),
        "in_force": IN_FORCE.hex(),
        "kit8": KIT.hex(),
        "brick8": BRICK.hex(),
        "rental": 3,
        "hardware": HARDWARE,
        "installed": [RULES.hex(), 10, [BEFORE.hex()]],
        "fields": json_form(order()),
        "payload": cbor(order()).hex(),
        "digest": sha256(cbor(order())).hex(),
        "cases": [{"name": name, "envelope": data.hex(), "result": result} for name, data, result in ORDERS],
    },
)
