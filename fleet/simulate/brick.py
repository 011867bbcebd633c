"""A simulated brick: which rules it runs, and boot records that prove it, with MACs as a real one makes them."""

from __future__ import annotations

from typing import Any

from fleet.core import keyschedule, record, reg

PROGRAM = bytes(32)  # digest of no program: a simulated brick has none


class SimulatedBrick:
    """One brick of a kit; `runs` is the digest of its ruleset, None: none."""

    def __init__(self, brick: bytes, root: bytes, rental: int, now_ms: int) -> None:
        self.brick = brick
        self.runs: bytes | None = None
        self.result: tuple[int, bytes, str, int] | None = None  # install result, bundle, words, instant
        self._rental = rental
        self._mac_key: bytes = keyschedule.record_mac_key(keyschedule.record_chain0(root))
        self._prev = bytes(16)
        self._seq = self._boot = 0
        self._started_ms = now_ms

    def boot(self, artefact: bytes, now_ms: int) -> tuple[dict[int, Any], bytes, bytes]:
        """It starts anew with these rules: (fields, public part, MAC) of its boot record (docs/formats/record.md)."""
        self.runs = artefact
        self._seq += 1
        self._boot += 1
        fields: dict[int, Any] = {
            0: 0, 1: self.brick, 2: self._seq, 3: 0, 4: self._boot, 5: now_ms, 6: max(0, now_ms - self._started_ms),
            7: [reg.QUALITY_HOST, 50], 10: reg.KIND_BOOT, 16: self._rental, 18: self._prev,
            24: [artefact, PROGRAM, 0, self._boot, 0],
        }  # fmt: skip
        public: bytes = record.encode_public(fields)
        mac: bytes = record.mac(self._mac_key, public)
        self._prev = record.link(public, mac)
        return fields, public, mac
