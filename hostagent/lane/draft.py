"""Words that the lane's parts share: a record to be written, an answer that waits for the disk, what is refused."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from hostagent.core import Fields
from hostagent.errors import HostError
from hostagent.intake import Statements
from hostagent.lane.answers import LaneAnswer


class LaneUnready(HostError):
    """The lane cannot decide now; the message says why and what to do."""


class NoRecord(LaneUnready):
    """What was asked does not fit a record, however often it is asked."""


class Draft(NamedTuple):
    """A record to be written: kind, public fields, private fields, the till's reference, receipt16 that it is
    about."""

    kind: int
    fields: Fields
    private: Fields | None = None
    reference: str | None = None
    refers: bytes | None = None


class Pending(NamedTuple):
    """An answer that holds once `durable` is done."""

    answer: LaneAnswer
    durable: "asyncio.Future[None]"


# What else goes into the transaction of an answer's records
Also = Callable[[LaneAnswer], Statements]


def cut(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8, whole characters."""
    return text.encode()[:size].decode(errors="ignore")
