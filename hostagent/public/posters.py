"""The stall's poster QR on the customer's own phone: an event like any other, in its own trust class.

With a pass the phone's person is known as the pass is; without one the event is anonymous. Whoever has the address
can send such events from anywhere, so their type is their own (16) and they count as people only by a pass.
"""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from hostagent.core import reg
from hostagent.errors import HostError
from hostagent.public.limits import Limit
from hostagent.screen import entries
from hostagent.screen.passes import Passes

if TYPE_CHECKING:
    from hostagent.agent import Agent

NAME = re.compile(r"^[a-z0-9-]{1,24}$")
NONCE = re.compile(r"^[0-9a-f]{16}$")
A_MINUTE = 6
A_MINUTE_IN_ALL = 120
# The same form sent twice is answered once decided, for as long.
KEPT = 512
KEPT_S = 900.0


class TooMany(Exception):
    """More than a phone may ask in a minute."""


class Posters:
    """One per agent."""

    def __init__(self, agent: "Agent", passes: Passes) -> None:
        self._agent = agent
        self._passes = passes
        self._limit = Limit(A_MINUTE, A_MINUTE_IN_ALL)
        # Also of forms whose answer is not there yet: sent twice at once is sent twice all the same.
        self._answers: OrderedDict[str, tuple[float, asyncio.Task[Any]]] = OrderedDict()

    @property
    def lane(self) -> Any:
        """The lane that decides, or None where this host has none that can."""
        lane: Any = self._agent.lane
        return lane if lane is not None and lane.trouble is None else None

    async def scanned(self, poster: str, nonce: str, pass_text: str, address: str) -> Any:
        """The lane's answer to a scan of this poster; None where no lane can decide. `nonce` is the form's own: sent
        again, it gets the same answer. Raises TooMany, HostError."""
        form = f"{poster}/{nonce}"
        known = self._answers.get(form)
        if known is not None and time.monotonic() - known[0] < KEPT_S:
            return await asyncio.shield(known[1])
        if not self._limit.take(address):
            raise TooMany
        if self.lane is None:
            return None
        deciding = asyncio.get_running_loop().create_task(self._decided(poster, pass_text))
        self._answers[form] = (time.monotonic(), deciding)
        self._answers.move_to_end(form)
        while len(self._answers) > KEPT:
            self._answers.popitem(last=False)
        try:
            # A phone that goes away does not undo what is being decided.
            return await asyncio.shield(deciding)
        except HostError:
            # Not decided: the same form may be sent again.
            self._answers.pop(form, None)
            raise

    async def _decided(self, poster: str, pass_text: str) -> Any:
        trust, subject = reg.TRUST_ANONYMOUS, None
        if pass_text:
            trust, subject = self._passes.read(pass_text) or (trust, subject)
        # The event's nonce is the lane's own: the form's is whatever a phone sends, and would stand in the ledger.
        event = entries.made(reg.EVENT_POSTER_QR, trust, subject, source=source8(poster))
        return await self.lane.decide(event)


def source8(poster: str) -> bytes:
    """Names a poster in events: SHA-256("stallmark/poster/1" NUL name)[:8]."""
    return hashlib.sha256(b"stallmark/poster/1\0" + poster.encode()).digest()[:8]
