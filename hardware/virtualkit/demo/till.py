"""A till at the stall: what it sells in an hour, and how it asks the host, through restarts and all. docs/till.md"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from virtualkit.cards import Card
from virtualkit.folder import KitFolder
from virtualkit.market import HOUR_MS, Crowd

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.1
# What a till is asked for, and how often: mostly sales, some of what other sources would send.
KINDS = (
    ("till sale", 60),
    ("tip", 10),
    ("refund", 5),
    ("attendance scan", 6),
    ("commitment", 4),
    ("review", 3),
    ("referral claim", 3),
    ("RSVP", 3),
    ("geofence entry", 3),
    ("footfall count", 3),
)
ITEMS = (("BAG", 900), ("TEA", 350), ("CUP", 1250), ("POSTER", 1800))


@dataclass(frozen=True)
class Sale:
    """One event for the till to send. `at_ms`: after the market opened; `card`: the pass that the customer shows, if any."""

    at_ms: int
    kind: str
    body: dict[str, Any]
    card: Card | None


class TillHour:
    """What one till has to send in an hour: seeded."""

    def __init__(self, seed: int, crowd: Crowd) -> None:
        self._prefix = f"{seed % 0x10000:04x}"
        self._rng = random.Random(seed)
        self._crowd = crowd
        self._sold: list[tuple[str, int]] = []
        self._count = 0

    def events(self, count: int) -> list[Sale]:
        """`count` events spread over an hour, in order."""
        times = sorted(self._rng.randrange(HOUR_MS) for _ in range(count))
        return [self._event(at_ms) for at_ms in times]

    def _event(self, at_ms: int) -> Sale:
        rng = self._rng
        self._count += 1
        kind = rng.choices([name for name, _ in KINDS], [weight for _, weight in KINDS])[0]
        if kind == "refund" and not self._sold:
            kind = "till sale"
        body: dict[str, Any] = {"type": kind}
        card = self._crowd.card_for("qr") if kind not in ("refund", "footfall count") else None
        if card is not None and (card.kind != "pass" or rng.random() < 0.2):
            card = None
        if card is not None:
            body["customer"] = {"pass": card.text}
        if kind == "till sale":
            self._sale(body)
        elif kind == "tip":
            body |= {"basket": "6.00", "tip": f"{rng.randrange(1, 5)}.00"}
        elif kind == "refund":
            reference, _ = self._sold.pop(rng.randrange(len(self._sold)))
            body |= {"reference": reference, "reason": "brought back"}
        elif kind == "footfall count":
            body |= {"signal": "footfall", "value": rng.randrange(5, 60)}
        return Sale(at_ms, kind, body, card)

    def _sale(self, body: dict[str, Any]) -> None:
        rng = self._rng
        lines: list[dict[str, Any]] = []
        total = 0
        for code, minor in rng.sample(ITEMS, rng.randrange(1, 3)):
            quantity = rng.randrange(1, 4)
            lines.append({"code": code, "quantity": quantity, "amount": f"{minor * quantity / 100:.2f}"})
            total += minor * quantity
        reference = f"bill-{self._prefix}-{self._count}"
        body |= {
            "reference": reference,
            "basket": f"{total // 100}.{total % 100:02}",
            "items": sum(int(line["quantity"]) for line in lines),
            "lines": lines,
        }
        self._sold.append((reference, total))


class VirtualTill:
    """Asks the host for every event until it answers: under one key, so that nothing is decided twice."""

    def __init__(self, folder: KitFolder, seed: int, http: httpx.AsyncClient) -> None:
        told = json.loads(folder.till.read_text())
        self._url = f"{told['host']}/v1/events"
        self._token = told["token"]
        self._prefix = f"{seed:x}-{time.time_ns():x}"
        self._http = http
        self._number = 0
        self.answer_ms: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self.credit_minor = 0
        self.repeats = 0

    async def ask(self, sale: Sale) -> dict[str, Any]:
        """The host's answer. Raises TillRefused for one that no repeat would change, TimeoutError."""
        self._number += 1
        key = f"{self._prefix}-{self._number}"
        started = time.monotonic()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                answer = await self._once(key, sale.body)
                if answer is not None:
                    break
                self.repeats += 1
                await asyncio.sleep(PAUSE_SECONDS)
        self.answer_ms.append((time.monotonic() - started) * 1000)
        self.outcomes[answer["outcome"]] += 1
        self.credit_minor += answer["credit"]["minor"]
        return answer

    async def _once(self, key: str, body: dict[str, Any]) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key}
        try:
            answer = await self._http.post(self._url, json=body, headers=headers)
        except httpx.HTTPError:
            return None
        if answer.status_code in (429, 503):
            return None
        if answer.status_code not in (200, 409):
            raise TillRefused(f"{body['type']}: {answer.status_code} {answer.text[:300]}")
        return answer.json()


class TillRefused(Exception):
    """The host will not take this event, however often it is sent."""


async def queue(
    till: VirtualTill, sales: list[Sale], reach: Callable[[int], None], held: Callable[[Card], None]
) -> None:
    """Sends one after another. `reach(at_ms)` moves the market's clock on; `held(card)` tells whose number must stay secret."""
    for sale in sales:
        reach(sale.at_ms)
        if sale.card is not None:
            held(sale.card)
        await till.ask(sale)
