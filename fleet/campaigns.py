"""The bundles that kits are to run, as files: offered to hosts, and what sentences are told by."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from stallmark import explain, rules

from fleet.core import Fields, FormatError, bundle, reg

ACTIVE = "active.smbundle"
SUFFIX = "*.smbundle"
Ruleset: Any = rules.Ruleset
_explain: Any = explain

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle as served: its bytes and the entity tag of just these bytes."""

    data: bytes
    etag: str


class Campaigns:
    """A folder of bundles. `<kit hex>.smbundle` is for one kit, `active.smbundle` for every other.
    Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._seen: dict[Path, tuple[int, int]] = {}
        self._offers: dict[Path, Offer] = {}
        self._by_path: dict[Path, Any] = {}
        self._rulesets: dict[bytes, Any] = {}  # by digest8, those of earlier bundles too
        self._reading = 0
        self.refresh()

    def stamp(self) -> int:
        """Another number whenever something in the folder changed."""
        self.refresh()
        return self._reading

    def offer(self, kit: bytes, fresh: bool = True) -> Offer | None:
        """What this kit should run, or None where there is nothing. Not `fresh`: as the folder was read last."""
        if fresh:
            self.refresh()
        for name in (f"{kit.hex()}.smbundle", ACTIVE):
            offer = self._offers.get(self._folder / name)
            if offer is not None:
                return offer
        return None

    def market(self) -> str | None:
        """The market's name by the active ruleset."""
        self.refresh()
        ruleset = self._by_path.get(self._folder / ACTIVE)
        return None if ruleset is None else ruleset.market or None

    def currency(self) -> str | None:
        """The currency of the active ruleset."""
        self.refresh()
        ruleset = self._by_path.get(self._folder / ACTIVE)
        return None if ruleset is None else ruleset.currency

    def sentence(self, record: Fields) -> str:
        """A record in plain English, told by the ruleset that decided it where that is known here."""
        words: str = _explain.sentence(record, self._rulesets.get(record.get(8, b"")), None)  # facts, not the author's words
        return words

    def refresh(self) -> None:
        """Reads what changed on disk; a bundle that cannot be read is left out and said."""
        with self._lock:
            there: dict[Path, tuple[int, int]] = {}
            for path in sorted(self._folder.glob(SUFFIX)):
                try:
                    found = path.stat()
                except OSError:
                    continue
                there[path] = (found.st_mtime_ns, found.st_size)
            if there == self._seen:
                return
            self._by_path = {}
            self._offers = {path: offer for path in there if (offer := self._read(path)) is not None}
            self._rulesets.update({ruleset.digest8: ruleset for ruleset in self._by_path.values()})
            self._seen = there
            self._reading += 1

    def _read(self, path: Path) -> Offer | None:
        try:
            data = path.read_bytes()
            envelope, artefact = bundle.split(data)
            if bundle.parse(envelope).fields[1] == reg.ARTEFACT_RULESET:
                self._by_path[path] = Ruleset(artefact)
        except (OSError, FormatError) as error:
            logger.warning("%s is left out: %s", path, error)
            return None
        return Offer(data, etag_of(data))


def etag_of(data: bytes) -> str:
    """Entity tag of just these bytes."""
    return '"' + sha256(data).hexdigest()[:32] + '"'


def outcome(kind: int) -> str:
    """What the customer sees: "granted", "nothing this time" or "ask at the stall"; empty for no decision."""
    words: str = _explain.outcome(kind)
    return words
