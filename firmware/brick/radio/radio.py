"""The radio as a line: a GATT service that takes frames and gives slices by index (docs/formats/ble.md)."""

import asyncio

import bluetooth  # pyright: ignore[reportMissingImports] - MicroPython's
from stallmark import pulled
from stallmark.constant import const
from stallmark.errors import FormatError

from brick import aio, config
from brick import counters as count
from brick.radio import advert

SERVICE = "265ecebe-0831-42c0-9e1a-a38ff4a8eced"
_IN = "265ecebf-0831-42c0-9e1a-a38ff4a8eced"
_PULL = "265ecec0-0831-42c0-9e1a-a38ff4a8eced"
_OUT = "265ecec1-0831-42c0-9e1a-a38ff4a8eced"
_BELL = "265ecec2-0831-42c0-9e1a-a38ff4a8eced"

_READ = const(0x02)
_WRITE_NO_RESPONSE = const(0x04)
_WRITE = const(0x08)
_NOTIFY = const(0x10)

_CENTRAL_CONNECT = const(1)
_CENTRAL_DISCONNECT = const(2)
_GATTS_WRITE = const(3)
_MTU_EXCHANGED = const(21)

_MTU = const(247)  # 244 bytes of a value, in one packet of 251 on air
_RX_BYTES = const(512)  # of writes that came before the handler read them
_IN_BYTES = const(2048)  # of writes that wait for the loop; more are dropped, the link sends them again
_LOOK_MS = const(200)
_AGAIN_MS = const(60000)  # it is advertised anew, whatever became of the last time


class Radio:
    """A line like brick.line.Line; `run` is its task. `ble` is bluetooth.BLE(), active since power-on.

    The handler runs between any two steps of the program: what it and the loop share is written by one side alone. What
    a host writes goes into a ring made at the start: a stranger who writes byte by byte costs no more memory than one
    who does not. The handler allocates, as MicroPython's handlers may, and never waits.
    """

    def __init__(self, ble, brick8, ticks):
        self._ble = ble
        self._ticks = ticks
        self._source = pulled.Source()
        self._fresh = []  # frames written, for the handler
        self._ring = memoryview(bytearray(_IN_BYTES + 1))  # writes of the host, for the loop; one byte is never used
        self._head = 0  # where the handler writes next,
        self._tail = 0  # where the loop reads next,
        self._from = None  # or, once: everything before belongs to a connection that broke
        self._flag = asyncio.ThreadSafeFlag()  # pyright: ignore[reportAttributeAccessIssue] - MicroPython's
        self._wake = aio.Flag()
        self._conn = None
        self._mtu = pulled.MIN_MTU
        self._emptied = True  # the host has asked and there was nothing
        self._rung = False  # since then
        self._pulled_at = self._rang_at = self._heard_at = self._since = ticks()
        self._proven = False
        self._hung_up = False
        self._advertising = False
        self._advertised_at = 0
        self.connections = 0
        self.dropped = 0  # frames and writes without room
        self.lost_bells = 0  # notifications that the stack did not take
        self.hung_up = 0  # connections ended from here
        ble.config(mtu=_MTU, gap_name=advert.name(brick8))
        flags = (_WRITE | _WRITE_NO_RESPONSE, _WRITE | _WRITE_NO_RESPONSE, _READ, _NOTIFY)
        service = bluetooth.UUID(SERVICE)
        characteristics = tuple(
            (bluetooth.UUID(uuid), flag) for uuid, flag in zip((_IN, _PULL, _OUT, _BELL), flags)
        )
        ((self._in, self._pull, self._out, self._bell),) = ble.gatts_register_services(
            ((service, characteristics),)
        )
        ble.gatts_set_buffer(self._in, _RX_BYTES, True)
        ble.gatts_set_buffer(self._out, pulled.MAX_VALUE)
        ble.irq(self._irq)
        self._data, self._response = advert.payload(bytes(service), brick8)  # pyright: ignore[reportArgumentType] - a UUID is a buffer

    @property
    def open(self):
        """True while a host is connected."""
        return self._conn is not None

    @property
    def busy(self):
        """True while bytes are still on their way: then a missing acknowledgement proves nothing."""
        if self._conn is None:
            return False
        if self._fresh or self._source.waiting:
            return True
        return self._ticks() - self._heard_at < config.RADIO_QUIET_MS

    def proven(self):
        """The host on this line has shown that it holds the keys: its connection stays."""
        self._proven = True

    async def readinto(self, buffer):
        """Wait for bytes; the number of them put into `buffer`."""
        ring = self._ring
        while True:
            start = self._from
            if start is not None:
                self._from = None
                self._tail = start
            tail, head = self._tail, self._head
            if tail != head:
                break
            await self._flag.wait()
        n = min((head if head > tail else len(ring)) - tail, len(buffer))
        buffer[:n] = ring[tail : tail + n]
        self._tail = (tail + n) % len(ring)
        return n

    def write(self, data):
        """A whole frame for the host; without a host, or without room, it is dropped."""
        if self._conn is None:
            return
        waiting = len(data)
        for frame in self._fresh:
            waiting += len(frame)
        if not self._source.takes(len(self._fresh) + 1, waiting):
            self.dropped += 1
            return
        self._fresh.append(data)
        self._wake.raise_()

    def collect(self, counters):
        """Bring the radio's counts into the counters."""
        counters.set(count.RADIO_CONNECTIONS, self.connections)
        counters.set(count.RADIO_DROPPED, self.dropped + self._source.dropped)
        counters.set(count.RADIO_BELLS_LOST, self.lost_bells)
        counters.set(count.RADIO_HUNG_UP, self.hung_up)

    # --- in the handler

    def _irq(self, event, data):
        if event == _GATTS_WRITE:
            if data[1] == self._pull:
                self._asked(self._ble.gatts_read(self._pull))
            elif data[1] == self._in:
                self._heard(self._ble.gatts_read(self._in))
        elif event == _CENTRAL_CONNECT:
            self._source.begin()
            self._fresh.clear()
            self._from = self._head
            self._put(b"\x00")  # ends the half frame of a connection that broke
            self._ble.gatts_write(self._out, b"")  # else a host that reads too early takes an old slice for the first
            self._mtu = pulled.MIN_MTU
            self._emptied = True
            self._rung = False
            self._proven = self._hung_up = False
            self._since = self._pulled_at = self._ticks()
            self._advertising = False
            self._conn = data[0]
            self.connections += 1
        elif event == _CENTRAL_DISCONNECT:
            self._conn = None
            self._advertising = False
        elif event == _MTU_EXCHANGED:
            self._mtu = data[1]

    def _asked(self, request):
        source, fresh = self._source, self._fresh
        while fresh:
            source.feed(fresh.pop(0))
        try:
            value = source.pull(request, self._mtu)
        except FormatError:
            return
        self._ble.gatts_write(self._out, value)
        self._pulled_at = self._ticks()
        self._emptied = len(value) == pulled.INDEX_BYTES
        self._rung = False

    def _heard(self, data):
        if not data:
            return
        self._heard_at = self._ticks()
        self._put(data)

    def _put(self, data):
        ring, head = self._ring, self._head
        tail = self._tail if self._from is None else self._from
        if (head - tail) % len(ring) + len(data) > _IN_BYTES:
            self.dropped += 1
            return
        first = min(len(data), len(ring) - head)
        ring[head : head + first] = data[:first]
        if first < len(data):
            ring[: len(data) - first] = data[first:]
        self._head = (head + len(data)) % len(ring)
        self._flag.set()

    # --- the task

    async def run(self, pulse):
        """Advertise while nobody is connected, ring when something waits, end connections that lead nowhere."""
        while True:
            pulse.beat()
            due = _LOOK_MS
            try:
                if self._conn is None:
                    self._advertise()
                else:
                    due = self._attend(self._ticks())
            except OSError:  # busy, or the host went in this moment: looked at again
                pass
            await self._wake.wait(due)

    def _advertise(self):
        now = self._ticks()
        if self._advertising and now - self._advertised_at < _AGAIN_MS:
            return
        self._advertising = True  # before: a host may come and go while the call below returns
        self._advertised_at = now
        try:
            self._ble.gap_advertise(config.ADVERTISE_MS * 1000, adv_data=self._data, resp_data=self._response)
        except OSError:
            self._advertising = False
            raise

    def _attend(self, now):
        """Milliseconds until the connection wants to be looked at again."""
        conn = self._conn  # once: the handler may end it between any two lines
        if conn is None:
            return 0
        waits = self._fresh or self._source.waiting
        silent = now - self._pulled_at
        lost = waits and silent > config.RADIO_STUCK_MS
        if lost or (not self._proven and now - self._since > config.RADIO_PROOF_MS):
            if not self._hung_up:
                self._hung_up = True
                self.hung_up += 1
            self._ble.gap_disconnect(conn)
            return _LOOK_MS
        if not waits or not (self._emptied or silent > config.BELL_AGAIN_MS):
            return _LOOK_MS
        due = self._rang_at + (config.BELL_AGAIN_MS if self._rung else config.BELL_MS) - now
        if due > 0:
            return min(due, _LOOK_MS)
        self._rang_at = now
        self._rung = True  # before: the host may ask while the call below returns
        try:
            self._ble.gatts_notify(conn, self._bell, pulled.pull(self._source.next))
        except OSError:  # out of buffers: the host looks by itself, and it is rung again
            self._rung = False
            self.lost_bells += 1
        return _LOOK_MS
