"""A rollout with a release that hosts install by themselves: the last step of a kit, or alone; by the host's own word."""

import json

import pytest
from stallmark import registry as reg
from test_desired_host_release import a_release, signed
from test_rollouts_controller import Town, stall  # noqa: F401

from fleet.desired import look, why
from fleet.desired.report import HostSaid, Report, ReturnedSaid
from fleet.hostos import ties
from fleet.people.actors import COMMAND
from fleet.rollouts.plan import PlanError
from fleet.rollouts.plan import read as read_plan

DEVICE = "1" * 32


class Hosts(Town):
    """The kit's host installs by itself: it runs `runs`, a digest or None."""

    def __init__(self, stall):  # noqa: F811
        super().__init__(stall)
        self.runs, self.said = None, {}
        self.files = {}

    def pack(self, version, *back):
        """A release whose revision is its version's. `back`: versions that its authors name as fallback."""
        fallback = [self.one(self.files[one]).artefact for one in back]
        path = signed(self, a_release(version), rev=int(float(version)), fallback=fallback, name=f"host {version}")
        self.files[version] = path.rename(self.stall.folder / f"host-{version}.smbundle")
        return str(self.files[version])

    def digest(self, version):
        return self.one(self.files[version]).digest.hex()

    @property
    def named(self):
        return self.desired.head(self.kit).order.host_release

    def speaks(self, **said):
        """A status report of a host that installs by itself, with the directive that stands in hands."""
        self.host(host=HostSaid(**({"installs": True, "release": self.runs} | said)))

    def goes_back(self, version, order=None):
        number = self.desired.head(self.kit).number if order is None else order
        gone = ReturnedSaid(release=self.digest(version), why="3 starts failed", at_ms=1, order=number)
        self.speaks(returned=gone)

    def begin(self, *more):
        said = self.cli("plan", "spring", "--waves", "100%", "--soak", "0s", *more)
        self.ask("start", "spring")
        self.desired.saw(self.kit, None)
        self.tick()
        return said

    def through_bricks(self):
        """Every brick takes what is ordered."""
        for _ in self.bricks:
            self.host()
            (brick,) = {b for b, a in self.ordered().items() if a == self.one(self.new).artefact} - getattr(self, "done", set())
            self.boot(brick, self.new)
            self.done = {*getattr(self, "done", set()), brick}

    def why(self):
        return self.cli("why", "spring", self.kit.hex()).replace("\n", " ")

    def status(self):
        return self.state().kits[self.kit.hex()].status


@pytest.fixture
def town(stall, monkeypatch):  # noqa: F811
    monkeypatch.setattr(look, "open_clock", lambda path: stall.clock)
    return Hosts(stall)


def with_rules(town, *more):
    town.new = town.release("new", 2, [town.one(town.old).artefact])
    return town.begin("--bundle", str(town.new), *more)


def test_the_host_takes_its_release_after_the_bricks_and_its_own_word_ends_the_rollout(town):
    said = with_rules(town, "--host-release", town.pack("2.0"))
    new = town.digest("2.0")
    assert f"the host is last: release {new[:8]}, which it installs by itself; 1 d at most" in said
    assert "No way back for hosts: nobody knows an earlier release" in said
    assert town.desired.target(town.one(town.files["2.0"]).artefact) == a_release("2.0"), "hosts fetch it as any target"
    assert town.named is None
    town.through_bricks()
    assert town.named == new and set(town.ordered().values()) == {town.one(town.new).artefact}
    town.speaks(waits="customers are there", waits_ms=1)
    assert f"its bricks are through, its host takes release {new[:8]} by itself" in town.why()
    assert "which waits: customers are there" in town.why()
    town.tick(3 * 3600)  # all afternoon: no failure
    town.speaks(release=new, phase="trial")
    assert town.status() == "installing" and "on trial" in town.why(), "on trial it counts for nothing"
    town.runs = new
    town.speaks()
    assert town.status() == "ok" and town.state().phase == "complete"
    assert town.desired.facts(town.kit).state == "active"
    events = town.rolling.leading._open["spring"][1]
    town.speaks()
    assert town.rolling.leading._open["spring"][1] <= events + 1, "the same word again is no news"
    # By hand something else: the kit is opened again, once.
    town.runs = None
    town.speaks()
    assert town.status() in ("waiting", "offered", "installing") and town.named == new
    town.runs = new
    town.speaks()
    assert town.status() == "ok"


def test_a_host_that_went_back_fails_the_kit_and_everybody_goes_back_to_the_earlier_release(town):
    town.pack("1.0")
    town.runs = town.digest("1.0")
    town.desired.add(town.files["1.0"].read_bytes())
    town.desired.report(town.kit, bytes(8), Report(host=HostSaid(release=town.runs, installs=True)))
    said = with_rules(town, "--host-release", town.pack("2.0", "1.0"))
    new, old = town.digest("2.0"), town.digest("1.0")
    assert f"hosts go back to release {old[:8]} with the rest" in said
    town.through_bricks()
    assert town.named == new
    town.goes_back("2.0", order=town.desired.head(town.kit).number - 1)
    assert town.status() == "installing", "under an earlier directive: it tries again by itself"
    town.goes_back("2.0")
    town.tick()
    assert town.state().phase == "rolling back"
    assert f"its host tried release {new[:8]} and went back: 3 starts failed" in town.cli("why", "spring")
    assert town.named == old and set(town.ordered().values()) == {town.one(town.old).artefact}
    town.host()
    for brick in town.bricks:
        town.boot(brick, town.old)
    assert town.state().phase == "rolled back"


def test_a_halt_takes_the_order_away_and_who_has_it_keeps_it(town):
    with_rules(town, "--host-release", town.pack("2.0"))
    town.through_bricks()
    assert town.named == town.digest("2.0")
    town.ask("halt", "spring", "--reason", "a look")
    town.tick()
    assert town.named is None and town.ordered() == {}


def test_a_host_that_cannot_install_by_itself_refuses_at_once(town):
    with_rules(town, "--host-release", town.pack("2.0"), "--no-rollback")
    town.through_bricks()
    town.speaks(installs=False)
    assert town.status() == "rejected" and town.state().phase == "halted"
    assert "does not install releases by itself" in town.why()


def test_a_host_has_its_own_time_for_it_and_then_it_is_over(town):
    with_rules(town, "--host-release", town.pack("2.0"), "--host-time", "2h", "--no-rollback")
    town.through_bricks()
    town.tick(7_000)
    assert town.status() == "installing", "longer than a brick may take"
    town.tick(300)
    assert town.status() == "timed out" and "no report within 7200 s" in town.why()
    assert town.named is None, "it is taken back"
    town.runs = town.digest("2.0")
    town.speaks()
    for _ in range(3):  # it looks seldom at what is halted
        town.tick()
    assert town.status() == "ok", "a later word puts it right"


def test_a_release_of_the_host_alone_leaves_bricks_as_they_are(town):
    before, head = town.ordered(), town.desired.head(town.kit)
    said = town.begin("--host-release", town.pack("2.0"))
    new = town.digest("2.0")
    assert f"the host alone gets something: release {new[:8]}" in said and "one brick tries it" not in said
    assert "does not go back by itself" in said and "newer rules of the folder" not in said
    assert town.named == new and town.ordered() == before
    assert town.desired.head(town.kit).origin == head.origin
    town.speaks(trouble="the disk is full")
    assert "its host installs release" in town.why() and "the disk is full" in town.why()
    town.boot(next(iter(town.bricks)), town.old)
    assert town.status() == "installing", "what bricks say is not about it"
    town.runs = new
    town.speaks()
    assert town.state().phase == "complete" and "another release of the host is ordered" in town.why()
    assert json.loads(town.cli("status", "spring", "--json"))["rollouts"][0]["waves"][0]["good"] == 1


@pytest.mark.parametrize("alone", [True, False])
def test_a_plan_says_before_the_start_that_hosts_would_refuse_the_way_back(town, alone):
    town.pack("1.0")
    way = ("--back-to", str(town.files["1.0"])) if alone else ("--host-release-before", str(town.files["1.0"]))
    rules = () if alone else ("--bundle", str(town.release("new", 2, [town.one(town.old).artefact])))
    plan = ("--waves", "100%", "--soak", "0s", *rules)
    said = town.cli("plan", "a", "--host-release", town.pack("2.0"), *way, *plan)
    assert "No way back for hosts: the authors of host 2.0 (revision 2) did not sign host 1.0 (revision 1)" in said
    assert "go back to release" not in said
    higher = str(town.files["2.0"])
    said = town.cli("plan", "b", "--host-release", town.pack("3.0", "2.0"), way[0], higher, *plan)
    assert "No way back for hosts" not in said
    said = town.cli("plan", "c", "--host-release", str(town.files["1.0"]), way[0], higher, *plan)
    assert "No way back for hosts" not in said, "a higher revision needs no name"


def test_a_host_that_refuses_an_older_release_says_so_at_once(town):
    town.begin("--host-release", town.pack("1.0"), "--no-rollback")
    town.speaks(wanted="0" * 64, trouble="of the order before", result=4)
    assert town.status() == "installing"
    town.speaks(wanted=town.digest("1.0"), trouble="release host 1.0 has revision 1: older than host 2.0", result=4)
    assert town.status() == "rejected" and town.state().phase == "halted"
    assert "its host refuses release" in town.why() and "older than host 2.0" in town.why()


def test_a_release_of_the_host_alone_goes_back_and_waits_for_it(town):
    town.pack("1.0")
    town.begin("--host-release", town.pack("2.0", "1.0"), "--back-to", str(town.files["1.0"]))
    town.runs = town.digest("2.0")
    town.speaks()
    assert town.state().phase == "complete"
    town.ask("rollback", "spring", "--reason", "slow")
    town.tick()
    town.tick()
    assert town.named == town.digest("1.0") and town.state().phase == "rolling back"
    town.speaks()
    assert town.status() == "going back"
    town.speaks(release=town.digest("1.0"), phase="trial")
    assert town.status() == "going back"
    town.runs = town.digest("1.0")
    town.speaks()
    assert town.status() == "back" and town.state().phase == "rolled back"


def test_the_newer_rollout_has_the_host_also_where_rules_go_with_it(town):
    with_rules(town, "--host-release", town.pack("2.0"))
    town.through_bricks()
    third = town.pack("3.0")
    town.cli("plan", "host", "--host-release", third, "--waves", "100%", "--soak", "0s")
    town.ask("start", "host")
    assert "rollout spring is under way with some of these kits" in town.cli("why", "host").replace("\n", " ")
    town.runs = town.digest("2.0")
    town.speaks()
    assert town.state().phase == "complete"
    town.cli("plan", "host-3", "--host-release", third, "--waves", "100%", "--soak", "0s")
    town.ask("start", "host-3")
    town.speaks()
    for _ in range(4):
        town.tick(5)
    assert town.named == town.digest("3.0") and town.status() == "superseded"
    assert set(town.ordered().values()) == {town.one(town.new).artefact}


def test_kits_of_a_host_os_service_go_on_with_host(town):
    def tie():
        with town.stall.controller.database.write() as connection:
            ties.tie(connection, COMMAND, town.kit, DEVICE, town.stall.clock.now_ms())

    tie()
    own = town.pack("2.0")
    town.new = town.release("new", 2, [town.one(town.old).artefact])
    both = ("--bundle", str(town.new), "--host-release", own)
    assert "name their release there with --host, too" in town.cli("plan", "a", *both, code=1)
    alone = town.cli("plan", "a", "--host-release", own, "--waves", "1", code=1)
    assert "wave 1 has no kits" in alone  # its one kit is left out
    said = town.begin(*both, "--host", "b" * 40)
    assert "bbbbbbbbbbbb by the host OS service" in said
    town.through_bricks()
    town.tick()
    with town.stall.controller.database.read() as connection:
        assert ties.of_kit(connection, town.kit)["wanted"] == "b" * 40
    town.speaks(installs=False)
    assert town.named is None and town.status() == "installing", "its own word is not asked for"


def test_plans_say_what_does_not_go_with_a_release_of_the_host(town):
    own, rules = town.pack("2.0"), str(town.old)
    for words, said in (
        (("--host-release", rules), "is no release of a host"),
        (("--bundle", own), "name it with --host-release"),
        (("--host-release", own, "--gate", "errors"), "look at bricks"),
        (("--host-release", own, "--host", "b" * 40), "goes with bricks"),
        (("--host-release", own, "--follow"), "about the rules folder"),
        (("--host-release", own, "--back-to", rules), "is no release of a host"),
        (("--host-release", own, "--back-to", own), "is the release itself"),
        (("--host-release", own, "--host-release-before", own), "with --back-to"),
        (("--host-release", own, "--host-time", "30d", "--waves", "9z"), "is no size"),
        (("--host-release", own, "--host-time", "31d"), "30 days"),
    ):
        assert said in town.cli("plan", "a", *words, code=1).replace("\n", " "), words
    one = {"digest": "1" * 64, "bundle": "2" * 64, "rev": 1, "length": 9}
    plan = {"name": "a", "waves": [{"size": "1"}]}
    for release, back, said in (
        (one | {"kind": 4, "host_release": "3" * 64}, None, "host alone"),
        (one | {"host_release": "3"}, None, "pattern"),
        (one | {"host_release": "3" * 64}, one | {"digest": "4" * 64, "host_release": "3" * 64}, "go back to the release"),
    ):
        with pytest.raises(PlanError, match=said):
            read_plan(json.dumps(plan | {"release": release, "rollback": back}))


def test_the_reason_of_a_kit_names_the_rollout_beside_the_hosts_own(town):
    town.begin("--host-release", town.pack("2.0"))
    town.speaks()
    told = [one.text for one in town.stall.controller.more_reasons(town.kit)]
    assert told[0].startswith("rollout spring: its host installs release")
    assert any("has not taken up release" in one.text for one in why.reasons(town.desired.facts(town.kit)))
    assert town.state().plan.release.kind == reg.ARTEFACT_HOST
