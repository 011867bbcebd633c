"""Copies of what a market hour left behind, to be altered: every key of the kit is at hand, as a liar inside would have it."""

import base64
import dataclasses
import hashlib
import hmac
import json
import shutil
import struct
import zlib

import apsw
import cbor2
from nacl.signing import SigningKey
from virtualkit.reference.audit import Findings, chain_link
from virtualkit.reference.flashimage import JOURNAL_OFFSET, PAGE, RING_OFFSET, SECTOR, FlashImage
from virtualkit.reference.judge import judge
from virtualkit.reference.ledgerfiles import TILE_WIDTH, leaf_hash, read_entries, roots, tile_path

RECEIPT = 1
DISCLOSURE = 6


class Forger:
    """One case: `entries` and `flash` may be changed, then `publish` and `burn` write them; `found` is the model's verdict."""

    def __init__(self, exhibits, folder):
        shutil.copytree(exhibits.ledger, folder / "ledger")
        shutil.copytree(exhibits.host, folder / "host")
        self.images = {}
        for number, (brick, image) in enumerate(exhibits.images.items()):
            self.images[brick] = folder / f"flash-{number}.bin"
            shutil.copyfile(image._path, self.images[brick])
        self.exhibits = dataclasses.replace(
            exhibits,
            ledger=folder / "ledger",
            host=folder / "host",
            images={brick: FlashImage(path) for brick, path in self.images.items()},
            greens={brick: list(seqs) for brick, seqs in exhibits.greens.items()},
            checkpoints=list(exhibits.checkpoints),
        )
        controller = json.loads((exhibits.controller / "keys.json").read_text())
        self._log = SigningKey(bytes.fromhex(controller["checkpoint_seed"]))
        host = json.loads((exhibits.host / "keys.json").read_text())
        self._host = SigningKey(bytes.fromhex(host["signing_seed"]))
        self._store_key = host["store_key"]
        size = int((exhibits.ledger / "checkpoint").read_text().splitlines()[1])
        self.entries = read_entries(exhibits.ledger, size)
        self.flash = {brick: dict(image.records()) for brick, image in self.exhibits.images.items()}

    def found(self):
        """Invariants of which the model finds a breach, and every breach in words."""
        # Nothing that was read before the copies were altered may be remembered.
        images = {brick: FlashImage(path) for brick, path in self.images.items()}
        findings = Findings()
        judge(dataclasses.replace(self.exhibits, images=images), findings)
        for violation in findings.violations:
            print(violation)
        return {violation.invariant for violation in findings.violations}, "\n".join(
            violation.text for violation in findings.violations
        )

    # --- the ledger

    def receipts(self):
        """(index of the leaf, payload) of every receipt."""
        return [
            (index, cbor2.loads(cbor2.loads(entry[1:]).value[2]))
            for index, entry in enumerate(self.entries)
            if entry[0] == RECEIPT
        ]

    def note(self, size, root):
        """A checkpoint under the log's own key."""
        origin, _, _ = self.exhibits.keys["log"]["vkey"].split("+", 2)
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        public = bytes(self._log.verify_key)
        key_id = hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
        blob = base64.b64encode(key_id + self._log.sign(text.encode()).signature).decode()
        return f"{text}\n\u2014 {origin} {blob}\n".encode()

    def publish(self):
        """Writes `entries` as a ledger whose only checkpoint is a fresh one: nobody can call it a rewritten history."""
        folder = self.exhibits.ledger
        shutil.rmtree(folder / "tile" / "entries")
        for number in range((len(self.entries) + TILE_WIDTH - 1) // TILE_WIDTH):
            part = self.entries[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
            path = folder / "tile" / "entries" / tile_path(number)
            if len(part) < TILE_WIDTH:
                path = path.parent / f"{path.name}.p" / str(len(part))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(struct.pack(">H", len(entry)) + entry for entry in part))
        size = len(self.entries)
        root = roots([leaf_hash(entry) for entry in self.entries], {size})[size]
        (folder / "checkpoint").write_bytes(self.note(size, root))
        self.exhibits.checkpoints.clear()

    def sign(self, payload):
        """A receipt under the host's own key."""
        protected = cbor2.dumps({1: -19, 4: self.kid}, canonical=True)
        body = cbor2.dumps(payload, canonical=True)
        message = cbor2.dumps(["Signature1", protected, b"", body])
        return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, body, self._host.sign(message).signature]))

    @property
    def kid(self):
        """Name of the host's key."""
        return hashlib.sha256(bytes(self._host.verify_key)).digest()[:8]

    def sign_again(self, records):
        """The host's receipts anew, chained and signed, of `records` {(brick, seq): (public, mac)}; those without one go."""
        seq, link, kept, coses = 0, bytes(16), [], []
        for entry in self.entries:
            if entry[0] != RECEIPT:
                kept.append(entry)
                continue
            payload = cbor2.loads(cbor2.loads(entry[1:]).value[2])
            public = cbor2.loads(payload[1])
            parts = records.get((public[1], public[2]))
            if parts is not None:
                seq += 1
                cose = self.sign(payload | {1: parts[0], 2: parts[1], 4: seq, 5: link})
                link = hashlib.sha256(b"stallmark/receipt/1\0" + cose).digest()[:16]
                kept.append(bytes([RECEIPT]) + cose)
                coses.append((seq, public[1], public[2], cose))
        self.entries = kept
        self._store(coses)
        self.publish()

    def _store(self, coses):
        """The host's store with these receipts and no others."""
        with self.store() as store:
            numbers = {bytes(brick): number for number, brick in store.execute("SELECT number, brick FROM bricks")}
            store.execute("DELETE FROM receipts")
            for host_seq, brick, seq, cose in coses:
                store.execute(
                    "INSERT INTO receipts (host_seq, brick, seq, ms, cose) VALUES (?, ?, ?, 0, ?)",
                    (host_seq, numbers[brick], seq, cose),
                )

    def store(self):
        """The copy of the host's store, opened."""
        config = json.loads((self.exhibits.host / "config.json").read_text())
        store = apsw.Connection(str(self.exhibits.host / config["store"]))
        store.pragma("cipher", "chacha20")
        store.pragma("key", f"raw:{self._store_key}")
        return store

    # --- flash

    def rewrite(self, brick, seq, change):
        """A brick that recorded something else: `change(public fields)`, then chain and MACs to the end, flash, receipts."""
        keys = {}
        for entry in self.entries:
            if entry[0] == DISCLOSURE:
                leaf = cbor2.loads(entry[1:])
                keys[(leaf[1], leaf[2])] = leaf[3]
        link = None
        for one in (self.flash[brick][number] for number in sorted(self.flash[brick]) if number >= seq):
            fields = one.fields
            if link is None:
                change(fields)
            else:
                fields[18] = link
            public = cbor2.dumps(fields, canonical=True)
            mac = hmac.new(keys[(brick, fields[3])], b"stallmark/record/1\0" + public, "sha256").digest()[:16]
            link = chain_link(public, mac)
            self.flash[brick][one.seq] = dataclasses.replace(one, public=public, mac=mac)
            self.burn(brick, self.flash[brick][one.seq])
        self.sign_again(self.parts())

    def parts(self):
        """What every record on flash says, as `sign_again` takes it."""
        return {
            (brick, seq): (one.public, one.mac)
            for brick, records in self.flash.items()
            for seq, one in records.items()
        }

    def burn(self, brick, one):
        """A record on its page of the copy, with a good CRC, over every copy of itself."""
        head = b"\x53\x01" + struct.pack(">HHIH", len(one.public), len(one.private), one.seq, 0)
        body = head + one.public + one.mac + one.private
        image = body.ljust(one.pages * PAGE - 4, b"\xff")
        for page in self.pages(brick, one.seq):
            self.write(brick, RING_OFFSET + page * PAGE, image + struct.pack(">I", zlib.crc32(image)))

    def pages(self, brick, seq):
        """Pages on which a record starts: the head of a start is written twice."""
        ring = self.images[brick].read_bytes()[RING_OFFSET:]
        starts = range(0, JOURNAL_OFFSET + 0x100000 - RING_OFFSET, PAGE)
        return [
            at // PAGE
            for at in starts
            if ring[at : at + 2] == b"\x53\x01" and ring[at + 6 : at + 10] == struct.pack(">I", seq)
        ]

    def write(self, brick, offset, data):
        """Bytes into the copy of a flash image."""
        with self.images[brick].open("r+b") as image:
            image.seek(offset)
            image.write(data)

    def mark(self, brick, host_seq, ledger_seq):
        """A brick that believes this much to be acknowledged."""
        body = b"SMMK" + struct.pack(">III", host_seq, ledger_seq, 0xFFFFFFF0) + b"\xff" * 12
        self.write(brick, JOURNAL_OFFSET + SECTOR - 32, body + struct.pack(">I", zlib.crc32(body)))
