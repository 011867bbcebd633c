"""A rollout of an application: ordered beside the rules, proven once its trial is over, halted by a return."""

import json

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from stallmark import bundle, receipt
from stallmark import registry as reg
from test_rollouts_controller import Town, stall  # noqa: F401
from test_trust_applications import a_pack

from fleet import packs
from fleet.desired import why
from fleet.desired.report import ApplicationSaid, BrickSaid


class Programs(Town):
    """Applications for the same two bricks."""

    def program(self, name, rev, fallback=()):
        artefact = a_pack(self.stall.world.octets(400))
        payload = bundle.manifest(artefact, rev, kind=2, name=name, fallback=list(fallback))
        signatures = []
        for seed in self.stall.world.author_seeds:
            public, secret = crypto_sign_seed_keypair(seed)
            signatures.append((receipt.kid(public), crypto_sign(bundle.pae(bundle.TYPE, payload), secret)[:64]))
        path = self.stall.folder / f"{name}.smbundle"
        path.write_bytes(bundle.join(bundle.envelope(bundle.TYPE, payload, signatures), artefact))
        return path

    def runs(self, brick, path, slots=1):
        """A boot record of a brick that runs this application: 1 it stays, 2 on trial."""
        detail = [self.one(self.old).artefact, packs.digest(self.one(path).data), 0, 1, 0, 0, slots]
        self.stall.hand_in([self.stall.world.record(reg.KIND_BOOT, self.bricks[brick], f24=detail)])
        self.tick()

    def programs(self):
        """Brick → application by the directive that stands."""
        return {i.brick.hex(): i.artefact for i in self.desired.head(self.kit).order.items if i.kind == 2}

    def rules(self):
        return {i.brick.hex(): i.artefact for i in self.desired.head(self.kit).order.items if i.kind == 1}

    def why(self):
        return [one.text for one in why.reasons(self.desired.facts(self.kit))]

    def states(self, *waves):
        return [one["good"] for one in json.loads(self.cli("status", "spring", "--json"))["rollouts"][0]["waves"]]


def begun(stall):  # noqa: F811
    town = Programs(stall)
    before = town.program("programs", 1)
    town.now = town.program("quicker", 2, [town.one(before).artefact])
    town.before = before
    said = town.cli(
        "plan", "spring", "--application", str(town.now), "--back-to", str(before), "--waves", "100%", "--soak", "0s"
    )
    assert "goes back to programs by itself" in said
    town.ask("start", "spring")
    for brick in town.bricks:
        town.boot(brick, town.old)
    town.desired.saw(town.kit, None)
    town.tick()
    return town


def test_an_application_goes_beside_the_rules_and_counts_when_its_trial_is_over(stall):  # noqa: F811
    town = begun(stall)
    rules = town.rules()
    assert len(rules) == 2
    (canary,) = town.programs()
    assert town.programs()[canary] == town.one(town.now).artefact
    town.host()
    town.runs(canary, town.now, slots=2)
    assert list(town.programs()) == [canary] and town.states() == [0], "on trial it proves nothing"
    trial = BrickSaid(brick=canary, name="left", connected=True, application=ApplicationSaid(state="trial"))
    town.host(bricks=[trial])
    assert f"left has application {packs.digest(town.one(town.now).data).hex()[:8]} on trial" in town.why()[0]
    town.runs(canary, town.now)
    (other,) = set(town.programs()) - {canary}
    town.host(bricks=[BrickSaid(
        brick=other, connected=True, name="right",
        application=ApplicationSaid(state="steady", there=512, whole=900, waits="customers are there"),
    )])  # fmt: skip
    assert any("512 of 900 bytes of application" in one and "customers are there" in one for one in town.why())
    town.runs(other, town.now)
    assert town.state().phase == "complete" and town.states() == [1]
    assert town.rules() == rules and town.desired.facts(town.kit).state == "active"
    assert "application wanted" in why_command(town)
    # Drift: one runs the programs of before again.
    town.runs(other, town.before)
    assert town.desired.facts(town.kit).state == "drift" and "ran what it should and now runs application" in town.why()[0]


def test_a_brick_that_went_back_by_itself_halts_it_and_the_kit_keeps_what_it_had(stall):  # noqa: F811
    town = begun(stall)
    (canary,) = town.programs()
    town.host()
    town.runs(canary, town.now, slots=2)
    town.runs(canary, town.before)
    gone = ApplicationSaid(
        state="steady", result=reg.INSTALL_RETURNED, bundle=town.one(town.now).digest.hex()[:16],
        text="the reader no longer worked", ms=stall.world.now_ms,
    )  # fmt: skip
    said = BrickSaid(brick=canary, name="left", connected=True, application=gone)
    town.host(bricks=[said])
    assert town.state().phase == "rolling back", town.cli("why", "spring", town.kit.hex())
    assert "the reader no longer worked" in town.cli("why", "spring", town.kit.hex())
    town.tick()
    assert set(town.programs().values()) == {town.one(town.before).artefact}
    town.host(bricks=[said])
    (other,) = set(town.bricks) - {canary}
    town.runs(other, town.before)
    town.tick()
    assert town.state().phase == "rolled back", "what the brick proved before it was ordered back counts"
    assert town.desired.facts(town.kit).state == "active"


def test_plans_of_programs_say_what_does_not_go_with_them(stall):  # noqa: F811
    town = Programs(stall)
    program = town.program("quicker", 2)
    assert "name it with --application" in town.cli("plan", "a", "--bundle", str(program), code=1)
    assert "name it with --bundle" in town.cli("plan", "a", "--application", str(town.old), code=1)
    assert "name one release" in town.cli("plan", "a", code=1)
    back = ("--back-to", str(town.old))
    assert "of another kind" in town.cli("plan", "a", "--application", str(program), *back, code=1)
    assert "programs have no replay" in town.cli("plan", "a", "--application", str(program), "--events", str(program), code=1)
    assert "for programs there are" in town.cli("plan", "a", "--application", str(program), "--gate", "heap", code=1)


def why_command(town):
    from typer.testing import CliRunner

    from fleet.cli import app

    done = CliRunner().invoke(app, ["why", town.kit.hex(), "--config", town.config])
    assert done.exit_code == 0, done.output
    return done.output
