"""Signing in, roles, tokens and the audit log over the real web server."""

import pytest

from fleet.people import accounts, approvals, audit, sessions
from tests.fleet.peopleworld import WORDS, office

MINUTE = 60_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with office(tmp_path_factory.mktemp("people")) as made:
        made.account("ada", "fleet-admin")
        made.account("bob", "rule-author")
        made.account("cyd", "auditor")
        yield made


def lines(desk, verb):
    with desk.database.read() as connection:
        return [one for one in audit.page(connection) if one["verb"] == verb]


def test_who_signs_in_has_a_cookie_that_scripts_and_other_sites_do_not_get(desk):
    client = desk.browser()
    answer = client.post("/v1/admin/session", json={"name": "Ada", "password": WORDS})
    cookie = answer.headers["set-cookie"]
    assert answer.json()["roles"] == ["fleet-admin"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert "Secure" not in cookie  # this controller's address is http
    assert client.get("/v1/admin/session").json()["name"] == "ada"
    assert answer.headers["cache-control"] == "no-store"
    assert lines(desk, "session.begin")[-1]["after"] == {"by": "password", "from": "127.0.0.1"}


def test_wrong_words_an_unknown_name_and_a_disabled_account_have_one_answer(desk):
    desk.account("eve", "operator")
    desk.browser("ada").post("/v1/admin/people/eve/disable", json={"reason": "left"})
    client = desk.browser()
    answers = [
        client.post("/v1/admin/session", json={"name": name, "password": words})
        for name, words in (("bob", "not these words"), ("nobody", WORDS), ("eve", WORDS))
    ]
    assert {one.status_code for one in answers} == {401}
    assert len({one.text for one in answers}) == 1


def test_after_five_wrong_tries_an_account_waits_longer_each_time_and_says_how_long(desk):
    desk.account("fay", "operator")
    client = desk.browser()

    def wrong():
        return client.post("/v1/admin/session", json={"name": "fay", "password": "these are wrong"})

    assert [wrong().status_code for _ in range(5)] == [401] * 5
    held = wrong()
    assert held.status_code == 429
    assert held.headers["retry-after"] == "2"
    assert "wait 2 seconds" in held.json()["reason"]
    desk.clock.now += 2000
    assert wrong().status_code == 401
    assert wrong().headers["retry-after"] == "4"
    desk.clock.now += 4000
    assert desk.browser("fay").get("/v1/admin/session").status_code == 200
    assert wrong().status_code == 401  # a right one begins anew


def test_a_session_ends_after_half_an_hour_without_use_and_after_twelve_hours_at_most(desk):
    idle, busy = desk.browser("bob"), desk.browser("bob")
    for _ in range(25):
        desk.clock.now += 29 * MINUTE
        last = busy.get("/v1/admin/session").status_code
        if last != 200:
            break
    assert idle.get("/v1/admin/session").status_code == 401
    assert last == 401
    assert "sign in" in busy.get("/v1/admin/session").json()["reason"]


def test_a_cookie_turns_and_whoever_brings_the_old_one_later_ends_the_session(desk):
    client = desk.browser("bob")
    old = client.cookies["stallmark"]
    desk.clock.now += 16 * MINUTE
    assert client.get("/v1/admin/session").status_code == 200
    assert client.cookies["stallmark"] != old
    thief = desk.browser()
    thief.cookies.set("stallmark", old)
    assert thief.get("/v1/admin/session").status_code == 200  # what was under way in that minute
    desk.clock.now += sessions.GRACE_MS + 1
    assert thief.get("/v1/admin/session").status_code == 401
    assert client.get("/v1/admin/session").status_code == 401
    assert lines(desk, "session.copied")


def test_a_change_needs_the_sessions_token_and_our_own_page(desk):
    client = desk.browser("ada")
    good = client.headers.pop("X-CSRF-Token")
    body = {"name": "gil", "roles": ["operator"]}
    assert client.post("/v1/admin/people", json=body).status_code == 403
    other = {"X-CSRF-Token": good, "Origin": "https://elsewhere.example"}
    assert client.post("/v1/admin/people", json=body, headers=other).status_code == 403
    form = {"X-CSRF-Token": good, "Content-Type": "text/plain"}
    assert client.post("/v1/admin/people", content=b"{}", headers=form).status_code == 415
    assert client.post("/v1/admin/people", json=body, headers={"X-CSRF-Token": good}).status_code == 201
    assert client.get("/v1/admin/people").status_code == 200


def test_a_role_counts_from_the_next_request_on_and_ends_so(desk):
    desk.account("hal", "auditor")
    hal, ada = desk.browser("hal"), desk.browser("ada")
    assert hal.get("/v1/admin/people").status_code == 200
    assert ada.post("/v1/admin/people/hal", json={"roles": ["operator"]}).status_code == 200
    refused = hal.get("/v1/admin/people")
    assert refused.status_code == 403
    assert "fleet-admin, auditor" in refused.json()["reason"]
    assert ada.post("/v1/admin/people/hal/disable", json={}).status_code == 200
    assert hal.get("/v1/admin/session").status_code == 401
    changed = lines(desk, "people.role")[-1]
    assert changed["before"]["roles"] == ["auditor"]
    assert changed["after"]["roles"] == ["operator"]
    assert changed["actor"] == "ada"


def test_nobody_changes_their_own_roles_nor_takes_the_last_admin_away(desk):
    ada = desk.browser("ada")
    assert ada.post("/v1/admin/people/ada", json={"roles": ["auditor"]}).status_code == 403
    assert ada.post("/v1/admin/people/ada/disable", json={}).status_code == 409


def test_an_admin_of_a_hub_neither_makes_nor_takes_over_who_sees_more(desk):
    desk.account("ivy", "fleet-admin", hubs=["11" * 8])
    ivy = desk.browser("ivy")
    assert ivy.post("/v1/admin/people", json={"name": "jon", "roles": ["fleet-admin"]}).status_code == 403
    body = {"name": "jon", "roles": ["hub-staff"], "hubs": ["11" * 8]}
    assert ivy.post("/v1/admin/people", json=body).status_code == 201
    assert ivy.post("/v1/admin/people/bob/password", json={"password": WORDS}).status_code == 403
    assert ivy.get("/v1/admin/audit").status_code == 403


def test_another_tenants_accounts_do_not_even_exist(desk):
    desk.account("kim", "fleet-admin", tenant="north")
    kim = desk.browser("kim")
    assert [one["name"] for one in kim.get("/v1/admin/people").json()["people"]] == ["kim"]
    assert kim.post("/v1/admin/people/bob/disable", json={}).status_code == 404
    body = {"name": "lea", "roles": ["operator"], "tenant": "main"}
    assert kim.post("/v1/admin/people", json=body).status_code == 403


def test_a_token_may_what_its_scopes_and_its_account_both_may_until_it_ends(desk):
    desk.account("mia", "auditor")
    mia = desk.browser("mia")
    body = {"what": "nightly report", "scopes": ["people.read"], "days": 2}
    made = mia.post("/v1/admin/tokens", json=body).json()
    program = desk.with_token(made["token"])
    assert program.get("/v1/admin/people").status_code == 200
    assert "lacks the scope audit.read" in program.get("/v1/admin/audit").json()["reason"]
    assert program.post("/v1/admin/tokens", json=body).status_code == 403
    shown = mia.get("/v1/admin/tokens").json()["tokens"]
    mine = [one for one in shown if one["number"] == made["number"]]
    assert mine[0]["last_ms"] == desk.clock.now
    assert made["token"] not in str(shown)
    assert mia.post("/v1/admin/tokens", json=body | {"scopes": ["keys.write"]}).status_code == 403
    desk.browser("ada").post("/v1/admin/people/mia", json={"roles": ["creator"]})
    assert program.get("/v1/admin/people").status_code == 403
    desk.clock.now += 2 * 86_400_000
    assert program.get("/v1/admin/session").status_code == 401


def test_an_ended_token_opens_nothing_at_once(desk):
    bob = desk.browser("bob")
    made = bob.post("/v1/admin/tokens", json={"what": "x", "scopes": ["kits.read"], "days": 1}).json()
    program = desk.with_token(made["token"])
    assert program.get("/v1/admin/session").json()["permissions"] == ["kits.read"]
    assert bob.delete(f"/v1/admin/tokens/{made['number']}").status_code == 200
    assert program.get("/v1/admin/session").status_code == 401


def test_a_new_password_ends_every_session(desk):
    desk.account("ned", "operator")
    one, other = desk.browser("ned"), desk.browser("ned")
    change = {"now": WORDS, "new": "quite another market"}
    assert one.post("/v1/admin/session/password", json=change | {"new": "short"}).status_code == 422
    one = desk.browser("ned")
    assert one.post("/v1/admin/session/password", json=change).status_code == 200
    assert other.get("/v1/admin/session").status_code == 401
    assert desk.browser("ned", "quite another market").get("/v1/admin/session").status_code == 200


def test_every_answer_has_safe_headers_and_pages_keep_their_own(desk):
    client = desk.browser()
    for path in ("/v1/admin/session", "/healthz", "/", "/ledger/checkpoint"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "strict-transport-security" not in headers
    assert "script-src 'self'" in client.get("/").headers["content-security-policy"]


def test_the_log_is_exported_and_holds(desk):
    cyd = desk.browser("cyd")
    text = cyd.get("/v1/admin/audit/export").text
    head = cyd.get("/v1/admin/audit").json()["head"]
    count, last, faults = audit.verify(text.splitlines(), (head["n"], head["hash"]))
    assert (count, last, faults) == (head["n"], head["hash"], [])
    assert desk.browser("bob").get("/v1/admin/audit").status_code == 403
    assert "argon2" not in text


BAD = (
    (b"[]", 422),
    (b"{", 422),
    (b"[" * 5000, 422),
    (b'{"name": 5, "password": "x"}', 422),
    (b'{"name": "x"}', 422),
    (b'{"name": "' + b"x" * 9000 + b'"}', 413),
)


@pytest.mark.parametrize(("body", "status"), BAD)
def test_a_malformed_body_is_refused_with_what_was_expected(desk, body, status):
    answer = desk.browser().post(
        "/v1/admin/session", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status
    assert answer.json()["reason"]


def test_what_waits_for_a_second_person_is_agreed_to_by_another_one_and_only_as_it_was_shown(desk):
    desk.account("pia", "approver")
    desk.account("quo", "rule-author", "approver")
    quo, pia = desk.browser("quo"), desk.browser("pia")
    with desk.database.write() as connection:
        author = accounts.find(connection, "quo").actor()
        made = approvals.ask(connection, author, "rollout", "r-1", bytes(32), desk.clock())
        signed = approvals.ask(connection, author, "root", "root 2", bytes(32), desk.clock())
    path = f"/v1/admin/approvals/{made.number}"
    shown = pia.get("/v1/admin/approvals").json()["approvals"]
    assert [one["sentence"] for one in shown] == ["waiting for the second approval"] * 2
    body = {"yes": True, "digest": shown[1]["digest"], "words": "good"}
    assert quo.post(path, json=body).status_code == 403
    assert pia.post(path, json=body | {"digest": "11" * 32}).status_code == 409
    assert pia.post(f"/v1/admin/approvals/{signed.number}", json=body).status_code == 409
    assert pia.post(path, json=body).json()["sentence"] == "agreed by pia"
    assert lines(desk, "approval.yes")[-1]["actor"] == "pia"


def test_routes_about_every_kit_show_whoever_is_limited_to_a_hub_its_own(desk):
    desk.account("rae", "fleet-admin", hubs=["11" * 8])
    assert desk.browser("rae").get("/v1/admin/kits").json()["kits"] == []
    shown = desk.browser("bob").get("/v1/admin/kits")
    assert shown.json()["kits"][0]["kit"] == desk.running.stall.world.kit.hex()
    stop = {"kit": "kit-1", "reason": "too generous"}
    assert desk.browser("cyd").post("/v1/admin/stop", json=stop).status_code == 403
    assert desk.browser("bob").post("/v1/admin/stop", json=stop).status_code == 200
    assert lines(desk, "kits.stop")[-1]["actor"] == "bob"
