"""Before accounts are configured: one token of the development kit, on this machine alone."""

import pytest

from fleet.people import audit
from tests.fleet.peopleworld import office


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with office(tmp_path_factory.mktemp("development"), people=None) as made:
        yield made


def test_the_development_token_may_everything_and_stands_in_the_log(desk):
    client = desk.with_token(desk.running.stall.world.admin_token)
    assert client.get("/v1/admin/session").json()["how"] == "development"
    answer = client.post("/v1/admin/people", json={"name": "ada", "roles": ["fleet-admin"]})
    assert answer.status_code == 201
    with desk.database.read() as connection:
        line = audit.page(connection)[-1]
    assert (line["actor"], line["how"], line["verb"]) == ("development", "development", "people.add")


def test_it_counts_on_this_machine_alone_and_through_no_proxy(desk):
    client = desk.with_token(desk.running.stall.world.admin_token)
    through = client.get("/v1/admin/session", headers={"X-Forwarded-For": "203.0.113.9"})
    assert through.status_code == 403
    assert "own machine" in through.json()["reason"]


def test_with_accounts_configured_it_is_worth_nothing(tmp_path):
    with office(tmp_path) as configured:
        client = configured.with_token(configured.running.stall.world.admin_token)
        assert client.get("/v1/admin/session").status_code == 401
