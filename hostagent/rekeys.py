"""New link keys that the controller ordered for bricks of this kit: fetched, made durable, then told to the bricks."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Protocol

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from hostagent.answers import Rekey
from hostagent.controller import Controller

log = logging.getLogger("hostagent.rekeys")


class Keys(Protocol):
    """What is needed of the store."""

    def find_link_keys(self, brick: bytes) -> dict[int, bytes] | None: ...

    def import_link_keys(self, keys: Iterable[tuple[bytes, int, bytes]]) -> "Future[None]": ...


class Rekeys:
    """`seed`: of the host's signing key, for which the keys are sealed. `pull` beside everything else; `order` is what the
    links ask. Orders themselves are kept in memory only: after a start they are fetched again."""

    def __init__(self, keys: Keys, controller: Controller, seed: bytes, told: Callable[[], None]) -> None:
        self._keys = keys
        self._controller = controller
        secret = bindings.crypto_sign_seed_keypair(seed)[1]
        self._box = SealedBox(PrivateKey(bindings.crypto_sign_ed25519_sk_to_curve25519(secret)))
        self._told = told
        self._orders: dict[bytes, tuple[int, bytes]] = {}

    def order(self, brick: bytes) -> tuple[int, bytes] | None:
        """(epoch, tag) of the newest order for a brick, whose key is durable here; None where there is none."""
        return self._orders.get(brick)

    async def pull(self) -> None:
        """Fetches orders and makes their keys durable. Raises ControllerError, StoreUnavailable."""
        fresh = False
        for one in await self._controller.rekeys():
            known = self._orders.get(one.brick)
            if known is not None and known[0] >= one.epoch:
                continue
            held = self._keys.find_link_keys(one.brick) or {}
            # Not after the newest: the key of another rental (hostagent.steps) may have come before this order.
            if one.epoch not in held and min(held, default=-1) < one.epoch:
                key = self._open(one)
                if key is None:
                    continue
                await asyncio.wrap_future(self._keys.import_link_keys([(one.brick, one.epoch, key)]))
                log.info("brick %s: a new link key was ordered, from epoch %d on", one.brick.hex(), one.epoch)
            self._orders[one.brick] = (one.epoch, one.tag)
            fresh = True
        if fresh:
            self._told()

    def _open(self, one: Rekey) -> bytes | None:
        try:
            key = self._box.decrypt(one.key)
        except (CryptoError, ValueError):
            key = b""
        if len(key) != 32:
            log.error("brick %s: its new link key is not sealed for this host's signing key", one.brick.hex())
            return None
        return key
