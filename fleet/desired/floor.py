"""Numbers of directives never go back, whatever becomes of the database: a file beside the ledger says how far they went.

The file holds one number that no directive is above. A program begins above it, whatever the database says: after a
database of yesterday is put back, every new directive is above all that hosts and bricks may have seen."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fleet import durable
from fleet.errors import ConfigError

BLOCK = 64  # numbers that are written down ahead: a durable write for each block, not for each directive
HIGHEST = 0xFFFFFFFF


class Floor:
    """The file. Several programs may have it open: what they write only rises."""

    def __init__(self, path: Path, known: int = 0) -> None:
        """`known`: the highest number that the database has, for where the file is missing. Raises ConfigError for a file
        that cannot be read."""
        self._path = path
        self._base = self._bound = max(known, self.written())

    @property
    def base(self) -> int:
        """What no directive was above when this program started, as far as file and database knew."""
        return self._base

    def written(self) -> int:
        """What the file says; 0 where there is none. Raises ConfigError."""
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return 0
        except (OSError, UnicodeDecodeError) as failed:
            raise ConfigError(
                f"{self._path} cannot be read: {failed}. It keeps numbers of directives from falling"
            ) from None
        if not text.strip().isdecimal() or int(text) > HIGHEST:
            raise ConfigError(
                f"{self._path} holds no number: restore it, or write into it one above all directives that kits have seen"
            )
        return int(text)

    def next(self, above: int) -> int:
        """The next number of a kit whose last one was `above`. Durable as a floor on return. Raises OSError, ConfigError."""
        number = max(above, self._base) + 1
        if number > HIGHEST:
            raise ConfigError("there are no numbers of directives left: this fleet needs a new director key")
        if number > self._bound:
            self.raise_to(number + BLOCK - 1)
        return number

    def raise_to(self, number: int) -> None:
        """No number up to this one is given to a new directive by a program that starts after this. Raises OSError."""
        with self._locked():
            bound = min(HIGHEST, max(number, self.written()))
            durable.write(self._path, f"{bound}\n".encode())
        self._bound = max(self._bound, bound)

    @contextmanager
    def _locked(self) -> Generator[None]:
        handle = os.open(self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
