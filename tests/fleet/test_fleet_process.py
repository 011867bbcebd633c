"""The real program: killed with SIGKILL while batches arrive, it forks nothing and loses nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import threading

import httpx
import pytest
from serving import PATIENCE_S, wait_for
from stallmark import batch, tree
from virtualkit.newkit import free_ports

from fleet.config import load
from fleet.ledger import fsck
from fleet.ledger.checkpoint import open_checkpoint
from fleet.ledger.note import Signer
from fleet.ledger.proof import HashTree, TileCache
from tests.world import World

ROUNDS = 6
SEED = 8


class Program:
    """`stallmark fleet run`, as a process of its own."""

    def __init__(self, path, *options):
        self.config = load(path)
        self.url = f"http://127.0.0.1:{self.config.port}"
        self.log = path.parent / "log.txt"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "fleet", "run", "--config", str(path), *options],
                stdout=log,
                stderr=log,
            )
        wait_for("the program", self._answers)

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(self.url + "/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self):
        """Without warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def stop(self):
        """As Ctrl-C does; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def market(tmp_path):
    """(world, path of config.json) of a controller on a free port."""
    world = World(SEED)
    for _ in range(3):
        world.brick()
    return world, world.controller(tmp_path, port=free_ports()[0])


def run(*words):
    """A command of the program: (exit code, everything it said)."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words], capture_output=True, text=True, timeout=180, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_killed_while_batches_arrive_it_forks_nothing_and_keeps_what_it_acknowledged(market, tmp_path):
    world, path = market
    chance = random.Random(SEED)
    print("seed", SEED)
    config = load(path)
    verifier = Signer(config.origin, config.secrets.checkpoint_seed).verifier
    bodies = []
    header = {"Authorization": f"Bearer {world.host.token}"}
    acknowledged, checkpoints = {}, []

    def seen():
        data = (config.ledger / "checkpoint").read_bytes()
        checkpoints.append(open_checkpoint(data, [verifier], config.origin)[0])

    program = Program(path, "--init")
    for _ in range(ROUNDS):
        until = len(acknowledged) + chance.randint(3, 30)
        while len(bodies) < until:  # ready before the program may be killed: nothing waits for them
            bodies.append(world.batch(world.receipts(chance.randint(1, 40))))
        stop = threading.Timer(chance.uniform(0.05, 0.6), program.kill)
        stop.start()
        with httpx.Client(base_url=program.url, headers=header, timeout=PATIENCE_S) as client:
            try:
                while len(acknowledged) < until:
                    body = bodies[len(acknowledged)]
                    answer = client.post("/v1/batches", content=body)
                    assert answer.status_code == 200, answer.text
                    acknowledged[len(acknowledged) + 1] = answer.text
            except httpx.TransportError:
                pass
        stop.join()
        program.process.wait(PATIENCE_S)
        seen()
        program = Program(path, "--init")
        seen()
    with httpx.Client(base_url=program.url, headers=header, timeout=PATIENCE_S) as client:
        where = client.get(f"/v1/hosts/{world.host.host8.hex()}/next").json()["number"]
        assert where - 1 in (len(acknowledged), len(acknowledged) + 1)
        for number, answer in acknowledged.items():  # the very same answer: it is all still there
            assert client.post("/v1/batches", content=bodies[number - 1]).text == answer
        wait_for("everything published", lambda: _idle(client))
        found = client.get("/healthz").json()
    assert program.stop() == 0
    seen()
    report = fsck.check(config.ledger, verifier)
    assert report.clean, report.lines()
    assert report.types["receipt"] == found["receipts"] == sum(_count(b) for b in bodies[: where - 1])
    assert report.types["rights"] == 3 and report.types["key event"] == 6, "nothing was made twice"
    newest = checkpoints[-1]
    history = HashTree(newest.size, TileCache(lambda tile: _read(config.ledger / tile.path)))
    for old in checkpoints:
        if old.size > 0:
            proof = history.consistency(old.size)
            assert tree.verify_consistency(old.size, newest.size, old.root, newest.root, proof)


def _idle(client):
    found = client.get("/healthz").json()
    return found["ledger_size"] == found["published_size"]


def _count(body):
    return len(batch.parse(body).receipts)


def _read(path):
    return path.read_bytes() if path.exists() else None


def test_the_command_says_in_one_line_what_is_missing(market, tmp_path):
    _, path = market
    code, said = run("fleet", "run", "--config", str(tmp_path / "nowhere.json"))
    assert code == 1 and "stallmark kit new" in said and "Traceback" not in said
    code, said = run("fleet", "run", "--config", str(path))
    assert code == 1 and "stallmark fleet init" in said
    code, said = run("fleet", "status", "--config", str(path))
    assert code == 2 and "No controller answers" in said
    os.chmod(tmp_path / "keys.json", 0o644)
    code, said = run("fleet", "init", "--config", str(path))
    assert code == 1 and "chmod 600" in said


def test_init_run_status_and_a_second_start_go_on_with_one_ledger(market):
    world, path = market
    assert run("fleet", "init", "--config", str(path))[0] == 0
    code, said = run("fleet", "init", "--config", str(path))
    assert code == 1 and "already holds a ledger" in said
    program = Program(path)
    header = {"Authorization": f"Bearer {world.host.token}"}
    body = world.batch(world.receipts(5))
    assert httpx.post(program.url + "/v1/batches", content=body, headers=header).status_code == 200
    code, said = run("fleet", "status", "--config", str(path), "--json")
    assert code == 0 and json.loads(said)["leaves"]["receipt"] == 5
    code, said = run("fleet", "status", "--config", str(path))
    assert code == 0 and "localhost/test/2026 (development)" in said
    code, said = run("fleet", "run", "--config", str(path))
    assert code == 1 and "another controller" in said
    assert program.stop() == 0
    program = Program(path, "--init")  # there is a ledger: nothing is made
    assert httpx.get(program.url + "/healthz").json()["leaves"]["receipt"] == 5
    assert program.stop() == 0


def test_half_a_ledger_is_never_completed_by_a_new_one(market, tmp_path):
    _, path = market
    program = Program(path, "--init")
    program.stop()
    (tmp_path / "stallmark.db").rename(tmp_path / "elsewhere.db")
    code, said = run("fleet", "run", "--config", str(path), "--init")
    assert code == 1 and "restore what is missing" in said
