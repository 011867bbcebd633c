"""The web server process: uvicorn, which ends the live streams first when it is told to stop."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

GRACE_S = 3  # for requests under way when the program ends


class Server(uvicorn.Server):
    """Serves one application on one address. `port` 0 takes a free one."""

    def __init__(self, app: FastAPI, address: str = "127.0.0.1", port: int = 0) -> None:
        self._live: Any = app.state.controller.live
        super().__init__(
            uvicorn.Config(
                app,
                host=address,
                port=port,
                log_config=None,
                access_log=False,  # addresses of receipts are secrets
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Live streams have no end of their own."""
        self._live.stop()
        await super().shutdown(sockets)
