"""SIGKILL of the real controller in every state of a rollout: what each kit's directive says after the restart, as a table."""

import time

import httpx
import pytest
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from serving import PATIENCE_S, wait_for
from sqlalchemy import update
from stallmark import bundle, receipt
from stallmark import registry as reg
from test_fleet_process import Program
from virtualkit.newkit import free_ports

from fleet.db.engine import outside
from fleet.db.tables_rollouts import leases
from fleet.desired import folder, orders, rows
from fleet.rollouts import book, facts, planning
from fleet.rollouts.plan import Plan, Wave
from tests.world import World

TRACE = (
    # before the kill             the directive after the restart names    status of the kit     phase
    ("start is asked for",        {"canary": "new"},                       "offered",            "running"),
    ("its host took it",          {"canary": "new"},                       "installing",         "running"),
    ("the canary proved it",      {"canary": "new", "other": "new"},       "installing",         "running"),
    ("rollback is asked for",     {"canary": "old", "other": "old"},       "going back",         "rolling back"),
    ("both proved the old one",   {"canary": "old", "other": "old"},       "back",               "rolled back"),
)  # fmt: skip


class Market:
    """A kit of two bricks whose host and bricks are this test; the controller is a process that dies."""

    def __init__(self, path):
        self.world = World(8)
        self.bricks = {one.brick8.hex(): one for one in (self.world.brick(), self.world.brick())}
        self.path = self.world.controller(path, port=free_ports()[0])
        self.kit = self.world.kit.hex()
        self.program = Program(self.path, "--init")
        self.engine = outside(self.program.config.database)
        self.old = self._release("old", 1)
        self.new = self._release("new", 2)
        self.named = {self.old.artefact: "old", self.new.artefact: "new"}
        self.number = 0
        header = {"Authorization": f"Bearer {self.world.host.token}"}
        self.client = httpx.Client(base_url=self.program.url, headers=header, timeout=PATIENCE_S)

    def _release(self, name, rev):
        artefact = self.world.octets(400)
        back = [] if rev == 1 else [self.old.artefact]
        payload = bundle.manifest(artefact, rev, name=name, fallback=back)
        message, signatures = bundle.pae(bundle.TYPE, payload), []
        for seed in self.world.author_seeds:
            public, secret = crypto_sign_seed_keypair(seed)
            signatures.append((receipt.kid(public), crypto_sign(message, secret)[:64]))
        return folder.read(bundle.join(bundle.envelope(bundle.TYPE, payload, signatures), artefact))

    def plan(self):
        release, back = planning.release_of(self.new), planning.release_of(self.old)
        plan = Plan(
            name="new", release=release, rollback=back, waves=(Wave(size="1", soak_s=3600, deadline_s=7200),)
        )
        with self.engine.begin() as connection:
            for one in (self.old, self.new):
                rows.put_target(connection, one.envelope, 1)
                rows.put_target(connection, one.data, 1)
            made = book.create(connection, "spring", plan, {self.kit: ({}, list(self.bricks))}, "ada", 1)
        self.canary, self.other = made.kits[self.kit].units

    def close(self):
        self.client.close()
        self.engine.dispose()
        self.program.kill()

    def ask(self, verb):
        with self.engine.begin() as connection:
            book.ask(connection, "spring", facts.Verb(verb, "ada", "a test"), 1)

    def take(self):
        """Its host took what stands, and says so."""
        answer = self.client.get(f"/v1/kits/{self.kit}/directive?wait=0")
        self.number = orders.parse(answer.content).number
        said = {"etag": answer.headers["ETag"], "number": self.number}
        answer = self.client.post(f"/v1/kits/{self.kit}/status", json=said)
        assert answer.status_code in (200, 204), answer.text

    def boot(self, release, *bricks):
        """Bricks prove what they run; durable when this returns."""
        made = [
            self.world.record(reg.KIND_BOOT, self.bricks[brick], f24=[release.artefact, bytes(32), 0, 1, 0])
            for brick in bricks
        ]
        body = self.world.batch([self.world.receipt(one) for one in made])
        assert self.client.post("/v1/batches", content=body).status_code == 200

    def restart(self):
        """Killed; and the lease of the one that is dead runs out (fifteen seconds that a test need not wait for)."""
        self.program.kill()
        with self.engine.begin() as connection:
            connection.execute(update(leases).values(until_ms=0))
        self.program = Program(self.path)

    def stands(self):
        """({role: release} of the directive that stands, its number, status of the kit, phase)."""
        answer = self.client.get(f"/v1/kits/{self.kit}/directive?wait=0")
        said = orders.parse(answer.content) if answer.status_code == 200 else None
        roles = {bytes.fromhex(self.canary): "canary", bytes.fromhex(self.other): "other"}
        items = {} if said is None else {roles[one.brick]: self.named[one.artefact] for one in said.items}
        with self.engine.begin() as connection:
            state, _ = book.load(connection, "spring")
        return items, 0 if said is None else said.number, state.kits[self.kit].status, state.phase


KILLS = ("the canary proved it", "rollback is asked for")  # in the suite; the campaign kills at every row


def play(market, kills):
    """The whole story. Everything that was acknowledged holds, nothing is made twice: numbers only rise, and rest where nothing
    changed."""
    market.plan()
    does = {
        "start is asked for": lambda: market.ask("start"),
        "its host took it": market.take,
        "the canary proved it": lambda: market.boot(market.new, market.canary),
        "rollback is asked for": lambda: market.ask("rollback"),
        "both proved the old one": lambda: market.boot(market.old, market.canary, market.other),
    }
    last = 0
    for what, items, status, phase in TRACE:
        does[what]()
        if what in kills:
            market.restart()

        def as_told(wanted=(items, status, phase)):
            found, number, at, now = market.stands()
            time.sleep(0.05)
            return number if (found, at, now) == wanted else 0

        number = wait_for(f"{what}: {items}, {status}, {phase}", as_told)
        same = what in ("its host took it", "both proved the old one")
        assert number == last if same else number > last
        last = number
        if phase == "rolling back":
            market.take()


@pytest.fixture
def market(tmp_path):
    made = Market(tmp_path)
    yield made
    made.close()


def test_after_a_kill_the_directive_is_what_the_table_says(market):
    play(market, KILLS)
