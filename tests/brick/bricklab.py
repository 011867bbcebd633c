"""A real brick and a host in this process: firmware under MicroPython, models, the link's other end."""

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nacl.signing
from stallmark import bundle, cbor, control, event, frame, hostlink, keys, provision, record, rights, session
from stallmark import registry as reg
from stallmark.crypt import sha256
from virtualkit.brick import BrickSpec, VirtualBrick
from virtualkit.kit import new_flash

from hostagent.aes import make_ecb

FLASH_BYTES = 8 * 1024 * 1024
KIT, HUB, EVENT = b"kit-0001", b"hub-0001", b"event-01"
HOST8 = b"host-001"
EVENT_KEY = sha256(b"brick lab event key")
START_MS = 1_790_000_100_000
HEAP = 1024 * 1024
FRAME_EVENT, FRAME_OUTCOME = 64, 65
PATIENCE_S = 60.0  # a loaded machine lets a process stand still for seconds


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
        publics = [signer.verify_key.encode() for signer in self.signers]
        return [(sha256(public)[:8], public) for public in publics]

    def bundle(self, ruleset: bytes, rev: int, signers: int = 2, **more: Any) -> bytes:
        """Bundle bytes of a ruleset with so many signatures."""
        payload = bundle.manifest(ruleset, rev, **more)
        message = bundle.pae(bundle.TYPE, payload)
        pairs = [(self.known[n][0], self.signers[n].sign(message).signature) for n in range(signers)]
        return bytes(bundle.join(bundle.envelope(bundle.TYPE, payload, pairs), ruleset))

    def slice(
        self, number: int, rule: str, unit: int, amount: int, rental: int = 1, kit: bytes = KIT
    ) -> dict[int, bytes]:
        """The message of a slice."""
        payload = rights.encode_slice(number, rights.rule8(rule), unit, amount, kit, rental, START_MS + 10**9)
        return {0: payload, 1: self.director.sign(rights.slice_message(payload)).signature}


def rule(
    name: str, when: list[Any], grants: list[Any], need: list[Any], trust: int = 2, limit: int = 1, **f: Any
) -> dict[int, Any]:
    """A compiled rule for taps and scans, in slot 0; `f`: other fields as fN."""
    fields = {
        0: name, 1: [reg.EVENT_NFC_TAP, reg.EVENT_QR_SCAN], 2: trust, 3: [0], 4: when, 5: False,
        6: grants, 7: need, 8: limit, 9: reg.KIND_UNCERTAIN, 10: {}, 11: 3, 12: 3,
    }  # fmt: skip
    return fields | {int(name[1:]): value for name, value in f.items()}


def ruleset(*rules: dict[int, Any], rev: int = 1, people: int = 500) -> bytes:
    """A compiled ruleset with one slot of ten days around the lab's time."""
    slots = [[START_MS - 5 * 86_400_000, START_MS + 5 * 86_400_000]]
    fields = {0: 1, 1: "lab", 2: rev, 3: "EUR", 4: slots, 5: list(rules), 6: None, 7: people, 8: "Lab market"}
    return bytes(cbor.encode(fields))


def rule2(name: str, when: list[Any], grants: list[Any], need: list[int], **f: Any) -> dict[int, Any]:
    """A compiled rule of version 2 for taps, scans and sales, in slot 0, once for each person; `f`: fields as fN."""
    fields = {
        0: name, 1: [reg.EVENT_NFC_TAP, reg.EVENT_QR_SCAN, reg.EVENT_TILL_SALE], 2: 2, 3: [0], 4: when, 5: False,
        6: grants, 7: need, 8: [[0, 1]], 9: [reg.KIND_UNCERTAIN, 1, 0, 0], 10: [[None, None, None]], 11: 3, 12: 3,
        13: None, 14: None, 15: [], 16: None, 17: None, 18: 0, 19: None, 20: None, 21: None,
    }  # fmt: skip
    return fields | {int(name[1:]): value for name, value in f.items()}


def ruleset2(*rules: dict[int, Any], rev: int = 1, people: int = 500, **f: Any) -> bytes:
    """A compiled ruleset of version 2 with one slot of ten days around the lab's time; `f`: fields as fN."""
    slots = [[START_MS - 5 * 86_400_000, START_MS + 5 * 86_400_000]]
    fields = {
        0: 2, 1: "lab", 2: rev, 3: "EUR", 4: slots, 5: list(rules), 6: None, 7: people, 8: "Lab market",
        9: ["en"], 10: [], 11: None, 12: [], 13: [], 14: [], 15: [], 16: 0,
    }  # fmt: skip
    return bytes(cbor.encode(fields | {int(name[1:]): value for name, value in f.items()}))


SAMPLES = rule("sample", [0], [[reg.GRANT_SAMPLE, 1, 0]], [[reg.UNIT_PIECES, 1]])


class Host:
    """The host's end: keeps what is committed, answers as a host must, over bytes in and bytes out."""

    def __init__(self, brick8: bytes, root: bytes, write: Callable[[bytes], None]) -> None:
        self.brick8 = brick8
        self.root = root
        self.keys = {0: keys.link_key0(root)}
        self.control_key = keys.control_key(root)
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
        self.bundle_kind = reg.ARTEFACT_RULESET
        self.greeting: list[tuple[int, Any]] = []
        self.silent = False  # neither hears nor speaks
        self.withhold_after: int | None = None  # chunks from this offset on are not handed out
        self.wanted: list[int] = []
        self.keep_frames = False
        self.kept: list[bytes] = []
        self._since = time.monotonic()
        self._queue: list[tuple[int, Any]] = []
        self._reader = frame.Reader()
        self._link = self._new_link()

    def _new_link(self) -> Any:
        return hostlink.HostLink(
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
    def idle(self) -> bool:
        """True in a session in which the brick has taken everything that was sent."""
        return self.up and not self._queue and self._link.room == session.WINDOW + session.QUEUE

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
        if self.silent:
            return
        for kind, body in self._reader.feed(data):
            for happened in self._link.receive(kind, body, self.now()):
                self._take(happened)
        self.pump()

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

    def offer(self, data: bytes, length: int | None = None, digest: bytes | None = None) -> None:
        """Offers a bundle and hands out its chunks; `length`, `digest`: a lie in the offer."""
        self.bundle = data
        digest8 = digest or sha256(bundle.split(data)[0])[:8]
        self.send(reg.MSG_OFFER, {0: digest8, 1: length or len(data), 2: self.bundle_kind})

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
        if self.silent:
            return
        while self._queue and self._link.room:
            kind, value = self._queue.pop(0)
            self._link.send(kind, value, now_ms=self.now())
        for data in self._link.poll(self.now()):
            if self.keep_frames:
                self.kept.append(data)
            self.write(data)

    def raw(self, data: bytes) -> None:
        """Writes bytes past the link."""
        self.write(data)

    @property
    def refused(self) -> bool:
        """True where a brick's handshake did not fit."""
        return bool(self._link.bad_handshakes)

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
            self.wanted.append(offset)
            if self.withhold_after is not None and offset >= self.withhold_after:
                return
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
            last = self.records[-1] if self.records else None
            before = record.ZERO16 if last is None else record.link(last.public, last.mac)
            assert entry.fields[18] == before, f"record {entry.seq} breaks the chain"
            self.records.append(entry)
        if self.acknowledge:
            self._queue.append((reg.MSG_ACK, self._ack()))

    def copy(self, write: Callable[[bytes], None]) -> "Host":
        """The same host on another wire: what it has committed, and no session."""
        other = Host(self.brick8, self.root, write)
        other.keys = dict(self.keys)
        other.records = list(self.records)
        other.wall_ms = self.wall_ms
        return other

    def macs_hold(self) -> None:
        """What the controller checks: each MAC under the key of its epoch, epochs never going back."""
        chain, epoch = keys.record_chain0(self.root), 0
        for entry in self.records:
            while epoch < entry.fields[3]:
                chain, epoch = keys.next_chain(chain), epoch + 1
            assert entry.fields[3] == epoch, f"record {entry.seq} went back to epoch {entry.fields[3]}"
            assert record.mac(keys.record_mac_key(chain), entry.public) == entry.mac, f"MAC of {entry.seq}"

    def of_kind(self, *kinds: int) -> list[Any]:
        """Records of these kinds, in order."""
        return [entry for entry in self.records if entry.fields[10] in kinds]


class Serial:
    """The far end of a UART: a terminal opened without blocking, its bytes handed to `received`."""

    def __init__(self, path: Path, received: Callable[[bytes], None]) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._handle)
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._handle, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)

    def write(self, data: bytes) -> None:
        """Everything, or as much as the terminal takes now."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._handle, data)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._received(os.read(self._handle, 65536))


class Lab:
    """One brick: `async with Lab(folder, parts) as lab`, powered. `flash` survives the lab."""

    def __init__(
        self,
        folder: Path,
        parts: tuple[str, ...] = ("nfc",),
        heap: int = HEAP,
        flash_bytes: int = FLASH_BYTES,
        **extra: Any,
    ) -> None:
        self._flash_bytes = flash_bytes
        self.folder = folder
        self.flash = folder / "flash.bin"
        self.authors = Authors()
        self.host: Host | None = None
        self.outcomes: list[list[Any]] = []
        self.changed = asyncio.Event()
        bus = str(extra.pop("nfc_bus", "hsu"))
        entry: Path | None = extra.pop("entry", None)
        self._spec = BrickSpec(
            "brick", parts, self.flash, timing="fast", heap=heap, nfc_bus=bus, entry=entry, extra=extra
        )
        self._reader = frame.Reader()
        self._bench = frame.Reader()
        self._answers: list[bytes] = []

    async def __aenter__(self) -> "Lab":
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.flash.exists():
            new_flash(self.flash, self._flash_bytes)
        self.brick = VirtualBrick(self._spec, self.folder / "run")
        # A model that this machine lets wait is late: the brick rightly blinks red, and goes on.
        self.brick.patience, self.brick.overlooked = PATIENCE_S, frozenset(("fault",))
        self.brick.light.listeners.append(lambda _edge: self.changed.set())
        self.link = Serial(self.brick.link, self._from_brick)
        self.events = None
        if "events" in self._spec.parts:
            self.events = Serial(self.brick.events, self._from_events)
        await self.brick.start()
        self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticker.cancel()
        self.link.close()
        if self.events is not None:
            self.events.close()
        await self.brick.close()

    async def restart(self, cut: tuple[int, int] | None = None) -> None:
        """Power off and on; `cut`: (n, random number), power fails inside the n-th flash operation then."""
        await self.brick.stop()
        await self.brick.start(cut=cut)

    @property
    def colours(self) -> list[tuple[int, int, int]]:
        """What was lit, in order, without the dark between."""
        return [edge.colour for edge in self.brick.light.edges if edge.colour != (0, 0, 0)]

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> None:
        """Waits for a condition that arriving bytes and edges may make true."""
        end = time.monotonic() + seconds
        while not condition():
            self.brick.process.check()
            said = (self.host.logs, self.host.answers[-4:]) if self.host else ()
            assert time.monotonic() < end, f"waited {seconds} s for {what}; the brick said {said}"
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), 0.05)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            if self.host is not None:
                self.host.pump()

    def _from_brick(self, data: bytes) -> None:
        if self.host is not None:
            self.host.feed(data)
        else:
            for kind, body in self._bench.feed(data):
                if kind == reg.FRAME_PROVISION_ANSWER:
                    self._answers.append(body)
        self.changed.set()

    def _from_events(self, data: bytes) -> None:
        for kind, body in self._reader.feed(data):
            if kind == FRAME_OUTCOME:
                self.outcomes.append(cbor.decode(body))
        self.changed.set()

    # --- the bench

    async def _ask(self, body: bytes) -> bytes:
        seen = len(self._answers)
        for _ in range(int(2 * PATIENCE_S)):
            self.link.write(b"\x00" + frame.build(reg.FRAME_PROVISION_REQUEST, body))
            with contextlib.suppress(AssertionError):
                await self.until(lambda: len(self._answers) > seen, "the bench's answer", 0.5)
                return self._answers[-1]
        raise AssertionError("the brick does not answer the bench")

    async def provision(self, threshold: int = 2, first_root: bytes | None = None) -> Host:
        """Gives the blank brick its keys and returns the host that now may talk to it."""
        identity = provision.parse_identity(await self._ask(provision.identify_request()))
        request = provision.provision_request(
            seeded("bench"), 1, EVENT_KEY, EVENT, self.authors.known, threshold, KIT, HUB,
            self.authors.director.verify_key.encode(), HOST8, START_MS, "EUR", first_root,
        )  # fmt: skip
        brick8, _, root = provision.finish(request, identity, await self._ask(request))
        self.host = Host(brick8, root, self.link.write)
        return self.host

    # --- the market

    async def outcome(self, subject: bytes | None, trust: int = 3) -> list[Any]:
        """Puts an event on the event port and waits for `[nonce8, kind, seq]`."""
        nonce = os.urandom(8)
        self.inject(subject, trust, nonce)
        await self.until(lambda: self.outcomes and self.outcomes[-1][0] == nonce, "the outcome")
        return self.outcomes[-1]

    def inject(self, subject: bytes | None, trust: int = 3, nonce: bytes | None = None) -> None:
        """Puts an event on the event port."""
        nonce = nonce or os.urandom(8)
        e = event.make(type=reg.EVENT_NFC_TAP, trust=trust, subject=subject, nonce=nonce)
        assert self.events is not None, "this brick has no event port"
        self.events.write(frame.build(FRAME_EVENT, event.encode(e)))

    async def ready(self) -> Host:
        """Waits for a session, its first status, and every record so far."""
        host = self.host
        assert host is not None
        host.statuses.clear()
        await self.until(lambda: host.up and host.statuses, "the link")
        await self.drained()
        return host

    async def drained(self) -> None:
        """Waits until the host holds what the brick's last status speaks of, and nothing more comes."""
        host = self.host
        assert host is not None
        await self.until(lambda: host.expected >= host.statuses[-1][1], "the records")

    async def stocked(self, rules: bytes, *slices: dict[int, bytes], rev: int = 1) -> Host:
        """Provisions, connects, installs a ruleset and hands out slices."""
        host = await self.provision()
        host.bundle = self.authors.bundle(rules, rev)
        host.greeting = [(reg.MSG_SLICE, piece) for piece in slices]
        await self.until(lambda: host.statuses and host.statuses[-1][5], "the ruleset")
        await self.until(lambda: len(host.statuses[-1][9]) == len(slices), "the slices")
        return host
