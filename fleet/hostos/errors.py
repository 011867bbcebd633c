"""What can go wrong between the controller and the service that looks after hosts: one error, with a code for each cause."""

from __future__ import annotations

from fleet.errors import FleetError, Refused

NONE = "none"  # nothing is configured
MISSING = "missing"  # the extra is not installed
UNREACHABLE = "unreachable"  # no connection
SLOW = "slow"  # no complete answer in time
BROKEN = "broken"  # the connection ended before the answer did
DENIED = "denied"  # 401, 403
LIMITED = "limited"  # 429
UNKNOWN = "unknown"  # no such device, release or application
LOCKED = "locked"  # the device holds its update lock
OFFLINE = "offline"  # the device is not connected to the service
FAILED = "failed"  # the service says that it failed, 5xx
REFUSED = "refused"  # another 4xx
ODD = "odd"  # an answer that is none
BUSY = "busy"  # too many calls wait here

# What people read, and what to do.
WORDS = {
    NONE: "no host OS service is configured: hosts are looked after by hand. The part `host_os` of config.json names one",
    MISSING: "the balena SDK is not installed here: pip install 'stallmark[balena]'",
    UNREACHABLE: "the host OS service cannot be reached: look at the network and at `api` in config.json; nothing was changed",
    SLOW: "the host OS service did not answer in time: whether it did what was asked is not known, look with `hosts list`",
    BROKEN: "the connection to the host OS service broke: whether it did what was asked is not known, look with `hosts list`",
    DENIED: "the host OS service does not accept the token, or it is not for this application: put another into the token file",
    LIMITED: "the host OS service asks for fewer calls: wait a minute and try again",
    UNKNOWN: "the host OS service does not know that device, release or application",
    LOCKED: "the device holds its update lock: its host agent is writing to a brick; try again in a few minutes",
    OFFLINE: "the service does not reach the device: it is off or without a network; a pin waits for it, this does not",
    FAILED: "the host OS service failed: try again later",
    REFUSED: "the host OS service refused the call",
    ODD: "the host OS service gave an answer that makes no sense: nothing of it was used",
    BUSY: "too many calls to the host OS service wait already: try again in a moment",
}
STATUS = {
    NONE: 409,
    MISSING: 409,
    UNKNOWN: 404,
    LOCKED: 423,
    OFFLINE: 409,
    LIMITED: 429,
    BUSY: 429,
    SLOW: 504,
}


class HostOsError(FleetError):
    """`code`: one of this module; `detail`: what is added to its words, without secrets; `retry_s`: when the service wants to
    be asked again, where it says so."""

    def __init__(self, code: str, detail: str = "", retry_s: int | None = None) -> None:
        self.code = code if code in WORDS else ODD
        self.detail = detail[:200]
        self.retry_s = retry_s
        words = WORDS[self.code]
        super().__init__(f"{words} ({self.detail})" if self.detail else words)

    def as_answer(self) -> Refused:
        """For the API."""
        status = STATUS.get(self.code, 502)
        more: dict[str, int | str] = {"code": self.code}
        if status == 429:
            more["retry_after"] = self.retry_s or 30
        return Refused(status, str(self), **more)
