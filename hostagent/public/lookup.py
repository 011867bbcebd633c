"""A receipt by its link, from this host's own store: the newest ones, found by field 11 (SHA-256 of the handle)."""

import asyncio
import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from hostagent.core import Fields, FormatError, base32, receipt
from hostagent.store.receipts import Row

if TYPE_CHECKING:
    from hostagent.agent import Agent

# Receipts that can be looked up here; older ones are with the hub.
NEWEST = 20_000
AT_ONCE = 1000


class Found(NamedTuple):
    """A receipt as stored, and its fields."""

    host_seq: int
    cose: bytes
    fields: Fields


class Lookup:
    """One per agent: an index in memory that follows the store when somebody asks."""

    def __init__(self, agent: "Agent") -> None:
        self._agent = agent
        self._index: OrderedDict[bytes, int] = OrderedDict()
        self._next = 0
        self._reading = asyncio.Lock()

    async def find(self, text: str) -> Found | None:
        """The receipt of a handle as it stands in links; None where this host has none by it."""
        try:
            handle: bytes = base32.decode(text.upper())
        except FormatError:
            return None
        if len(handle) != 16:
            return None
        key = hashlib.sha256(handle).digest()[:16]
        if key not in self._index:
            await self._follow()
        host_seq = self._index.get(key)
        if host_seq is None:
            return None
        rows = await asyncio.wrap_future(self._agent.receipts.span(host_seq, host_seq))
        if not rows:
            return None
        return Found(host_seq, rows[0].cose, receipt.parse(rows[0].cose).fields)

    async def _follow(self) -> None:
        async with self._reading:
            newest = self._agent.chain.host_seq - 1
            first = max(self._next, newest - NEWEST + 1, 1)
            while first <= newest:
                last = min(newest, first + AT_ONCE - 1)
                rows = await asyncio.wrap_future(self._agent.receipts.span(first, last))
                for key, host_seq in await asyncio.to_thread(_keys, rows):
                    self._index[key] = host_seq
                while len(self._index) > NEWEST:
                    self._index.popitem(last=False)
                if rows:
                    self._next = rows[-1].host_seq + 1
                first = last + 1


def _keys(rows: list[Row]) -> list[tuple[bytes, int]]:
    return [(receipt.parse(row.cose).fields[11], row.host_seq) for row in rows]
