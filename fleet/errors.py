"""What can go wrong at the controller, as one tree. Messages are plain and carry no secret."""

from __future__ import annotations

from stallmark.errors import StallmarkError


class FleetError(StallmarkError):
    """Root of the controller's errors."""


class ConfigError(FleetError):
    """The configuration or key file is not what fleet/config.py describes; the message says where and what
    to do."""


class LedgerError(FleetError):
    """The ledger cannot go on; nothing was signed."""


class LedgerMissing(LedgerError):
    """There is no ledger yet: making one takes an explicit `stallmark fleet init`."""


class LedgerConflict(LedgerError):
    """What is published and what the database holds disagree: signing would rewrite history."""


class LedgerDamaged(LedgerError):
    """Bytes on disk do not hash to what was appended."""


class NoteError(FleetError):
    """A signed note that is malformed, or whose signature by a known key is wrong."""


class Refused(FleetError):
    """An answer to a host: HTTP status, plain reason, and what it should do instead where that can be
    said."""

    def __init__(self, status: int, reason: str, **more: int | str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.more = more
