"""A client for a till, to copy: one file, httpx alone. It asks again with the same key until there is an answer.

till = Till("http://192.168.7.1:8770", token)
answer = till.event("till sale", basket="16.00", currency="EUR", reference="A-1001")
print(answer["credit"]["text"], answer["sentence"], answer["receipt"]["link"])
"""

import time
import uuid
from types import TracebackType
from typing import Any, Self

import httpx

# Worth another attempt with the same key: nothing is decided twice.
AGAIN = (429, 502, 503, 504)


class TillError(Exception):
    """The host did not take the event. `status`: HTTP, 0 where no answer came; the message says what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Till:
    """One till of one host.

    `patience`: seconds in which it asks again; after them the customer is served without the bonus. A till that
    keeps the key with its sale may ask once more later (answers are kept for two days).
    """

    def __init__(self, address: str, token: str, patience: float = 3.0) -> None:
        self._patience = patience
        self._http = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(2.0),
            trust_env=False,
        )

    def event(self, type: str, key: str | None = None, **body: Any) -> dict[str, Any]:
        """One event: the host's answer. `key`: the till's own of this event; made here where there is none.

        Raises TillError. What was taken back before is an answer too (its `reason` is 32)."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        end = time.monotonic() + self._patience
        pause = 0.1
        while True:
            try:
                answer = self._http.post("/v1/events", json={"type": type, **body}, headers=headers)
            except httpx.TransportError as failed:
                status, problem = 0, f"the host does not answer ({failed}): is it on, and on this network?"
            else:
                if answer.status_code in (200, 409):
                    found: dict[str, Any] = answer.json()
                    return found
                status, problem = answer.status_code, _detail(answer)
                if status not in AGAIN:
                    raise TillError(status, problem)
            if time.monotonic() + pause > end:
                raise TillError(status, problem)
            time.sleep(pause)
            pause *= 2

    def sale(self, basket: str, currency: str, reference: str | None = None, **more: Any) -> dict[str, Any]:
        """A sale of a basket like "16.00"."""
        more = more if reference is None else {**more, "reference": reference}
        return self.event("till sale", basket=basket, currency=currency, **more)

    def refund(self, reference: str, amount: str | None = None, **more: Any) -> dict[str, Any]:
        """Takes a sale back: all of it, or `amount` of its basket."""
        more = more if amount is None else {**more, "amount": amount}
        return self.event("refund", reference=reference, **more)

    def close(self) -> None:
        """Ends the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the host answered {answer.status_code}"
