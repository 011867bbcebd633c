"""What the host tells and does for this machine alone, or for who is signed in: customers' phones are near, too."""

import asyncio

import httpx
from starlette.requests import HTTPConnection

from hostagent.screen.near import loopback
from hostagent.screen.sessions import COOKIE
from hostagent.status import create_app
from tests.host.hostkit import host_folder, running
from tests.world import World

ASKED = [("GET", "/v1/status"), ("GET", "/v1/links"), ("POST", "/v1/close"), ("POST", "/v1/identify")]


def test_a_customers_phone_is_told_nothing_until_somebody_signs_in(tmp_path):
    async def scenario():
        world = World(96)
        world.brick()
        path = host_folder(world, tmp_path / "host")
        async with running(path) as agent:
            app = create_app(agent)
            screen = next(route.app for route in app.routes if getattr(route, "path", "") == "/stall")._screen

            async def codes(client, **more):
                return [
                    (
                        await client.request(method, where, json={"who": "Ana", "brick": "brick-1"}, **more)
                    ).status_code
                    for method, where in ASKED
                ]

            def reached(address):
                return httpx.AsyncClient(
                    transport=httpx.ASGITransport(app=app, client=(address, 5)), base_url="http://10.0.0.1"
                )

            async with reached("10.0.0.9") as phone, reached("127.0.0.1") as here:
                assert await codes(phone) == [403, 403, 403, 403]
                assert "sign in" in (await phone.get("/v1/status")).json()["detail"]
                assert await codes(phone, headers={"cookie": f"{COOKIE}=made-up"}) == [403, 403, 403, 403]
                assert await codes(here) == [200, 200, 200, 409]
                session = screen.sessions.begin("Ana", True)
                signed = {"cookie": f"{COOKIE}={session.token}"}
                assert await codes(phone, headers=signed) == [200, 200, 200, 409]
                elsewhere = {**signed, "origin": "http://elsewhere.example"}
                assert await codes(phone, headers=elsewhere) == [200, 200, 403, 403]
                screen.sessions.end(session.token)
                assert await codes(phone, headers=signed) == [403, 403, 403, 403]

    asyncio.run(scenario())


def test_this_machine_is_known_by_its_own_address_too():
    def reached(client, server):
        return loopback(
            HTTPConnection({"type": "http", "client": (client, 9), "server": (server, 80), "headers": []})
        )

    assert reached("127.0.0.1", "127.0.0.1") and reached("10.0.0.1", "10.0.0.1") and reached("::1", "::1")
    assert not reached("10.0.0.9", "10.0.0.1")
