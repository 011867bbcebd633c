"""What the controller proves and refuses in matters of trust: directives that do not arrive, its own clock, a new director."""

import json
from datetime import UTC, datetime

import pytest
from stallmark import registry as reg
from test_desired_state import DAY, rules, said
from test_trust_keys import sign
from typer.testing import CliRunner

from cli.main import app
from fleet.alerts.gather import gather
from fleet.alerts.judge import NOW, SOON, judge
from fleet.desired import orders, stops, why
from fleet.people import audit
from fleet.trust import ceremony, keyfile
from fleet.trust.clockguard import ClockDoubted
from fleet.trust.noticing import Noticing
from fleet.trust.renewing import Renewing
from fleet.trust.repository import Repository
from tests.stall import Stall

HOUR = 3_600_000


@pytest.fixture
def stall(tmp_path):
    """Two bricks of one kit."""
    folder = tmp_path / "controller"
    (folder / "rules").mkdir(parents=True)
    made = Stall(folder, bricks=2)
    yield made
    made.close()


@pytest.fixture
def published(stall):
    """A trust folder of offline keys, and its holders."""
    repository = Repository(stall.config.trust)
    roots = [keyfile.new("root", f"root {n}") for n in range(3)]
    authors = [keyfile.Key("author", f"author {n}", seed) for n, seed in enumerate(stall.world.author_seeds)]
    first = ceremony.first_root(
        repository,
        [one.holder for one in roots],
        [one.holder for one in authors],
        (2, 2),
        stall.config.secrets.director_public,
        stall.world.now_ms,
    )
    repository.publish_root(sign(first, *roots[:2], *authors[:2]))
    return repository, roots, authors


def boot(stall, brick, number, root=1):
    """A boot record of a brick under this directive and root, delivered an hour later."""
    stall.world.now_ms += HOUR
    detail = [stall.world.ruleset_digest, bytes(32), number, 1, 0, root]
    stall.hand_in([stall.world.record(reg.KIND_BOOT, brick, f24=detail)])


def alerts(stall):
    now_ms = stall.world.now_ms
    with stall.controller.database.read() as connection:
        found = judge(gather(connection, stall.controller.config, now_ms, now_ms), now_ms)
    return {one.key: one for one in found}


def test_a_host_that_keeps_directives_back_is_seen_by_its_bricks_boot_records(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    first, second = world.bricks
    items = rules(stall).items(desired.bricks(kit))
    old = desired.set(kit, items, "go")
    boot(stall, first, old)
    boot(stall, second, old)
    world.now_ms += HOUR
    desired.set(kit, items, "go again")
    desired.report(kit, bytes(8), said(desired, kit, bricks=[{"brick": first.brick8.hex(), "name": "left"}]))
    boot(stall, first, old)  # it was off when the newer one came
    assert desired.facts(kit).withheld == []
    boot(stall, second, desired.head(kit).number)
    boot(stall, second, desired.head(kit).number)
    boot(stall, first, old)
    facts = desired.facts(kit)
    assert facts.withheld == [first.brick8]
    desired.saw(kit, None)
    found = next(one for one in why.reasons(desired.facts(kit)) if one.code == "withheld")
    assert found.text.startswith(f"left is at directive {old} by its own boot record") and found.since_ms
    alert = alerts(stall)[f"withheld:{kit.hex()}"]
    assert alert.urgency == SOON and "left at directive" in alert.sentence
    shown = {one["brick"]: one for one in why.as_json(facts, "", [])["bricks"]}
    assert (shown[first.brick8.hex()]["directive"], shown[first.brick8.hex()]["root"]) == (old, 1)
    # It says so no more once the brick has it.
    boot(stall, first, desired.head(kit).number)
    assert desired.facts(kit).withheld == [] and f"withheld:{kit.hex()}" not in alerts(stall)


def test_a_brick_without_a_root_or_restarted_at_once_accuses_nobody(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    first, second = world.bricks
    old = desired.set(kit, (), "go")
    world.now_ms += HOUR
    desired.set(kit, (), "go again")
    desired.report(kit, bytes(8), said(desired, kit))
    for _ in range(3):
        boot(stall, first, 0, root=0)
    boot(stall, second, old)
    detail = [world.ruleset_digest, bytes(32), old, 1, 0, 1]
    stall.hand_in([world.record(reg.KIND_BOOT, second, f24=detail) for _ in range(3)])
    assert desired.facts(kit).withheld == []


def test_a_stop_is_proven_by_boot_records_and_else_its_host_s_word(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    stops.stop(desired, [kit], "a wrong price")
    desired.report(kit, bytes(8), said(desired, kit, halted=True))
    assert "keeps to it, by its own word" in why.reasons(desired.facts(kit))[0].text
    boot(stall, world.bricks[0], desired.head(kit).number)
    boot(stall, world.bricks[1], 0, root=0)
    text = why.reasons(desired.facts(kit))[0].text
    assert "1 of 2 bricks show it in their own boot record" in text


def test_a_controller_whose_clock_is_far_ahead_signs_stops_alone_until_a_person_says_the_day(
    stall, published
):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    items = rules(stall).items(desired.bricks(kit))
    before = desired.set(kit, items, "go")
    world.now_ms += 31 * DAY + HOUR
    with pytest.raises(ClockDoubted, match="31 days after"):
        desired.set(kit, items, "go on")
    with pytest.raises(ClockDoubted):
        desired.renew()
    assert desired.head(kit).number == before
    assert alerts(stall)["trust:clock"].urgency == NOW
    stops.stop(desired, [kit], "a wrong price")
    assert desired.halted(kit)
    with pytest.raises(ClockDoubted):
        desired.set(kit, items, "go")
    # A person looks at a calendar.
    config = stall.config.ledger.parent / "config.json"
    day = datetime.fromtimestamp(world.now_ms / 1000, UTC).date().isoformat()
    run = CliRunner()
    stated = ["fleet", "keys", "clock", "--config", str(config)]
    (stall.folder / "clock").write_bytes(world.now_ms.to_bytes(8, "big"))
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "clock_file": "clock"}))
    said_so = run.invoke(app, stated)
    assert said_so.exit_code == 1 and "days after" in said_so.output
    assert run.invoke(app, [*stated, "--today", "2099-01-01"]).exit_code == 1
    assert run.invoke(app, [*stated, "--today", day]).exit_code == 0
    assert run.invoke(app, stated).exit_code == 0
    assert desired.set(kit, items, "go on") > before
    assert "trust:clock" not in alerts(stall)


def test_a_running_controller_follows_the_director_that_a_new_root_names(stall, published):
    repository, roots, _ = published
    controller, kit, world = stall.controller, stall.world.kit, stall.world
    desired = controller.desired
    old = desired.set(kit, rules(stall).items(desired.bricks(kit)), "go")
    noticing = Noticing(controller, repository, lambda: world.now_ms)
    noticing.once()
    made = ceremony.next_root(
        repository, ceremony.Change(fresh=("director",)), world.now_ms, why="it was stolen"
    )
    assert "trust:director" not in alerts(stall)
    repository.publish_root(sign(made, *roots[:2]))
    assert "does not name" in alerts(stall)["trust:director"].sentence
    assert alerts(stall)["trust:director"].urgency == NOW
    noticing.once()
    assert "trust:director" not in alerts(stall)
    desired.renew()
    public = made.keys.directors[0].public
    assert controller.config.secrets.director_public == public
    assert orders.own(desired.head(kit).envelope, public) is not None and desired.head(kit).number > old
    # Each root has its line, with who signed it and why.
    with controller.database.read() as connection:
        lines = [one for one in audit.page(connection) if one["verb"] == "trust.root"]
    assert [one["thing"] for one in lines] == ["root 1", "root 2"]
    assert (
        lines[1]["after"]["signed_by"] == ["root 0", "root 1"] and lines[1]["after"]["why"] == "it was stolen"
    )
    assert lines[1]["before"]["director"] != lines[1]["after"]["director"]
    Noticing(controller, repository, lambda: world.now_ms).once()
    with controller.database.read() as connection:
        assert len([one for one in audit.page(connection) if one["verb"] == "trust.root"]) == 2, "once each"


def test_a_director_whose_key_is_elsewhere_is_said_now(stall, published):
    repository, roots, _ = published
    made = ceremony.next_root(repository, ceremony.Change(fresh=("director",)), stall.world.now_ms)
    repository.publish_root(sign(made, *roots[:2]))
    repository.online.keep_only(made.keys.snapshot, False)
    Noticing(stall.controller, repository, lambda: stall.world.now_ms).once()
    assert alerts(stall)["trust:director"].urgency == NOW


def test_a_directive_wants_the_newest_root_and_a_stop_none(stall, published):
    repository, roots, _ = published
    desired, kit = stall.controller.desired, stall.world.kit
    desired.set(kit, (), "go")
    assert desired.head(kit).order.root_version == 1
    made = ceremony.next_root(repository, ceremony.Change(), stall.world.now_ms)
    repository.publish_root(sign(made, *roots[:2]))
    number = desired.set(kit, (), "on")
    assert desired.head(kit).order.root_version == 2
    assert desired.renew() == [] and desired.head(kit).number == number, "what stands is not signed again for that"
    stops.stop(desired, [kit], "wrong")
    assert desired.head(kit).order.root_version == 1


def test_a_development_kit_s_list_names_what_its_authors_signed_before_it_is_ordered(stall):
    repository, now_ms = Repository(stall.config.trust), stall.world.now_ms
    root = keyfile.new("root", "root-INSECURE")
    authors = [keyfile.Key("author", f"author {n}", seed) for n, seed in enumerate(stall.world.author_seeds)]
    beside = stall.config.trust.parent.parent / "author"
    beside.mkdir()
    for number, key in enumerate(authors, 1):
        (beside / f"author-{number}.json").write_bytes(keyfile.in_the_open(key))
    director = stall.config.secrets.director_public
    holders = [one.holder for one in authors]
    first = ceremony.first_root(repository, [root.holder], holders, (1, 2), director, now_ms, development=True)
    repository.publish_root(sign(first, root, *authors[:2]))
    desired, kit = stall.controller.desired, stall.world.kit
    release = rules(stall)
    desired.set(kit, release.items(desired.bricks(kit)), "go")
    assert [one.custom["bundle"] for one in repository.listed().values()] == [release.digest.hex()]
    assert repository.timestamp() is not None
    desired.set(kit, release.items(desired.bricks(kit)), "go again")
    assert repository.targets().signed.version == 1
    other = rules(stall, 2)
    desired.set(kit, other.items(desired.bricks(kit)), "on")
    assert len(repository.listed()) == 2
    # Before it runs out, it is signed anew.
    stall.world.now_ms += 140 * DAY
    Renewing(repository, stall.clock).once()
    assert repository.targets().signed.version == 3


def test_offline_keys_are_never_looked_for(stall, published):
    repository, _, authors = published
    beside = stall.config.trust.parent.parent / "author"
    beside.mkdir()
    for number, key in enumerate(authors, 1):
        (beside / f"author-{number}.json").write_bytes(keyfile.in_the_open(key))
    desired, kit = stall.controller.desired, stall.world.kit
    desired.set(kit, rules(stall).items(desired.bricks(kit)), "go")
    assert repository.listed() == {}
