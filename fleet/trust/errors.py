"""What can go wrong with keys and signed lists; every message says what to do."""

from fleet.errors import FleetError


class TrustError(FleetError):
    """Root of the trust's errors. No message carries a secret."""


class KeyFileError(TrustError):
    """A key file that is none, or that this passphrase does not open."""


class DraftError(TrustError):
    """A draft that may not be signed or published, and why."""


class TrustMissing(TrustError):
    """There is no trust folder yet: `stallmark fleet keys init` makes one."""


class TrustDamaged(TrustError):
    """A file of the trust folder is not what was published."""
