"""Time in the models: a clock as an argument, and bytes that leave a UART at the pace of its baud rate."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], int]
"""Monotonic nanoseconds; time.monotonic_ns in the kit, a hand-driven clock in tests."""

MS = 1_000_000
BITS_PER_BYTE = 10  # start, eight data bits, stop
PACE_STEP = 1 * MS  # paced output comes in pieces of at least this much: the loop serves other parts between


@dataclass
class _Piece:
    data: bytes
    start: int
    byte_ns: int
    kept: bool
    taken: int = 0


class Outbox:
    """Bytes on their way out of a part, each with the instant at which it has left the wire.

    `paced`: bytes take ten bit times each; else they are there as soon as they are put.
    """

    def __init__(self, paced: bool, clock: Clock = time.monotonic_ns) -> None:
        self._paced = paced
        self._clock = clock
        self._pieces: deque[_Piece] = deque()
        self._free_at = 0

    def put(self, data: bytes, baud: int, after_ns: int = 0, kept: bool = False) -> None:
        """Sends `data` once the wire is free and `after_ns` have passed. `kept`: `drop` leaves it alone."""
        start = max(self._clock() + after_ns, self._free_at)
        byte_ns = BITS_PER_BYTE * 1_000_000_000 // baud if self._paced else 0
        self._pieces.append(_Piece(data, start, byte_ns, kept))
        self._free_at = start + byte_ns * len(data)

    def take(self) -> bytes:
        """What has left the wire by now, in order."""
        now = self._clock()
        out = bytearray()
        while self._pieces:
            piece = self._pieces[0]
            if now < piece.start:
                break
            done = len(piece.data)
            if piece.byte_ns:
                done = min(done, (now - piece.start) // piece.byte_ns)
            out += piece.data[piece.taken : done]
            piece.taken = done
            if done < len(piece.data):
                break
            self._pieces.popleft()
        return bytes(out)

    def take_one(self) -> bytes:
        """The first piece that has left, whole; of an outbox that is not paced."""
        if not self._pieces or self._clock() < self._pieces[0].start:
            return b""
        return self._pieces.popleft().data

    def due(self) -> int | None:
        """The instant at which `take` will have something more, or None when nothing is under way."""
        if not self._pieces:
            return None
        piece = self._pieces[0]
        end = piece.start + piece.byte_ns * len(piece.data)
        step = piece.start + piece.byte_ns * (piece.taken + 1)
        return min(end, max(step, self._clock() + PACE_STEP)) if piece.byte_ns else piece.start

    def drop(self) -> None:
        """Takes back everything that has not begun to leave and is not `kept`."""
        now = self._clock()
        self._pieces = deque(p for p in self._pieces if p.kept or p.taken or (p.byte_ns and now > p.start))
        self._free_at = max((p.start + p.byte_ns * len(p.data) for p in self._pieces), default=0)

    def clear(self) -> None:
        """Forgets everything: power has gone."""
        self._pieces.clear()
        self._free_at = 0
