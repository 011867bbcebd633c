"""Which names and origins a request may come by: this machine's own, so that no other site speaks for it."""

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection


def own_name(connection: HTTPConnection, more: str = "") -> bool:
    """Whether the host is asked by address, by its own name, or by `more` (a name that leads here)."""
    name = (connection.url.hostname or "").lower()
    own = socket.gethostname().lower()
    if name in ("localhost", own, f"{own}.local") or (more and name == more.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def own_origin(connection: HTTPConnection) -> bool:
    """Whether what a browser says of its page's origin is this host; a program says nothing."""
    origin = connection.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == connection.headers.get("host")


def loopback(connection: HTTPConnection) -> bool:
    """Whether the other end is this machine itself, asking by 127.0.0.1 or by its own address."""
    if connection.client is None:
        return False
    server = connection.scope.get("server")
    if server is not None and server[0] == connection.client.host:
        return True
    try:
        return ipaddress.ip_address(connection.client.host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def address(connection: HTTPConnection) -> str:
    """The other end's address, for limits; never logged."""
    return "" if connection.client is None else connection.client.host
