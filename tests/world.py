"""A small market made from a seed with nothing but the core: bricks, a host, records, receipts, batches, a
controller.

    world = World(7)
    brick = world.brick()
    body = world.batch(world.receipts(20))
    config = world.controller(folder)          # config.json and keys.json for `stallmark fleet`

Everything is as the format pages have it, signed and MACed with real keys; what a test wants broken, it
breaks.
"""

import base64
import hashlib
import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_sign,
    crypto_sign_seed_keypair,
)
from nacl.secret import SecretBox
from stallmark import batch, keys, receipt, record, rights
from stallmark.registry import (
    EVENT_NFC_TAP,
    FLAG_GATEWAY,
    KIND_BOOT,
    KIND_CLOSE,
    KIND_DENY,
    KIND_GRANT,
    KIND_RENTAL,
    KIND_START,
    QUALITY_HOST,
    REASON_GRANTED,
    REASON_NEAR,
    TRUST_ISSUED,
)

START_MS = 1_790_000_100_000  # a market morning in September 2026, at the start of a window
EPOCH_RECORDS = 1024
PERSONLESS = (KIND_START, KIND_BOOT, KIND_CLOSE, KIND_RENTAL)


@dataclass
class Brick:
    """A brick's secrets and where its chain stands."""

    brick8: bytes
    root: bytes  # R of the rental
    rental: int
    chain: bytes  # CK of the epoch
    k_only: bytes
    epoch: int = 0
    epoch_count: int = 0
    seq: int = 0
    prev: bytes = bytes(16)
    boot: int = 1
    started_ms: int = START_MS
    first: tuple = ()  # (root, rental) as provisioned

    @property
    def mac_key(self):
        """MK of the epoch."""
        return keys.record_mac_key(self.chain)

    @property
    def control_key(self):
        """K_ctl."""
        return keys.control_key(self.root)

    def advance(self):
        """The next record epoch."""
        self.chain = keys.next_chain(self.chain)
        self.epoch += 1
        self.epoch_count = 0


@dataclass
class Host:
    """A host's keys and where its chains stand."""

    seed: bytes
    handle_key: bytes
    token: str
    name: str = "host-1"
    seq: int = 0
    prev: bytes = bytes(16)
    number: int = 0
    prev_batch: bytes = bytes(32)
    private_keys: dict = field(default_factory=dict)  # subject8 or None: (id16, key32)

    @property
    def public(self):
        """32 bytes."""
        return crypto_sign_seed_keypair(self.seed)[0]

    @property
    def host8(self):
        """SHA-256(public key)[:8], which is its kid too."""
        return receipt.kid(self.public)

    def sign(self, message):
        """64 bytes."""
        return crypto_sign(message, crypto_sign_seed_keypair(self.seed)[1])[:64]


class World:
    """One kit and what happens at its stall. The same seed makes the same bytes."""

    def __init__(self, seed=1, start_ms=START_MS):
        self.seed = seed
        self.random = random.Random(seed)
        self.now_ms = start_ms
        self.kit, self.hub, self.event = self.octets(8), self.octets(8), self.octets(8)
        self.rental = 1
        self.event_key = self.octets(32)
        self.terms_text = "One gift a person and day, while stock lasts.\n"
        self.checkpoint_seed, self.director_seed = self.octets(32), self.octets(32)
        self.seal_key = self.octets(32)
        self.author_seeds = [self.octets(32) for _ in range(3)]
        self.admin_token = f"development token of world {seed}"
        self.hosts = []
        self.bricks = []
        self.lane = None
        self.tills = {}  # name: token
        self.host = self.new_host()
        self.ruleset_digest = self.octets(32)

    def octets(self, n):
        """n bytes of this world's own chance."""
        return self.random.randbytes(n)

    def new_host(self, name=None):
        """Another host of the kit."""
        token = base64.urlsafe_b64encode(self.octets(32)).decode()
        host = Host(self.octets(32), self.octets(32), token, name or f"host-{len(self.hosts) + 1}")
        self.hosts.append(host)
        return host

    def new_lane(self):
        """The host's own lane: a brick in software, not on any port."""
        self.lane = self.brick()
        self.bricks.remove(self.lane)
        self.lane_only = self.octets(32)
        return self.lane

    def till(self, name):
        """A till or other source that may ask the host; its bearer token."""
        self.tills[name] = base64.urlsafe_b64encode(self.octets(24)).decode()
        return self.tills[name]

    def brick(self):
        """Another brick of the kit, provisioned for the rental."""
        root0 = keys.root0(self.octets(32), self.octets(32))
        root = keys.next_root(root0, self.rental)
        made = Brick(
            keys.brick_id(root0), root, self.rental, keys.record_chain0(root), keys.only_key(self.octets(32))
        )
        made.started_ms = self.now_ms
        made.first = (root, self.rental)
        self.bricks.append(made)
        return made

    def record(self, kind=KIND_GRANT, brick=None, *, subject=None, epoch_ends=None, **more):
        """The next record of a brick (the first one where none is named), MACed and chained.

        `more` sets public fields by number, `f20=5`; None removes one. Advances the record key where it must.
        """
        brick = brick or (self.bricks[0] if self.bricks else self.brick())
        brick.seq += 1
        brick.epoch_count += 1
        self.now_ms += 1000
        private = b""
        fields = self._fields(kind, brick)
        if kind not in PERSONLESS:
            salt = record.salt(brick.k_only, brick.boot, brick.seq, self.octets(16))
            private = record.encode_private({0: salt, 1: subject or self.octets(8)})
            fields[17] = record.commit(private)
        for name, value in more.items():
            fields[int(name[1:])] = value
        fields = {key: value for key, value in fields.items() if value is not None or key == 5}
        public = record.encode_public(fields)
        mac = record.mac(brick.mac_key, public)
        brick.prev = record.link(public, mac)
        if epoch_ends is None:
            epoch_ends = kind in (KIND_CLOSE, KIND_RENTAL) or brick.epoch_count == EPOCH_RECORDS
        if kind == KIND_RENTAL:
            brick.root = keys.next_root(brick.root, fields[24][0])
            brick.chain = keys.record_chain0(brick.root)
            brick.rental = fields[24][0]
            brick.epoch += 1
            brick.epoch_count = 0
        elif epoch_ends:
            brick.advance()
        return record.Record(fields[2], public, mac, private, fields)

    def _fields(self, kind, brick):
        fields = {
            0: 0,
            1: brick.brick8,
            2: brick.seq,
            3: brick.epoch,
            4: brick.boot,
            5: self.now_ms,
            6: self.now_ms - brick.started_ms,
            7: [QUALITY_HOST, 50],
            10: kind,
            16: brick.rental,
            18: brick.prev,
        }
        if kind in (KIND_GRANT, KIND_DENY):
            fields |= {8: self.ruleset_digest[:8], 9: 0, 11: EVENT_NFC_TAP * 16 + TRUST_ISSUED}
            fields |= {15: self.octets(8), 23: "EUR"}
        if kind == KIND_GRANT:
            fields |= {12: [[1, 1500, None]], 14: [REASON_GRANTED, 0, 1, 0, 21, 20]}
        elif kind == KIND_DENY:
            fields |= {14: [REASON_NEAR, 0, 0, 0, 7, 20, None, 14]}
        elif kind == KIND_BOOT:
            fields |= {24: [self.ruleset_digest, self.octets(32), 0, 1, 0]}
        elif kind == KIND_CLOSE:
            fields |= {24: ["Ana"]}
        elif kind == KIND_START:
            fields |= {24: []}
        return fields

    def handle(self, item, host=None):
        """The look-up handle of a record's receipt, 16 bytes."""
        return receipt.handle((host or self.host).handle_key, item.fields[1], item.seq, item.mac)

    def receipt(self, item, host=None, **more):
        """The host's next receipt over a record: COSE bytes. `more` sets payload fields by number,
        `f18=…`."""
        host = host or self.host
        host.seq += 1
        ms, basis = receipt.best_time(item.fields, self.now_ms)
        fields = {
            0: 1,
            1: item.public,
            2: item.mac,
            3: host.host8,
            4: host.seq,
            5: host.prev,
            6: self.now_ms,
            7: receipt.window(ms),
            8: basis,
            9: self.ruleset_digest,
            10: hashlib.sha256(self.terms_text.encode()).digest()[:16],
            11: receipt.holder(self.handle(item, host)),
            15: item.fields[16],
            16: self.hub,
        }
        for name, value in more.items():
            fields[int(name[1:])] = value
        cose = self.signed(receipt.encode_payload({k: v for k, v in fields.items() if v is not None}), host)
        host.prev = receipt.short(cose)
        return cose

    def signed(self, payload, host=None):
        """COSE_Sign1 by a host."""
        host = host or self.host
        head = receipt.protected(host.host8)
        return receipt.assemble(head, payload, host.sign(receipt.to_be_signed(head, payload)))

    def receipts(self, n, kind=KIND_GRANT, host=None, records=None):
        """n receipts, from the bricks in turn (a first brick is made where there is none).

        `records`, where given, is a list that the records are added to.
        """
        if not self.bricks:
            self.brick()
        made = []
        for i in range(n):
            item = self.record(kind, self.bricks[i % len(self.bricks)])
            if records is not None:
                records.append(item)
            made.append(self.receipt(item, host))
        return made

    def batch(self, receipts, host=None, *, evidence=(), private=(), **more):
        """The next batch of a host over its newest receipts: body bytes. `more` sets header fields,
        `f3=…`."""
        host = host or self.host
        host.number += 1
        first = receipt.parse(receipts[0]).fields
        fields = {
            0: 1,
            1: host.host8,
            2: host.number,
            3: host.prev_batch,
            4: batch.root(list(receipts)),
            5: len(receipts),
            6: first[4],
            7: first[7],
            8: self.now_ms,
            9: {},
        }
        for name, value in more.items():
            fields[int(name[1:])] = value
        header = self.signed(batch.encode_header_payload(fields), host)
        host.prev_batch = batch.link(header)
        return batch.body(header, list(receipts), list(evidence), list(private))

    def private_entry(self, item, host=None):
        """The encrypted private part of a record, under one key per subject."""
        host = host or self.host
        subject = item.private_fields.get(1)
        if subject not in host.private_keys:
            host.private_keys[subject] = (self.octets(16), self.octets(32))
        key_id, key = host.private_keys[subject]
        nonce = self.octets(24)
        aad = batch.private_aad(item.fields[1], item.seq)
        sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(item.private, aad, nonce, key)
        return [item.fields[1], item.seq, 1, key_id, nonce, sealed]

    def slice(self, number, rule="rule-1", unit=1, amount=500):
        """(payload, signature) of a slice by the director."""
        rule8, expires = rights.rule8(rule), self.now_ms * 2
        payload = rights.encode_slice(number, rule8, unit, amount, self.kit, self.rental, expires)
        secret = crypto_sign_seed_keypair(self.director_seed)[1]
        return payload, crypto_sign(rights.slice_message(payload), secret)[:64]

    def controller(self, folder, **more):
        """Writes config.json, keys.json (0600) and the terms of a controller that knows every host and
        brick so far; `more` overrides keys of config.json. Returns the path of config.json."""
        folder = Path(folder)
        (folder / "terms").mkdir(parents=True, exist_ok=True)
        (folder / "terms" / "market.txt").write_text(self.terms_text)
        authors = [crypto_sign_seed_keypair(seed)[0] for seed in self.author_seeds]
        config = {
            "development": True,
            "name": "World market",
            "origin": "localhost/test/2026",
            "database": "stallmark.db",
            "ledger": "ledger",
            "port": 0,
            "public_url": "http://stall.test",
            "clock_file": None,
            "kits": [{"kit": self.kit.hex(), "name": "kit-1", "rental": self.rental}],
            "rights": [{"rule": "rule-1", "unit": 1, "slice": 500, "count": 3}],
            "authors": {
                "threshold": 2,
                "keys": [
                    {"kid": receipt.kid(public).hex(), "public": base64.b64encode(public).decode()}
                    for public in authors
                ],
            },
            **more,
        }
        secret = {
            "checkpoint_seed": self.checkpoint_seed.hex(),
            "director_seed": self.director_seed.hex(),
            "seal_key": self.seal_key.hex(),
            "hosts": [self._host_entry(host) for host in self.hosts],
            "bricks": [
                {
                    "brick": b.brick8.hex(),
                    "root": self.sealed(b.first[0]).hex(),
                    "rental": b.first[1],
                    "kit": self.kit.hex(),
                    **({"lane": True} if b is self.lane else {}),
                }
                for b in [*self.bricks, *([] if self.lane is None else [self.lane])]
            ],
            "event_keys": [{"event": self.event.hex(), "key": self.sealed(self.event_key).hex()}],
            "admin_token_sha256": hashlib.sha256(self.admin_token.encode()).hexdigest(),
        }
        path = folder / "config.json"
        path.write_text(json.dumps(config, indent=1))
        handle = os.open(folder / "keys.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump(secret, out, indent=1)
        return path

    def sealed(self, secret):
        """In a SecretBox under the controller's seal key; the nonce is this world's, for the same bytes
        each time."""
        return bytes(SecretBox(self.seal_key).encrypt(secret, self.octets(24)))

    def _host_entry(self, host):
        return {
            "host": host.host8.hex(),
            "public": host.public.hex(),
            "name": host.name,
            "token_sha256": hashlib.sha256(host.token.encode()).hexdigest(),
            "kit": self.kit.hex(),
        }


__all__ = ["EPOCH_RECORDS", "FLAG_GATEWAY", "START_MS", "Brick", "Host", "World"]
