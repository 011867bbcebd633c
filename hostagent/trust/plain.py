"""What TUF's client raised, in plain words and with a kind."""

from datetime import UTC, datetime

from tuf.api import exceptions

from hostagent.trust.errors import TrustError

YEAR_MS = 366 * 86_400_000


def day(ms: int) -> str:
    """A day for people; an instant that no calendar holds is said so."""
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return "a day beyond all calendars"


def plain(failed: Exception, source: str, moment_ms: int = 0, signed_ms: int = 0) -> TrustError:
    """The TrustError of a failure of tuf's client. `moment_ms`: by what expiry was judged; `signed_ms`: the latest instant
    that was ever signed."""
    match failed:
        case exceptions.DownloadLengthMismatchError():
            return TrustError("endless", f"{source} sent more than the lists allow: broken off")
        case exceptions.SlowRetrievalError():
            return TrustError("slow", str(failed))
        case exceptions.DownloadHTTPError():
            return TrustError("offline", str(failed))
        case exceptions.DownloadError():
            cause = failed.__cause__
            return TrustError("offline", str(failed) if cause is None else f"{failed} ({cause})")
        case exceptions.ExpiredMetadataError():
            far = signed_ms and moment_ms - signed_ms > YEAR_MS
            clock = (
                f"; the clock says {day(moment_ms)}, the newest signature is of {day(signed_ms)}: is the clock right?"
                if far
                else f" (judged on {day(moment_ms)})"
            )
            return TrustError("expired", f"{source}: {failed}{clock}")
        case exceptions.UnsignedMetadataError():
            return TrustError("unsigned", f"{source}: {failed}")
        case exceptions.BadVersionNumberError():
            return TrustError(
                "older",
                f"{source} shows older lists than before, or lists that do not belong together: {failed}",
            )
        case exceptions.LengthOrHashMismatchError():
            return TrustError("mismatch", f"{source} mixes lists that do not belong together: {failed}")
        case _:
            return TrustError("damaged", f"the lists of {source} cannot be read: {failed}")
