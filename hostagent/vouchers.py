"""Vouchers at the host: issues those that grants promise, looks whether one may be paid, keeps the spent set fresh.

docs/formats/voucher.md. What a grant of type 9, 3 or 4 promises is made from its record and the voucher seed: the same record
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
# A credit for the next visit is a voucher that a rule of this name pays: docs/campaign.md
NEXT = "+next"
NEXT_GRANTS = (reg.GRANT_PERCENT_NEXT, reg.GRANT_FIXED_NEXT)
_OF_NEXT = 1 << 16  # in the table of days: the series of credits for the next visit, above those of vouchers
ROUNDS = 64  # answers of the controller that are asked for in one go
voucher: Any = _voucher


@dataclass(frozen=True)
class Issued:
    """A voucher for the customer. `text` is what the QR code holds; `expires_s`: seconds since 1970 UTC; `minor` 0:
    what the redeeming rule says. `bps`: it gives this share of the basket, at most `minor`; None: `minor` itself."""

    text: str
    serial: bytes
    series: int
    minor: int
    expires_s: int
    bps: int | None = None


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
        return self.made(public, market_ms, days(ruleset, public[9]))

    def made(self, public: Fields, market_ms: int, lasting: Mapping[int, int]) -> list[Issued]:
        """The same, where it is known how many days a voucher of each series lasts (`days`)."""
        out: list[Issued] = []
        for place, serial, series, minor in self.promised(public):
            key = series if series is not None else max(lasting, default=0)
            if key not in lasting or (series is None and key < _OF_NEXT):
                continue
            expires_s = _expires(market_ms, lasting[key])
            kind, size = public[12][place][:2]
            text = self._text(serial, key % _OF_NEXT, minor, expires_s)
            bps = size if kind == reg.GRANT_PERCENT_NEXT else None
            out.append(Issued(text, serial, key % _OF_NEXT, minor, expires_s, bps))
        return out

    def promised(self, public: Fields) -> list[tuple[int, bytes, int | None, int]]:
        """(place in field 12, serial, series, minor) of each voucher that a record promises; series None: a credit for
        the next visit, whose rules know it."""
        if public[10] != reg.KIND_GRANT or public[0] & PRACTICE:
            return []
        grants: Sequence[Sequence[Any]] = public.get(12) or ()
        return [
            (
                place,
                self._serial(public, place),
                grant[1] if grant[0] == reg.GRANT_VOUCHER else None,
                grant[2] or 0,
            )
            for place, grant in enumerate(grants)
            if grant[0] == reg.GRANT_VOUCHER or (grant[0] in NEXT_GRANTS and grant[2])
        ]

    def _serial(self, public: Fields, place: int) -> bytes:
        named = bytes(public[1]) + int(public[2]).to_bytes(4) + bytes((place,)) + bytes(public[18])
        return hmac.digest(self._serials, named, hashlib.sha256)[:8]

    def _text(self, serial: bytes, series: int, minor: int, expires_s: int) -> str:
        kid: bytes = voucher.kid4(self._signer.public)
        payload: bytes = voucher.payload(kid, serial, series, minor, self._audience, expires_s)
        text: str = voucher.text(payload, self._signer.sign(voucher.message(payload)))
        return text


def days(ruleset: Any, index: int) -> dict[int, int]:
    """How many days a voucher of each series lasts that a rule of a stallmark.rules.Ruleset grants. The series of a
    credit for the next visit is that of the rule which pays it, plus 65,536; without such a rule there is none."""
    rule = ruleset.rules[index]
    found: dict[int, int] = {grant[1]: grant[3] for grant in rule.grants if grant[0] == reg.GRANT_VOUCHER}
    later: list[int] = [grant[3] for grant in rule.grants if grant[0] in NEXT_GRANTS]
    if later:
        pays = next((one for one in ruleset.rules if one.id == rule.id + NEXT), None)
        if pays is not None and pays.redeems is not None:
            found[_OF_NEXT + pays.redeems] = later[0]
    return found


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
