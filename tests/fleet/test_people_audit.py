"""The audit log tells every change, removal, insertion and move; the commands beside the controller."""

import json
import random

import argon2
import pytest
from typer.testing import CliRunner

from fleet.people import accounts, audit, auditcli
from fleet.people import cli as commands
from fleet.people.actors import COMMAND, MAIN, Actor, Thing, allowed, refusal
from fleet.people.limits import Attempts, network
from fleet.people.roles import PERMISSIONS, ROLES
from tests.fleet.peopleworld import WORDS, only_tables
from tests.stall import Stall

SEED = 5
LINES = 12


@pytest.fixture(scope="module")
def log():
    """An export of twelve lines and its head."""
    with only_tables() as connection:
        for n in range(LINES):
            audit.record(connection, COMMAND, "test.did", f"thing {n}", {"n": n}, {"n": n + 1}, 1000 + n)
        lines, head = list(audit.export(connection)), audit.head(connection)
    assert head[0] == len(lines) == LINES
    return lines, head


def test_an_untouched_log_holds(log):
    lines, head = log
    assert audit.verify(lines, head) == (*head, [])
    assert audit.verify([]) == (0, audit.FIRST, [])


@pytest.mark.parametrize("at", range(LINES))
def test_a_changed_line_is_named(log, at):
    lines = list(log[0])
    lines[at] = lines[at].replace("test.did", "test.not")
    faults = audit.verify(lines)[2]
    assert faults[0] == f"line {at + 1} (entry {at + 1}) was changed: its hash is another"


@pytest.mark.parametrize("at", range(LINES - 1))
def test_a_changed_line_whose_hash_was_made_to_fit_breaks_the_next(log, at):
    lines = list(log[0])
    changed = lines[at].partition(" ")[2].rstrip("\n").replace("test.did", "test.not")
    lines[at] = f"{audit.line_hash(changed)} {changed}\n"
    assert "does not follow" in audit.verify(lines)[2][0]


def test_removed_moved_and_inserted_lines_are_told(log):
    lines, head = log
    assert "entries 4 to 5 were removed" in audit.verify(lines[:3] + lines[5:])[2][0]
    moved = [*lines[:3], lines[4], lines[3], *lines[5:]]
    assert len(audit.verify(moved)[2]) >= 2
    assert "was inserted" in audit.verify([*lines[:3], lines[2], *lines[3:]])[2][0]
    assert audit.verify(lines[:-1])[2] == []  # a cut end shows only against a head that was kept
    assert "cut off: entry 12 was noted, the last one here is 11" in audit.verify(lines[:-1], head)[2][0]


def test_a_log_that_was_written_anew_does_not_meet_a_head_that_was_kept(log):
    lines, head = log
    anew, prev = [], audit.FIRST
    for line in lines:
        body = json.loads(line.partition(" ")[2])
        text = json.dumps(body | {"actor": "nobody", "prev": prev}, sort_keys=True, separators=(",", ":"))
        prev = audit.line_hash(text)
        anew.append(f"{prev} {text}\n")
    assert audit.verify(anew)[2] == []
    assert "written anew" in audit.verify(anew, head)[2][0]


def test_any_single_byte_that_changes_is_found(log):
    print("seed", SEED)
    chance = random.Random(SEED)
    text = "".join(log[0])
    for _ in range(100):
        at = chance.randrange(len(text) - 1)
        other = chance.choice('0a}{" z\n')
        if text[at] != other:
            assert audit.verify((text[:at] + other + text[at + 1 :]).splitlines(), log[1])[2], (at, other)


def test_rubbish_is_refused_and_bounded():
    count, _, faults = audit.verify(["[" * 100_000, "x", "null", '{"n": true}', *["rubbish"] * 1000])
    assert len(faults) == 21
    assert count == 0


def test_what_is_secret_or_too_long_is_not_kept():
    with only_tables() as connection:
        audit.record(connection, COMMAND, "x", "y", None, {"password": "p", "deep": [{"api_token": "t"}]}, 1)
        audit.record(connection, COMMAND, "x", "y", "long" * 5000, 1 << 60, 2)
        first, second = audit.page(connection)
    assert first["after"] == {"password": "(not kept)", "deep": [{"api_token": "(not kept)"}]}
    assert second["before"]["bytes"] == 20_002
    assert second["after"] == str(1 << 60)


# --- who may


def test_every_role_has_permissions_and_every_permission_roles():
    for role in ROLES:
        assert Actor("x", roles=frozenset({role})).permissions, role
    for name, (what, roles) in PERMISSIONS.items():
        assert what, name
        assert set(roles) <= set(ROLES), name
    assert "rollouts.approve" not in Actor("x", roles=frozenset({"fleet-admin"})).permissions


def test_an_author_does_not_approve_their_own_rollout_for_production():
    both = Actor("ada", roles=frozenset({"rule-author", "approver"}))
    own = Thing(author="ada", production=True)
    assert "somebody else" in (refusal(both, "rollouts.approve", own) or "")
    assert allowed(both, "rollouts.approve", Thing(author="bob", production=True))
    assert allowed(both, "rollouts.approve", Thing(author="ada"))  # a lab's wave


def test_hubs_tags_and_tenants_limit_what_one_sees():
    staff = Actor("x", MAIN, frozenset({"hub-staff"}), None, frozenset({"aa"}), frozenset({"demo"}))
    tags = frozenset({"demo", "west"})
    assert allowed(staff, "kits.read", Thing(hub="aa", tags=tags))
    assert not allowed(staff, "kits.read", Thing(hub="bb", tags=tags))
    assert not allowed(staff, "kits.read", Thing(hub="aa"))
    assert not allowed(staff, "kits.read", Thing("north", "aa", tags))
    assert not allowed(staff, "kits.fly")


def test_tries_are_held_back_in_bounded_memory():
    tries = Attempts(free=2, entries=10)
    for n in range(1000):
        tries.wrong(f"key {n}", n)
    assert len(tries) == 10
    waits = []
    for _ in range(14):
        tries.wrong("one", 5000)
        waits.append(tries.wait_ms("one", 5000))
    assert waits[:4] == [0, 2000, 4000, 8000]
    assert max(waits) == 300_000
    assert tries.wait_ms("one", 5000 + 3_600_001) == 0
    assert network("2001:db8::1") == network("2001:db8::ffff") != network("2001:db8:0:1::1")
    assert network("::ffff:192.0.2.1") == "192.0.2.1"
    assert network("rubbish") == "unknown"


# --- the commands


def test_the_first_admin_is_made_on_the_command_line(tmp_path, monkeypatch):
    light = argon2.Parameters(argon2.Type.ID, 19, 16, 32, 1, 8, 1)
    monkeypatch.setattr("fleet.people.passwords.RFC_9106_LOW_MEMORY", light)
    stall = Stall(tmp_path, bricks=1)
    stall.controller.close()
    config = ["--config", str(tmp_path / "config.json")]
    run = CliRunner()

    def do(*words, given=""):
        part, *rest = words
        return run.invoke({"people": commands.app, "audit": auditcli.app}[part], rest, input=given)

    made = do("people", "add", *config, "ada", "--role", "fleet-admin", given=WORDS + "\n")
    assert made.exit_code == 0, made.output
    assert do("people", "add", *config, "ada", given=WORDS + "\n").exit_code == 1
    assert "no role 'king'" in do("people", "role", *config, "ada", "--role", "king").output
    assert do("people", "role", *config, "ada", "--role", "auditor", "--tag", "demo").exit_code == 0
    token = do("people", "token", *config, "ada", "--scope", "audit.read", "--what", "nightly").stdout.strip()
    number = token[:12]
    assert number in do("people", "token", *config).output
    assert do("people", "token", *config, "--end", number).exit_code == 0
    assert do("people", "disable", *config, "ada").exit_code == 0
    found = json.loads(do("people", "list", *config, "--json").stdout)["people"]
    assert [(one["name"], one["tags"], bool(one["disabled_ms"])) for one in found] == [
        ("ada", ["demo"], True)
    ]
    out = tmp_path / "log.txt"
    said = do("audit", "export", *config, "--out", str(out)).stdout
    head = said.split("head ")[1].strip()
    assert do("audit", "verify", str(out), "--head", head).exit_code == 0
    assert do("audit", "verify", *config, "--head", head).exit_code == 0
    assert token not in out.read_text()
    out.write_text(out.read_text().replace("people.role", "people.roll"))
    broken = do("audit", "verify", str(out))
    assert broken.exit_code == 1
    assert "was changed" in broken.output


def test_a_name_is_never_given_twice():
    with only_tables() as connection:
        accounts.add(connection, COMMAND, "ada", [], 1)
        accounts.disable(connection, COMMAND, "ada", 2)
        with pytest.raises(Exception, match="not given twice"):
            accounts.add(connection, COMMAND, "Ada", [], 3)
