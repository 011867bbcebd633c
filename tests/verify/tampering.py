"""One table of tampering, for the command and for the page in the browser: what is changed, what each says.

    stage = Stage()
    for case in cases(stage): …  case.cose, case.proof, case.record_key, case.keys, case.handle, case.expect

`expect` maps each check to (verdict, code). Both programs are held to the same table.
"""

import copy
from base64 import b64encode
from dataclasses import dataclass, replace

from stallmark import cbor, receipt, record
from stallmark.registry import FLAG_GATEWAY, KIND_GRANT

from tests.verify.paperlog import PaperLog
from tests.world import World


@dataclass(frozen=True)
class Case:
    """What a verifier is given, and what it must answer."""

    name: str
    cose: bytes
    keys: dict
    handle: bytes | None
    proof: str | None
    record_key: str | None
    expect: dict


class Stage:
    """A small honest ledger: 12 receipts of one brick, its record key published, and a gateway receipt."""

    def __init__(self, seed=11):
        self.world = World(seed)
        self.brick = self.world.brick()
        self.log = PaperLog(self.world.checkpoint_seed)
        self.records = []
        self.coses = self.world.receipts(12, KIND_GRANT, records=self.records)
        self.indexes = self.log.receipts(self.coses)
        self.disclosed_at = self.log.disclose(self.brick)
        late = self.world.record(KIND_GRANT, self.brick)  # under the key that is public by now
        self.late = self.world.receipt(late)
        self.late_handle = self.world.handle(late)
        self.late_at = self.log.receipts([self.late])[0]
        gateway = self.world.brick()
        lane = self.world.record(KIND_GRANT, gateway, f0=FLAG_GATEWAY)
        self.gateway = self.world.receipt(lane)
        self.gateway_handle = self.world.handle(lane)
        self.gateway_at = self.log.receipts([self.gateway])[0]
        self.keys = self.log.keys(self.world.host)

    def good(self):
        """The untouched case: receipt 4."""
        return Case(
            "untouched",
            self.coses[4],
            self.keys,
            self.world.handle(self.records[4]),
            self.log.proof(self.indexes[4]),
            self.log.record_key(self.disclosed_at),
            {
                "signed": ("ok", "signed"),
                "handle": ("ok", "handle-fits"),
                "mac": ("ok", "brick-made"),
                "ledger": ("ok", "included"),
                "reversed": ("unknown", "no-ledger"),
            },
        )

    def resigned(self, **more):
        """Receipt 4 with payload fields changed by a host that signs it anew: a lying host."""
        fields = {
            **receipt.parse(self.coses[4]).fields,
            **{int(name[1:]): value for name, value in more.items()},
        }
        return self.world.signed(cbor.encode(fields))


def flip(data, at, bit=1):
    """`data` with one bit changed."""
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def _line(proof, number, change):
    lines = proof.split("\n")
    lines[number] = change(lines[number])
    return "\n".join(lines)


def _swap(text):
    """A base64 line with its first character changed."""
    return ("B" if text[0] != "B" else "C") + text[1:]


def cases(stage):
    """Every case, the untouched one first."""
    good = stage.good()
    made = [good]

    def case(name, changes, **expect):
        told = {**good.expect, **{key: value for key, value in expect.items()}}
        if "handle" in changes and changes["handle"] is None:
            del told["handle"]
        made.append(replace(good, name=name, **changes, expect=told))

    lost = {"ledger": ("failed", "not-included"), "mac": ("unknown", "place-unknown")}
    parts = receipt.parse(good.cose)
    public = parts.fields[1]
    at_public = good.cose.index(public)
    at_mac = good.cose.index(parts.fields[2])
    at_holder = good.cose.index(parts.fields[11])
    at_nonce = at_public + public.index(record.Record(5, public, b"", b"").fields[15])
    wrong = ("failed", "signature-wrong")

    # the receipt, region by region
    case("signature, first half", {"cose": flip(good.cose, len(good.cose) - 64)}, signed=wrong, **lost)
    case("signature, second half", {"cose": flip(good.cose, len(good.cose) - 32)}, signed=wrong, **lost)
    case(
        "signature, S beyond the group order",
        {"cose": flip(good.cose, len(good.cose) - 1, 0x80)},
        signed=wrong,
        **lost,
    )
    not_made = {**lost, "mac": ("failed", "mac-wrong")}
    case("record MAC", {"cose": flip(good.cose, at_mac)}, signed=wrong, **not_made)
    case("record, a byte of its nonce", {"cose": flip(good.cose, at_nonce)}, signed=wrong, **not_made)
    case(
        "holder in the payload",
        {"cose": flip(good.cose, at_holder)},
        signed=wrong,
        handle=("failed", "handle-wrong"),
        **lost,
    )
    unreadable = {
        "signed": ("failed", "unreadable"),
        "handle": ("unknown", "no-holder"),
        "mac": ("unknown", "no-receipt"),
        "ledger": ("failed", "not-included"),
    }
    case("COSE tag", {"cose": flip(good.cose, 0)}, **unreadable)
    case("payload head", {"cose": flip(good.cose, 18)}, **unreadable)
    case("cut short", {"cose": good.cose[:-1]}, **unreadable)
    case("a byte after the end", {"cose": good.cose + b"\0"}, **unreadable)
    case("nothing at all", {"cose": b""}, **unreadable)
    key_id = good.cose.index(parts.kid)
    case("key id", {"cose": flip(good.cose, key_id)}, signed=("failed", "unknown-key"), **lost)

    # a lying host: everything signed, but not what the brick said
    forged = flip(public, public.index(record.Record(5, public, b"", b"").fields[15]))
    case("host signs a changed record", {"cose": stage.resigned(f1=forged)}, **not_made)
    case(
        "host signs another host's name",
        {"cose": stage.resigned(f3=b"otherhos")},
        signed=("failed", "host-mismatch"),
        **lost,
    )

    # the link
    case(
        "another receipt's link",
        {"handle": stage.world.handle(stage.records[5])},
        handle=("failed", "handle-wrong"),
    )
    case("no link", {"handle": None})

    # the proof
    broken = {"ledger": ("failed", "not-included"), "mac": ("unknown", "place-unknown")}
    case("no proof", {"proof": None}, ledger=("unknown", "no-proof"), mac=("unknown", "place-unknown"))
    case("proof hash", {"proof": _line(good.proof, 2, _swap)}, **broken)
    case(
        "proof hash missing",
        {"proof": _line(good.proof, 2, lambda line: "DROP").replace("DROP\n", "")},
        **broken,
    )
    case("proof index", {"proof": good.proof.replace("index 4\n", "index 5\n")}, **broken)
    case("proof of another receipt", {"proof": stage.log.proof(stage.indexes[5])}, **broken)
    garbled = {"ledger": ("failed", "proof-unreadable"), "mac": ("unknown", "place-unknown")}
    case("proof is something else", {"proof": "hello\n"}, **garbled)
    case("proof index is not a number", {"proof": good.proof.replace("index 4\n", "index 04\n")}, **garbled)
    case("proof hash is not base64", {"proof": _line(good.proof, 2, lambda line: "!" + line[1:])}, **garbled)

    # the checkpoint in it
    size = len(stage.log.entries)
    signature = {"ledger": ("failed", "checkpoint-signature"), "mac": ("unknown", "place-unknown")}
    case("checkpoint size", {"proof": good.proof.replace(f"\n{size}\n", f"\n{size + 1}\n")}, **signature)
    root = good.proof.split("\n\n")[1].split("\n")[2]
    case("checkpoint root", {"proof": good.proof.replace(root, _swap(root))}, **signature)
    other = PaperLog(b"\x07" * 32, "elsewhere.example/log")
    other.entries = list(stage.log.entries)
    foreign = {"ledger": ("failed", "other-log"), "mac": ("unknown", "place-unknown")}
    case("other log's checkpoint", {"proof": other.proof(4)}, **foreign)
    twin = PaperLog(b"\x08" * 32)  # our origin's name under another key
    twin.entries = list(stage.log.entries)
    case("our log's name, another key", {"proof": twin.proof(4)}, **foreign)
    forged_note = _line(good.proof, -2, lambda line: line[:-12] + _swap(line[-12:]))
    case("checkpoint signature", {"proof": forged_note}, **signature)

    # the keys
    stranger = World(stage.world.seed + 1000).host
    keys = stage.log.keys(stranger)
    case("keys of another host", {"keys": keys}, signed=("failed", "unknown-key"))
    mixed = copy.deepcopy(stage.keys)
    mixed["hosts"][0]["public"] = b64encode(
        stranger.public
    ).decode()  # another key under the right name and kid
    case("another key under the right kid", {"keys": mixed}, signed=("failed", "unknown-key"))
    unsigned = copy.deepcopy(stage.keys)
    unsigned["log"]["vkey"] = twin.signer.verifier.vkey
    case(
        "keys name another log key",
        {"keys": unsigned},
        ledger=foreign["ledger"],
        mac=("failed", "record-key-unproved"),
    )

    # the published record key
    case("record key not given", {"record_key": None}, mac=("unknown", "not-published"))
    case("record key is something else", {"record_key": "hello\n"}, mac=("failed", "record-key-unreadable"))
    case(
        "record key without its entry",
        {"record_key": stage.log.proof(stage.disclosed_at)},
        mac=("failed", "record-key-unreadable"),
    )
    entry = stage.log.entries[stage.disclosed_at]
    bent = stage.log.proof(stage.disclosed_at, extra=flip(entry, 20))
    case("record key changed", {"record_key": bent}, mac=("failed", "record-key-unproved"))
    elsewhere = PaperLog(stage.world.checkpoint_seed)
    elsewhere.entries = list(stage.log.entries)
    other_at = elsewhere.disclose(stage.world.bricks[1])
    case(
        "record key of another brick",
        {"record_key": elsewhere.record_key(other_at)},
        mac=("failed", "record-key-other"),
    )
    boast = PaperLog(stage.world.checkpoint_seed)
    boast.entries = list(stage.log.entries[: stage.disclosed_at])
    boast_at = boast.disclose(stage.brick, mac_key=stage.brick.mac_key, below=stage.disclosed_at + 5)
    case(
        "record key that claims the future",
        {"record_key": boast.record_key(boast_at)},
        mac=("failed", "record-key-unproved"),
    )
    after = {"cose": stage.late, "handle": stage.late_handle, "proof": stage.log.proof(stage.late_at)}
    case("entry younger than the record key", after, mac=("failed", "after-publication"))

    # the host's own lane
    lane = {"cose": stage.gateway, "handle": stage.gateway_handle, "proof": stage.log.proof(stage.gateway_at)}
    case("gateway lane", lane, mac=("unknown", "host-lane"))
    return made
