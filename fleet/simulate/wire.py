"""One connection of a simulated host: HTTP/1.1 with what a host needs and nothing more, as thousands of them share a process."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

MAX_HEAD = 16_384
MAX_BODY = 1 << 20
SILENCE_S = 150.0  # longer than any long-poll


class WireError(OSError):
    """An answer that is none."""


class Answer(NamedTuple):
    """Header names in small letters. `whole` False: the body was cut on purpose."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True


class Connection:
    """Kept open between questions. Every method raises OSError, TimeoutError where the controller is not there."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes = b"",
        cut_after: int | None = None,
        silence_s: float = SILENCE_S,
    ) -> Answer:
        """One question. `cut_after`: the connection breaks off after so many bytes of the body, as a network does."""
        async with asyncio.timeout(silence_s):
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection(
                    "127.0.0.1", self._port, limit=MAX_HEAD
                )
            assert self._reader is not None
            lines = [
                f"{method} {path} HTTP/1.1",
                "Host: 127.0.0.1",
                f"Content-Length: {len(body)}",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            try:
                self._writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
                await self._writer.drain()
                return await self._answer(self._reader, cut_after)
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as failed:
                self.close()
                raise WireError(f"the answer broke off ({type(failed).__name__})") from None
            except BaseException:
                self.close()  # cancelled in the middle: what comes next on it would be the answer to something else
                raise

    async def _answer(self, reader: asyncio.StreamReader, cut_after: int | None) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers: dict[str, str] = {}
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = 0 if status == 304 else int(headers.get("content-length", "0"))
        if not 0 <= length <= MAX_BODY:
            raise ValueError(f"a body of {length} bytes")
        if cut_after is not None and cut_after < length:
            body = await reader.readexactly(cut_after)
            self.close()
            return Answer(status, headers, body, whole=False)
        body = await reader.readexactly(length)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def close(self) -> None:
        """Cuts it; the next question opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
