"""Whom an HTTP client believes: the usual authorities for https, nobody for http, which needs none.

Reading the authorities takes 25 ms on a fast machine and far more on a small one, once for every client."""

import ssl

import httpx


def authorities(base: str) -> ssl.SSLContext | bool:
    """What httpx takes as `verify` for a client of `base`. Should an address of http lead to one of https, that fails
    closed."""
    if httpx.URL(base).scheme != "http":
        return True
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
