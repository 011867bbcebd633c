"""The lane's chain of records: keys, epochs, start-ups. Where it stands is what the store's receipts say."""

import os
from dataclasses import dataclass, field
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
    # Rentals that the lane stepped to, each from its first key epoch on, ascending.
    steps: list[list[int]] = field(default_factory=list[list[int]])

    def passed(self, fields: Fields) -> None:
        """A record that stands in the store."""
        if fields[10] == reg.KIND_RENTAL:
            self.steps.append([fields[3] + 1, fields[24][0]])
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
        self.rental = rental
        self._root = key.root
        self._clock = clock
        self._brick = brick
        self._started = monotonic_ms()
        self._chain: bytes = keys.record_chain0(key.root)
        # The rental that the newest record began; its keys come with the record after it.
        self._step: int | None = None
        at = 0
        for first, following in place.steps:
            if first > place.epoch:
                self._step = following
                break
            self._root, self.rental = keys.next_root(self._root, following), following
            self._chain, at = keys.record_chain0(self._root), first
        for _ in range(place.epoch - at):
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
        place = self._epoch, self._in_epoch, self._over
        return self._next, place, self._chain, self._mac_key, self._root, self.rental, self._step

    def back_to(self, mark: Any) -> None:
        """Takes back records that were made since and will not be written."""
        self._next, place, self._chain, self._mac_key, self._root, self.rental, self._step = mark
        self._epoch, self._in_epoch, self._over = place

    @property
    def epoch(self) -> int:
        """Key epoch of the next record."""
        return self._epoch + 1 if self._over else self._epoch

    @property
    def control_key(self) -> bytes:
        """What the controller says to the lane is under this one."""
        found: bytes = keys.control_key(self._root)
        return found

    def settle(self) -> None:
        """Goes on to the next key where the newest record was the last under its own."""
        if not self._over:
            return
        if self._step is None:
            self._chain = keys.next_chain(self._chain)
        else:
            self._root, self.rental = keys.next_root(self._root, self._step), self._step
            self._chain, self._step = keys.record_chain0(self._root), None
        self._mac_key = keys.record_mac_key(self._chain)
        self._epoch, self._in_epoch, self._over = self._epoch + 1, 0, False

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
        self.settle()
        seq, prev16 = self._next
        wall, uptime, quality = self.now()
        public: Fields = {
            0: 0, 1: self._brick.brick, 2: seq, 3: self._epoch, 4: self.boot, 5: wall, 6: uptime, 7: quality,
            10: kind, 16: self.rental, 18: prev16,
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
        if kind == reg.KIND_RENTAL:
            self._step = public[24][0]
        made: Any = record.Record(seq, data, mac, secret, public)
        if private is not None:
            made._private = {0: salt, **private}  # what its bytes say: not to be decoded again
        return Made(seq, data, mac, secret, reference, refers, form.from_fields(public)), made
