"""What the controller publishes, as it happens: /v1/live, and every checkpoint for the audit afterwards."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Leaf:
    """One receipt in a published checkpoint. `seen_ns`: this machine's monotonic clock when it was heard of."""

    index: int
    brick: str
    seq: int
    kind: str
    sentence: str
    outcome: str
    market_ms: int | None
    seen_ns: int


class Feed:
    """Follows one controller until cancelled; reconnects, and takes up where it was."""

    def __init__(self, base: str, on_leaf: Callable[[Leaf], None]) -> None:
        self.checkpoints: list[bytes] = []
        self._base = base
        self._on_leaf = on_leaf
        self._next = 0

    async def follow(self) -> None:
        """Runs for ever."""
        async with httpx.AsyncClient(base_url=self._base, timeout=httpx.Timeout(5.0, read=None)) as http:
            while True:
                # A controller that was killed comes back: listen again.
                with contextlib.suppress(httpx.HTTPError, OSError):
                    await self._listen(http)
                await asyncio.sleep(0.05)

    async def _listen(self, http: httpx.AsyncClient) -> None:
        async with http.stream(
            "GET", "/v1/live", headers={"Last-Event-ID": str(max(0, self._next - 1))}
        ) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    self._take(json.loads(line[5:]))

    def _take(self, event: dict[str, Any]) -> None:
        index = int(event["index"])
        if index < self._next:
            return
        self._next = index + 1
        self._on_leaf(
            Leaf(
                index,
                str(event["brick"]),
                int(event["seq"]),
                str(event["kind"]),
                str(event["sentence"]),
                str(event.get("outcome") or ""),
                event.get("market_ms"),
                time.monotonic_ns(),
            )
        )

    async def watch_checkpoints(self) -> None:
        """Keeps every checkpoint that is published; runs for ever."""
        async with httpx.AsyncClient(base_url=self._base, timeout=5.0) as http:
            while True:
                await self.look(http)
                await asyncio.sleep(0.2)

    async def look_once(self) -> None:
        """Fetches the newest checkpoint now."""
        async with httpx.AsyncClient(base_url=self._base, timeout=5.0) as http:
            await self.look(http)

    async def look(self, http: httpx.AsyncClient) -> None:
        """Fetches the checkpoint once."""
        try:
            answer = await http.get("/ledger/checkpoint")
        except (httpx.HTTPError, OSError):
            return
        if answer.status_code == 200 and (not self.checkpoints or self.checkpoints[-1] != answer.content):
            self.checkpoints.append(answer.content)
