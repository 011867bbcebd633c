"""Passes for phones: a code from the stall screen makes one, the event's keys make it worth something.

A pass is text that only holders of the event key can write (docs/formats/event.md), so it counts as a person.
That is why nobody gets one without a code that a person at the stall gave out: passes that anybody could make
at will would open rules that count people. Nothing about a pass is stored here; codes live in memory.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hostagent.core import FormatError, base32, keys, reg, token

if TYPE_CHECKING:
    from hostagent.agent import Agent

CODE_S = 300.0
CODES = 32
# A code is eight of 32 signs: 40 bits, and five minutes; wrong ones are slowed down by the page's limit.
CODE_SIGNS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
SERIAL = 10


@dataclass(frozen=True)
class Pass:
    """A pass as it was made. `number` names it without being worth anything: it may be written down."""

    text: str
    number: str
    subject8: bytes


class Passes:
    """Makes and reads passes of the event whose key this host holds."""

    def __init__(self, agent: "Agent", now: Callable[[], float] = time.monotonic) -> None:
        self._agent = agent
        self._now = now
        self._codes: dict[str, float] = {}

    @property
    def event_key(self) -> bytes | None:
        """The event's key, where this host holds it."""
        return self._agent.config.keys.event_key

    def new_code(self) -> str:
        """A code for one pass, good for five minutes. The oldest goes when there are 32."""
        now = self._now()
        self._codes = {code: until for code, until in self._codes.items() if until > now}
        while len(self._codes) >= CODES:
            self._codes.pop(next(iter(self._codes)))
        code = "".join(secrets.choice(CODE_SIGNS) for _ in range(8))
        self._codes[code] = now + CODE_S
        return code

    def issue(self, code: str) -> Pass | None:
        """A new pass for a good code, which is used up; None for any other."""
        if self.event_key is None:
            return None
        until = self._codes.pop(code.strip().upper(), None)
        return None if until is None or until <= self._now() else self._make(os.urandom(SERIAL))

    def read(self, text: str) -> tuple[int, bytes] | None:
        """(trust, subject8) of a scanned pass; None where it is none of this event."""
        if self.event_key is None:
            return None
        found: Any = token.from_text(
            text.strip().upper().encode(errors="replace"),
            keys.token_key(self.event_key),
            keys.subject_key(self.event_key),
        )
        return (found[0], found[1]) if found[0] == reg.TRUST_ISSUED else None

    def subject_of_number(self, text: str) -> bytes | None:
        """The pseudonym of a pass by its number, or by its whole text; None where it is neither."""
        if self.event_key is None:
            return None
        text = text.strip().upper().replace(" ", "").replace("-", "")
        number = text[4:20] if text.startswith("SM1.") else text
        try:
            serial: bytes = base32.decode(number)
        except FormatError:
            return None
        return self._subject(serial) if len(serial) == SERIAL else None

    def _make(self, serial: bytes) -> Pass:
        assert self.event_key is not None
        text: str = token.pass_text(serial, keys.token_key(self.event_key))
        return Pass(text, base32.encode(serial), self._subject(serial))

    def _subject(self, serial: bytes) -> bytes:
        return token.subject(keys.subject_key(self.event_key), token.TOKEN_PASS, serial)
