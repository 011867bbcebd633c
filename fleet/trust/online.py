"""Online keys: seeds of snapshot and timestamp, and of a director on its way into keys.json; one file, mode 0600.

{"format": "stallmark-online/1", "warning": text or absent, "keys": [{"role", "seed": hex}]}
More seeds than the published root names may lie here: those of a root that still waits for signatures. Which seed signs
is said by the root alone, so a stop between two files never leaves a controller without its keys."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from fleet.trust import files
from fleet.trust.errors import KeyFileError, TrustDamaged
from fleet.trust.keyfile import INSECURE, Key
from fleet.trust.keyset import Holder

FORMAT = "stallmark-online/1"
MAX_FILE = 16_384
MOST_KEYS = 16


class Online:
    """The file of one trust folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keys(self) -> list[Key]:
        """All of them; none where there is no file. Raises TrustDamaged, KeyFileError."""
        if not self._path.exists():
            return []
        if stat.S_IMODE(os.stat(self._path).st_mode) & 0o077:
            raise KeyFileError(
                f"{self._path} holds secrets and can be read by others: chmod 600 {self._path}"
            )
        value = files.read_json(self._path, MAX_FILE)
        try:
            return [
                Key(str(one["role"]), str(one["role"]), bytes.fromhex(one["seed"])) for one in value["keys"]
            ]
        except (KeyError, TypeError, ValueError):
            raise TrustDamaged(f"{self._path} is damaged: restore it, or revoke its keys") from None

    def make(self, role: str, development: bool = False) -> Key:
        """A fresh key of a role, durable before it is returned. Raises OSError, TrustDamaged."""
        key = Key(role, role, os.urandom(32))
        kept = self.keys()
        if len(kept) >= MOST_KEYS:
            raise KeyFileError(
                f"{self._path}: {MOST_KEYS} keys wait already: publish or remove older drafts first"
            )
        self._write([*kept, key], development)
        return key

    def seed_of(self, holders: Iterable[Holder]) -> Key | None:
        """The key of one of these holders; None where none of them is here."""
        wanted = {one.public for one in holders}
        return next((key for key in self.keys() if key.public in wanted), None)

    def keep_only(self, holders: Iterable[Holder], development: bool) -> None:
        """Ends every key that is not one of these: nobody who finds the file later gains by it."""
        wanted = {one.public for one in holders}
        kept = self.keys()
        left = [key for key in kept if key.public in wanted]
        if len(left) != len(kept):
            self._write(left, development)

    def _write(self, keys: list[Key], development: bool) -> None:
        value: dict[str, object] = {
            "format": FORMAT,
            "keys": [{"role": key.role, "seed": key.seed.hex()} for key in keys],
        }
        if development:
            value["warning"] = INSECURE
        files.write_json(self._path, value, secret=True)
