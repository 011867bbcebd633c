"""A brick is told of a new link key only where that key is on the host's disk."""

import asyncio

import apsw
import pytest
from diskkit import FailingVFS
from nacl.public import SealedBox
from nacl.signing import SigningKey

from hostagent.answers import Rekey
from hostagent.errors import StoreUnavailable
from hostagent.rekeys import Rekeys
from hostagent.store import open_store

BRICK = b"brick--8"
EPOCH = 1 << 20
SEED = b"s" * 32


def test_a_key_that_the_disk_refused_is_not_told_until_it_is_durable(tmp_path):
    sealed = SealedBox(SigningKey(SEED).verify_key.to_curve25519_public_key()).encrypt(b"n" * 32)

    class Controller:
        async def rekeys(self):
            return [Rekey(BRICK, EPOCH, b"t" * 16, sealed)]

    async def scenario():
        vfs = FailingVFS("refuses-a-key")
        store = open_store(tmp_path / "host.db", bytes(32), "refuses-a-key").store
        told = []
        try:
            store.commit_link_key(BRICK, 5, b"k" * 32)
            rekeys = Rekeys(store, Controller(), SEED, lambda: told.append(rekeys.order(BRICK)))
            for attempt in range(2):
                vfs.fail(1, apsw.FullError("no room"), True)
                with pytest.raises(StoreUnavailable):
                    await rekeys.pull()
                assert rekeys.order(BRICK) is None and told == [], attempt
                assert store.find_link_keys(BRICK) == {5: b"k" * 32}
                vfs.heal()
            await rekeys.pull()
            assert told == [(EPOCH, b"t" * 16)]
            on_disk = store.read(lambda sql: dict(sql.execute("SELECT epoch, key FROM link_keys").fetchall()))
            assert on_disk.result() == store.find_link_keys(BRICK) == {5: b"k" * 32, EPOCH: b"n" * 32}
        finally:
            vfs.heal()
            store.close()
            vfs.unregister()

    asyncio.run(scenario())
