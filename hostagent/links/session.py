"""The conversation with one brick: records in, acknowledgements and everything else out, in order of need."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from hostagent import appliance, slots
from hostagent.bricks import Brick, Status
from hostagent.clock import Clock, monotonic_ms
from hostagent.core import QUEUE, WINDOW, Event, Fields, FormatError, FullError, HostLink, new_reader, reg
from hostagent.errors import HostError
from hostagent.intake import PENDING_RECORDS, Intake, Outcome
from hostagent.links.tells import Silent, Tells

CLOCK_SPREAD_MS = 100
CLOCK_EVERY_MS = 60_000
# The brick's idea of the time is told anew when the market's clock left it by more than this.
CLOCK_DRIFT_MS = 500
RESEND_EVERY_MS = 1000
# A brick that has more records than it sent is asked for them when nothing came for this long.
NUDGE_MS = 3000
OFFER_EVERY_MS = 15_000
LOG_LINES = 50
# Room of a link that has nothing on its way.
IDLE_ROOM = WINDOW + QUEUE
log = logging.getLogger("hostagent.link")


class Budgets(Protocol):
    """What a session needs of the rights."""

    def slices_of(self, brick: bytes) -> list[tuple[bytes, bytes]]: ...

    def on_status(self, brick: Brick) -> None: ...

    def on_result(self, brick: Brick, slice_id: int, result: int) -> None: ...


class Updates(Protocol):
    """What a session needs of the bundle on offer."""

    def offer_for(self, brick: Brick) -> tuple[bytes, int, int] | None: ...

    def chunk(self, digest8: bytes, offset: int) -> bytes | None: ...

    def on_result(self, brick: Brick, digest8: bytes, result: int, text: str) -> None: ...


@dataclass
class _Wants:
    """What is to be sent when the link has room; sent from the top."""

    ack: bool = False
    clock: bool = False
    resend: bool = False
    chunk: tuple[bytes, int] | None = None
    close: str | None = None
    identify: bool = False
    restart: int | None = None  # 0 normally, 1 into safe mode
    slices: deque[tuple[bytes, bytes]] = field(default_factory=lambda: deque(maxlen=256))


class Session:
    """One per line, over all the sessions of the link on it. `write(data)` puts bytes on the wire; `link_ms()` is the
    link's own clock, `admits(kind, body)` says whether a frame is for this line."""

    def __init__(
        self,
        link: HostLink,
        bricks: dict[bytes, Brick],
        intake: Intake,
        clock: Clock,
        budgets: Budgets,
        updates: Updates,
        write: Callable[[bytes], None],
        tells: Tells | None = None,
    ) -> None:
        self.link = link
        self.readers = {0: new_reader()}  # by port
        self.link_ms: Callable[[], int] = monotonic_ms
        self.admits: Callable[[int, bytes], bool] = lambda _kind, _body: True
        self.brick: Brick | None = None
        self.lines: deque[tuple[int, int, str]] = deque(maxlen=LOG_LINES)
        self.last_down: str | None = None
        self.last_notice: str | None = None
        self.heard_ms: int | None = None
        self._bricks = bricks
        self._intake = intake
        self._clock = clock
        self._budgets = budgets
        self._updates = updates
        self._write = write
        self._tells: Tells = tells or Silent()
        self._wants = _Wants()
        self._clock_sent: tuple[int, int] | None = None
        self._resent: tuple[int, int] = (0, 0)
        self._record_ms = 0
        self._offered_ms = 0

    # --- from the port

    def opened(self, port: int = 0) -> None:
        """The port is there (again): an old half frame belongs to the past, its counts do not."""
        before = self.readers.get(port)
        self.readers[port] = reader = new_reader()
        if before is not None:
            reader.noise, reader.oversize = before.noise, before.oversize
            reader.unknown_version, reader.frames = before.unknown_version, before.frames
        self.flush()

    def moved(self) -> None:
        """The session goes on over another port: something new tells the brick so."""
        self._wants.ack = True
        self.flush()

    def count(self, name: str) -> int:
        """A counter of the frame readers ("noise", "oversize", "unknown_version", "frames"), over all ports."""
        return sum(getattr(reader, name) for reader in self.readers.values())

    def port_closed(self, reason: str) -> None:
        """The port is gone; the link finds out by itself whether the brick was."""
        self.last_down = reason

    def end(self, reason: str) -> None:
        """Nobody listens on this line any more."""
        self._down(reason)

    def received(self, data: bytes, port: int = 0) -> None:
        """Bytes from the brick."""
        self.heard_ms = monotonic_ms()
        reader = self.readers.setdefault(port, new_reader())
        oversize = reader.oversize
        for kind, body in reader.feed(data):
            if not self.admits(kind, body):
                continue
            try:
                events = self.link.receive(kind, body, self.link_ms())
            except HostError as failed:
                # The link key could not be made durable: no answer, the brick tries again.
                self.last_down = str(failed)
                log.warning("handshake not answered: %s", failed)
                continue
            self._take(events)
        if reader.oversize != oversize:
            self.link.notice(reg.NOTICE_OVERSIZE, "frame too long", self.link_ms())
        self.flush()

    def tick(self) -> int:
        """Lets time pass; returns in how many ms it wants to be called again."""
        now = monotonic_ms()
        if self.brick is not None:
            self._watch(self.brick, now)
        self.flush()
        return self.link.next_due(self.link_ms())

    # --- from the rest of the host

    def acknowledge(self) -> None:
        """Something of this brick became durable, here or at the controller."""
        self._wants.ack = True
        brick = self.brick
        if brick is not None and brick.offered_seq and self._takes_more() and self._behind(brick):
            self._wants.resend = True
        self.flush()

    def give(self, slices: list[tuple[bytes, bytes]]) -> None:
        """Sends slices (payload, signature) that are this brick's own."""
        self._wants.slices.extend(slices)
        self.flush()

    def ask_close(self) -> None:
        """Asks the brick for the close record that it owes (Brick.closing); asked anew with every link."""
        self._wants.close = None if self.brick is None else self.brick.closing
        self.flush()

    def identify(self) -> None:
        """Lets the brick blink."""
        self._wants.identify = True
        self.flush()

    def restart(self, safe: bool) -> None:
        """Lets the brick start anew, in safe mode if `safe`."""
        self._wants.restart = int(safe)
        self.flush()

    def look_for_offer(self) -> None:
        """A new bundle may be on offer."""
        self._offered_ms = 0
        self.tick()

    def flush(self) -> None:
        """Sends what there is room for."""
        now = monotonic_ms()
        if self.link.up and self.brick is not None:
            try:
                while self.link.room > 0 and self._send_one(self.brick, now):
                    pass
            except FullError:
                pass
        for data in self.link.poll(self.link_ms()):
            self._write(bytes(data))
        ended = self.link.events()
        if ended:
            self._take(ended)

    # --- events of the link

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if event[0] == "message":
                self._message(event[1], event[3])
            elif event[0] == "up":
                self._up()
            elif event[0] == "down":
                self._down(str(event[1]))
            elif event[0] == "notice":
                self.last_notice = f"{event[2]} ({event[1]})"
            elif event[0] == "log":
                self.lines.append((monotonic_ms(), int(event[1]), str(event[2])))

    def _up(self) -> None:
        number = self.link.brick8
        self.brick = self._bricks.get(number) if number is not None else None
        self._wants = _Wants(ack=True, clock=True)
        self._resent = (0, 0)
        self._record_ms = monotonic_ms()
        self._offered_ms = 0
        if self.brick is None:
            return
        log.info("%s: link is up", self.brick.name)
        self.brick.counters["sessions"] += 1
        self.brick.status = None
        self._wants.close = self.brick.closing
        if not self.brick.ended:
            self._wants.slices.extend(self._budgets.slices_of(self.brick.brick))
        self._tells.link_up(self.brick)

    def _down(self, reason: str) -> None:
        self.last_down = reason
        if self.brick is not None:
            log.info("%s: link is down: %s", self.brick.name, reason)
            self._tells.link_down(self.brick)
        self.brick = None

    def _message(self, kind: int, value: Any) -> None:
        brick = self.brick
        if brick is None:
            return
        if kind == reg.MSG_RECORD:
            self._record(brick, value)
        elif kind == reg.MSG_STATUS:
            self._status(brick, value)
        elif kind == reg.MSG_DIAGNOSTICS:
            self._diagnostics(brick, value)
        elif not isinstance(value, dict):
            brick.counters["unreadable"] += 1
        else:
            self._answer(brick, kind, value)

    def _answer(self, brick: Brick, kind: int, value: Any) -> None:
        f: Fields = value
        first, second = f.get(0), f.get(1)
        if kind == reg.MSG_CHUNK_WANTED and type(first) is bytes and type(second) is int:
            self._wants.chunk = (first, second)
        elif kind == reg.MSG_BUNDLE_RESULT and type(first) is bytes and type(second) is int:
            self._updates.on_result(brick, first, second, str(f.get(2) or "")[:200])
        elif kind == reg.MSG_SLOTS and (results := slots.heard(brick, f)) is not None:
            for digest8, result, text in results:
                self._updates.on_result(brick, digest8, result, text)
        elif kind == reg.MSG_SLICE_RESULT and type(first) is int and type(second) is int:
            self._budgets.on_result(brick, first, second)
        elif not self._tells.message(brick, kind, f):
            brick.counters["unreadable"] += 1

    def _record(self, brick: Brick, value: Any) -> None:
        self._record_ms = monotonic_ms()
        outcome = self._intake.submit(brick, value)
        if outcome in (Outcome.GAP, Outcome.BUSY):
            brick.offered_seq = max(brick.offered_seq, value[0])
        if outcome is Outcome.GAP:
            if brick.status is not None:
                self._intake.skip_to(brick, brick.status.oldest_seq)
            self._wants.resend = True
        elif outcome is Outcome.REPEAT:
            self._wants.ack = True

    def _status(self, brick: Brick, value: Any) -> None:
        status = Status.parse(value)
        if status is None:
            brick.counters["unreadable"] += 1
            return
        brick.status = status
        brick.counters["statuses"] += 1
        if status.oldest_seq > brick.next_seq:
            self._intake.skip_to(brick, status.oldest_seq)
        if status.next_seq < brick.next_seq:
            brick.warning = (
                f"counts its next record as {status.next_seq}, the host has up to {brick.next_seq - 1}: "
                "the brick lost its newest records or was copied"
            )
            log.error("%s %s", brick.name, brick.warning)
        if status.ruleset is not None and self._intake.on_ruleset is not None:
            self._intake.on_ruleset(status.ruleset)
        self._budgets.on_status(brick)
        self._tells.status(brick)

    def _diagnostics(self, brick: Brick, value: Any) -> None:
        diagnostics = appliance.parse(value, brick.diagnostics)
        if diagnostics is None:
            brick.counters["unreadable"] += 1
            return
        now = monotonic_ms()
        brick.diagnostics = diagnostics
        brick.counters["diagnostics"] += 1
        brick.diagnostics_at_ms = now
        if brick.status is not None and brick.status.boot is not None:
            brick.heard_uptime(brick.status.boot, diagnostics["uptime_ms"], now)

    # --- what goes out

    def _watch(self, brick: Brick, now: int) -> None:
        """What time alone makes necessary."""
        wants = self._wants
        if self._clock_sent is not None and not wants.clock:
            wall, at = self._clock_sent
            drift = self._clock.now_ms() - wall - (now - at)
            wants.clock = abs(drift) > CLOCK_DRIFT_MS or now - at > CLOCK_EVERY_MS
        if now - self._record_ms > NUDGE_MS and self._takes_more() and self._behind(brick):
            self._record_ms = now
            wants.resend = True

    def _takes_more(self) -> bool:
        return self._intake.pending < PENDING_RECORDS // 2

    @staticmethod
    def _behind(brick: Brick) -> bool:
        said = 0 if brick.status is None else brick.status.next_seq - 1
        return brick.next_seq <= max(said, brick.offered_seq)

    def _send_one(self, brick: Brick, now: int) -> bool:
        """Sends the most needed message; False when there is none."""
        wants = self._wants
        if wants.ack:
            wants.ack = False
            value: Fields = {0: brick.durable_seq, 1: brick.ledger_seq, 2: brick.ledger_tag}
            self._send(reg.MSG_ACK, value, now)
        elif (answer := self._tells.urgent(brick)) is not None:
            self._send(*answer, now)
        elif wants.clock:
            wants.clock = False
            self._send_clock(now)
        elif wants.resend:
            wants.resend = False
            if self._resent[0] != brick.next_seq or now - self._resent[1] >= RESEND_EVERY_MS:
                self._resent = (brick.next_seq, now)
                self._send(reg.MSG_RESEND, {0: brick.next_seq}, now)
        elif wants.chunk is not None:
            digest8, offset = wants.chunk
            wants.chunk = None
            self._offered_ms = now  # it is on its way: no second offer
            data = self._updates.chunk(digest8, offset)
            if data is not None:
                self._send(reg.MSG_CHUNK, {0: digest8, 1: offset, 2: data}, now)
        elif wants.close is not None:
            self._send(reg.MSG_CLOSE, {0: wants.close}, now)
            wants.close = None
        elif wants.identify:
            wants.identify = False
            self._send(reg.MSG_IDENTIFY, {}, now)
        elif wants.restart is not None:
            self._send(reg.MSG_RESTART, {0: wants.restart}, now)
            wants.restart = None
        elif wants.slices:
            payload, signature = wants.slices.popleft()
            self._send(reg.MSG_SLICE, {0: payload, 1: signature}, now)
        elif (short := self._tells.soon(brick)) is not None:
            self._send(*short, now)
        elif not self._send_offer(brick, now):
            return self._send_idle(brick, now)
        return True

    def _send_idle(self, brick: Brick, now: int) -> bool:
        """What may wait for a link with nothing on its way."""
        message = self._tells.idle(brick) if self.link.room == IDLE_ROOM else None
        if message is None:
            return False
        self._send(*message, now)
        return True

    def _send_offer(self, brick: Brick, now: int) -> bool:
        if (
            brick.ended
            or brick.status is None
            or (self._offered_ms and now - self._offered_ms < OFFER_EVERY_MS)
        ):
            return False
        offer = self._updates.offer_for(brick)
        if offer is None:
            return False
        self._offered_ms = now
        self._send(reg.MSG_OFFER, {0: offer[0], 1: offer[1], 2: offer[2]}, now)
        return True

    def _send_clock(self, now: int) -> None:
        if not self._clock.known():
            return
        wall = self._clock.now_ms()
        self._clock_sent = (wall, now)
        self._send(reg.MSG_CLOCK, {0: wall, 1: reg.QUALITY_HOST, 2: CLOCK_SPREAD_MS}, now)

    def _send(self, kind: int, value: Fields, now: int) -> None:
        try:
            self.link.send(kind, value, None, self.link_ms())
        except FormatError as wrong:
            log.error("message %d could not be sent: %s", kind, wrong)
