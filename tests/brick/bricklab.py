"""A real brick in a box: the firmware under MicroPython, its parts as models, and the host's end of its link in this process."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nacl.signing
from stallmark import bundle, cbor, control, event, frame, keys, link, provision, record, rights
from stallmark import registry as reg
from stallmark.crypt import sha256
from virtualkit import interpreter
from virtualkit.pn532 import Chip
from virtualkit.pty import PartPort, Pty
from virtualkit.qrmodule import QrModule

from hostagent.aes import make_ecb

ROOT = Path(__file__).parents[2]
FLASH_BYTES = 8 * 1024 * 1024
KIT, HUB, EVENT = b"kit-0001", b"hub-0001", b"event-01"
HOST8 = b"host-001"
START_MS = 1_790_000_100_000
HEAP = "1m"
FRAME_EVENT, FRAME_OUTCOME = 64, 65


def seeded(name: str) -> bytes:
    """32 bytes that stand for a secret in a test."""
    return sha256(b"brick lab " + name.encode())


class Authors:
    """Three authors, two of whom must sign; a director."""

    def __init__(self) -> None:
        self.signers = [nacl.signing.SigningKey(seeded(f"author {n}")) for n in range(3)]
        self.director = nacl.signing.SigningKey(seeded("director"))

    @property
    def known(self) -> list[tuple[bytes, bytes]]:
        """(kid8, public32) of each author."""
        return [(sha256(s.verify_key.encode())[:8], s.verify_key.encode()) for s in self.signers]

    def bundle(self, ruleset: bytes, rev: int, signers: int = 2, **more: Any) -> bytes:
        """Bundle bytes of a ruleset, signed by the first `signers` authors."""
        payload = bundle.manifest(ruleset, rev, **more)
        message = bundle.pae(bundle.TYPE, payload)
        pairs = [(self.known[n][0], self.signers[n].sign(message).signature) for n in range(signers)]
        return bytes(bundle.join(bundle.envelope(bundle.TYPE, payload, pairs), ruleset))

    def slice(self, number: int, rule: str, unit: int, amount: int, rental: int = 1, kit: bytes = KIT) -> list[bytes]:
        """[payload, signature] of a slice message."""
        payload = rights.encode_slice(number, rights.rule8(rule), unit, amount, kit, rental, START_MS + 10**9)
        return [payload, self.director.sign(rights.slice_message(payload)).signature]


def rule(name: str, when: list[Any], grants: list[Any], need: list[Any], trust: int = 2, limit: int = 1, **more: Any) -> dict:
    """A compiled rule for taps and scans, in slot 0."""
    fields = {
        0: name, 1: [reg.EVENT_NFC_TAP, reg.EVENT_QR_SCAN], 2: trust, 3: [0], 4: when, 5: False, 6: grants, 7: need,
        8: limit, 9: reg.KIND_UNCERTAIN, 10: {}, 11: 3, 12: 3,
    }  # fmt: skip
    return {**fields, **more}


def ruleset(*rules: dict, rev: int = 1, people: int = 500) -> bytes:
    """A compiled ruleset with one slot of ten days around the lab's time."""
    slots = [[START_MS - 5 * 86_400_000, START_MS + 5 * 86_400_000]]
    return bytes(cbor.encode({0: 1, 1: "lab", 2: rev, 3: "EUR", 4: slots, 5: list(rules), 6: None, 7: people, 8: "Lab market"}))


SAMPLES = rule("sample", [0], [[reg.GRANT_SAMPLE, 1, 0]], [[reg.UNIT_PIECES, 1]])


class Host:
    """The host's end: keeps what is committed, answers as a host must, over bytes in and bytes out."""

    def __init__(self, brick8: bytes, link_key: bytes, control_key: bytes, write: Callable[[bytes], None]) -> None:
        self.brick8 = brick8
        self.keys = {0: link_key}
        self.control_key = control_key
        self.write = write
        self.records: list[Any] = []
        self.repeats = 0
        self.statuses: list[dict] = []
        self.diagnostics: list[dict] = []
        self.answers: list[tuple[int, dict]] = []
        self.notices: list[tuple[int, str]] = []
        self.logs: list[str] = []
        self.wall_ms: int | None = START_MS
        self.acknowledge = True
        self.bundle: bytes | None = None
        self.greeting: list[tuple[int, Any]] = []
        self.changed = asyncio.Event()
        self._since = time.monotonic()
        self._queue: list[tuple[int, Any]] = []
        self._reader = frame.Reader()
        self._link = self._new_link()

    def _new_link(self) -> Any:
        return link.HostLink(
            HOST8,
            lambda brick8: dict(self.keys) if brick8 == self.brick8 else None,
            lambda _brick8, epoch, key: self.keys.__setitem__(epoch, key),
            self._drop,
            make_ecb,
            os.urandom,
        )

    def _drop(self, _brick8: bytes, below: int) -> None:
        self.keys = {epoch: key for epoch, key in self.keys.items() if epoch >= below}

    @property
    def up(self) -> bool:
        """True in a session."""
        return bool(self._link.up)

    @property
    def expected(self) -> int:
        """The next seq that is taken."""
        return self.records[-1].seq + 1 if self.records else 1

    def restart(self) -> None:
        """The host's program starts anew; what was committed stays."""
        self._link = self._new_link()
        self._reader = frame.Reader()
        self._queue = []

    def now(self) -> int:
        return int(time.monotonic() * 1000)

    def feed(self, data: bytes) -> None:
        """Bytes from the brick."""
        for kind, body in self._reader.feed(data):
            for happened in self._link.receive(kind, body, self.now()):
                self._take(happened)
        self.pump()
        self.changed.set()

    def _take(self, happened: tuple) -> None:
        match happened:
            case ("up",):
                self._queue = [(reg.MSG_ACK, self._ack())]
                if self.wall_ms is not None:
                    self.send_clock()
                self._queue += self.greeting
                if self.bundle is not None:
                    self.offer(self.bundle)
            case ("message", kind, _, value):
                self._message(kind, value)
            case ("notice", code, text):
                self.notices.append((code, text))
            case ("log", _, text):
                self.logs.append(text)

    def _ack(self) -> dict:
        return {0: self.expected - 1, 1: None, 2: None}

    def send_clock(self, offset_ms: int = 0) -> None:
        """Says what time it is in the lab."""
        assert self.wall_ms is not None
        wall = self.wall_ms + int((time.monotonic() - self._since) * 1000) + offset_ms
        self.send(reg.MSG_CLOCK, {0: wall, 1: 2, 2: 20})

    def offer(self, data: bytes) -> None:
        """Offers a bundle and hands out its chunks."""
        self.bundle = data
        envelope, _ = bundle.split(data)
        self.send(reg.MSG_OFFER, {0: sha256(envelope)[:8], 1: len(data), 2: reg.ARTEFACT_RULESET})

    def ledger_mark(self, seq: int, tag: bytes | None = None) -> None:
        """The controller's mark for everything up to `seq`."""
        good = control.ack_tag(self.control_key, self.brick8, seq)
        self.send(reg.MSG_ACK, {0: self.expected - 1, 1: seq, 2: tag or good})

    def send(self, kind: int, value: Any) -> None:
        """Queues a message."""
        self._queue.append((kind, value))
        self.pump()

    def pump(self) -> None:
        """Writes whatever is due."""
        while self._queue and self._link.room:
            kind, value = self._queue.pop(0)
            self._link.send(kind, value, now_ms=self.now())
        for data in self._link.poll(self.now()):
            self.write(data)

    def _message(self, kind: int, value: Any) -> None:
        if kind == reg.MSG_RECORD:
            self._record(value)
        elif kind == reg.MSG_STATUS:
            self.statuses.append(value)
        elif kind == reg.MSG_DIAGNOSTICS:
            self.diagnostics.append(value)
        elif kind == reg.MSG_CHUNK_WANTED:
            data = self.bundle or b""
            offset = value[1]
            self._queue.append((reg.MSG_CHUNK, {0: value[0], 1: offset, 2: data[offset : offset + 256]}))
        else:
            self.answers.append((kind, value))

    def _record(self, value: list) -> None:
        entry = record.from_parts(*value)
        if entry.seq < self.expected:
            self.repeats += 1
        elif entry.seq > self.expected:
            self._queue.append((reg.MSG_RESEND, {0: self.expected}))
            return
        else:
            before = record.ZERO16 if not self.records else record.link(self.records[-1].public, self.records[-1].mac)
            assert entry.fields[18] == before, f"record {entry.seq} breaks the chain"
            self.records.append(entry)
        if self.acknowledge:
            self._queue.append((reg.MSG_ACK, self._ack()))

    def of_kind(self, *kinds: int) -> list[Any]:
        """Records of these kinds, in order."""
        return [entry for entry in self.records if entry.fields[10] in kinds]


class Lab:
    """One brick: `async with Lab(folder, parts) as lab`. `power_cut` and `start` again as often as a test likes."""

    def __init__(self, folder: Path, parts: tuple[str, ...] = ("nfc",), heap: str = HEAP, **config: Any) -> None:
        self.folder = folder
        self.parts = parts
        self.heap = heap
        self.config = config
        self.flash = folder / "flash.bin"
        self.authors = Authors()
        self.entropy = seeded("bench")
        self.lights: list[tuple[float, str]] = []
        self.tones: list[int] = []
        self.feeds = 0
        self.torn: list[str] = []
        self.resets: list[str] = []
        self.booted = 0
        self.host: Host | None = None
        self.chip = Chip(seed=1)
        self.qr = QrModule(seed=1)
        self.outcomes: list[list] = []
        self._events = frame.Reader()
        self._process: asyncio.subprocess.Process | None = None
        self._answers: list[bytes] = []
        self._bench = frame.Reader()
        self._order = 0
        self.changed = asyncio.Event()

    async def __aenter__(self) -> "Lab":
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.flash.exists():
            self.flash.write_bytes(b"\xff" * FLASH_BYTES)
        self.control = self.folder / "control"
        self.control.write_bytes(bytes(16))
        self.link = Pty(self.folder / "link", self._from_brick)
        self.link.plug()
        self._ports: list[Any] = []
        self.uarts = {"link": str(self.link.path)}
        for name, model in (("nfc", self.chip), ("qr", self.qr)):
            if name in self.parts:
                port = PartPort(model, self.folder / name, time.monotonic_ns)
                self._ports.append(port)
                self.uarts[name] = str(port.pty.path)
        if "events" in self.parts:
            self.events = Pty(self.folder / "events", self._from_events)
            self.events.plug()
            self._ports.append(self.events)
            self.uarts["events"] = str(self.events.path)
        os.mkfifo(self.folder / "gpio")
        self._gpio = os.open(self.folder / "gpio", os.O_RDWR | os.O_NONBLOCK)
        self._gpio_rest = b""
        asyncio.get_running_loop().add_reader(self._gpio, self._edges)
        await self.start()
        self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticker.cancel()
        await self.kill()
        asyncio.get_running_loop().remove_reader(self._gpio)
        os.close(self._gpio)
        for port in [self.link, *self._ports]:
            port.close()
        (self.folder / "gpio").unlink()

    async def start(self) -> None:
        """Power on."""
        path = self.folder / "config.json"
        path.write_text(
            json.dumps(
                {
                    "gpio": str(self.folder / "gpio"),
                    "uarts": self.uarts,
                    "flash": str(self.flash),
                    "flash_bytes": FLASH_BYTES,
                    "control": str(self.control),
                    "clock": None,
                    "hardware": "virtual-s3-8m",
                    "firmware": seeded("firmware").hex(),
                    "parts": list(self.parts),
                    **self.config,
                }
            )
        )
        firmware = os.environ.get("STALLMARK_FIRMWARE", str(ROOT / "firmware"))
        self.output = open(self.folder / "output.txt", "ab")
        self._process = await asyncio.create_subprocess_exec(
            str(interpreter.find()), "-X", f"heapsize={self.heap}",
            str(ROOT / "hardware" / "virtualkit" / "upy" / "brick_main.py"), str(path),
            stdin=asyncio.subprocess.PIPE, stdout=self.output, stderr=self.output,
            env={**os.environ, "MICROPYPATH": f".frozen:{firmware}:{ROOT / 'hardware' / 'virtualkit' / 'upy'}"},
        )  # fmt: skip

    async def kill(self) -> None:
        """Power off, now."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None
            self.output.close()
            self.link.flush()
            self.chip.reset()
            self.qr.reset()

    async def power_cut(self, pick: int) -> None:
        """Power goes inside the next flash operation; waits until it has torn, then ends the process."""
        self._order += 1
        seen = len(self.torn)
        self.control.write_bytes(self._order.to_bytes(8, "big") + pick.to_bytes(8, "big"))
        await self.until(lambda: len(self.torn) > seen, "a torn flash operation")
        await self.kill()

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.returncode is None

    def words(self) -> str:
        """What the process printed: tracebacks, nothing else."""
        return (self.folder / "output.txt").read_text(errors="replace")

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
        """Waits for a condition that arriving bytes and edges may make true."""
        end = time.monotonic() + seconds
        while not condition():
            said = self.host.logs if self.host else []
            assert self.alive or self._process is None, f"the brick ended while waiting for {what}: {self.words()}"
            assert "Traceback" not in self.words(), self.words()
            assert time.monotonic() < end, f"waited {seconds} s for {what}; logs {said}; output {self.words()!r}"
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), 0.05)
            except TimeoutError:
                continue

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            if self.host is not None:
                self.host.pump()

    # --- lines

    def _edges(self) -> None:
        now = time.monotonic()
        data = self._gpio_rest + os.read(self._gpio, 65536)
        *lines, self._gpio_rest = data.split(b"\n")
        for raw in lines:
            line = raw.decode()
            if line[0] == "L":
                self.lights.append((now, line[1:]))
            elif line[0] == "T":
                self.tones.append(int(line[1:]))
            elif line[0] == "W":
                self.feeds += 1
            elif line[0] == "X":
                self.torn.append(line)
            elif line[0] == "R":
                self.resets.append(line)
                self.chip.reset()
            elif line[0] == "B":
                self.booted += 1
        self.changed.set()

    def _from_brick(self, data: bytes) -> None:
        if self.host is not None:
            self.host.feed(data)
        else:
            for kind, body in self._bench.feed(data):
                if kind == reg.FRAME_PROVISION_ANSWER:
                    self._answers.append(body)
        self.changed.set()

    def _from_events(self, data: bytes) -> None:
        for kind, body in self._events.feed(data):
            if kind == FRAME_OUTCOME:
                self.outcomes.append(cbor.decode(body))
        self.changed.set()

    # --- the bench

    async def _ask(self, body: bytes) -> bytes:
        seen = len(self._answers)
        for _ in range(40):
            self.link.write(b"\x00" + frame.build(reg.FRAME_PROVISION_REQUEST, body))
            try:
                await self.until(lambda: len(self._answers) > seen, "the bench's answer", 0.5)
            except AssertionError:
                continue
            return self._answers[-1]
        raise AssertionError(f"the brick does not answer the bench: {self.words()}")

    async def provision(self, threshold: int = 2) -> Host:
        """Gives the blank brick its keys and returns the host that now may talk to it."""
        identity = provision.parse_identity(await self._ask(provision.identify_request()))
        request = provision.provision_request(
            self.entropy, 1, seeded("event key"), EVENT, self.authors.known, threshold, KIT, HUB,
            self.authors.director.verify_key.encode(), HOST8, START_MS, "EUR",
        )  # fmt: skip
        brick8, _, root = provision.finish(request, identity, await self._ask(request))
        self.root = root
        self.host = Host(brick8, keys.link_key0(root), keys.control_key(root), self.link.write)
        return self.host

    # --- the market

    def inject(self, subject: bytes | None, trust: int = reg.TRUST_ISSUED, nonce: bytes | None = None) -> None:
        """Puts an event on the event port."""
        e = event.make(type=reg.EVENT_NFC_TAP, trust=trust, subject=subject, nonce=nonce or os.urandom(8))
        self.events.write(frame.build(FRAME_EVENT, event.encode(e)))

    async def ready(self) -> Host:
        """Waits for a session and everything recorded so far."""
        host = self.host
        assert host is not None
        await self.until(lambda: host.up and host.statuses, "the link")
        return host
