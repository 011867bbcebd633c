"""What somebody must look at: pure judging, then over the API and on the command line."""

import json

import pytest
from typer.testing import CliRunner

from cli.main import app
from fleet.alerts.judge import (
    DAY_MS,
    HOUR_MS,
    LOOK,
    NOW,
    SOON,
    Budget,
    Expiring,
    Facts,
    Kit,
    Rollout,
    Waiting,
    judge,
)
from fleet.db import tables_desired
from fleet.enrolment import pending
from fleet.people import tokens
from fleet.people.actors import COMMAND
from fleet.people.places import place
from tests.fleet.peopleworld import office

AT = 1_800_000_000_000


def test_what_runs_out_stands_first_among_what_presses_as_much():
    facts = Facts(
        expiring=(Expiring("the signed list root 3", AT + 5 * DAY_MS, 45 * DAY_MS, "rotate"),),
        kits=(Kit("aa" * 8, "kit-1", AT - 90 * HOUR_MS),),
        budgets=(Budget("aa" * 8, "rule-1", 1, 1000, 0, 1000, 0, "stall-4", "EUR"),),
        rollouts=(Rollout("r-1", "halted", "too many uncertain", AT - 20 * DAY_MS),),
        waiting=(Waiting("devices wait to be accepted", 2, AT - 2 * HOUR_MS, "technician", "enrol"),),
    )
    found = judge(facts, AT)
    assert [(one.urgency, one.key.partition(":")[0]) for one in found] == [
        (NOW, "expires"),
        (NOW, "rollout"),
        (NOW, "burning"),
        (SOON, "silent"),
        (LOOK, "waits"),
    ]
    assert found[0].sentence == "the signed list root 3 runs out in 5 days"
    assert found[1].sentence == "the rollout r-1 is halted: too many uncertain"
    assert found[2].sentence == "rule-1 at stall-4: 10.00 EUR of 10.00 EUR are spent: it gives nothing more"
    assert found[3].sentence == "kit kit-1 has not called for 3 days"
    assert found[4].as_json(AT)["age_s"] == 7200
    assert {one.owner for one in found} == {"fleet-admin", "rule-author", "hub-staff", "technician"}


@pytest.mark.parametrize(
    ("left_ms", "urgency"), [(46 * DAY_MS, None), (45 * DAY_MS, SOON), (15 * DAY_MS, NOW), (-DAY_MS, NOW)]
)
def test_a_signed_list_is_warned_of_in_time_and_presses_in_the_last_third(left_ms, urgency):
    found = judge(Facts(expiring=(Expiring("root 3", AT + left_ms, 45 * DAY_MS, "rotate"),)), AT)
    assert [one.urgency for one in found] == ([urgency] if urgency else [])


@pytest.mark.parametrize(
    ("hours", "urgency"), [(None, None), (25, None), (26, LOOK), (71, LOOK), (72, SOON), (2000, SOON)]
)
def test_a_kit_is_silent_after_a_day_not_after_a_night(hours, urgency):
    seen_ms = None if hours is None else AT - hours * HOUR_MS
    found = judge(Facts(kits=(Kit("aa" * 8, "", seen_ms),)), AT)
    assert [one.urgency for one in found] == ([urgency] if urgency else [])


@pytest.mark.parametrize(
    ("kept", "spent", "stranded", "keys"),
    [
        (1000, 0, 0, []),
        (500, 0, 500, []),  # most of it is not minted yet
        (90, 100, 810, []),  # a market has just begun
        (110, 500, 390, []),
        (90, 500, 410, ["stranded"]),
        (0, 800, 100, ["burning"]),
        (0, 700, 300, ["stranded"]),
        (0, 799, 201, []),
    ],
)
def test_budgets_burn_or_lie_stranded(kept, spent, stranded, keys):
    found = judge(Facts(budgets=(Budget("aa" * 8, "rule-1", 1, 1000, kept, spent, stranded),)), AT)
    assert [one.key.partition(":")[0] for one in found] == keys


def test_alerts_are_shown_to_whoever_sees_the_kit_and_on_the_command_line(tmp_path):
    with office(tmp_path) as desk:
        desk.account("ada", "fleet-admin")
        desk.account("hana", "hub-staff", hubs=["aa" * 8])
        desk.account("ida", "hub-staff", hubs=["bb" * 8])
        world = desk.running.stall.world
        desk.clock.now = world.now_ms
        with desk.database.write() as connection:
            place(connection, COMMAND, world.kit, "main", "aa" * 8, [], desk.clock())
            table = tables_desired.kit_states
            connection.execute(table.delete())
            connection.execute(table.insert().values(kit=world.kit, seen_ms=world.now_ms - 100 * HOUR_MS))
            seen = world.now_ms - 5 * HOUR_MS
            pending.saw(connection, pending.Sight("host", b"h" * 8, True, seen, seen))
            token = tokens.make(
                connection, COMMAND, "ada", "nightly", ["kits.read"], 3 * DAY_MS, desk.clock()
            )
        assert desk.with_token(token).get("/v1/admin/alerts").status_code == 403

        def keys(name):
            found = desk.browser(name).get("/v1/admin/alerts").json()["alerts"]
            return [one["key"].partition(":")[0] for one in found]

        assert keys("ada") == ["expires", "silent", "waits"]
        assert keys("hana") == ["silent"]
        assert keys("ida") == []
    words = ["fleet", "alerts", "--config", str(tmp_path / "config.json")]
    shown = CliRunner().invoke(app, [*words, "--json"])
    assert [one["owner"] for one in json.loads(shown.stdout)["alerts"]][-2:] == ["hub-staff", "technician"]
    taken = CliRunner().invoke(app, ["fleet", "take-alert", words[3], "--config", words[3]])
    assert (taken.exit_code, "there is no alert" in taken.output) == (2, True)
    key = json.loads(shown.stdout)["alerts"][-2]["key"]
    assert (
        CliRunner().invoke(app, ["fleet", "take-alert", key, "--config", words[3], "--quiet", "5"]).exit_code
        == 0
    )
    assert json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["alerts"][-2]["taken_by"]
    assert "has not called for" in " ".join(
        CliRunner().invoke(app, words, env={"COLUMNS": "300"}).stdout.split()
    )
