"""Keys at rest and in use: sealed brick roots, the record key of each epoch, tags for acknowledgements."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from fleet.core import control, crypt, keyschedule, shadow, tagkeys
from fleet.core import rental as stepping
from fleet.errors import ConfigError

MAX_STEPS = 512  # epochs that a key is worked out ahead: what claims to be further is not believed
KEPT_EPOCHS = 4  # record keys kept in memory for each brick


class Seal:
    """Secrets at rest, under the controller's seal key (nacl SecretBox: XSalsa20-Poly1305, random nonce)."""

    def __init__(self, key: bytes) -> None:
        self._box = SecretBox(key)

    def close(self, secret: bytes) -> bytes:
        """Sealed bytes."""
        return bytes(self._box.encrypt(secret))

    def open(self, sealed: bytes, what: str) -> bytes:
        """The secret. Raises ConfigError where the seal key is not the one it was closed with."""
        try:
            return self._box.decrypt(sealed)
        except (CryptoError, ValueError):
            raise ConfigError(f"{what} cannot be unsealed: the seal key is another one") from None


@dataclass(frozen=True, slots=True, repr=False)
class Root:
    """A brick's root from one of its record epochs on: one for each rental that it was stepped to."""

    brick: bytes
    first_epoch: int
    rental: int
    sealed: bytes


@dataclass(slots=True, repr=False)
class _Chain:
    """What is worked out of one root so far."""

    root: Root
    epoch: int
    ck: bytes
    control: bytes
    macs: OrderedDict[int, bytes] = field(default_factory=OrderedDict[int, bytes])


class RecordKeys:
    """The record MAC keys of every brick, worked out when first asked for. For one thread."""

    def __init__(self, seal: Seal, roots: Iterable[Root]) -> None:
        self._seal = seal
        self._roots: dict[bytes, list[Root]] = {}
        self._chains: dict[tuple[bytes, int], _Chain] = {}
        for root in sorted(roots, key=lambda r: r.first_epoch):
            self.add(root)

    def knows(self, brick: bytes) -> bool:
        """Whether this brick was enrolled here."""
        return brick in self._roots

    def add(self, root: Root) -> None:
        """A root that counts from its first epoch on."""
        self._roots.setdefault(root.brick, []).append(root)

    def mac_key(self, brick: bytes, epoch: int) -> bytes | None:
        """MK of an epoch; None for an unknown brick, an epoch before its first or far beyond its latest."""
        root = self._root(brick, epoch)
        if root is None:
            return None
        chain = self._chain(root)
        known = chain.macs.get(epoch)
        if known is not None:
            return known
        steps = epoch - chain.epoch
        if steps > MAX_STEPS:
            return None
        # What is near moves the cached chain along; late and far epochs are worked out beside it.
        work = chain if 0 <= steps <= KEPT_EPOCHS else self._open(root)
        while work.epoch < epoch:
            work.ck = keyschedule.next_chain(work.ck)
            work.epoch += 1
        key: bytes = keyschedule.record_mac_key(work.ck)
        chain.macs[epoch] = key
        while len(chain.macs) > KEPT_EPOCHS:
            chain.macs.popitem(last=False)
        return key

    def rental(self, brick: bytes, epoch: int) -> int:
        """The rental that an epoch belongs to, 0 where there is none."""
        root = self._root(brick, epoch)
        return 0 if root is None else root.rental

    def ack_tag(self, brick: bytes, ledger_seq: int) -> bytes:
        """16 bytes by which the brick knows a ledger mark for its controller's, under its newest root."""
        chain = self._chain(self._roots[brick][-1])
        tag: bytes = control.ack_tag(chain.control, brick, ledger_seq)
        return tag

    def shadow_tag(self, brick: bytes, bundle: bytes, length: int, until_ms: int) -> bytes:
        """Tag of the order to try a bundle (digest32 of its envelope), under the brick's newest root: docs/formats/shadow.md."""
        chain = self._chain(self._roots[brick][-1])
        tag: bytes = shadow.order_tag(chain.control, brick, bundle, length, until_ms)
        return tag

    def shadow_good(self, brick: bytes, summary: bytes, tag: bytes) -> bool:
        """Whether the brick itself made this summary."""
        chain = self._chain(self._roots[brick][-1])
        return bool(shadow.said_good(chain.control, summary, tag))

    def rekey(self, brick: bytes, epoch: int, root: int | None = None) -> tuple[bytes, bytes]:
        """(tag for the brick, key) of a link key that begins at `epoch`, under the root that counts from record epoch
        `root` on; under its newest where that is None or not here."""
        roots = self._roots[brick]
        chain = self._chain(next((one for one in roots if one.first_epoch == root), roots[-1]))
        tag: bytes = control.rekey_tag(chain.control, brick, epoch)
        key: bytes = control.rekeyed(chain.control, epoch)
        return tag, key

    def newest_rental(self, brick: bytes) -> int:
        """The rental of a brick's newest root."""
        return self._roots[brick][-1].rental

    def rental_order(self, brick: bytes, following: int, epoch: int) -> tuple[bytes, bytes]:
        """(tag for the brick, link key) of the step to the rental `following`, whose link key begins at `epoch`, under its
        newest root."""
        root = self._roots[brick][-1]
        tag: bytes = stepping.order_tag(self._chain(root).control, brick, root.rental, following, epoch)
        return tag, self._after(brick, following)[1]

    def rental_said(self, brick: bytes, said: tuple[int, int, int, int, int], tag: bytes) -> bool:
        """Whether a brick made this answer to an order (docs/formats/control.md): under the root of the rental that it says it
        is in, also where that is the one after its newest here, because its record is still under way."""
        mine, asked = self._roots[brick], said[1]
        known = [self._chain(one).control for one in mine if one.rental == said[2]]
        if not known and asked == said[2] > mine[-1].rental:
            known = [self._after(brick, asked)[0]]
        return any(compare_digest(stepping.answer_tag(key, brick, *said), tag) for key in known)

    def _after(self, brick: bytes, following: int) -> tuple[bytes, bytes]:
        """(K_ctl, link key) of the rental after a brick's newest."""
        newest = self._roots[brick][-1]
        secret = self._seal.open(newest.sealed, f"the root of brick {brick.hex()}")
        _, k_ctl, link, _ = stepping.root_after(secret, following)
        return k_ctl, link

    def root_tag(self, brick: bytes, version: int, digest: bytes) -> bytes:
        """Tag under a brick's newest K_ctl of the first compact root that it is told (docs/formats/directive.md)."""
        chain = self._chain(self._roots[brick][-1])
        tag: bytes = control.root_tag(chain.control, brick, version, digest)
        return tag

    def first_epoch(self, brick: bytes) -> int:
        """The record epoch from which a brick's newest root counts."""
        return self._roots[brick][-1].first_epoch

    def tag_keys(self, brick: bytes, version: int, event: bytes, keys: bytes) -> tuple[bytes, bytes, bytes]:
        """(nonce12, ciphertext, tag16) of message 47 under the newest root; `keys`: meta16 ‖ file16 ‖ live16.

        The nonce follows from what is sealed (as in RFC 5297), so the same keys are the same bytes each time they are asked
        for, and two different plain texts never share one."""
        k_ctl = self._chain(self._roots[brick][-1]).control
        nonce_key: bytes = crypt.hkdf_expand(k_ctl, b"tag keys nonce", 32)
        nonce: bytes = crypt.hmac(nonce_key, version.to_bytes(8, "big") + event + keys)[:12]
        message = tagkeys.seal(
            k_ctl, brick, _make_ecb, nonce, version, event, keys[:16], keys[16:32], keys[32:]
        )
        return nonce, bytes(message[1]), bytes(message[2])

    def step(self, brick: bytes, first_epoch: int, rental: int) -> Root:
        """The root after a rental step that the brick has proven; counts at once, to be stored by the
        caller."""
        newest = self._roots[brick][-1]
        secret = self._seal.open(newest.sealed, f"the root of brick {brick.hex()}")
        fresh: bytes = keyschedule.next_root(secret, rental)
        root = Root(brick, first_epoch, rental, self._seal.close(fresh))
        self.add(root)
        return root

    def forget(self, roots: Iterable[Root]) -> None:
        """Takes steps back whose batch was not stored in the end."""
        for root in roots:
            self._roots[root.brick].remove(root)
            self._chains.pop((root.brick, root.first_epoch), None)

    def _root(self, brick: bytes, epoch: int) -> Root | None:
        for root in reversed(self._roots.get(brick, ())):
            if root.first_epoch <= epoch:
                return root
        return None

    def _chain(self, root: Root) -> _Chain:
        key = (root.brick, root.first_epoch)
        chain = self._chains.get(key)
        if chain is None:
            chain = self._chains[key] = self._open(root)
        return chain

    def _open(self, root: Root) -> _Chain:
        secret = self._seal.open(root.sealed, f"the root of brick {root.brick.hex()}")
        return _Chain(
            root, root.first_epoch, keyschedule.record_chain0(secret), keyschedule.control_key(secret)
        )


def _make_ecb(key: bytes) -> Any:
    # Block by block: the core makes the mode out of it (stallmark.crypt.ctr).
    return Cipher(AES(key), ECB()).encryptor().update  # noqa: S305
