"""Why signed lists were not taken; each kind is a word for screens and counters."""

from hostagent.errors import HostError


class TrustError(HostError):
    """New lists were not taken; what was good before still is. `kind`, one of:

    offline nobody answers · slow · endless more than allowed · older versions went back (rollback) · expired · unsigned too
    few good signatures · mismatch lists of different days, or wrong bytes · damaged not readable · unlisted · busy another
    process · disk · root the bootstrap root is none
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
