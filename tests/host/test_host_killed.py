"""SIGKILL of a running host in every state of an update: what the next start fetches, hands out and reports, as a table."""

import asyncio
import contextlib
import hashlib
import signal
import threading
import time

import apsw
from hostkit import host_folder, store_key, until
from stallmark import registry as reg
from test_host_directives import director_of
from test_host_kill import start
from test_host_updater import Installer, as_config, make

from fleet.app import create
from fleet.clock import RealClock
from fleet.config import load
from fleet.controller import initialise
from fleet.desired import folder as releases
from fleet.server import Server
from hostagent.errors import StoreDamaged, StoreUnavailable
from hostagent.store import database
from hostagent.targets import NOTED
from tests.world import World

AGAIN, ON, NOT = "from 0", "goes on", "not again"
TRACE = (
    # killed when                   the next start gets: directive, envelope, artefact; the brick gets its pieces
    ("the directive is kept",       (NOT, AGAIN, AGAIN, AGAIN)),
    ("the envelope is fetched",     (NOT, NOT, AGAIN, AGAIN)),
    ("half the artefact is here",   (NOT, NOT, ON, AGAIN)),
    ("the brick has the offer",     (NOT, NOT, NOT, AGAIN)),
    ("the brick has half of it",    (NOT, NOT, NOT, ON)),
    ("it runs, nothing is said",    (NOT, NOT, NOT, NOT)),
    ("it runs, and that is said",   (NOT, NOT, NOT, NOT)),
)  # fmt: skip
HALF = 1_024  # bytes at the brick
SUITE = ("the brick has half of it",)  # in the suite; the campaign kills in every state


class Gate:
    """Stands before the controller's application: keeps an answer back, gives a part of it, counts what was given."""

    def __init__(self, app):
        self.app = app
        self.held = ""  # the beginning of a path whose requests wait
        self.part = 0  # bytes of a held answer that are given all the same
        self.given = []  # (path, offset) of answers with a body, whole or in part

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "")
        if scope["type"] != "http" or not self.held or not path.startswith(self.held):
            await self.app(scope, receive, self._counted(scope, send))
            return
        if self.part:
            await self.app(scope, receive, self._cut(scope, send))
        while self.held and path.startswith(self.held):
            await asyncio.sleep(0.02)

    def _counted(self, scope, send):
        async def sending(message):
            if message["type"] == "http.response.start" and message["status"] in (200, 206):
                wanted = dict(scope["headers"]).get(b"range", b"bytes=0-").decode()
                self.given.append((scope["path"], int(wanted[6:].partition("-")[0])))
            await send(message)

        return sending

    def _cut(self, scope, send):
        async def sending(message):
            if message["type"] == "http.response.body":
                message = message | {"body": message["body"][: self.part], "more_body": True}
            await send(message)

        return sending


class Slow(Installer):
    """A brick that asks for no more where it has so many bytes, and keeps what it has when the link is lost."""

    enough = None
    began = None  # at which byte it went on under this host's life

    def _message(self, kind, value):
        before = self.fetching
        super(Installer, self)._message(kind, value)
        if kind == reg.MSG_OFFER:
            same = before is not None and before[0] == value[0]
            self.fetching = (value[0], value[1], before[2] if same else bytearray())
            self._want()
        elif kind == reg.MSG_CHUNK and self.fetching and value[1] == len(self.fetching[2]):
            self.fetching[2].extend(value[2])
            self._want()

    def _want(self):
        if self.enough is not None and len(self.fetching[2]) >= self.enough:
            return
        if self.began is None:
            self.began = len(self.fetching[2])
        super()._want()


class Market:
    """One kit of one brick: the controller on a thread behind a gate, the host a process that dies."""

    def __init__(self, path):
        self.path = path
        self.world = World(19)
        self.world.brick()
        self.revision = 0
        self.kit = self.world.kit

    async def open(self):
        """Up and asking."""
        config = load(self.world.controller(self.path / "fleet"))
        initialise(config, RealClock())
        app = create(config, RealClock())
        self.server = Server(app)
        self.gate = self.server.config.app = Gate(self.server.config.app)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        await until(lambda: self.server.started, "the controller is up")
        self.desired = app.state.controller.desired
        port = self.server.servers[0].sockets[0].getsockname()[1]
        folder = self.path / "host"
        self.config = host_folder(
            self.world,
            folder,
            f"http://127.0.0.1:{port}",
            authors=as_config(self.world),
            director=director_of(self.world),
        )
        self.brick = Slow(self.world, 0, folder)
        self.brick.plug()
        self.host = await start(self.config)

    async def close(self):
        """Nothing runs on."""
        self.gate.held = ""
        if self.host.returncode is None:
            self.host.kill()
        await self.host.wait()
        self.brick.unplug()
        self.server.should_exit = True
        await asyncio.to_thread(self.thread.join, 60)

    def rows(self, query, *values):
        """What is in the host's store, by another connection."""
        path = self.path / "host" / "host.db"
        try:
            with contextlib.closing(database.connect(path, store_key(self.world), readonly=True)) as sql:
                return sql.execute(query, values).fetchall()
        except (StoreDamaged, StoreUnavailable, apsw.SQLError):  # not there yet
            return []

    def kept(self, digest, whole):
        """Bytes of a target in the host's store."""
        return sum(
            len(row[0])
            for row in self.rows("SELECT data FROM targets WHERE digest = ? AND whole = ?", digest, whole)
        )

    async def order(self, size):
        """Another ruleset for the kit."""
        self.revision += 1
        data = make(self.world, self.world.octets(size), self.revision)
        self.release = releases.read(data)
        self.data = data
        self.envelope, self.artefact = (
            f"/v1/targets/{one.hex()}" for one in (self.release.digest, self.release.artefact)
        )
        self.desired.add(data)
        items = self.release.items([self.brick.brick.brick8])
        return lambda: asyncio.to_thread(self.desired.set, self.kit, items, f"release {self.revision}")

    def knows(self, since_ms=0):
        """Whether the controller was told, since then, that the brick runs it."""
        facts = self.desired.facts(self.kit)
        said = facts.said(self.brick.brick.brick8)
        return (
            facts.report is not None and facts.report_ms > since_ms and said is not None and said.connected
            and facts.report.active == facts.head.etag and said.ruleset == self.release.artefact.hex()
        )  # fmt: skip


def numbered(market):
    return market.rows("SELECT active_ms FROM intent WHERE etag = ?", market.desired.head(market.kit).etag)


def reached(market):
    """By state: (what the gate holds, whether a part of it passes, bytes after which the brick waits, whether it is reached)."""
    status = f"/v1/kits/{market.kit.hex()}/status"
    release, brick = market.release, market.brick

    def has():
        return brick.fetching and brick.fetching[0] == release.digest[:8]

    return {
        "the directive is kept": (market.envelope, 0, None, lambda: numbered(market)),
        "the envelope is fetched": (market.artefact, 0, None, lambda: market.kept(release.digest, 1)),
        "half the artefact is here": (market.artefact, NOTED + 5_000, None, lambda: market.kept(release.artefact, 0)),
        "the brick has the offer": ("", 0, 0, has),
        "the brick has half of it": ("", 0, HALF, lambda: has() and len(brick.fetching[2]) >= HALF),
        "it runs, nothing is said": (status, 0, None, lambda: (row := numbered(market)) and row[0][0] is not None),
        "it runs, and that is said": ("", 0, None, market.knows),
    }  # fmt: skip


async def kill(market, state):
    """One row: what the start after the kill got, as the table has it. Ends with the kit as it was ordered, and said."""
    order = await market.order(NOTED + 20_000 if state.startswith("half") else 2_000)
    held, part, enough, there = reached(market)[state]
    market.gate.held, market.gate.part, market.brick.enough = held, part, enough
    await order()
    await until(there, state)
    market.host.send_signal(signal.SIGKILL)
    await market.host.wait()
    assert not held or market.desired.facts(market.kit).report is None or not market.knows(), (
        "it was said before"
    )
    half = (
        market.kept(market.release.artefact, 0),
        len(market.brick.fetching[2]) if market.brick.fetching else 0,
    )
    market.gate.given.clear()
    market.brick.began = market.brick.enough = None
    market.gate.held, market.gate.part = "", 0
    since = time.time_ns() // 1_000_000
    market.host = await start(market.config)
    await until(
        lambda: market.host.returncode is not None or market.knows(since), f"{state}: the controller is told"
    )
    assert market.host.returncode is None, (await market.host.stderr.read()).decode()
    assert market.brick.installed == market.data
    assert market.brick.ruleset == hashlib.sha256(market.release.data).digest()
    given = dict(market.gate.given)
    assert len([1 for path, _ in market.gate.given if path.startswith("/v1/targets/")]) <= 2, (
        "nothing is fetched twice"
    )

    def word(offset, had):
        return (
            NOT
            if offset is None
            else AGAIN
            if offset == 0
            else ON
            if offset == had
            else f"at {offset} of {had}"
        )

    return (
        word(given.get(f"/v1/kits/{market.kit.hex()}/directive"), 0),
        word(given.get(market.envelope), 0),
        word(given.get(market.artefact), half[0]),
        word(market.brick.began, half[1]),
    )


async def play(path, states, say=lambda state, wanted, seen: None):
    """Kills in these states, one after the other, of one kit's life. AssertionError where the table says otherwise."""
    market = Market(path)
    await market.open()
    try:
        for state, wanted in TRACE:
            if state in states:
                seen = await kill(market, state)
                say(state, wanted, seen)
                assert seen == wanted, f"killed when {state}: {seen}, and the table says {wanted}"
    finally:
        await market.close()


def test_a_host_killed_in_a_state_of_an_update_goes_on_as_the_table_says(tmp_path):
    asyncio.run(play(tmp_path, SUITE))
