"""MicroPython's `bluetooth` on the unix port: a peripheral whose radio is the kit's virtual air, over a unix socket.

One line of JSON for each event and each order; what handlers may call never waits. As on ESP32: a value buffer of 20
bytes that cuts what is longer, append buffers that reading empties, notifications cut at MTU - 3, advertising that ends
with a connection, EINVAL over 31 bytes, addresses and data valid inside the handler only. The kit sends the response to a
write after the handler has returned. Central role, pairing and L2CAP are not here.

`path` is set by the port before the first BLE().active(True).
"""

import asyncio
import json
import select
import struct

FLAG_READ = 0x02
FLAG_WRITE_NO_RESPONSE = 0x04
FLAG_WRITE = 0x08
FLAG_NOTIFY = 0x10
FLAG_INDICATE = 0x20

_CONNECT, _DISCONNECT, _WRITE, _MTU = 1, 2, 3, 21
_radio = []
_EINVAL, _ENODEV, _ENOTCONN, _ENOMEM = 22, 19, 107, 12


class UUID(bytes):
    """Two or sixteen bytes, little-endian as on the air; a text of 36 characters or a number below 65536."""

    def __init__(self, value):
        if isinstance(value, int):
            super().__init__(struct.pack("<H", value))
        else:
            super().__init__(bytes(reversed(bytes.fromhex(value.replace("-", "")))))


path = ""
dead = None  # "power": it does not switch on; "service": it does, and has no memory for a service


def BLE():
    """The one radio of this brick."""
    if not _radio:
        _radio.append(_Radio())
    return _radio[0]


class _Radio:
    def __init__(self):
        self._socket = None
        self._handler = None
        self._values = {}
        self._room = {}
        self._append = set()
        self._mtu = {}
        self._half = b""
        self._max_mtu = 256
        self._name = b""
        self._task = None

    def active(self, on=None):
        """Switches the radio on."""
        if dead == "power":
            raise OSError(_ENOMEM)
        if dead is None and on and self._socket is None:
            import socket

            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.connect(struct.pack("H", socket.AF_UNIX) + path.encode() + b"\0")
            self._socket.setblocking(False)
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN | select.POLLHUP)
            self._task = asyncio.create_task(self._pump())
        return self._socket is not None

    def config(self, **options):
        """mtu and gap_name are taken; the rest of MicroPython's options is refused as ESP32 refuses rxbuf."""
        for name, value in options.items():
            if name == "mtu":
                self._max_mtu = value
                if dead is None:
                    self._send({"op": "mtu", "mtu": value})
            elif name == "gap_name":
                self._name = value
            else:
                raise ValueError("unknown config param")

    def irq(self, handler):
        """`handler(event, data)` for every event."""
        self._handler = handler

    def gatts_register_services(self, services):
        """Handles of the characteristics, service by service."""
        if dead:
            raise OSError(_ENOMEM)
        handle, told, result = 16, [], []
        for uuid, characteristics in services:
            handles, listed = [], []
            for characteristic in characteristics:
                handle += 2
                handles.append(handle)
                listed.append([_text(characteristic[0]), characteristic[1], handle])
                self._values[handle] = b""
                self._room[handle] = 20
            told.append([_text(uuid), listed])
            result.append(tuple(handles))
        self._send({"op": "register", "services": told})
        return tuple(result)

    def gatts_set_buffer(self, handle, size, append=False):
        """Room for `size` bytes; with `append` writes add up until they are read."""
        self._room[handle] = size
        if append:
            self._append.add(handle)

    def gatts_read(self, handle):
        """The value; an append buffer is empty then."""
        value = self._values[handle]
        if handle in self._append:
            self._values[handle] = b""
        return value

    def gatts_write(self, handle, data, send_update=False):
        """Sets the value that a host reads."""
        self._values[handle] = bytes(data)
        self._room[handle] = max(self._room[handle], len(data))
        self._send({"op": "value", "handle": handle, "data": bytes(data).hex()})

    def gatts_notify(self, conn, handle, data=None):
        """Sends `data`, or the value, at most MTU - 3 bytes."""
        if conn not in self._mtu:
            raise OSError(_ENOTCONN)
        data = bytes(self._values[handle] if data is None else data)[: self._mtu[conn] - 3]
        self._send({"op": "notify", "conn": conn, "handle": handle, "data": data.hex()})

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        """Advertises every `interval_us`; None ends it."""
        if interval_us is None:
            self._send({"op": "quiet"})
            return
        for data in (adv_data, resp_data):
            if data is not None and len(data) > 31:
                raise OSError(_EINVAL)
        order = {"op": "advertise", "ms": interval_us // 1000, "connectable": bool(connectable)}
        order["data"] = bytes(adv_data or b"").hex()
        order["response"] = bytes(resp_data or b"").hex()
        self._send(order)

    def gap_disconnect(self, conn):
        """False where there is no such connection."""
        if conn not in self._mtu:
            return False
        self._send({"op": "disconnect", "conn": conn})
        return True

    # --- the socket

    def _send(self, order):
        if self._socket is None:
            raise OSError(_ENODEV)
        line = json.dumps(order).encode() + b"\n"
        while line:
            try:
                sent = self._socket.write(line)
            except OSError:
                return
            if not sent:  # the kit reads all the time; a full socket is a moment's matter
                select.poll().poll(1)
                continue
            line = line[sent:]

    async def _pump(self):
        """Wakes the loop as soon as something comes: polling for it would cost a core."""
        stream = asyncio.StreamReader(self._socket)
        while True:
            data = await stream.read(2048)
            if not data:
                return
            lines = (self._half + data).split(b"\n")
            self._half = lines.pop()
            for line in lines:
                self._took(json.loads(line))

    def _took(self, event):
        what = event["ev"]
        if what == "write":
            handle, data = event["handle"], bytes.fromhex(event["data"])
            before = self._values[handle] if handle in self._append else b""
            self._values[handle] = (before + data)[: self._room[handle]]
            self._call(_WRITE, (event["conn"], handle))
            self._send({"op": "done", "n": event["n"]})
        elif what == "connect":
            self._mtu[event["conn"]] = 23
            self._call(_CONNECT, (event["conn"], 1, bytes.fromhex(event["address"])))
        elif what == "disconnect":
            self._mtu.pop(event["conn"], None)
            self._call(_DISCONNECT, (event["conn"], 1, b""))
        elif what == "mtu":
            self._mtu[event["conn"]] = event["mtu"]
            self._call(_MTU, (event["conn"], event["mtu"]))

    def _call(self, event, data):
        if self._handler is not None:
            try:
                self._handler(event, data)
            except Exception as error:  # noqa: BLE001 - printed, as MicroPython does; the kit sees a crash
                import sys

                sys.print_exception(error)


def _text(uuid):
    raw = bytes(reversed(bytes(uuid))).hex()
    if len(raw) == 4:
        return raw
    return "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))
