"""Targets by digest: fetched once, in as many pieces as the network takes, and kept exactly as they are."""

import asyncio
import hashlib
from collections.abc import Iterable

from hostagent.controller import Controller
from hostagent.errors import ControllerError
from hostagent.store.intents import Intents

MAX_ENVELOPE = 4096
MAX_ARTEFACT = 1024 * 1024
NOTED = 64 * 1024  # bytes of a download after which they are written down


class Targets:
    """The store's targets, and the controller's behind them."""

    def __init__(self, table: Intents, controller: Controller) -> None:
        self._table = table
        self._controller = controller
        self.downloads = 0

    async def kept(self, digest: bytes) -> bytes | None:
        """What is here whole, or None."""
        found = await asyncio.wrap_future(self._table.target(digest))
        return found[0] if found is not None and found[1] else None

    async def get(self, digest: bytes, length: int | None = None) -> bytes:
        """Bytes with this SHA-256, of this length or of an envelope's at most. A download that breaks off goes on where it was
        with the next call. Raises ControllerError, StoreUnavailable."""
        found = await asyncio.wrap_future(self._table.target(digest))
        if found is not None and found[1]:
            return found[0]
        most = MAX_ENVELOPE if length is None else length
        if most > MAX_ARTEFACT:
            raise ControllerError("unreadable", f"a target of {most} bytes: at most {MAX_ARTEFACT} are taken")
        start = b"" if found is None else found[0][:most]
        pieces = bytearray()
        noted = 0

        def sink(data: bytes) -> None:
            nonlocal noted
            pieces.extend(data)
            if len(pieces) - noted >= NOTED:
                # Nobody waits for it: a host that is killed here goes on from the last one that was written.
                noted = len(pieces)
                self._table.put_target(digest, start + bytes(pieces), False)

        try:
            if not await self._controller.download(digest, len(start), most, sink):
                start = b""
        except ControllerError as failed:
            # What the network cut is worth keeping; what is wrong in itself begins anew.
            if failed.kind in ("unreadable", "refused"):
                await asyncio.wrap_future(self._table.drop_target(digest))
            elif pieces:
                await asyncio.wrap_future(self._table.put_target(digest, start + bytes(pieces), False))
            raise
        data = start + bytes(pieces)
        if hashlib.sha256(data).digest() != digest or (length is not None and len(data) != length):
            await asyncio.wrap_future(self._table.drop_target(digest))
            raise ControllerError("unreadable", f"target {digest.hex()[:16]} came with other bytes")
        await asyncio.wrap_future(self._table.put_target(digest, data, True))
        self.downloads += 1
        return data

    async def tidy(self, named: Iterable[bytes]) -> None:
        """Forgets what is not named, but for a few."""
        await asyncio.wrap_future(self._table.tidy(named))
