"""Every secret of a development kit; in a real kit no two of their holders share a machine."""

import base64
import hashlib
import os
import secrets as random_source

from nacl.secret import SecretBox
from nacl.signing import SigningKey

from virtualkit.core import keys


def kid8(public: bytes) -> bytes:
    """The key identifier of docs/formats/receipt.md."""
    return hashlib.sha256(public).digest()[:8]


class LaneSecrets:
    """The host's own lane: a brick in software, its root mixed as a real brick's is."""

    def __init__(self, rental: int) -> None:
        root0 = keys.root0(os.urandom(32), os.urandom(32))
        self.brick: bytes = keys.brick_id(root0)
        self.root: bytes = keys.next_root(root0, rental)
        self.only: bytes = keys.only_key(os.urandom(32))


class Secrets:
    """Every secret of a development kit, fresh from the machine's random source."""

    def __init__(self, rental: int) -> None:
        self.lane = LaneSecrets(rental)
        self.voucher = SigningKey.generate()
        self.till_token = base64.urlsafe_b64encode(os.urandom(32)).decode()
        self.pin = f"{random_source.randbelow(10**6):06d}"
        self.authors = [os.urandom(32) for _ in range(3)]
        self.director = SigningKey.generate()
        self.checkpoint = SigningKey.generate()
        self.host = SigningKey.generate()
        self.seal = os.urandom(SecretBox.KEY_SIZE)
        self.event_key = os.urandom(32)
        self.tag_master = os.urandom(32)
        self.admin_token = base64.urlsafe_b64encode(os.urandom(32)).decode()
        self.token = base64.urlsafe_b64encode(os.urandom(32)).decode()
        self.kit, self.hub, self.event = os.urandom(8), os.urandom(8), os.urandom(8)
        self.host_id = kid8(bytes(self.host.verify_key))

    def author_publics(self) -> list[tuple[bytes, bytes]]:
        publics = [bytes(SigningKey(seed).verify_key) for seed in self.authors]
        return [(kid8(public), public) for public in publics]

    def sealed(self, secret: bytes) -> str:
        return bytes(SecretBox(self.seal).encrypt(secret)).hex()
