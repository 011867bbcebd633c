"""Vouchers at the host: issues those that grants promise, looks whether one may be paid, keeps the spent set fresh.

docs/formats/voucher.md. What a grant of type 9 promises is made from its record and the voucher seed: the same record
gives the same voucher, however often it is shown or printed, and nobody without the seed can guess a serial.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stallmark import voucher as _voucher

from hostagent import signer
from hostagent.clock import Clock
from hostagent.controller import Controller
from hostagent.core import Fields, reg
from hostagent.store.spent import PRACTICE, Paid, Spent

DAY_S = 86_400
ROUNDS = 64  # answers of the controller that are asked for in one go
voucher: Any = _voucher


@dataclass(frozen=True)
class Issued:
    """A voucher for the customer. `text` is what the QR code holds; `expires_s`: seconds since 1970 UTC; `minor` 0:
    what the redeeming rule says."""

    text: str
    serial: bytes
    series: int
    minor: int
    expires_s: int


class Issuer:
    """Issues from one seed for one audience: 8 bytes, the only place that may pay them (a brick, the kit, the hub)."""

    def __init__(self, seed: bytes, audience: bytes) -> None:
        """`seed`: 32 bytes, `voucher_seed` of keys.json."""
        self._signer = signer.Signer(seed)
        self._serials = hmac.digest(seed, b"stallmark/voucher/serial/1\0", hashlib.sha256)
        self._audience = audience

    @property
    def public(self) -> bytes:
        """32 bytes, for the ruleset's list of voucher issuers."""
        return self._signer.public

    def of(self, public: Fields, market_ms: int, ruleset: Any) -> list[Issued]:
        """The vouchers that a grant's record promises; none for any other record, or where `ruleset` (a
        stallmark.rules.Ruleset) is not the one that granted: it alone says how long they last.

        `public`: the record's public map; `market_ms`: its best time, from which the days of the grant count."""
        if ruleset is None or public.get(8) != ruleset.digest8 or public.get(9) is None:
            return []
        return self.made(public, market_ms, days(ruleset.rules[public[9]]))

    def made(self, public: Fields, market_ms: int, lasting: Mapping[int, int]) -> list[Issued]:
        """The same, where it is known how many days a voucher of each series lasts."""
        return [
            Issued(
                self._text(serial, series, minor, expires_s := _expires(market_ms, lasting[series])),
                serial,
                series,
                minor,
                expires_s,
            )
            for _, serial, series, minor in self.promised(public)
            if series in lasting
        ]

    def promised(self, public: Fields) -> list[tuple[int, bytes, int, int]]:
        """(place in field 12, serial, series, minor) of each voucher that a record promises."""
        if public[10] != reg.KIND_GRANT or public[0] & PRACTICE:
            return []
        grants: Sequence[Sequence[Any]] = public.get(12) or ()
        return [
            (place, self._serial(public, place), grant[1], grant[2] or 0)
            for place, grant in enumerate(grants)
            if grant[0] == reg.GRANT_VOUCHER
        ]

    def _serial(self, public: Fields, place: int) -> bytes:
        named = bytes(public[1]) + int(public[2]).to_bytes(4) + bytes((place,)) + bytes(public[18])
        return hmac.digest(self._serials, named, hashlib.sha256)[:8]

    def _text(self, serial: bytes, series: int, minor: int, expires_s: int) -> str:
        kid: bytes = voucher.kid4(self._signer.public)
        payload: bytes = voucher.payload(kid, serial, series, minor, self._audience, expires_s)
        text: str = voucher.text(payload, self._signer.sign(voucher.message(payload)))
        return text


def days(rule: Any) -> dict[int, int]:
    """How many days a voucher of each series lasts that a rule (of a stallmark.rules.Ruleset) grants."""
    return {grant[1]: grant[3] for grant in rule.grants if grant[0] == reg.GRANT_VOUCHER}


def _expires(market_ms: int, lasting: int) -> int:
    return min(market_ms // 1000 + lasting * DAY_S, 0xFFFFFFFF)


class Payable:
    """May this voucher be paid here? For automatic answers, the lane and screens; and the spent set, in memory.

    Call `load` once. Records that pay go into the table with their receipts (`store.spent.statements`); `paid` tells
    this object of them."""

    def __init__(self, table: Spent, controller: Controller, clock: Clock) -> None:
        self._table = table
        self._controller = controller
        self._clock = clock
        self._last = 0
        self.spent: set[bytes] = set()

    async def load(self, lane: bytes | None = None) -> None:
        """Takes up what the store knows. What was promised to the host's own lane (its id) and not paid when the host
        ended is free again."""
        if lane is not None and any(
            one.brick == lane and one.seq is None for one in await asyncio.wrap_future(self._table.all())
        ):
            await asyncio.wrap_future(self._table.free(lane))
        self.spent = {
            one.serial for one in await asyncio.wrap_future(self._table.all()) if one.seq is not None
        }
        self._last = await asyncio.wrap_future(self._table.last())

    def paid(self, serial: bytes) -> None:
        """A record of this kit paid it."""
        self.spent.add(serial)

    async def claim(self, serial: bytes, brick: bytes, nonce: bytes) -> bool:
        """Promises a voucher to one question (brick, nonce), for good until its release: True where nobody else has
        it. Durable when it returns; a host that stops in between has not forgotten whom it said yes to. Raises
        StoreUnavailable."""
        if serial in self.spent:
            return False
        return await asyncio.wrap_future(self._table.claim(serial, brick, nonce, self._clock.now_ms()))

    async def look(self, serial: bytes) -> Paid | None:
        """What became of a voucher; None: nothing yet."""
        return await asyncio.wrap_future(self._table.find(serial))

    async def free(self, brick: bytes, nonce: bytes) -> None:
        """The question came to nothing: its promise ends. Raises StoreUnavailable."""
        await asyncio.wrap_future(self._table.free(brick, nonce))

    async def pull(self) -> list[bytes]:
        """Learns which vouchers were paid elsewhere; what is new. Raises ControllerError, StoreUnavailable."""
        fresh: list[bytes] = []
        for _ in range(ROUNDS):
            serials, last = await self._controller.spent(self._last)
            if last == self._last:
                break
            await asyncio.wrap_future(self._table.learn(serials, last, self._clock.now_ms()))
            self._last = last
            fresh += [serial for serial in serials if serial not in self.spent]
            self.spent.update(serials)
        return fresh
