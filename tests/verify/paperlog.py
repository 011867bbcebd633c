"""A ledger in memory, made with nothing but tree and notes: entries, checkpoints, proofs, and as a folder."""

import json
from base64 import b64encode

from stallmark import leaf, receipt, registry, tree

from fleet.ledger import checkpoint, note, proof, tiles


class PaperLog:
    """Entries under a key of its own. `origin` may be another log's."""

    def __init__(self, seed, origin="localhost/test/2026"):
        self.signer = note.Signer(origin, seed)
        self.origin = origin
        self.entries = []

    def append(self, leaf_type, payload):
        """Adds a leaf; its index."""
        self.entries.append(leaf.entry(leaf_type, payload))
        return len(self.entries) - 1

    def receipts(self, coses):
        """Adds receipts; their indexes."""
        return [self.append(registry.LEAF_RECEIPT, cose) for cose in coses]

    def hashes(self, size=None):
        """Leaf hashes of the first `size` entries."""
        return [tree.leaf_hash(entry) for entry in self.entries[:size]]

    def checkpoint(self, size=None):
        """The signed checkpoint over the first `size` entries (all of them by default), as bytes."""
        hashes = self.hashes(size)
        return note.sign(checkpoint.make(self.origin, len(hashes), tree.root(hashes)).text, [self.signer])

    def proof(self, index, size=None, extra=None):
        """The tlog-proof of an entry, as text."""
        path = tree.inclusion_proof(self.hashes(size), index)
        return proof.write_proof(index, path, self.checkpoint(size), extra)

    def record_key(self, index, size=None):
        """The tlog-proof of a disclosure that carries its own entry, as text."""
        return self.proof(index, size, self.entries[index])

    def disclose(self, brick, epoch=0, mac_key=None, below=None):
        """Adds a record-key disclosure; its index."""
        key = mac_key or brick.mac_key
        below = len(self.entries) if below is None else below
        return self.append(
            registry.LEAF_DISCLOSURE, leaf.encode_disclosure(brick.brick8, epoch, key, brick.rental, below)
        )

    def files(self, size=None):
        """{path: bytes} of the ledger's folder."""
        size = len(self.entries) if size is None else size
        files = {"checkpoint": self.checkpoint(size)}
        for tile in tiles.all_tiles(size):
            if tile.level == tiles.ENTRIES:
                at = tile.index * tiles.WIDTH
                files[tile.path] = tiles.encode_bundle(self.entries[at : at + tile.width])
            else:
                files[tile.path] = b"".join(self._row(tile, size))
        return files

    def folder(self, path, keys=None, size=None):
        """Writes it as a portable folder."""
        for name, data in self.files(size).items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        if keys:
            (path / "keys.json").write_text(json.dumps(keys))
        return path

    def _row(self, tile, size):
        span = tiles.WIDTH**tile.level
        hashes = self.hashes(size)
        for place in range(tile.width):
            low = (tile.index * tiles.WIDTH + place) * span
            yield tree.root(hashes[low : low + span])

    def keys(self, *hosts, development=True):
        """The public keys file over these hosts, as a JSON value."""
        return {
            "format": "stallmark-public-keys/1",
            "development": development,
            "log": {"origin": self.origin, "vkey": self.signer.verifier.vkey},
            "hosts": [
                {
                    "host": host.host8.hex(),
                    "kid": receipt.kid(host.public).hex(),
                    "public": b64encode(host.public).decode(),
                    "name": host.name,
                }
                for host in hosts
            ],
            "authors": {"threshold": 2, "keys": []},
            "director": None,
            "witnesses": [],
        }
