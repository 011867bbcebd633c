"""The host agent's errors: one tree; each message says what was found and what to do."""

from stallmark.errors import StallmarkError


class HostError(StallmarkError):
    """Root of what the host agent raises on purpose."""


class ConfigError(HostError):
    """config.json or keys.json is missing, unreadable or not what this program needs."""


class ClockError(HostError):
    """The clock file is missing or has not eight bytes."""


class StoreRefused(HostError):
    """The store may not be opened as it is: wrong key, or an SQLite that loses data. Nothing was changed."""


class StoreDamaged(HostError):
    """The store's file cannot be trusted; the message says why."""


class StoreUnavailable(HostError):
    """The disk does not take writes now; `reason` is for the screen."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ControllerError(HostError):
    """The controller did not answer as agreed. `kind` is one of the words in `hostagent.controller`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class DirectiveRefused(HostError):
    """A directive that is not what the director signed for this kit, or is older than the one that is here."""

    def __init__(self, message: str, older: bool = False) -> None:
        super().__init__(message)
        self.older = older


class BundleRefused(HostError):
    """A bundle that is not what the authors' quorum signed; it is not passed on."""
