"""A host's world for tests: its folder, bricks on pseudo-terminals that speak the core's link, a
controller on demand."""

import asyncio
import contextlib
import hashlib
import json
import os
import pty
import random
import tty
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from stallmark import batch, control, frame, keys, link, record
from stallmark import registry as reg
from stallmark.errors import FullError

from fleet.config import Host as FleetHost
from fleet.errors import Refused
from fleet.ingest import HostState, check
from hostagent import config as configuration
from hostagent.aes import make_ecb
from hostagent.agent import Agent
from hostagent.backoff import Backoff
from tests.world import World

TIMEOUT_S = 60.0


async def until(condition: Callable[[], object], what: str = "", seconds: float = TIMEOUT_S) -> None:
    """Waits for a condition, looking often; fails with `what` when it does not come true."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, f"waited {seconds:g} s for: {what or condition}"
        await asyncio.sleep(0.005)


def host_folder(world: World, folder: Path, controller: str = "http://127.0.0.1:9", **more: object) -> Path:
    """Writes config.json and keys.json of the world's host, ports run/brick-N; the path of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run").mkdir(exist_ok=True)
    host = world.host
    config = {
        "development": True,
        "name": host.name,
        "host": host.host8.hex(),
        "kit": world.kit.hex(),
        "hub": world.hub.hex(),
        "event": world.event.hex(),
        "rental": world.rental,
        "store": "host.db",
        "controller": controller,
        "public_url": "http://stall.test",
        "port": 0,
        "clock_file": None,
        "poll_s": 0.05,
        "terms": None,
        "bricks": [
            {"brick": brick.brick8.hex(), "name": f"brick-{n + 1}", "port": f"run/brick-{n + 1}"}
            for n, brick in enumerate(world.bricks)
        ],
        **({} if world.lane is None else {"lane": {"brick": world.lane.brick8.hex()}}),
        **more,
    }
    secrets = {
        "signing_seed": host.seed.hex(),
        "store_key": store_key(world).hex(),
        "handle_key": host.handle_key.hex(),
        "api_token": host.token,
        "links": [
            {"brick": brick.brick8.hex(), "epoch": 0, "key": keys.link_key0(brick.root).hex()}
            for brick in world.bricks
        ],
        "event_key": world.event_key.hex(),
        "voucher_seed": voucher_seed(world).hex(),
        "tills": [
            {
                "name": name,
                "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
                "names_customers": name.endswith("-members"),
            }
            for name, token in world.tills.items()
        ],
    }
    if world.lane is not None:
        secrets["lane"] = {
            "brick": world.lane.brick8.hex(),
            "root": world.lane.root.hex(),
            "only": world.lane_only.hex(),
        }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    handle = os.open(folder / "keys.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(secrets, out)
    return path


def voucher_seed(world: World) -> bytes:
    """The seed of the vouchers that a world's host makes."""
    return random.Random(world.seed + 2).randbytes(32)


def store_key(world: World) -> bytes:
    """The store key of a world's host."""
    return random.Random(world.seed + 1).randbytes(32)


def quick_backoff() -> Backoff:
    """Attempts that follow each other within milliseconds."""
    return Backoff(0.005, 0.02)


@contextlib.asynccontextmanager
async def running(path: Path, close_s: float = 0.1) -> AsyncIterator[Agent]:
    """An agent that serves, closing batches after `close_s`; what it dies of is raised here."""
    agent = Agent(configuration.load(path), quick_backoff)
    agent.forwarder.close_s = close_s
    ready = asyncio.Event()
    task = asyncio.create_task(agent.run(ready.set), name="agent")
    try:
        up = asyncio.create_task(ready.wait())
        await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if task.done():
            await task
        yield agent
    finally:
        agent.stop()
        await task


class PtyBrick:
    """A brick of the world at the other end of a pseudo-terminal: core link, a journal in memory, no
    decisions."""

    def __init__(self, world: World, number: int, folder: Path) -> None:
        self.world = world
        self.brick = world.bricks[number]
        self.path = folder / "run" / f"brick-{number + 1}"
        self.journal: dict[int, record.Record] = {}
        self.epoch, self.key = 0, keys.link_key0(self.brick.root)
        self.host_seq = 0
        self.ledger_seq = 0
        self.oldest = 1
        self.acks: list[int] = []
        self.got: list[tuple[int, object]] = []
        self.slices: dict[int, int] = {}
        self.ruleset: bytes | None = None
        self.uptime_ms = 0
        self.diagnostics: dict | None = None
        self.link: link.BrickLink | None = None
        self.damage: Callable[[bytes], bytes] = lambda data: data
        self._boot = 0
        self._next = 1
        self._master = self._slave = -1
        self._timer: asyncio.TimerHandle | None = None
        self._reader = frame.Reader()

    # --- the cable and the power

    def plug(self) -> None:
        """Puts the cable in; a name appears."""
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        self._reader = frame.Reader()
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        if self.link is None:
            self.power_on()
        else:
            self._turn()

    def unplug(self) -> None:
        """Pulls the cable; the brick runs on."""
        asyncio.get_running_loop().remove_reader(self._master)
        if self._timer is not None:
            self._timer.cancel()
        os.close(self._master)
        os.close(self._slave)
        self._master = -1
        self.path.unlink(missing_ok=True)

    def power_on(self) -> None:
        """A start: what is in memory is gone, the journal and the keys are not."""
        self._boot += 1
        self._next = self.host_seq + 1
        self.slices = {}
        self.link = link.BrickLink(
            self.brick.brick8,
            self.epoch,
            self.key,
            self._boot,
            make_ecb,
            os.urandom,
            self._advance,
            self._rekeyed,
        )
        self._turn()

    def _rekeyed(self, epoch: int, tag: bytes) -> bytes | None:
        return control.rekey_taken(self.brick.control_key, self.brick.brick8, epoch, tag)

    def _advance(self, epoch: int, key: bytes) -> None:
        self.epoch, self.key = epoch, key

    # --- records

    def decide(self, count: int = 1, **more: object) -> None:
        """Makes decisions and hands them to the link."""
        for _ in range(count):
            self.add(self.world.record(brick=self.brick, **more))
        self._turn()

    def add(self, made: record.Record) -> None:
        """Puts a record into the journal as it is."""
        self.journal[made.seq] = made

    @property
    def head(self) -> int:
        """The newest seq."""
        return max(self.journal, default=0)

    def send(self, kind: int, value: object) -> None:
        """Any message, as it is."""
        assert self.link is not None
        self.link.send(kind, value, None, self._now())
        self._turn()

    def status(self) -> None:
        """Sends the status message."""
        value = {
            0: self._boot,
            1: self.head + 1,
            2: self.oldest,
            3: bytes(16),
            4: bytes(8),
            5: None if self.ruleset is None else self.ruleset[:8],
            6: 1000,
            7: reg.QUALITY_HOST,
            8: 0,
            9: [[number, left] for number, left in self.slices.items()],
            10: 1,
            11: 0,
            12: self.ruleset,
            13: bytes(32),
        }
        with contextlib.suppress(FullError):
            self.link.send(reg.MSG_STATUS, value, None, self._now())

    def raw(self, data: bytes) -> None:
        """Bytes onto the wire as they are."""
        if self._master >= 0:
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(self._master, data)

    # --- the link

    def _now(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError:
            return
        for kind, body in self._reader.feed(data):
            self._events(self.link.receive(kind, body, self._now()))
        self._turn()

    def _events(self, events: list[tuple]) -> None:
        for event in events:
            if event[0] == "up":
                self._next = self.host_seq + 1
                self.status()
            elif event[0] == "message":
                self._message(event[1], event[3])

    def _message(self, kind: int, value: dict) -> None:
        self.got.append((kind, value))
        if kind == reg.MSG_ACK:
            self.acks.append(value[0])
            assert value[0] <= self.head, "acknowledged what was never sent"
            self.host_seq = max(self.host_seq, value[0])
            if value[1] is not None and control.ack_good(
                self.brick.control_key, self.brick.brick8, value[1], value[2]
            ):
                self.ledger_seq = max(self.ledger_seq, value[1])
        elif kind == reg.MSG_RESEND:
            self._next = max(self.oldest, value[0])
        elif kind == reg.MSG_IDENTIFY:
            self.status()
            if self.diagnostics is not None:
                self.link.send(reg.MSG_DIAGNOSTICS, self.diagnostics, None, self._now())

    def _turn(self) -> None:
        """Sends what there is room for and comes back when the link wants it."""
        if self._master < 0 or self.link is None:
            return
        while self.link.up and self.link.room > 1 and self._next in self.journal:
            made = self.journal[self._next]
            self.link.send(reg.MSG_RECORD, [made.seq, made.public, made.mac, made.private], None, self._now())
            self._next += 1
        for data in self.link.poll(self._now()):
            self.raw(self.damage(bytes(data)))
        self._events(self.link.events())
        if self._timer is not None:
            self._timer.cancel()
        due = max(5, min(200, self.link.next_due(self._now())))
        self._timer = asyncio.get_running_loop().call_later(due / 1000, self._turn)


NESTED = b"[" * 50_000


class OnDemand:
    """A controller over real HTTP that does what a test asks of it: `faults` are used up first, one a batch.

    A fault: "500", "401", "half", "nothing", "hang", "not json", "nested", "nested 500" (JSON of 50,000 levels),
    "lost" (takes the batch, the answer never comes), "other number", "413", "422". Batches are checked as the
    real controller does (fleet.ingest).
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.state = HostState()
        self.bodies: list[bytes] = []
        self.receipts: list[bytes] = []
        self.faults: deque[str] = deque()
        self.key_faults: deque[str] = deque()
        self.keys: dict[str, dict] = {}
        self.requests: list[str] = []
        self.bundle: tuple[str, bytes] | None = None
        self.slices: list[dict] = []
        self.nested_slices = 0  # so many answers to come are no slices but NESTED
        self.port = 0
        self._marks: dict[bytes, int] = {}
        self._server: asyncio.Server | None = None
        self._hanging: set[asyncio.StreamWriter] = set()
        host = world.host
        self.host = FleetHost(host.host8, host.public, host.name, bytes(32), world.kit)

    @property
    def address(self) -> str:
        """For config.json."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listens, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Goes away."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._hanging):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hanging.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.decode().split("\r\n")[1:])
                }
                length = int(headers.get("content-length", "0"))
                body = await reader.readexactly(length) if length else b""
                if headers.get("transfer-encoding") == "chunked":
                    while (size := int((await reader.readline()).split(b";")[0], 16)) > 0:
                        body += await reader.readexactly(size)
                        await reader.readline()
                    await reader.readline()
                self.requests.append(f"{method} {path}")
                assert headers["authorization"] == f"Bearer {self.world.host.token}"
                if not await self._answer(writer, path, headers, body):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._hanging.discard(writer)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, headers: dict, body: bytes) -> bool:
        if path == "/v1/batches":
            fault = self.faults.popleft() if self.faults else ""
            return await self._batch(writer, body, fault)
        if path == "/v1/private-keys":
            if self.key_faults and self.key_faults.popleft():
                return await _reply(writer, 500, b"{}")
            for key in json.loads(body)["keys"]:
                self.keys[key["id"]] = key
            return await _reply(writer, 200, b"{}")
        if path.endswith("/next"):
            state = self.state
            answer = {
                "number": state.number + 1,
                "prev": state.prev.hex(),
                "host_seq": state.host_seq + 1,
                "prev_receipt": state.prev_receipt.hex(),
            }
            return await _reply(writer, 200, json.dumps(answer).encode())
        if path.endswith("/slices") and self.nested_slices:
            self.nested_slices -= 1
            return await _reply(writer, 200, NESTED)
        if path.endswith("/slices"):
            return await _reply(writer, 200, json.dumps({"slices": self.slices}).encode())
        if path.endswith("/bundle"):
            if self.bundle is None:
                return await _reply(writer, 404, b"{}")
            etag, data = self.bundle
            if headers.get("if-none-match") == etag:
                return await _reply(writer, 304, b"", etag)
            return await _reply(writer, 200, data, etag)
        return await _reply(writer, 404, b"{}")

    async def _batch(self, writer: asyncio.StreamWriter, body: bytes, fault: str) -> bool:
        if fault in ("500", "401", "413", "422"):
            return await _reply(writer, int(fault), b'{"reason": "as the test asks"}')
        if fault == "nothing":
            return False
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "nested 500":
            return await _reply(writer, 500, NESTED)
        status, answer = self._take(body)
        if fault == "lost":
            return False
        if fault == "half":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + answer[: len(answer) // 2])
            await writer.drain()
            return False
        if fault == "not json":
            answer = b"<html>a captive portal</html>"
        if fault == "nested":
            answer = NESTED
        if fault == "other number":
            answer = json.dumps({**json.loads(answer), "number": 999}).encode()
        return await _reply(writer, status, answer)

    def _take(self, body: bytes) -> tuple[int, bytes]:
        try:
            checked = check(body, self.host, self.state)
        except Refused as refused:
            header = batch.parse(body).header
            if any(batch.parse(known).header == header for known in self.bodies):
                assert body in self.bodies, "the same batch with other bytes"
                return 200, self._marked(batch.parse(body).head.fields[2])
            return refused.status, json.dumps({"reason": str(refused), **refused.more}).encode()
        for entry in batch.parse(body).private:
            assert entry[3].hex() in self.keys, "a private part came before its key"
        self.state = checked.after
        self.bodies.append(body)
        for taken in checked.receipts:
            self.receipts.append(taken.cose)
            if taken.record is not None:
                self._marks[taken.record[1]] = taken.record[2]
        return 200, self._marked(checked.head[2])

    def _marked(self, number: int) -> bytes:
        lane = [] if self.world.lane is None else [self.world.lane]
        by_id = {brick.brick8: brick for brick in [*self.world.bricks, *lane]}
        marks = [
            {
                "brick": brick8.hex(),
                "ledger_seq": seq,
                "tag": control.ack_tag(by_id[brick8].control_key, brick8, seq).hex(),
            }
            for brick8, seq in self._marks.items()
        ]
        return json.dumps({"number": number, "ledger_size": len(self.receipts), "marks": marks}).encode()


async def _reply(writer: asyncio.StreamWriter, status: int, body: bytes, etag: str | None = None) -> bool:
    tag = "" if etag is None else f"etag: {etag}\r\n"
    size = "" if status == 304 else f"content-length: {len(body)}\r\n"
    writer.write(f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{tag}{size}\r\n".encode() + body)
    await writer.drain()
    return True
