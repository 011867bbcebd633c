"""A market day's customers: who comes when, to which brick, holding what. Seeded; no clock of its own."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.tagmaster import EventKeys

from virtualkit import cards
from virtualkit.cards import Card

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Visit:
    """One customer holding one card to one brick. `at_ms`: after the market opened."""

    number: int
    at_ms: int
    brick: str
    card: Card


class Crowd:
    """The people of one market: most hold tags and passes that the hub issued, some a blank tag, a phone or another code;
    with `tag_keys` some hold an NTAG 424 DNA that the hub's desk made.

    Shares are of new faces; regulars come back, so that people and taps differ.
    """

    RETURNING = 0.45
    AWAY = 24
    BLANK = 0.08
    PHONE = 0.06
    PROVED = 0.10
    FOREIGN = 0.10

    def __init__(self, seed: int, event_key: bytes, tag_keys: EventKeys | None = None) -> None:
        self._rng = random.Random(seed)
        self._event_key = event_key
        self._tag_keys = tag_keys
        self._known: dict[str, list[Card]] = {"nfc": [], "qr": []}

    def card_for(self, part: str) -> Card:
        """The card of whoever steps up to a reader of this kind next. Nobody comes back at once: a reader ignores a card that it
        has just read."""
        rng = self._rng
        known = self._known[part]
        if len(known) > self.AWAY and rng.random() < self.RETURNING:
            at = rng.randrange(len(known) - self.AWAY)
            known.append(known.pop(at))
            return known[-1]
        if part == "qr":
            if rng.random() < self.FOREIGN:
                return cards.foreign_code(rng)
            card = cards.pass_code(rng, self._event_key)
        else:
            draw = rng.random()
            if draw < self.PHONE:
                return cards.phone(rng)
            if draw < self.PHONE + self.BLANK:
                card = cards.blank_tag(rng)
            elif self._tag_keys is not None and draw < self.PHONE + self.BLANK + self.PROVED:
                card = cards.proved_tag(rng, self._tag_keys)
            else:
                card = cards.issued_tag(rng, self._event_key)
        known.append(card)
        return card

    def hour(self, taps: int, bricks: Sequence[tuple[str, str]]) -> list[Visit]:
        """`taps` visits spread over one hour; `bricks`: (name, part "nfc" or "qr")."""
        times = sorted(self._rng.randrange(HOUR_MS) for _ in range(taps))
        visits: list[Visit] = []
        for number, at_ms in enumerate(times):
            name, part = self._rng.choice(list(bricks))
            visits.append(Visit(number, at_ms, name, self.card_for(part)))
        return visits

    def pause_ms(self, mean_ms: int) -> int:
        """How long until the next customer, for a market that runs in real time."""
        return int(self._rng.expovariate(1.0) * mean_ms)
