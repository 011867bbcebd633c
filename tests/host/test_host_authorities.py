"""Whom clients of the controller believe."""

import asyncio
import ssl

import pytest

from hostagent.authorities import authorities
from hostagent.controller import Controller
from hostagent.errors import ControllerError


def test_https_believes_the_usual_authorities_and_http_nobody():
    assert authorities("https://hub.example/") is True
    for base in ("http://127.0.0.1:8780", "http://hub.local", "HTTP://hub.local:1"):
        nobody = authorities(base)
        assert isinstance(nobody, ssl.SSLContext)
        assert nobody.verify_mode == ssl.CERT_REQUIRED and nobody.check_hostname and nobody.get_ca_certs() == []


@pytest.mark.parametrize("base", ["", "hub.local", "ftp://hub.local"])
def test_what_is_no_address_of_http_gets_the_usual_authorities(base):
    assert authorities(base) is True


async def asked(base):
    controller = Controller(base, "token", bytes(8), bytes(16), 1.0, 1.0)
    try:
        await controller.standing()
    finally:
        await controller.close()


def test_a_controller_that_nobody_serves_is_said_either_way():
    for base in ("http://127.0.0.1:9", "https://127.0.0.1:9"):
        with pytest.raises(ControllerError):
            asyncio.run(asked(base))
