"""The brick's end of the link on its lines: frames in and out, messages to handlers, records as room is."""

from stallmark import frame
from stallmark import numbers as reg
from stallmark.constant import const
from stallmark.errors import FormatError

from brick import aio, config
from brick import counters as count

_BUFFER = const(256)
_POSTS = const(32)  # answers that wait for room; more are dropped, whoever asked asks again
_IDLE_MS = const(1000)
_KEEP_ROOM = const(1)  # places in the link's queue that records leave to answers


class Uplink:
    """`lines` is a brick.lines.Lines, `link` a core BrickLink; `report()` builds the status message;
    `session_begins()` is called after a handshake.

    `on(kind, handler)` gives the messages of a kind to `handler(value)`, which raises FormatError for what it
    cannot read; `post(kind, value)` sends one.
    """

    def __init__(self, lines, link, outbox, counters, report, session_begins):
        self._lines = lines
        self._link = link
        self._outbox = outbox
        self._counters = counters
        self._report = report
        self._frames = [frame.Reader() for _ in range(len(lines))]
        self._m2 = None  # the one that began the session, answered on several lines it comes on several
        self._misread = 0  # messages that no handler could read
        self._handlers = {}
        self._posts = []
        self._last_status = None
        self._status_at = 0
        self._status_due = False
        self._asked = False  # somebody wants the status, changed or not
        self.wake = aio.Flag()
        self._session_begins = session_begins

    def on(self, kind, handler):
        """Route messages of `kind`."""
        self._handlers[kind] = handler

    @property
    def up(self):
        """True while there is a session."""
        return self._link.up

    def post(self, kind, value):
        """Queue a message; dropped with the session, because whoever asked will ask again."""
        if len(self._posts) < _POSTS:
            self._posts.append((kind, value))
            self.wake.raise_()

    def status_changed(self, asked=False):
        """Something that the status message says may have changed: it goes out if it did, or if it was `asked` for."""
        self._status_due = True
        self._asked = self._asked or asked
        self.wake.raise_()

    def anew(self):
        """End the session, as if the host had said that it has none: the next one tells everything that holds."""
        if self._link.up:
            self._heard(self._link.receive(reg.FRAME_NOTICE, bytes((reg.NOTICE_NO_SESSION,)), self._lines.now()))
            self.wake.raise_()

    def listener(self, number):
        """The task that reads line `number`."""
        return lambda pulse: self._listen(pulse, number)

    async def _listen(self, pulse, number):
        line, frames = self._lines[number], self._frames[number]
        buffer = bytearray(_BUFFER)
        oversize = frames.oversize
        while True:
            pulse.beat()
            n = await line.readinto(buffer)
            if not n:
                await aio.sleep_ms(config.LINK_SILENT_MS)
                continue
            for kind, body in frames.feed(memoryview(buffer)[:n]):
                self._take(kind, body, number)
            if frames.oversize != oversize:
                oversize = frames.oversize
                self._lines.came(number)
                self._link.notice(reg.NOTICE_OVERSIZE, "at most 512 bytes", self._lines.now())
            self.wake.raise_()

    def _take(self, kind, body, number):
        lines = self._lines
        if kind == reg.FRAME_M2 and body == self._m2:
            return
        lines.came(number)
        try:
            happened = self._link.receive(kind, body, lines.now())
        except OSError:  # the next link key could not be stored: nothing was answered, the host asks again
            self._counters.add(count.FLASH_ERRORS)
            return
        for event in happened:
            if event[0] == "up":
                self._m2 = body
                lines.proven(number)
            elif event[0] == "message":
                lines.proven(number)
        self._heard(happened)

    def _heard(self, happened):
        for event in happened:
            if event[0] == "message":
                self._message(event[1], event[3])
            elif event[0] == "up":
                self._posts.clear()
                self._last_status = None
                self._status_due = True
                self._outbox.restart()
                self._session_begins()
            elif event[0] == "down":
                self._posts.clear()

    def _message(self, kind, value):
        handler = self._handlers.get(kind)
        if handler is None:
            self._misread += 1
            return
        try:
            handler(value)
        except FormatError:
            self._misread += 1

    async def talk(self, pulse):
        """The task that writes the lines."""
        link, lines = self._link, self._lines
        while True:
            pulse.beat()
            now = lines.now()
            if lines.opened() and not link.up:
                # As if the host that just came had said that it has no session, which it has not.
                self._heard(link.receive(reg.FRAME_NOTICE, bytes((reg.NOTICE_NO_SESSION,)), now))
            if link.up:
                self._fill(now)
            for data in link.poll(now):
                lines.write(data, link.up)
            self._heard(link.events())
            most = config.STATUS_MIN_MS if self._status_due else _IDLE_MS
            await self.wake.wait(max(1, min(link.next_due(lines.now()), most)))

    def _fill(self, now):
        link = self._link
        while self._posts and link.room:
            kind, value = self._posts.pop(0)
            try:
                link.send(kind, value, now_ms=now)
            except FormatError:  # longer than a message can be: as if it had not been asked for
                self._misread += 1
        self._send_status(now)
        while link.room > _KEEP_ROOM:
            entry = self._outbox.next()
            if entry is None:
                break
            link.send(reg.MSG_RECORD, [entry.seq, entry.public, entry.mac, entry.private], now_ms=now)

    def _send_status(self, now):
        """After each handshake, when something but the growing journal has changed, and when it is asked for."""
        recent = self._last_status is not None and now - self._status_at < config.STATUS_MIN_MS
        if not self._status_due or recent or not self._link.room:
            return
        self._status_due = False
        status, changing = self._report()
        if changing != self._last_status or self._asked:
            self._asked = False
            self._last_status = changing
            self._status_at = now
            self._link.send(reg.MSG_STATUS, status, now_ms=now)

    def collect(self):
        """Bring the counts that the link keeps itself into the counters."""
        link = self._link
        noise = oversize = unknown = 0
        for frames in self._frames:
            noise += frames.noise
            oversize += frames.oversize
            unknown += frames.unknown_version
        for number, value in (
            (count.LINK_NOISE, noise),
            (count.LINK_OVERSIZE, oversize),
            (count.LINK_UNKNOWN, unknown + link.unexpected),
            (count.LINK_BAD_TAGS, link.bad_tags + link.bad_handshakes),
            (count.LINK_RESENDS, link.resends),
            (count.LINK_HANDSHAKES, link.handshakes),
            (count.LINK_DROPPED, link.dropped),
            (count.LINK_REPEATS, link.repeats),
            (count.LINK_BAD_MESSAGES, self._misread + link.unreadable),
            (count.LINK_STRAYS, link.strays),
        ):
            self._counters.set(number, value)
        self._lines.collect(self._counters)
