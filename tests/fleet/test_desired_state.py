"""Desired state at the controller: a directive for every kit, numbers that never go back, what hosts and bricks say of it."""

import json
import shutil

import pytest
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from stallmark import bundle, directive, receipt
from stallmark import registry as reg
from stallmark import rights as core_rights
from typer.testing import CliRunner

from fleet import rights
from fleet.campaigns import Campaigns
from fleet.cli import app
from fleet.desired import orders, rows, stops, why
from fleet.desired.desired import LIFE_MS, Desired, DesiredError, Wish
from fleet.desired.report import Report
from fleet.errors import ConfigError
from tests.stall import Stall

DAY = 86_400_000


def bundle_of(world, artefact, rev=1, name="rules"):
    """A bundle by the world's two authors; this controller does not look into the artefact."""
    payload = bundle.manifest(artefact, rev, name=name)
    message = bundle.pae(bundle.TYPE, payload)
    signatures = []
    for seed in world.author_seeds:
        public, secret = crypto_sign_seed_keypair(seed)
        signatures.append((receipt.kid(public), crypto_sign(message, secret)[:64]))
    return bundle.join(bundle.envelope(bundle.TYPE, payload, signatures), artefact)


@pytest.fixture
def stall(tmp_path):
    """Two bricks of one kit, a budget, and no rules yet."""
    made = Stall(tmp_path, bricks=2)
    (tmp_path / "rules").mkdir(exist_ok=True)
    yield made
    made.close()


def rules(stall, rev=1, artefact=None):
    """Gives the controller a bundle; the release."""
    data = bundle_of(stall.world, artefact or stall.world.octets(500), rev)
    return stall.controller.desired.add(data)


def said(desired, kit, **more):
    head = desired.head(kit)
    return Report(etag=head.etag, number=head.number, **more)


def boot(stall, brick, ruleset):
    """A boot record of a brick, delivered."""
    item = stall.world.record(reg.KIND_BOOT, brick, f24=[ruleset, bytes(32), 0, 1, 0])
    stall.hand_in([item])


def test_a_directive_is_signed_stored_and_numbered_before_it_is_served(stall):
    desired, kit = stall.controller.desired, stall.world.kit
    assert desired.current(kit) is None
    release = rules(stall)
    items = release.items(desired.bricks(kit))
    assert len(items) == 2
    first = desired.set(kit, items, "first")
    second = desired.set(kit, items, "second", expires_ms=stall.world.now_ms + DAY)
    assert 0 < first < second
    number, envelope, etag = desired.current(kit)
    order = orders.own(envelope, stall.config.secrets.director_public)
    assert (order.number, order.reason, order.items, order.kit) == (second, "second", items, kit)
    assert order.rental == stall.world.rental and etag == orders.etag_of(envelope) and number == second
    assert orders.own(envelope, bytes(32)) is None
    assert directive.TYPE in bundle.pae(directive.TYPE, b"").decode(errors="replace")
    stall.restart()
    assert stall.controller.desired.current(kit) == (number, envelope, etag)
    assert stall.controller.desired.set(kit, items, "third") > second


def test_what_is_not_here_or_not_of_this_fleet_cannot_be_ordered(stall):
    desired, kit = stall.controller.desired, stall.world.kit
    item = orders.Item(stall.world.bricks[0].brick8, 1, bytes(32), 10, 1, "", bytes(32))
    with pytest.raises(DesiredError, match="not here"):
        desired.set(kit, [item], "nothing")
    with pytest.raises(DesiredError, match="not in this controller's configuration"):
        desired.set(bytes(8), [], "nobody")
    with pytest.raises(DesiredError, match="at most 32"):
        desired.set(kit, rules(stall).items([bytes([n]) * 8 for n in range(1, 33)]) * 2, "too many")
    assert desired.current(kit) is None


def test_a_database_of_yesterday_gives_no_number_twice_and_learns_from_hosts(stall, tmp_path):
    kit = stall.world.kit
    items = rules(stall).items(stall.controller.desired.bricks(kit))
    stall.controller.desired.set(kit, items, "yesterday")
    stall.controller.close()
    copy = tmp_path / "copy.db"
    shutil.copy(stall.config.database, copy)
    stall.restart()
    desired = stall.controller.desired
    newest = max(desired.set(kit, items, f"today {n}") for n in range(3))
    stops.stop(desired, [kit], "found wrong today")
    stopped, envelope, _ = desired.current(kit)
    assert stopped > newest
    stall.controller.close()
    for leftover in tmp_path.glob("stallmark.db-*"):
        leftover.unlink()
    shutil.copy(copy, stall.config.database)
    stall.restart()
    desired = stall.controller.desired
    assert desired.head(kit).order.reason == "yesterday"
    # A host that has the newer one shows it: it stands again, the stop with it, and is not signed anew.
    desired.report(kit, bytes(8), Report(), envelope)
    assert desired.current(kit)[:2] == (stopped, envelope) and desired.halted(kit)
    # One with an end of its own is not renewed for that: it ends when it was to end.
    ending = orders.Order(
        kit, stopped + 9, stall.world.now_ms, stall.world.now_ms + DAY, items, reason="for a day"
    )
    desired.report(kit, bytes(8), Report(), orders.sign(ending, stall.config.secrets.director_seed))
    assert desired.head(kit).order == ending and desired.head(kit).origin == rows.SET
    assert desired.set(kit, items, "after") > stopped + 9
    # A kit whose host never came back gets a higher number all the same: the file beside the ledger says so.
    stall.controller.close()
    for leftover in tmp_path.glob("stallmark.db-*"):
        leftover.unlink()
    shutil.copy(copy, stall.config.database)
    stall.restart()
    assert stall.controller.desired.set(kit, items, "silent") > stopped


def test_a_host_cannot_push_numbers_with_what_this_director_did_not_sign(stall):
    desired, kit = stall.controller.desired, stall.world.kit
    items = rules(stall).items(desired.bricks(kit))
    number = desired.set(kit, items, "mine")
    forged = orders.sign(orders.Order(kit, 0xFFFFFFF0, 1, 2, items), bytes(range(32)))
    other = orders.sign(orders.Order(bytes(8), number + 9, 1, 2, items), stall.config.secrets.director_seed)
    for envelope in (forged, other, b"", b"\xff" * 90, stall.world.octets(4000)):
        desired.report(kit, bytes(8), Report(), envelope)
        assert desired.current(kit)[0] == number
    assert desired.set(kit, items, "next") == number + 1


def test_a_thief_of_the_directors_key_uses_up_nobodys_numbers(stall):
    desired, kit = stall.controller.desired, stall.world.kit
    items = rules(stall).items(desired.bricks(kit))
    number = desired.set(kit, items, "mine")
    for far in (0xFFFFFFFF, number + 10_000_000):
        forged = orders.sign(orders.Order(kit, far, 1, 2, items), stall.config.secrets.director_seed)
        desired.report(kit, bytes(8), Report(), forged)
        assert desired.current(kit)[0] == number
    stall.restart()
    assert stall.controller.desired.set(kit, items, "next") < number + 1000


def test_another_director_signs_at_its_start_what_stands(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    items = rules(stall).items(desired.bricks(kit))
    desired.set(kit, items, "for a week", expires_ms=world.now_ms + 7 * DAY)
    for halted in (False, True):
        if halted:
            stops.stop(desired, [kit], "wrong")
        before = desired.head(kit)
        world.director_seed = world.octets(32)
        stall.restart()
        desired = stall.controller.desired
        head = desired.head(kit)
        public = stall.config.secrets.director_public
        assert orders.own(head.envelope, public) == head.order and orders.own(before.envelope, public) is None
        assert (head.order.items, head.order.reason, head.order.flags, head.origin) == (
            items, before.order.reason, before.order.flags, before.origin,
        )  # fmt: skip
        assert halted or head.order.expires_ms == before.order.expires_ms
        assert head.number > before.number and desired.halted(kit) == halted
        # So it does with slices: the same ones, once.
        found = rights.of_kit(stall.controller.database, kit, world.now_ms)
        for one in found:
            crypto_sign_open(one.signature + core_rights.slice_message(one.payload), public)
        assert [one.id for one in found] == [1, 2, 3] and not rights.sign_anew(
            stall.controller.database, stall.config, world.now_ms
        )
        world.now_ms += 120_000
        assert desired.renew() == []


def test_a_floor_that_cannot_be_read_stops_the_start(stall):
    desired, kit = stall.controller.desired, stall.world.kit
    desired.set(kit, rules(stall).items(desired.bricks(kit)), "one")
    path = stall.config.ledger.with_name("ledger.directives")
    assert int(path.read_text()) >= desired.current(kit)[0]
    path.write_text("not a number")
    with pytest.raises(ConfigError, match="holds no number"):
        stall.restart()
    path.write_text("7000\n")
    stall.restart()
    assert stall.controller.desired.set(kit, (), "above") == 7001


def test_a_kit_proves_by_boot_records_and_drift_reopens_it(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    release = rules(stall)
    desired.set(kit, release.items(desired.bricks(kit)), "go")
    assert desired.facts(kit).state == "unreachable"
    desired.saw(kit, None)
    assert desired.facts(kit).state == "waiting"
    desired.report(kit, bytes(8), said(desired, kit))
    assert desired.facts(kit).state == "installing"
    first, second = world.bricks
    boot(stall, first, release.artefact)
    assert desired.facts(kit).state == "installing"
    boot(stall, second, release.artefact)
    assert desired.facts(kit).state == "active"
    since = desired.facts(kit).active_ms
    world.now_ms += 1000
    boot(stall, second, world.octets(32))
    facts = desired.facts(kit)
    assert (
        facts.state == "drift"
        and facts.active_ms == since
        and [i.brick for i in facts.drifted()] == [second.brick8]
    )
    assert why.reasons(facts)[0].code == "drift"
    # A renewal with the same content is no new start, and the drift stays a drift.
    desired.set(kit, release.items(desired.bricks(kit)), "go again")
    desired.report(kit, bytes(8), said(desired, kit))
    assert desired.facts(kit).state == "drift"
    boot(stall, second, release.artefact)
    assert desired.facts(kit).state == "active" and desired.facts(kit).drift_ms is None
    stall.restart()
    assert stall.controller.desired.facts(kit).state in ("active", "unreachable")


def test_why_says_what_keeps_a_kit_with_ages_and_in_order(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    assert [one.code for one in why.reasons(desired.facts(kit))] == ["nothing-set"]
    release = rules(stall)
    desired.set(kit, release.items(desired.bricks(kit)), "go", expires_ms=world.now_ms + DAY)
    assert why.reasons(desired.facts(kit))[0].code == "never-seen"
    brick = world.bricks[0].brick8.hex()
    refused = {"brick": brick, "name": "left", "connected": True, "result": reg.INSTALL_HARDWARE, "result_ms": world.now_ms,
               "result_bundle": release.digest.hex()[:16]}  # fmt: skip
    holds = [
        {"code": "quiet", "text": "between ten and six"},
        {"code": "battery", "text": "under 30 per cent"},
    ]
    report = said(desired, kit, bricks=[refused], holds=holds)
    desired.report(kit, bytes(8), report)
    world.now_ms += 60_000
    found = why.reasons(desired.facts(kit))
    assert [one.code for one in found][:3] == ["battery", "quiet", "refused"]
    assert "left refused" in found[2].text and "other hardware" in found[2].text
    assert found[2].as_json(world.now_ms)["age_s"] == 60
    world.now_ms += 10 * 60_000
    found = why.reasons(desired.facts(kit))
    assert found[0].code == "unreachable" and found[0].as_json(world.now_ms)["age_s"] == 660
    world.now_ms += DAY
    assert [one.code for one in why.reasons(desired.facts(kit))][:2] == ["expired", "unreachable"]
    stops.stop(desired, [kit], "a wrong price")
    found = why.reasons(desired.facts(kit))
    assert (
        found[0].code == "halted"
        and "a wrong price" in found[0].text
        and "does not know it yet" in found[0].text
    )


def test_a_stopped_kit_is_minted_nothing_and_what_it_can_still_spend_is_known(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    items = rules(stall).items(desired.bricks(kit))
    desired.set(kit, items, "go")
    with stall.controller.database.read() as connection:
        before = stops.exposed(connection, world.now_ms, [kit])
    assert [(one.rule, one.most, one.slices) for one in before] == [("rule-1", 1500, 3)]
    assert before[0].until_ms > world.now_ms
    number = stops.stop(desired, stops.chosen(desired, stall.config, "rules", None), "wrong")[kit]
    assert stops.stop(desired, [kit], "again") == {} and desired.current(kit)[0] == number
    # A budget that grew is not minted while the kit is stopped, and is once that is lifted.
    stall.settings["rights"] = [{"rule": "rule-1", "unit": 1, "slice": 500, "count": 5}]
    stall.restart()
    desired = stall.controller.desired
    stall.controller.renew(force=True)
    now_ms = world.now_ms
    assert len(rights.of_kit(stall.controller.database, kit, now_ms)) == 3
    assert desired.bundle(kit) is None
    # Whatever is ordered meanwhile, by a rollout say, waits: only who lifts the stop ends it.
    assert desired.set(kit, items, "delivered late") > number and desired.halted(kit)
    assert desired.head(kit).order.reason == "wrong"
    with stall.controller.database.read() as connection:
        stops.lift(desired, connection, [kit])
    assert not desired.halted(kit) and desired.head(kit).order.items == items
    stall.controller.renew(force=True)
    assert len(rights.of_kit(stall.controller.database, kit, now_ms)) == 5
    with pytest.raises(DesiredError, match="campaigns in force: rules"):
        stops.chosen(desired, stall.config, "unheard of", None)


def beside(stall):
    """Another program at the same tables."""
    return Desired(
        stall.controller.database, lambda: stall.config, stall.clock, Campaigns(stall.config.rules)
    )


def test_an_order_does_not_lift_a_stop_that_another_program_wrote_a_moment_ago(stall):
    desired, kit = stall.controller.desired, stall.world.kit
    items = rules(stall).items(desired.bricks(kit))
    desired.set(kit, items, "go")
    number = stops.stop(beside(stall), [kit], "wrong")[kit]
    assert not desired.halted(kit), "not looked at yet"
    assert desired.set(kit, items, "delivered late") > number
    assert desired.halted(kit) and desired.head(kit).order.reason == "wrong"


def test_a_renewal_gives_way_to_what_another_program_ordered_meanwhile(stall):
    desired, kit = stall.controller.desired, stall.world.kit
    items = rules(stall).items(desired.bricks(kit))
    stale = desired.set(kit, items, "go")
    other = beside(stall)
    stopped = stops.stop(other, [kit], "wrong")[kit]
    with stall.controller.database.read() as connection:
        lifted = stops.lift(other, connection, [kit])[kit]
    late = [Wish(kit, items, "go", origin=rows.KEPT, instead_of=number) for number in (stale, stopped)]
    assert desired.set_all(late) == {} and desired.current(kit)[0] == lifted


def test_lifting_a_stop_ends_it_also_where_what_was_ordered_before_has_expired(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    items = rules(stall).items(desired.bricks(kit))
    desired.set(kit, items, "for a day", expires_ms=world.now_ms + DAY)
    stops.stop(desired, [kit], "wrong")
    world.now_ms += 2 * DAY
    with stall.controller.database.read() as connection:
        stops.lift(desired, connection, [kit])
    order = desired.head(kit).order
    # Bricks and hosts take it, and nothing is to be installed under it.
    assert not order.halted and order.items == () and order.expires_ms == world.now_ms + LIFE_MS


def test_stops_and_orders_without_an_end_are_renewed_others_expire(stall):
    desired, kit, world = stall.controller.desired, stall.world.kit, stall.world
    items = rules(stall).items(desired.bricks(kit))
    desired.set(kit, items, "for a day", expires_ms=world.now_ms + DAY)
    world.now_ms += 4 * DAY
    assert desired.renew() == [] and desired.facts(kit).expired
    stops.stop(desired, [kit], "wrong")
    number = desired.current(kit)[0]
    world.now_ms += 4 * DAY
    assert desired.renew() == [kit]
    assert (
        desired.halted(kit) and desired.current(kit)[0] > number and desired.head(kit).order.reason == "wrong"
    )
    assert desired.head(kit).order.expires_ms > world.now_ms + 13 * DAY


def test_commands_beside_a_running_controller_say_why_stop_and_what_is_exposed(stall):
    desired, kit = stall.controller.desired, stall.world.kit
    items = rules(stall).items(desired.bricks(kit))
    desired.set(kit, items, "go")
    (stall.folder / "clock").write_bytes(stall.world.now_ms.to_bytes(8))
    stall.settings["clock_file"] = "clock"
    stall.configure()
    config, run = str(stall.folder / "config.json"), CliRunner().invoke
    asked = run(app, ["why", "kit-1", "--config", config])
    assert asked.exit_code == 0 and "never asked" in asked.output, asked.output
    assert run(app, ["why", "nobody", "--config", config]).exit_code == 1
    assert (
        json.loads(run(app, ["kits", "--config", config, "--json"]).output)["kits"][0]["state"]
        == "unreachable"
    )
    told = []
    desired.changed = told.extend
    stopped = run(app, ["stop", "rules", "--config", config, "--reason", "a wrong price", "--json"])
    row = json.loads(stopped.output)["kits"][0]
    assert row["state"] == "stopping" and row["exposed"][0]["most"] == 1500
    # The running controller sees it with its next look.
    assert not desired.halted(kit)
    desired.renew()
    assert desired.halted(kit) and told == [kit] and desired.head(kit).order.reason == "a wrong price"
    assert "1500 minor units" in run(app, ["exposed", "--config", config], env={"COLUMNS": "200"}).output
    assert run(app, ["stop", "--kit", "kit-1", "--lift", "--config", config]).exit_code == 0
    desired.renew()
    assert not desired.halted(kit) and desired.head(kit).order.items == items
    assert run(app, ["stop", "--config", config]).exit_code == 1
