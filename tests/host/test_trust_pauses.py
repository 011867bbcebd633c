"""How soon a host asks again for the authors' signed lists: soon after new ones, ever later while nothing new comes."""

import asyncio
from types import SimpleNamespace

import pytest

from hostagent.trust import listing


def test_after_new_lists_it_asks_soon_and_else_ever_later(monkeypatch):
    versions = [1, 2, 2, 2, 2, 3]
    trust = SimpleNamespace(known=None)
    gate = listing.Listing(trust, None, changed=lambda: setattr(gate, "unlisted", "another bundle waits"))
    pauses = []

    async def refreshed():
        trust.known = SimpleNamespace(versions=versions[len(pauses)])
        return True

    async def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == len(versions):
            raise asyncio.CancelledError

    gate._beside = refreshed
    monkeypatch.setattr(listing, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(listing, "random", SimpleNamespace(uniform=lambda low, high: low))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(gate.run())
    assert pauses == [2, 2, 4, 8, 10, 2]
