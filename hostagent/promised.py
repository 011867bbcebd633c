"""Vouchers that grants promised: made from a stored record whenever somebody looks, with what became of each.

Nothing of a voucher is stored: the record, the voucher seed and how long its rule said give it anew. What is kept is
how long, by ruleset and rule, so that vouchers outlive the rules that granted them.
"""

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hostagent.core import Fields, money, receipt, reg
from hostagent.errors import StoreUnavailable
from hostagent.keeping import Keeping
from hostagent.store.database import Sql
from hostagent.store.store import Store
from hostagent.vouchers import Issued, Issuer, Payable, days

OPEN, PAID, REVERSED, EXPIRED = "open", "paid", "reversed", "expired"
log = logging.getLogger("hostagent.promised")


class Voucher(NamedTuple):
    """A voucher as people are shown it. `worth`: an amount as text, empty where the redeeming rule says what it is
    worth; `until`: when it ends, UTC; `state`: open, paid (or promised to a brick's question), reversed, expired."""

    issued: Issued
    worth: str
    until: datetime
    state: str = OPEN


class Promised:
    """One for a host. `issuer` None: this host was given no voucher seed, then it makes none."""

    def __init__(self, store: Store, issuer: Issuer | None, payable: Payable) -> None:
        self._store = store
        self._issuer = issuer
        self._payable = payable
        self.keeping = Keeping(store)
        self._days: dict[tuple[bytes, int], dict[int, int]] = {}

    async def load(self) -> None:
        """Takes up what is kept."""

        def query(sql: Sql) -> list[tuple[bytes, int, int, int]]:
            return sql.execute("SELECT ruleset, rule, series, days FROM voucher_days").fetchall()

        for ruleset, rule, series, lasting in await asyncio.wrap_future(self._store.read(query)):
            self._days.setdefault((ruleset, rule), {})[series] = lasting
        await self.keeping.load()

    def learn(self, ruleset: Any) -> None:
        """Keeps how long the vouchers of a ruleset last; None is passed over."""
        if ruleset is None:
            return
        self.keeping.learn(ruleset)
        rows: list[tuple[bytes, int, int, int]] = []
        for index in range(len(ruleset.rules)):
            lasting = days(ruleset, index)
            if lasting and (ruleset.digest8, index) not in self._days:
                self._days[ruleset.digest8, index] = lasting
                rows += [(ruleset.digest8, index, series, count) for series, count in lasting.items()]
        if rows:

            def work(sql: Sql) -> None:
                sql.executemany("INSERT OR IGNORE INTO voucher_days VALUES (?, ?, ?, ?)", rows)

            self._store.write(work).add_done_callback(_kept)

    def of(self, public: Fields, received_ms: int) -> list[Voucher]:
        """The vouchers of a record, as if nothing had become of them yet. `public`: its public map; `received_ms`:
        time of its receipt. Empty where there are none, or where its rules were never here."""
        if self._issuer is None or public[10] != reg.KIND_GRANT:
            return []
        lasting = self._days.get((public.get(8) or b"", -1 if public.get(9) is None else public[9]))
        if lasting is None:
            return []
        ms: int = receipt.best_time(public, received_ms)[0]
        return [_shown(issued, public.get(23)) for issued in self._issuer.made(public, ms, lasting)]

    def of_records(self, records: Iterable[Fields], received_ms: int) -> list[Voucher]:
        """The vouchers of records that were just made."""
        return [one for public in records for one in self.of(public, received_ms)]

    async def now(self, public: Fields, received_ms: int, now_ms: int) -> list[Voucher]:
        """The vouchers of a record with their state at `now_ms`."""
        found: list[Voucher] = []
        for one in self.of(public, received_ms):
            known = await self._payable.look(one.issued.serial)
            if known is not None:
                state = REVERSED if known.reversed else PAID
            else:
                state = EXPIRED if now_ms >= one.issued.expires_s * 1000 else OPEN
            found.append(one._replace(state=state))
        return found

    # --- a grant is taken back

    async def withdraw(self, public: Fields, lane: bytes, nonce: bytes) -> tuple[list[bytes], list[int]]:
        """(serials, places): vouchers of a grant that nobody will be paid any more, promised to the lane's reversal of
        this nonce; and the places in field 12 of those that were paid, or promised, before. Raises StoreUnavailable."""
        taken: list[bytes] = []
        paid: list[int] = []
        kept = self.keeping.places(public)
        for place, serial, *_ in () if self._issuer is None else self._issuer.promised(public):
            if place in kept:
                continue
            if await self._payable.claim(serial, lane, nonce):
                taken.append(serial)
            else:
                paid.append(place)
        return taken, paid

    async def keep(self, lane: bytes, nonce: bytes) -> None:
        """The reversal did not happen: its vouchers hold. Raises StoreUnavailable."""
        await self._payable.free(lane, nonce)


def _shown(issued: Issued, currency: str | None) -> Voucher:
    worth = money.text(issued.minor, currency) if issued.minor else ""
    if issued.bps is not None:
        worth = f"{money.percent(issued.bps)}, at most {worth}"
    return Voucher(issued, worth, datetime.fromtimestamp(issued.expires_s, UTC))


def as_json(found: Iterable[Voucher]) -> list[dict[str, Any]]:
    """For the till's answer."""
    return [
        {
            "text": one.issued.text,
            "minor": one.issued.minor,
            "text_amount": one.worth,
            "expires": f"{one.until:%Y-%m-%dT%H:%M:%SZ}",
        }
        for one in found
    ]


def _kept(done: "Future[None]") -> None:
    try:
        done.result()
    except StoreUnavailable as failed:
        log.warning("how long vouchers last is not on the disk yet: %s", failed)
