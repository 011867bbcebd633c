"""The second person at a rollout's start: over the API, on the command line, and again where the leader takes it up."""

import pytest
from typer.testing import CliRunner

from fleet.people import accounts, approvals, audit, commands
from fleet.people.actors import COMMAND, Actor
from fleet.people.approvals import AGREED
from fleet.rollouts import book, cli, facts, second
from tests.fleet.peopleworld import WORDS, office, only_tables
from tests.fleet.rolling import plan
from tests.fleet.serving import wait_for

NOW = 1_800_000_000_000
KIT = "11" * 8


@pytest.fixture
def db():
    """ada and bob write rules, pia, quo and rex approve; who planned `spring` is said by the test."""
    with only_tables() as connection:
        for name, *roles in (
            ("ada", "rule-author", "approver"), ("bob", "rule-author"), ("pia", "approver"), ("quo", "approver"),
            ("rex", "approver"),
        ):  # fmt: skip
            accounts.add(connection, COMMAND, name, roles, NOW)
        yield connection


def rollout(connection, by, name="spring"):
    book.create(connection, name, plan([{"size": "100%"}]), {KIT: ({}, [])}, by, NOW)


def actor(connection, name):
    return accounts.find(connection, name).actor()


def agree(connection, found, name):
    barred = frozenset({second.planned(connection, found.thing).by})
    return approvals.vote(connection, actor(connection, name), found.number, True, NOW, barred=barred)


def test_a_plan_of_an_account_needs_one_other_who_is_not_its_planner(db):
    rollout(db, "ada")
    waits = second.ask(db, actor(db, "bob"), "spring", NOW)
    assert second.missing(db, "spring", NOW).startswith(
        "waiting for the second person: anybody with the role approver; asked by bob"
    )
    with pytest.raises(Exception, match="whoever planned it"):
        agree(db, waits, "ada")
    agree(db, waits, "pia")
    assert second.missing(db, "spring", NOW) == ""
    assert second.ask(db, actor(db, "bob"), "spring", NOW).number == waits.number


def test_what_the_command_line_planned_needs_two_others(db):
    rollout(db, second.beside("root"))
    waits = second.ask(db, COMMAND, "spring", NOW)
    assert waits.needed == 2
    agree(db, waits, "pia")
    assert "waiting for 1 of 2 others" in second.missing(db, "spring", NOW)
    agree(db, waits, "quo")
    assert second.missing(db, "spring", NOW) == ""


def test_an_agreement_counts_while_whoever_gave_it_may(db):
    rollout(db, "bob")
    waits = second.ask(db, actor(db, "bob"), "spring", NOW)
    agree(db, waits, "pia")
    accounts.change(db, COMMAND, "pia", NOW, roles=["auditor"])
    assert "may not any more" in second.missing(db, "spring", NOW)
    again = second.ask(db, actor(db, "bob"), "spring", NOW)
    assert again.number != waits.number
    agree(db, again, "quo")
    accounts.disable(db, COMMAND, "quo", NOW)
    assert "may not any more" in second.missing(db, "spring", NOW)


def test_another_plan_of_that_name_is_not_what_was_agreed_to(db):
    rollout(db, "bob")
    waits = second.ask(db, actor(db, "bob"), "spring", NOW)
    approvals.vote(db, actor(db, "pia"), waits.number, True, NOW)
    rollout(db, "bob", "summer")
    assert second.planned(db, "spring").digest != second.planned(db, "summer").digest
    assert second.missing(db, "summer", NOW)


def test_where_too_few_may_the_words_say_what_to_do(db):
    for name in ("pia", "quo", "rex"):
        accounts.disable(db, COMMAND, name, NOW)
    rollout(db, "ada")
    second.ask(db, actor(db, "ada"), "spring", NOW)
    assert "people role NAME --role approver" in second.missing(db, "spring", NOW)


class Still:
    """Nothing is heard, nothing is ordered."""

    def heard(self, state, now_ms):
        return []

    def obey(self, state, commands):
        pass


def test_the_leader_refuses_a_start_that_somebody_wrote_down_without_asking(tmp_path):
    with office(tmp_path) as desk:
        desk.account("ada", "fleet-admin")
        desk.account("pia", "approver")
        with desk.database.write() as connection:
            rollout(connection, "ada")
            book.ask(connection, "spring", facts.Verb("start", "ada", "", False), NOW)

        def told():
            with desk.database.read() as connection:
                return [one.text for one in book.load(connection, "spring")[0].words]

        wait_for("the leader's word", told)
        assert "Not done: it needs a second person" in told()[-1]
        with desk.database.read() as connection:
            assert book.load(connection, "spring")[0].phase == "planned"


def test_the_command_asks_too_and_starts_when_another_one_agreed(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "ANSWER_S", (60, 60))
    with office(tmp_path) as desk:
        desk.clock.now = commands.now_ms()
        desk.account("ada", "fleet-admin")
        for name in ("pia", "quo"):
            desk.account(name, "approver")
        with desk.database.write() as connection:
            rollout(connection, second.beside("root"))
        words = ["start", "spring", "--config", str(tmp_path / "config.json")]
        found = CliRunner().invoke(cli.app, words)
        assert found.exit_code == 1
        assert "waiting for 2 of 2 others" in found.output
        assert "/admin/approvals, number 1" in found.output
        for name in ("pia", "quo"):
            browser = desk.browser(name)
            (one,) = browser.get("/v1/admin/approvals").json()["approvals"]
            body = {"yes": True, "digest": one["digest"]}
            assert browser.post("/v1/admin/approvals/1", json=body).status_code == 200
        done = CliRunner().invoke(cli.app, words)
        assert done.exit_code == 0, done.output
        with desk.database.read() as connection:
            assert book.load(connection, "spring")[0].phase == "running"
            lines = [(one["verb"], one["actor"]) for one in audit.page(connection)]
        assert ("approval.ask", "command line") in lines
        assert lines[-1] == ("rollouts.start", "command line")


def test_who_plans_as_an_account_proves_it(tmp_path):
    with office(tmp_path) as desk:
        desk.account("bob", "rule-author")
        desk.account("eve", "accountant")
        with desk.database.write() as connection:
            assert commands.proven(connection, "bob", WORDS, "rollouts.write") == "bob"
            with pytest.raises(Exception, match="is wrong"):
                commands.proven(connection, "bob", "not these words", "rollouts.write")
            with pytest.raises(Exception, match="is wrong"):
                commands.proven(connection, "nobody", WORDS, "rollouts.write")
            with pytest.raises(Exception, match="needs one of the roles"):
                commands.proven(connection, "eve", WORDS, "rollouts.write")
            made = approvals.ask(connection, Actor("bob"), "x", "x", bytes(32), NOW)
            assert made.state(NOW) != AGREED


def test_a_rollout_is_its_kits_tenants_and_a_mixed_one_of_who_sees_all(tmp_path):
    from fleet.people import places

    with office(tmp_path) as desk:
        for name, role, tenant in (
            ("ada", "fleet-admin", "main"), ("kim", "fleet-admin", "north"), ("star", "fleet-admin", "*"),
            ("pia", "approver", "main"), ("noa", "approver", "north"),
        ):  # fmt: skip
            desk.account(name, role, tenant=tenant)
        other = "22" * 8
        with desk.database.write() as connection:
            places.place(connection, COMMAND, bytes.fromhex(other), "north", "", [], NOW)
            for name, kits in (("ours", [KIT]), ("theirs", [other]), ("mixed", [KIT, other])):
                fleet = {kit: ({}, []) for kit in kits}
                book.create(connection, name, plan([{"size": "100%"}]), fleet, "star", NOW)

        def seen(name):
            return [one["rollout"] for one in desk.browser(name).get("/v1/admin/rollouts").json()["rollouts"]]

        assert (seen("ada"), seen("kim")) == (["ours"], ["theirs"])
        assert sorted(seen("star")) == ["mixed", "ours", "theirs"]
        ada = desk.browser("ada")
        for path in ("", "/why", "/picture"):
            assert ada.get(f"/v1/admin/rollouts/mixed{path}").status_code == 404
        for verb in ("start", "stop/halt"):
            assert ada.post(f"/v1/admin/rollouts/theirs/{verb}", json={"reason": "x"}).status_code == 404
        asked = desk.browser("kim").post("/v1/admin/rollouts/theirs/start", json={}).json()
        assert desk.browser("pia").get("/v1/admin/approvals").json()["approvals"] == []
        (shown,) = desk.browser("noa").get("/v1/admin/approvals").json()["approvals"]
        body = {"yes": True, "digest": shown["digest"]}
        path = f"/v1/admin/approvals/{asked['approval']}"
        assert desk.browser("pia").post(path, json=body).status_code == 404
        assert desk.browser("noa").post(path, json=body).status_code == 200
        with desk.database.write() as connection:
            assert second.missing(connection, "theirs", NOW) == ""
            places.place(connection, COMMAND, bytes.fromhex(other), "main", "", [], NOW)
            assert second.missing(connection, "theirs", NOW)  # noa does not see its kit any more
