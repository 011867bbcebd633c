"""How a simulated host calls: short tokens for signed requests, connections, pauses after failures."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fleet.simulate.place import Place, now_ms
from fleet.simulate.signing import TOKEN_PATH, Signer
from fleet.simulate.wire import Answer, Connection, WireError

EARLY_S = 60.0  # so long before its end a token is exchanged for another
BACKOFF_S = (0.5, 30.0)  # the first pause after a failure at most, and the longest
MOST_HINT_S = 600.0
IDLE_S = 2.0  # a connection that was idle for longer is opened anew

T = TypeVar("T")


class Caller:
    """One host's credential. Every method raises OSError (WireError, TimeoutError among them)."""

    def __init__(self, signer: Signer, place: Place, chance: random.Random) -> None:
        self.signer = signer
        self._place = place
        self._random = chance
        self._token, self._until = "", 0.0

    async def ask(
        self,
        connection: Connection,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        cut_after: int | None = None,
    ) -> Answer:
        """A question with the credential; with a new token where the controller does not know it any more."""
        for last in (False, True):
            headers = (headers or {}) | await self._bearer(connection)
            answer = await connection.ask(method, path, headers, body, cut_after)
            if answer.status != 401 or last:
                return answer
            self._until = 0.0
        raise AssertionError

    async def at_work(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Over another connection than the one that waits: hosts share those of this process, as each would keep its own open."""
        async with self._place.work:
            idle = self._place.idle_connections
            connection, since = idle.pop() if idle else (Connection(self._place.port), 0.0)
            if time.monotonic() - since > IDLE_S:
                connection.close()  # the controller is about to
            try:
                found = await work(connection)
            except BaseException:
                connection.close()
                raise
            idle.append((connection, time.monotonic()))
            return found

    def failed(self, failed: OSError, failures: int) -> float:
        """Counts it; seconds to leave before the next attempt."""
        self._place.seen.counts[f"failed: {type(failed).__name__}: {failed}"[:160]] += 1
        return self._random.uniform(0, min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** min(failures, 16)))

    async def _bearer(self, connection: Connection) -> dict[str, str]:
        if time.monotonic() >= self._until:
            body, headers = self.signer.token_request(now_ms() // 1000, f"127.0.0.1:{self._place.port}")
            answer = await connection.ask("POST", TOKEN_PATH, headers, body)
            self._place.seen.counts[f"token {answer.status}"] += 1
            if answer.status != 200:
                raise WireError(f"no token: {answer.status} {answer.body[:100].decode(errors='replace')}")
            told = json.loads(answer.body)
            self._token = told["token"]
            self._until = time.monotonic() + max(1.0, told["expires_s"] - EARLY_S)
        return {"Authorization": f"Bearer {self._token}"}


def seconds(answer: Answer, name: str, otherwise: float) -> float:
    """A header that says how long to wait."""
    try:
        return max(0.0, min(MOST_HINT_S, float(answer.headers.get(name, otherwise))))
    except ValueError:
        return otherwise
