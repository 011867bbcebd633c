"""Applications for bricks: offered after the rules, to bricks that run from slots, installed once their trial is over."""

import asyncio
from types import SimpleNamespace

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from stallmark import bundle, receipt
from stallmark import registry as reg
from stallmark.crypt import sha256
from test_host_updater import authors_of

from fleet.desired.report import ApplicationSaid
from hostagent import report
from hostagent.bricks import Brick
from hostagent.kitreport import describe
from hostagent.slots import heard, parse
from hostagent.updater import Updater
from tests.world import World

BRICK = b"brick--1"


class Clock:
    """Market time that stands still."""

    def __init__(self, ms):
        self.ms = ms

    def now_ms(self):
        return self.ms


STEADY = {0: 0, 1: 0, 2: 1, 3: None, 4: None, 5: None, 6: None}


def signed(world, artefact, kind):
    """(item of a directive, its targets)."""
    payload = bundle.manifest(artefact, 1, kind=kind, name="x")
    pairs = []
    for seed in world.author_seeds[:2]:
        public, secret = crypto_sign_seed_keypair(seed)
        pairs.append((receipt.kid(public), crypto_sign(bundle.pae(bundle.TYPE, payload), secret)[:64]))
    envelope = bundle.envelope(bundle.TYPE, payload, pairs)
    item = SimpleNamespace(
        brick8=BRICK, kind=kind, artefact=sha256(artefact), length=len(artefact), rev=1, bundle=sha256(envelope)
    )
    return item, {sha256(envelope): envelope, sha256(artefact): artefact}


def test_rules_go_first_then_programs_to_bricks_that_run_from_slots_and_a_trial_decides():
    async def scenario():
        world = World(5)
        rules, more = signed(world, b"rules", reg.ARTEFACT_RULESET)
        programs, targets = signed(world, b"programs" * 100, reg.ARTEFACT_APPLICATION)
        targets |= more
        items = [rules, programs]

        async def get(digest, length=None):
            return targets[digest]

        intent = SimpleNamespace(
            number=1, halted=False, in_force=True, items=lambda: items,
            item=lambda brick, kind=1: next((i for i in items if (i.brick8, i.kind) == (brick, kind)), None),
        )  # fmt: skip
        updater = Updater(None, None, authors_of(world), lambda *_: None, intent, SimpleNamespace(get=get))
        assert await updater.follow()
        brick = Brick(1, BRICK, "brick", 1, None, 0, None, None)
        brick.status = SimpleNamespace(ruleset=None, ruleset8=None, firmware=bytes(32), at_ms=0, next_seq=1, slices={})
        assert updater.offer_for(brick)[2] == reg.ARTEFACT_RULESET
        brick.status.ruleset = rules.artefact
        assert updater.offer_for(brick)[2] == reg.ARTEFACT_APPLICATION, "not in slots, for all that is known: it may say so"
        brick.status.firmware = (b"programs" * 100)[16:48]
        assert updater.offer_for(brick) is None, "it runs them already, from wherever"
        brick.status.firmware = bytes(32)
        assert heard(brick, STEADY) == []
        length = 4 + len(targets[programs.bundle]) + 800
        assert updater.offer_for(brick) == (programs.bundle[:8], length, reg.ARTEFACT_APPLICATION)
        assert len(updater.chunk(programs.bundle[:8], 0)) == 256
        heard(brick, STEADY | {5: [programs.bundle[:8], 512, length, 1]})
        assert "waiting: customers are there" in brick.slots.words()
        (told,) = describe({BRICK: brick}, updater, Clock(1_000_000), lambda brick: True)["bricks"]
        said = told["application"]
        assert (said["state"], said["there"], said["whole"], said["waits"]) == ("steady", 512, length, "customers are there")
        ApplicationSaid.model_validate(said)
        trial = STEADY | {0: 1, 1: 1, 2: 2, 3: programs.bundle[:8], 4: 1}
        assert heard(brick, trial) == [] and updater.offer_for(brick) is None, "written is not installed"
        assert "on trial" in brick.slots.words()
        assert heard(brick, trial | {2: 1})[0][:2] == (programs.bundle[:8], reg.INSTALL_OK)
        back = STEADY | {6: [programs.bundle[:8], 4]}
        results = heard(brick, back)
        assert results == [(programs.bundle[:8], reg.INSTALL_RETURNED, "the reader no longer worked")]
        assert heard(brick, back) == [], "said once"
        told = report.programs(brick)
        assert told["attention"] and told["words"].endswith("others went back: the reader no longer worked.")
        updater.on_result(brick, *results[0])
        said = describe({BRICK: brick}, updater, Clock(1_000_000), lambda brick: True)["bricks"][0]["application"]
        assert (said["result"], said["text"]) == (reg.INSTALL_RETURNED, "the reader no longer worked")
        assert said["bundle"] == programs.bundle.hex()[:16] and ApplicationSaid.model_validate(said).ms
        assert "went back: the reader no longer worked" in brick.slots.words()
        intent.halted, intent.in_force = True, False
        assert updater.offer_for(brick) is None and updater.chunk(programs.bundle[:8], 0) is None

    asyncio.run(scenario())


def test_what_is_no_message_of_slots_is_refused():
    assert parse(STEADY) is not None
    for wrong in ({0: 2}, {0: -1}, {1: None}, {3: b"short"}, {4: "1"}, {5: [1]}, {5: [None, 1, 2, 3]}, {6: [b"x", 1]}, {6: 7}):
        assert parse(STEADY | wrong) is None, wrong
