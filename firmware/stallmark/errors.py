"""The error tree of the core. Messages say what was found and what was expected; never a secret."""


class StallmarkError(Exception):
    """Root of every error that Stallmark raises on purpose."""


class FormatError(StallmarkError):
    """Bytes that are not what the format page says."""


class LimitError(FormatError):
    """Bytes that may be well formed but exceed a stated limit."""


class FullError(StallmarkError):
    """A bounded store has no room that may be used now; the message says which and what frees it."""


class KeyMissing(StallmarkError):
    """A key that this step needs is not installed here."""
