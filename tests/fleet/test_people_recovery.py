"""An account comes back after somebody else had it; what may only be done just after signing in; how often one may call."""

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from fleet.buckets import Buckets
from fleet.people import accounts, approvals, audit, cli, passkeys, recovery
from fleet.people.actors import COMMAND
from tests.fleet.peopleworld import WORDS, office, only_tables

NEW = "another tent pole altogether"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with office(tmp_path_factory.mktemp("recovery")) as made:
        made.account("ada", "fleet-admin")
        made.account("ivy", "fleet-admin", hubs=["11" * 8])
        made.account("eve", "auditor")
        made.folder = made.running.stall.folder
        yield made


def passkey_of(desk, name):
    """A row as an authenticator's answer would leave it; returns its number."""
    from sqlalchemy import insert

    from fleet.db import tables_people as t

    with desk.database.write() as connection:
        connection.execute(
            insert(t.passkeys).values(
                credential=name.encode() * 4, account=name, public=bytes(32), uses=0, name="phone", made_ms=1
            )
        )
        return passkeys.every(connection, name)[0]["passkey"]


def compromised(desk, name):
    """An account with a session, a token and a passkey, perhaps a thief's; returns clients of the first two."""
    desk.account(name, "approver", "rule-author")
    browser = desk.browser(name)
    made = browser.post("/v1/admin/tokens", json={"what": "x", "scopes": ["kits.read"], "days": 1})
    passkey_of(desk, name)
    return browser, desk.with_token(made.json()["token"])


def test_recovering_ends_everything_that_signs_in_as_it_and_keeps_its_roles(desk):
    browser, program = compromised(desk, "bob")
    ada = desk.browser("ada")
    assert program.get("/v1/admin/kits").status_code == 200
    had = ada.get("/v1/admin/people/bob/access").json()
    assert (len(had["passkeys"]), len(had["tokens"]), had["sessions"]) == (1, 1, 1)
    body = {"password": NEW, "reason": "phone was stolen"}
    done = ada.post("/v1/admin/people/bob/recover", json=body)
    assert done.json()["roles"] == ["approver", "rule-author"]
    assert browser.get("/v1/admin/session").status_code == program.get("/v1/admin/kits").status_code == 401
    assert ada.get("/v1/admin/people/bob/access").json() == {
        "password": True, "passkeys": [], "tokens": [], "sessions": 0,
    }  # fmt: skip
    assert (
        desk.browser().post("/v1/admin/session", json={"name": "bob", "password": WORDS}).status_code == 401
    )
    assert desk.browser("bob", NEW).get("/v1/admin/session").json()["name"] == "bob"
    with desk.database.read() as connection:
        line = next(one for one in audit.page(connection) if one["verb"] == "people.recover")
    assert (line["actor"], line["after"]["reason"]) == ("ada", "phone was stolen")
    assert line["after"]["ended"] == {
        "passkeys": had["passkeys"][0]["passkey"].split(),
        "tokens": 1,
        "sessions": 1,
        "agreements": [],
    }


def test_a_disabled_account_comes_back_by_the_command(desk):
    compromised(desk, "cyd")
    config = ["--config", str(desk.folder / "config.json")]
    with desk.database.write() as connection:
        accounts.disable(connection, COMMAND, "cyd", 1)
    done = CliRunner().invoke(cli.app, ["recover", "cyd", "--reason", "back", *config], input=NEW + "\n")
    assert "cyd is back: 1 passkeys, 0 tokens, 0 sessions have ended" in done.output, done.output
    desk.browser("cyd", NEW)
    none = CliRunner().invoke(cli.app, ["recover", "cyd", "--no-password", *config])
    assert none.exit_code == 0
    assert desk.browser().post("/v1/admin/session", json={"name": "cyd", "password": NEW}).status_code == 401
    assert CliRunner().invoke(cli.app, ["recover", "nobody", "--no-password", *config]).exit_code == 1


def test_nobody_recovers_their_own_nor_one_that_sees_more(desk):
    assert desk.browser("ada").post("/v1/admin/people/ada/recover", json={}).status_code == 403
    assert desk.browser("ivy").post("/v1/admin/people/eve/recover", json={}).status_code == 403
    assert desk.browser("eve").post("/v1/admin/people/ada/recover", json={}).status_code == 403
    assert desk.browser().post("/v1/admin/people/ada/recover", json={}).status_code == 401
    assert desk.browser().get("/v1/admin/people/ada/access").status_code == 401
    assert desk.browser().delete("/v1/admin/people/ada/passkeys/x").status_code == 401


def test_an_admin_forgets_somebodys_passkey_and_stands_in_the_log_for_it(desk):
    desk.account("dan", "operator")
    number = passkey_of(desk, "dan")
    ada = desk.browser("ada")
    assert desk.browser("eve").delete(f"/v1/admin/people/dan/passkeys/{number}").status_code == 403
    assert ada.delete("/v1/admin/people/dan/passkeys/none").status_code == 404
    assert ada.delete(f"/v1/admin/people/dan/passkeys/{number}").status_code == 200
    with desk.database.read() as connection:
        line = next(one for one in audit.page(connection) if one["verb"] == "people.passkey.end")
    assert (line["actor"], line["thing"]) == ("ada", "account dan")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/admin/people", {"name": "zoe", "roles": []}),
        ("/v1/admin/people/eve", {"roles": ["operator"]}),
        ("/v1/admin/people/eve/disable", {}),
        ("/v1/admin/people/eve/password", {"password": NEW}),
        ("/v1/admin/people/eve/recover", {}),
    ],
)
def test_a_session_left_open_changes_no_account(desk, path, body):
    ada = desk.browser("ada")
    desk.clock.now += 11 * 60_000
    late = ada.post(path, json=body)
    assert (late.status_code, late.json()["again"]) == (403, 1)
    again = ada.post("/v1/admin/session", json={"name": "ada", "password": WORDS})
    ada.headers["X-CSRF-Token"] = again.json()["csrf"]
    assert ada.post("/v1/admin/people/nobody/disable", json={}).status_code == 404


def test_signing_in_again_ends_the_session_before(desk):
    ada = desk.browser("ada")
    old = ada.cookies["stallmark"]
    assert ada.post("/v1/admin/session", json={"name": "ada", "password": WORDS}).status_code == 200
    other = desk.browser()
    other.cookies.set("stallmark", old)
    assert other.get("/v1/admin/session").status_code == 401
    assert ada.get("/v1/admin/session").status_code == 200


def test_trying_the_password_of_now_begins_no_session(desk):
    desk.account("fay", "operator")
    fay = desk.browser("fay")
    with desk.database.read() as connection:
        before = recovery.access_of(connection, COMMAND, "fay")["sessions"]
    assert fay.post("/v1/admin/session/password", json={"now": "wrong words", "new": NEW}).status_code == 401
    assert fay.post("/v1/admin/session/password", json={"now": WORDS, "new": "short"}).status_code == 422
    with desk.database.read() as connection:
        assert recovery.access_of(connection, COMMAND, "fay")["sessions"] == before == 1


def test_a_hash_of_weaker_settings_is_made_anew_when_its_person_signs_in(desk):
    desk.account("gus", "operator", password=None)
    weak = PasswordHasher(time_cost=1, memory_cost=16, parallelism=2).hash(WORDS)
    with desk.database.write() as connection:
        accounts.set_password(connection, COMMAND, "gus", weak, 1)
    desk.browser("gus")
    with desk.database.read() as connection:
        stored = accounts.password_of(connection, "gus")
    assert stored != weak and not desk.people.passwords.old(stored)
    desk.browser("gus")


def test_too_many_calls_by_a_token_are_held_back_and_counted(desk):
    desk.account("hal", "auditor")
    made = desk.browser("hal").post(
        "/v1/admin/tokens", json={"what": "x", "scopes": ["kits.read"], "days": 1}
    )
    now = [0.0]
    desk.people.calls = Buckets(lambda: now[0], 1.0, 3.0)
    program = desk.with_token(made.json()["token"])
    answers = [program.get("/v1/admin/kits") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[3].headers["Retry-After"] == "1"
    assert "too many requests by this token" in answers[3].json()["reason"]
    assert (
        desk.browser("ada").get("/v1/admin/session").status_code == 200
    )  # somebody else's turn is their own
    assert desk.running.health()["people"]["over_rate"] == 1
    now[0] += 1
    assert program.get("/v1/admin/kits").status_code == 200
    assert desk.running.health()["people"]["wrong"] >= 1


def test_buckets_forget_whoever_was_quiet_longest():
    buckets = Buckets(lambda: 0.0, 1.0, 1.0, most=2)
    assert [buckets.take(key) for key in "aabc"] == [True, False, True, True]
    assert buckets.take("a")  # forgotten, so it begins anew


def test_what_a_thief_agreed_to_counts_no_more_once_the_account_is_recovered():
    with only_tables() as connection:
        for name in ("ben", "pia"):
            accounts.add(connection, COMMAND, name, ["rule-author", "approver"], 1_000)
        by = {name: accounts.find(connection, name).actor() for name in ("ben", "pia")}
        first = approvals.ask(connection, by["ben"], "rollout", "spring", bytes(32), 1_000)
        other = approvals.ask(connection, by["ben"], "rollout", "summer", bytes(32), 1_000)
        approvals.vote(connection, by["pia"], first.number, True, 2_000)
        approvals.vote(connection, by["pia"], other.number, False, 2_000)
        assert approvals.agreed(connection, "rollout", "spring", bytes(32), 3_000) is not None
        recovery.recover(connection, COMMAND, "pia", 3_000, "a hash")
        assert approvals.agreed(connection, "rollout", "spring", bytes(32), 3_000) is None
        assert approvals.demand(connection, first.number).state(3_000) == approvals.WAITING
        assert approvals.demand(connection, other.number).state(3_000) == approvals.REFUSED, "a no stops, whoever said it"
        line = next(one for one in audit.page(connection) if one["verb"] == "people.recover")
        assert line["after"]["ended"]["agreements"] == [first.number]
        approvals.vote(connection, by["pia"], first.number, True, 4_000)  # herself, again
        assert approvals.agreed(connection, "rollout", "spring", bytes(32), 4_000) is not None
