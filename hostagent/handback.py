"""What a host says when its kit goes back: how far its receipts go, and what it wiped. Both signed with its own key.

Wiping is an order of the controller's after a booking was closed. Nothing that has not reached the controller is touched, and
nothing that is kept for an audit: signed receipts, batches, vouchers that were paid, what was set aside. docs/rentals.md"""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hostagent.clock import Clock
from hostagent.controller import Controller
from hostagent.errors import ControllerError
from hostagent.signer import Signer
from hostagent.staff import META as STAFF
from hostagent.store.database import Sql
from hostagent.store.outbox import Outbox
from hostagent.store.store import Store

MARK = b"stallmark/handback/1\0"
META = "wiped"  # the proof that the controller has not taken yet
AGAIN_S = 20.0  # between two words of how far receipts go, where nothing changed
# What is of the renter's customers and people. Keys of private parts only where the controller has them: then the private parts
# in old batches are unreadable here.
TABLES = ("token_sums", "till_calls", "till_sales", "lane_fold", "private_keys")
KEPT = ("receipts", "batches", "evidence", "spent", "taken_back", "quarantine", "gaps", "slices")
log = logging.getLogger("hostagent.handback")


class Handback:
    """One for a host. `forget()` ends what memory and store hold of people and balances (hostagent.telling)."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        controller: Controller,
        signer: Signer,
        clock: Clock,
        kit: bytes,
        rental: Callable[[], int],
        newest: Callable[[], int],
        forget: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._controller = controller
        self._signer = signer
        self._clock = clock
        self._kit = kit
        self._rental = rental
        self._newest = newest
        self._forget = forget
        self._said: tuple[int, int, int] | None = None
        self._said_at = float("-inf")
        self.waits = ""  # why what was ordered is not wiped yet

    async def pull(self, booking: str | None) -> None:
        """Says how far receipts go; wipes for `booking` where the controller orders that. Raises ControllerError,
        StoreUnavailable."""
        await self._say_head()
        kept = self._store.meta.get(META)
        if booking is not None and (not isinstance(kept, str) or json.loads(kept)["booking"] != booking):
            kept = await self._wipe(booking)
        if isinstance(kept, str):
            try:
                await self._post(kept)
            except ControllerError as failed:
                if failed.kind != "refused":
                    raise
                log.warning("the controller does not take the proof of what was wiped: %s", failed)
            await asyncio.wrap_future(self._store.set_meta({META: None}))

    async def _say_head(self) -> None:
        backlog = await asyncio.wrap_future(self._outbox.backlog())
        head = self._newest(), backlog.receipts, self._rental()
        if head == self._said and time.monotonic() - self._said_at < AGAIN_S:
            return
        await self._post(self._statement("head", host_seq=head[0], unsent=head[1]))
        self._said, self._said_at = head, time.monotonic()

    async def _wipe(self, booking: str) -> str | None:
        backlog = await asyncio.wrap_future(self._outbox.backlog())
        unposted = await asyncio.wrap_future(self._outbox.unposted_keys(1))
        if backlog.receipts or unposted:
            self.waits = f"{backlog.receipts} receipts have not reached the controller: nothing is wiped before"
            return None
        await self._forget()

        def work(sql: Sql) -> dict[str, list[int]]:
            sql.execute("PRAGMA secure_delete = ON")
            found: dict[str, list[int]] = {}
            for table in TABLES:
                where = " WHERE posted = 1" if table == "private_keys" else ""
                before = sql.execute(f"SELECT count(*) FROM {table}{where}").fetchone()  # noqa: S608 - names of TABLES
                sql.execute(f"DELETE FROM {table}{where}")  # noqa: S608
                after = sql.execute(f"SELECT count(*) FROM {table}{where}").fetchone()  # noqa: S608
                found[table] = [before[0] if before else 0, after[0] if after else 0]
            sql.execute("DELETE FROM meta WHERE name = ?", (STAFF,))
            return found

        rows = await asyncio.wrap_future(self._store.write(work))
        self._store.meta.pop(STAFF, None)
        proof = self._statement("wiped", booking=booking, rows=rows, kept=list(KEPT))
        await asyncio.wrap_future(self._store.set_meta({META: proof}))
        self.waits = ""
        log.info("wiped for booking %s: %s", booking, rows)
        return proof

    def _statement(self, what: str, **more: Any) -> str:
        found = {
            "what": what, "host": self._signer.kid.hex(), "kit": self._kit.hex(), "rental": self._rental(),
            "ms": self._clock.now_ms(), **more,
        }  # fmt: skip
        return json.dumps(found, sort_keys=True, separators=(",", ":"))

    async def _post(self, statement: str) -> None:
        signature = self._signer.sign(MARK + statement.encode())
        await self._controller.hand_back(statement, base64.b64encode(signature).decode())
