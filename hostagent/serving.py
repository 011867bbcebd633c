"""The status API's socket and server: one address for the host's life, signals left to the agent."""

import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

from hostagent.errors import ConfigError

if TYPE_CHECKING:
    from hostagent.agent import Agent

AT_ONCE = 64  # connections


def listen(host: str, port: int) -> socket.socket:
    """Where the API is served from now on. Raises ConfigError."""
    try:
        listening = socket.create_server((host, port), backlog=AT_ONCE)
        # Connections inherit it. asyncio sets it only on sockets that name their protocol, which these do not:
        # without it an answer in two pieces waits 40 ms for the other side's acknowledgement of the first.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as failed:
        raise ConfigError(f"the status page cannot listen on {host}:{port}: {failed.strerror}") from failed


class _Server(uvicorn.Server):
    """Signals belong to the agent, which ends the server last."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


def server(agent: "Agent") -> uvicorn.Server:
    """Serves the status API once it is given the socket."""
    from hostagent.status import create_app

    settings = uvicorn.Config(
        create_app(agent),
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        limit_concurrency=AT_ONCE,
    )
    return _Server(settings)
