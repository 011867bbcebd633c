"""Tag keys that the controller serves: fetched, made durable, then passed on to the bricks that they are sealed for.

docs/formats/tag.md. What the kit's folder holds (tag-keys.json, hostagent.tagside) is a second source beside these."""

import asyncio
import logging
from collections.abc import Callable

from hostagent.answers import SealedTagKeys
from hostagent.controller import Controller
from hostagent.core import Fields
from hostagent.errors import ControllerError
from hostagent.store.database import Sql
from hostagent.store.store import Store

MOST = 64  # bricks of a kit: an answer with more is none
log = logging.getLogger("hostagent.tagkeys")


class TagKeys:
    """One for a host. `told(brick8, message)` is called for each brick whose keys are new here, once they are durable."""

    def __init__(
        self, store: Store, controller: Controller, event: bytes, told: Callable[[bytes, Fields], object]
    ) -> None:
        self._store = store
        self._controller = controller
        self._event = event
        self._told = told
        self._etag: str | None = None
        kept = store.read(
            lambda sql: sql.execute("SELECT brick, nonce, sealed, tag FROM tag_keys").fetchall()
        )
        self._keys = {row[0]: SealedTagKeys(*row) for row in kept.result()}

    def __len__(self) -> int:
        return len(self._keys)

    def message(self, brick8: bytes) -> Fields | None:
        """The value of message 47 for a brick, None where the controller gave none for it."""
        one = self._keys.get(brick8)
        return None if one is None else {0: one.nonce, 1: one.sealed, 2: one.tag}

    async def pull(self) -> None:
        """Asks the controller. Raises ControllerError (kind "refused" where it holds none of this event: what is here stays),
        StoreUnavailable."""
        answer = await self._controller.tag_keys(self._event, self._etag)
        if answer is None:
            return
        etag, found = answer
        if len(found) > MOST:
            raise ControllerError("unreadable", f"tag keys for {len(found)} bricks: a kit has at most {MOST}")
        after = {one.brick: one for one in found}
        fresh = [one for one in after.values() if self._keys.get(one.brick) != one]
        if fresh or after.keys() != self._keys.keys():
            await asyncio.wrap_future(self._store.write(lambda sql: _replace(sql, list(after.values()))))
            log.info("tag keys for %d bricks from the controller", len(after))
        self._keys, self._etag = after, etag
        for one in fresh:
            self._told(one.brick, {0: one.nonce, 1: one.sealed, 2: one.tag})


def _replace(sql: Sql, found: list[SealedTagKeys]) -> None:
    sql.execute("DELETE FROM tag_keys")
    rows = [(one.brick, one.nonce, one.sealed, one.tag) for one in found]
    sql.executemany("INSERT INTO tag_keys VALUES (?, ?, ?, ?)", rows)
