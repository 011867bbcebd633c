"""A host without a bearer token: it shows itself, is accepted, signs for short tokens, and learns when it was revoked."""

import asyncio

import httpx
import pytest
from nacl.bindings import crypto_sign_seed_keypair

from fleet.enrolment import decide
from fleet.enrolment.signed import Request, check, read
from fleet.people.actors import COMMAND
from hostagent.controller import Controller
from hostagent.errors import ControllerError
from hostagent.signed import HostAuth, SigningKey, sign
from tests.fleet.peopleworld import office

SEED = b"\7" * 32


class Times:
    """The host's two clocks; its wall clock is in 1970."""

    def __init__(self):
        self.wall, self.running = 1000.0, 0.0

    def wall_s(self):
        return self.wall

    def now(self):
        return self.running


@pytest.fixture
def desk(tmp_path):
    with office(tmp_path) as made:
        yield made


def test_both_sides_write_the_same_signature_base():
    key = SigningKey(SEED)
    headers = sign(key, "POST", "stall.test", "/v1/x", "a=%20b", b"body", 5, "n" * 24)
    request = Request(
        "POST",
        "/v1/x",
        "a=%20b",
        headers["Content-Digest"],
        headers["Signature-Input"],
        headers["Signature"],
        b"body",
        ("other.example", "stall.test"),
    )
    check(read(request), bytes(key.verify_key))


def test_a_host_shows_itself_is_accepted_and_works_until_it_is_revoked(desk):
    times, world = Times(), desk.running.stall.world
    auth = HostAuth(SEED, world.kit, "host-7", times.wall_s, times.now)
    host8 = decide.kid8(crypto_sign_seed_keypair(SEED)[0])
    controller = Controller(desk.url, auth, host8, world.kit)

    def decided(work, *more):
        with desk.database.write() as connection:
            work(connection, desk.running.controller.config, COMMAND, host8, *more, desk.clock())
        desk.running.app.state.desk.look()

    async def walk():
        with pytest.raises(ControllerError) as unknown:
            await controller.standing()
        assert unknown.value.kind == "credentials"
        decided(decide.accept_host, world.kit)
        assert (await controller.standing()).number == 1
        times.running += 840  # its token is about to end
        assert (await controller.standing()).number == 1
        desk.running.app.state.desk._access._short.clear()  # the controller started anew
        assert (await controller.standing()).number == 1
        decided(decide.revoke_host, "stolen")
        with pytest.raises(ControllerError, match="this host was revoked: stolen"):
            await controller.standing()
        await controller.close()

    asyncio.run(walk())
    with httpx.Client(auth=HostAuth(SEED, world.kit, "host-7", times.wall_s, times.now)) as client:
        refused = client.get(f"{desk.url}/v1/kits/{world.kit.hex()}/slices")
    assert (refused.status_code, refused.json()["reason"]) == (403, "this host was revoked: stolen")


def test_an_answer_without_its_length_is_read_and_one_without_an_end_is_not():
    """As a proxy passes them on, in chunks."""
    parts = []

    def answer(request):
        if request.url.path != "/v1/hosts/token":
            return httpx.Response(200, text=request.headers["authorization"])
        return httpx.Response(200, content=(part for part in parts))

    transport = httpx.MockTransport(answer)
    parts = [b'{"token": "smh_x", ', b'"expires_s": 900}']
    with httpx.Client(transport=transport, auth=HostAuth(SEED, b"k" * 8, "host")) as client:
        assert client.get("http://controller.example/v1/x").text == "Bearer smh_x"
    parts = [b"x" * 5000] * 2
    with (
        httpx.Client(transport=transport, auth=HostAuth(SEED, b"k" * 8, "host")) as client,
        pytest.raises(httpx.RemoteProtocolError, match="more than 8192"),
    ):
        client.get("http://controller.example/v1/x")


@pytest.mark.parametrize("body", [b"", b"[]", b"x" * 9000, b'{"token": 5}', b'{"now_ms": "x", "enrol": []}'])
@pytest.mark.parametrize("status", [200, 401, 500])
def test_rubbish_from_a_controller_ends_in_its_answer(body, status):
    asked = []

    def answer(request):
        asked.append(request.url.path)
        return httpx.Response(status, content=body)

    transport = httpx.MockTransport(answer)
    with httpx.Client(transport=transport, auth=HostAuth(SEED, b"k" * 8, "host")) as client:
        assert client.get("http://controller.example/v1/x").status_code == status
    assert "/v1/x" not in asked
    assert len(asked) <= 4
