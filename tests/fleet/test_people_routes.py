"""Every route of the controller without credentials: 401 or 403, unless it stands among what strangers may ask."""

import re

import pytest

from tests.fleet.peopleworld import office

# What strangers may ask: keys, ledger, receipts, signed lists, health, the stall's public board; and to sign in, by a body.
STRANGERS = (
    "/openapi.json", "/healthz", "/keys.json", "/v1/live", "/v1/receipts/", "/v1/trust/", "/ledger/", "/r/",
    "/v1/hosts/enrol",
)  # fmt: skip
SIGNING_IN = tuple(f"post /v1/admin/session{path}" for path in ("", "/passkey/begin", "/passkey/finish"))
VERBS = {
    "/v1/admin/rollouts/{name}/{verb}": "start",
    "/v1/admin/rollouts/{name}/stop/{verb}": "halt",
    "/v1/admin/rentals/kits/{kit}/{verb}": "stock",
}
REFUSED = (401, 403)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with office(tmp_path_factory.mktemp("routes")) as made:
        yield made


def calls(desk, **more):
    """(verb and path as documented, status) of every documented route."""
    with desk.browser() as client:
        paths = client.get("/openapi.json").json()["paths"]
        for path, verbs in paths.items():
            url = re.sub(r"\{[^}]*\}", "11" * 8, path.replace("{verb}", VERBS.get(path, "")))
            for verb, told in verbs.items():
                wanted = [one["name"] for one in told.get("parameters", ()) if one["in"] == "query" and one.get("required")]
                given = dict.fromkeys(wanted, "1")
                body = None if verb in ("get", "delete") else b"{}"
                with client.stream(verb, url, params=given, content=body, **more) as answer:  # some never end
                    yield f"{verb} {path}", answer.status_code


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer " + "A" * 43}, {"Authorization": "Basic YTpi"}, {"Cookie": "stallmark=" + "A" * 43}],
    ids=["nothing", "a token that is not known", "another scheme", "a cookie that is not known"],
)
def test_a_stranger_gets_nothing_from_any_route_but_what_is_public(desk, headers):
    found = dict(calls(desk, headers=headers))
    admin = [one for one in found if " /v1/admin" in one]
    assert len(admin) > 50 and len(found) > 80, "the list of routes itself is short"
    open_ = {one: code for one, code in found.items() if code not in REFUSED}
    wrong = {
        one: code
        for one, code in open_.items()
        if one not in SIGNING_IN and not one.split()[1].startswith(STRANGERS)
    }
    assert not wrong, wrong
    assert all(found[one] in (401, 403, 409, 422) for one in SIGNING_IN), "nobody is signed in"


def test_a_session_without_its_csrf_token_changes_nothing_by_any_route(desk):
    desk.account("ada", "fleet-admin")
    cookies = desk.browser("ada").cookies
    found = dict(calls(desk, headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}))
    changing = {one: code for one, code in found.items() if " /v1/admin" in one and not one.startswith("get ")}
    assert len(changing) > 25
    wrong = {one: code for one, code in changing.items() if code != 403 and one not in SIGNING_IN}
    assert not wrong, wrong
