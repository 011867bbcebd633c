"""The lane's chain of records: keys, epochs, start-ups. Where it stands is what the store's receipts say."""

import os
from dataclasses import dataclass
from typing import Any

from hostagent import form
from hostagent.bricks import Brick
from hostagent.clock import Clock, monotonic_ms
from hostagent.config import LaneKey
from hostagent.core import Fields, keys, record, reg
from hostagent.intake import Made

# As on a brick: docs/formats/keys.md
EPOCH_RECORDS = 1024
ENDS_EPOCH = (reg.KIND_CLOSE, reg.KIND_RENTAL)
# How far a clock set over a market's network is off, at most, ms.
SPREAD_MS = 100


@dataclass
class Place:
    """Where a chain of records is: its key epoch, records in that, whether it is over; the next start-up's number."""

    epoch: int = 0
    in_epoch: int = 0
    over: bool = False
    boot: int = 1

    def passed(self, fields: Fields) -> None:
        """A record that stands in the store."""
        if self.epoch < fields[3]:
            self.epoch, self.in_epoch = fields[3], 0
        self.boot = max(self.boot, fields[4] + 1)
        self.in_epoch += 1
        self.over = fields[10] in ENDS_EPOCH or self.in_epoch >= EPOCH_RECORDS


class Book:
    """Makes the lane's records in order. Nothing is kept here that the store has not: a record that was made and
    not written never was, see `back_to`.

    `brick` says where the chain goes on, `place` what its records so far come to.
    """

    def __init__(self, key: LaneKey, rental: int, clock: Clock, brick: Brick, place: Place) -> None:
        self._only: bytes = keys.only_key(key.only)
        self._rental = rental
        self._clock = clock
        self._brick = brick
        self._started = monotonic_ms()
        self._chain: bytes = keys.record_chain0(key.root)
        for _ in range(place.epoch):
            self._chain = keys.next_chain(self._chain)
        self._epoch, self._in_epoch, self._over = place.epoch, place.in_epoch, place.over
        self.boot = place.boot
        self._mac_key: bytes = keys.record_mac_key(self._chain)
        self._next = brick.next_seq, brick.prev16

    def _note(self, kind: int) -> None:
        self._in_epoch += 1
        self._over = kind in ENDS_EPOCH or self._in_epoch >= EPOCH_RECORDS

    @property
    def mark(self) -> Any:
        """Where the book stands, for `back_to`."""
        return self._next, self._epoch, self._chain, self._mac_key, self._in_epoch, self._over

    def back_to(self, mark: Any) -> None:
        """Takes back records that were made since and will not be written."""
        self._next, self._epoch, self._chain, self._mac_key, self._in_epoch, self._over = mark

    def uptime_ms(self) -> int:
        """Since the start, by a clock that never jumps."""
        return monotonic_ms() - self._started

    def now(self) -> tuple[int | None, int, list[int]]:
        """Fields 5, 6 and 7 of a record: wall ms or None, uptime ms, [quality, ± ms]."""
        if not self._clock.known():
            return None, self.uptime_ms(), [reg.QUALITY_UNSET, 0]
        return self._clock.now_ms(), self.uptime_ms(), [reg.QUALITY_HOST, SPREAD_MS]

    def make(
        self,
        kind: int,
        fields: Fields | None = None,
        private: Fields | None = None,
        reference: str | None = None,
        refers: bytes | None = None,
    ) -> tuple[Made, Any]:
        """The next record: its parts for intake, and the stallmark Record for the state.

        `fields`: public ones beyond those that every record has, None left out; `private`: without its salt.
        Raises FormatError where it is no record; then nothing has changed."""
        mark = self.mark
        if self._over:
            self._chain = keys.next_chain(self._chain)
            self._mac_key = keys.record_mac_key(self._chain)
            self._epoch, self._in_epoch, self._over = self._epoch + 1, 0, False
        seq, prev16 = self._next
        wall, uptime, quality = self.now()
        public: Fields = {
            0: 0, 1: self._brick.brick, 2: seq, 3: self._epoch, 4: self.boot, 5: wall, 6: uptime, 7: quality,
            10: kind, 16: self._rental, 18: prev16,
        }  # fmt: skip
        public.update(
            {name: value for name, value in (fields or {}).items() if value is not None or name == 5}
        )
        public[0] |= reg.FLAG_GATEWAY
        secret = salt = b""
        try:
            if private is not None:
                salt = record.salt(self._only, self.boot, seq, os.urandom(16))
                secret = record.encode_private({0: salt, **private})
                public[17] = record.commit(secret)
            data: bytes = record.encode_public(public)
            # Raises where both together are too large for a record.
            record.page_size(len(data), len(secret))
        except BaseException:
            self.back_to(mark)
            raise
        mac: bytes = record.mac(self._mac_key, data)
        self._next = seq + 1, record.link(data, mac)
        self._note(kind)
        made: Any = record.Record(seq, data, mac, secret, public)
        if private is not None:
            made._private = {0: salt, **private}  # what its bytes say: not to be decoded again
        return Made(seq, data, mac, secret, reference, refers, form.from_fields(public)), made
