"""What must not get through the admin API: rubbish that nobody may send, things of other tenants and hubs, sessions left open."""

import getpass

import pytest

from fleet.errors import Refused
from fleet.people import audit
from fleet.people.limits import Attempts
from tests.fleet.peopleworld import office

HUB = "11" * 8
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with office(tmp_path_factory.mktemp("escapes")) as made:
        made.account("star", "fleet-admin", tenant="*")
        made.account("ada", "fleet-admin")
        made.account("bob", "rule-author")
        made.account("tess", "technician")
        made.account("ivy", "fleet-admin", hubs=[HUB])
        made.account("pam", "operator", hubs=[HUB])
        made.account("kim", "fleet-admin", tenant="north")
        made.account("tim", "technician", tenant="north")
        made.kit = made.running.stall.world.kit.hex()
        yield made


# --- other people's kits


def place(desk, **where):
    assert desk.browser("star").post(f"/v1/admin/kits/{desk.kit}/place", json=where).status_code == 200


def what_reaches(desk, name):
    """The status of each route that shows or changes one kit; of lists, whether it stands there."""
    client, kit = desk.browser(name), desk.kit
    spare = desk.running.stall.world.bricks[1].brick8.hex()
    host = desk.running.stall.world.host.host8.hex()
    return {
        "kits": any(one["kit"] == kit for one in client.get("/v1/admin/kits").json()["kits"]),
        "exposed": any(one["kit"] == kit for one in client.get("/v1/admin/exposed").json()["kits"]),
        "hosts": any(one["kit"] == kit for one in client.get("/v1/admin/enrol").json().get("hosts", [])),
        "why": client.get(f"/v1/admin/kits/{kit}/why").status_code,
        "exposed of it": client.get(f"/v1/admin/exposed?kit={kit}").status_code,
        "stop": client.post("/v1/admin/stop", json={"kit": kit, "reason": "x"}).status_code,
        "lift": client.post("/v1/admin/stop", json={"kit": kit, "reason": "x", "lift": True}).status_code,
        "place": client.post(f"/v1/admin/kits/{kit}/place", json={"tenant": "north"}).status_code,
        "code": client.post(f"/v1/admin/enrol/brick/{spare}/code", json={}).status_code,
        "revoke brick": client.post(
            f"/v1/admin/enrol/brick/{spare}/revoke", json={"reason": "x"}
        ).status_code,
        "revoke host": client.post(f"/v1/admin/enrol/host/{host}/revoke", json={"reason": "x"}).status_code,
    }


NOTHING = {
    "kits": False, "exposed": False, "hosts": False, "why": 404, "exposed of it": 404, "stop": 404, "lift": 404,
    "place": 403, "code": 403, "revoke brick": 403, "revoke host": 403,
}  # fmt: skip


@pytest.mark.parametrize(
    ("where", "who"),
    [
        ({"tenant": "north", "hub": HUB}, "ada"),
        ({"tenant": "north", "hub": HUB}, "ivy"),
        ({"tenant": "main", "hub": "22" * 8}, "ivy"),
        ({"tenant": "main"}, "ivy"),
        ({"tenant": "main", "hub": HUB}, "kim"),
    ],
)
def test_no_route_reaches_a_kit_of_another_tenant_or_hub(desk, where, who):
    place(desk, **where)
    assert what_reaches(desk, who) == NOTHING
    place(desk, tenant="main")


def test_an_operator_of_a_hub_stops_its_kits_and_sees_why(desk):
    place(desk, tenant="main", hub=HUB)
    pam = desk.browser("pam")
    stopped = pam.post("/v1/admin/stop", json={"kit": "kit-1", "reason": "wrong price"})
    assert [one["kit"] for one in stopped.json()["kits"]] == [desk.kit]
    assert pam.get("/v1/admin/kits/kit-1/why").status_code == 200
    assert pam.post("/v1/admin/stop", json={"campaign": "no such", "reason": "x"}).status_code == 404
    assert pam.post("/v1/admin/stop", json={"kit": desk.kit, "reason": "x", "lift": True}).status_code == 200
    place(desk, tenant="main")


def test_codes_of_labels_are_listed_for_their_own_tenant(desk):
    spare = desk.running.stall.world.bricks[1].brick8.hex()
    assert desk.browser("tess").post(f"/v1/admin/enrol/brick/{spare}/code", json={}).status_code == 200
    assert [one["device"] for one in desk.browser("tess").get("/v1/admin/enrol").json()["codes"]] == [spare]
    assert desk.browser("tim").get("/v1/admin/enrol").json()["codes"] == []


def test_an_admin_of_a_hub_ends_no_token_of_who_sees_more(desk):
    made = desk.browser("bob").post(
        "/v1/admin/tokens", json={"what": "x", "scopes": ["kits.read"], "days": 1}
    )
    number = made.json()["number"]
    assert desk.browser("ivy").delete(f"/v1/admin/tokens/{number}").status_code == 403
    assert desk.browser("ada").delete(f"/v1/admin/tokens/{number}").status_code == 200


def test_a_technician_of_one_hub_takes_no_host_that_named_a_kit_of_another(desk):
    from fleet.db.tables_people import pending
    from fleet.enrolment import decide
    from fleet.people import accounts

    other, public = "77" * 8, bytes(32)
    host = decide.kid8(public)
    desk.account("tea", "technician", hubs=[HUB])
    place(desk, tenant="main", hub=HUB)
    with desk.database.write() as connection:
        connection.execute(
            pending.insert().values(
                kind="host", device=host, proven=1, public=public, kit=bytes.fromhex(other), said="{}",
                first_ms=1, last_ms=1, times=1, state="pending",
            )
        )  # fmt: skip
        tea = accounts.find(connection, "tea").actor()
        config = desk.running.app.state.controller.config
        with pytest.raises(Refused, match="not yours"):
            decide.accept_host(connection, config, tea, host, bytes.fromhex(desk.kit), 1)
    place(desk, tenant="main")


# --- sessions


def test_a_session_left_open_makes_no_token_and_no_new_password_of_its_own(desk):
    ada = desk.browser("ada")
    own = ada.post("/v1/admin/people/ada/password", json={"password": "another word altogether"})
    assert own.status_code == 403
    desk.clock.now += 11 * 60_000
    late = ada.post("/v1/admin/tokens", json={"what": "x", "scopes": ["kits.read"], "days": 1})
    assert late.status_code == 403
    assert "sign in again" in late.json()["reason"]


def test_a_change_that_is_refused_keeps_a_cookie_that_turned_with_it(desk):
    bob = desk.browser("bob")
    old, good = bob.cookies["stallmark"], bob.headers.pop("X-CSRF-Token")
    desk.clock.now += 16 * 60_000
    assert bob.post("/v1/admin/tokens", json={}).status_code == 403
    assert bob.cookies["stallmark"] != old
    desk.clock.now += 2 * 60_000
    assert bob.get("/v1/admin/session").json()["csrf"] == good


# --- tries


def test_many_tries_at_once_are_no_more_than_one_after_the_other():
    tries = Attempts()
    assert [tries.begin("ada", 1000) for _ in range(7)] == [0] * 5 + [2000] * 2
    tries.undo("ada")  # one of them was none
    assert tries.begin("ada", 1000) == 0
    assert tries.begin("ada", 1000) == 2000


def test_an_address_is_what_the_connection_says_not_what_a_header_says(desk):
    client = desk.browser()
    answers = [
        client.post(
            "/v1/admin/session",
            json={"name": f"stranger{n}", "password": "x"},
            headers={"X-Forwarded-For": f"198.51.100.{n}"},
        ).status_code
        for n in range(21)
    ]
    assert answers == [401] * 20 + [429]
    # A passkey's answer is no guess: it is judged, whatever else came from this address.
    assert client.post("/v1/admin/session/passkey/finish", json={"id": "x"}).status_code == 422
    desk.clock.now += 3_600_001


# --- rubbish


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/admin/session", b'{"name": "\\ud800", "password": "x"}'),
        ("/v1/admin/session", b'{"name": "bob", "password": "\\udfff"}'),
        ("/v1/admin/session", b'{"name": "bob\\u0000", "password": "x"}'),
        ("/v1/admin/stop", b'{"kit": "kit-1", "reason": "\\ud800"}'),
        ("/v1/admin/stop", b'{"kit": "kit-1"}'),
        ("/v1/admin/rollouts/spring/start", b'{"reason": 7}'),
        ("/v1/admin/people/bob/disable", b'{"reason": "\\ud800"}'),
    ],
)
def test_what_is_no_text_is_refused_in_words(desk, path, body):
    answer = desk.browser("ada").post(path, content=body, headers=JSON)
    assert answer.status_code in (404, 422)
    assert answer.json()["reason"]


@pytest.mark.parametrize(
    "path", ["/v1/admin/stop", "/v1/admin/rollouts/spring/start", "/v1/admin/rollouts/spring/stop/halt"]
)
def test_a_stranger_has_no_long_body_read(desk, path):
    assert desk.browser().post(path, content=b" " * 100_000, headers=JSON).status_code == 413
    assert desk.browser().post(path, json={"kit": "kit-1", "reason": "x"}).status_code == 401


def test_numbers_beyond_every_number_are_refused(desk):
    ada = desk.browser("ada")
    assert ada.get("/v1/admin/audit?after=" + "9" * 30).json()["lines"] == []
    assert ada.post("/v1/admin/approvals/" + "9" * 30, json={}).status_code == 404
    wrong = ada.get("/v1/admin/audit?after=many")
    assert (wrong.status_code, wrong.json()["reason"]) == (
        422,
        "this is not of the kind that is asked for: after",
    )


def test_a_line_of_the_log_is_text_and_keeps_no_list_of_secrets(desk):
    from fleet.people.actors import COMMAND

    with desk.database.write() as connection:
        audit.record(connection, COMMAND, "test", "half \ud800", {"tokens": ["sma_x"]}, "\udfff", 1)
        line = audit.page(connection, audit.head(connection)[0] - 1)[0]
    assert (line["thing"], line["before"], line["after"]) == ("half ?", {"tokens": "(not kept)"}, "?")


def test_what_commands_beside_the_controller_change_stands_in_the_log(tmp_path):
    from typer.testing import CliRunner

    from fleet import cli
    from fleet.people.commands import beside
    from fleet.rollouts import book
    from fleet.rollouts import cli as rollouts
    from tests.fleet.rolling import plan
    from tests.stall import Stall

    stall = Stall(tmp_path, seed=5, bricks=1)
    brick, kit = stall.world.bricks[0].brick8, stall.world.kit
    with stall.controller.database.write() as connection:
        from fleet import enrolled

        enrolled.note(connection, stall.controller.config.bricks[0], 1)
        book.create(connection, "spring", plan([{"size": "100%"}]), {kit.hex(): ({}, [])}, "ada", 1)
    stall.controller.close()
    config = ["--config", str(tmp_path / "config.json")]

    def done(part, *words):
        found = CliRunner().invoke(part, [*words, *config])
        assert found.exit_code == 0, found.output

    done(cli.app, "stop", "--kit", "kit-1", "--reason", "wrong price")
    done(cli.app, "stop", "--kit", "kit-1", "--lift")
    done(cli.app, "bricks", "revoke", brick.hex(), "--reason", "lost")
    done(rollouts.app, "halt", "spring", "--reason", "wrong")
    with beside(stall.config) as connection:
        lines = [(one["verb"], one["how"]) for one in audit.page(connection)]
        users = {one["user"] for one in audit.page(connection)}
    assert users == {getpass.getuser()}
    verbs = ("kits.stop", "kits.lift", "enrol.revoke", "rollouts.halt")
    assert lines == [(verb, "command") for verb in verbs]
