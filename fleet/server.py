"""The web server process: uvicorn, which ends the live streams first when it is told to stop."""

from __future__ import annotations

import resource
import socket
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI

from fleet.people.headers import SecureHeaders

GRACE_S = 3  # for requests under way when the program ends


# At a time, hosts that wait for a directive and live streams among them; beyond that the answer is 503.
CONNECTIONS = 10_000
OWN_FILES = 128  # of those that the process may have open: database, tiles, log


def connections() -> int:
    """How many connections are served at a time: fewer where the process may open fewer files."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if files == resource.RLIM_INFINITY else max(16, min(CONNECTIONS, files - OWN_FILES))


class Server(uvicorn.Server):
    """Serves one application on one address. `port` 0 takes a free one; `limit` is how many connections are
    served at a time; `proxies` those whose X-Forwarded-For is believed: of nobody where none is named, as whoever reaches
    this address could write one and so be a new stranger at each try."""

    def __init__(
        self,
        app: FastAPI,
        address: str = "127.0.0.1",
        port: int = 0,
        limit: int | None = None,
        proxies: Sequence[str] = (),
    ) -> None:
        self._live: Any = app.state.controller.live
        self._waiting: Any = app.state.waiting
        super().__init__(
            uvicorn.Config(
                SecureHeaders(app, app.state.people.https),
                host=address,
                port=port,
                log_config=None,
                access_log=False,  # addresses of receipts are secrets
                timeout_graceful_shutdown=GRACE_S,
                limit_concurrency=limit or connections(),
                proxy_headers=bool(proxies),
                forwarded_allow_ips=list(proxies),
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Live streams have no end of their own, and hosts that wait need not wait for theirs."""
        self._live.stop()
        self._waiting.stop()
        await super().shutdown(sockets)
