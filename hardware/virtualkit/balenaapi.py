"""A model of the balena API for tests and for trying `stallmark fleet hosts` without an account.

`python -m virtualkit.balenaapi [--port N] [--devices N]` serves on 127.0.0.1. It knows what the controller's adapter uses of the
OData API v7 (application, device, device_tag, release), the supervisor's actions and logs, as the wire has them: a tag is set by
a POST, which is refused with 409 "unique" where there is one, and then by a PATCH. Faults: see `FAULTS`."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "development-balena-token"  # noqa: S105 - a model's own, worth nothing elsewhere
APPLICATION = "market/stallmark-hosts"
MAX_BODY = 65_536
# silent: takes the call and says nothing; trickle: an answer that never ends; endless: one that is too long; cut: the connection
# breaks in the middle; odd: no JSON that makes sense; status-N: that HTTP status.
FAULTS = ("silent", "trickle", "endless", "cut", "odd")


@dataclass
class Machine:
    """One device. `locked`: it holds its update lock; `blinked`, `restarted`: how often."""

    number: int
    uuid: str
    name: str
    online: bool = True
    pinned: int | None = None
    running: int | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    locked: bool = False
    blinked: int = 0
    restarted: int = 0


@dataclass
class Cloud:
    """What the service knows. `fault` holds for every call; `asked`: (method, path) of the calls, the last 1,000."""

    machines: dict[str, Machine] = field(default_factory=dict[str, Machine])
    releases: dict[int, str] = field(default_factory=dict[int, str])
    fault: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    ended: threading.Event = field(default_factory=threading.Event)

    def obey(self) -> None:
        """Devices that are there take up what they are pinned at."""
        for one in self.machines.values():
            if one.online:
                one.running = one.pinned or max(self.releases)

    def device(self, one: Machine, expanded: str) -> dict[str, Any]:
        """As the API shows it: what is not expanded is a bare `__id`."""
        return {
            "id": one.number,
            "uuid": one.uuid,
            "device_name": one.name,
            "is_online": one.online,
            "overall_status": "idle" if one.online else "disconnected",
            "last_connectivity_event": "2026-11-22T10:00:00.000Z",
            "os_version": "balenaOS 6.5.39",
            "supervisor_version": "17.1.2",
            "belongs_to__application": [{"id": 1}] if "belongs_to__application" in expanded else {"__id": 1},
            "is_pinned_on__release": self.release(one.pinned),
            "is_running__release": self.release(one.running),
            "device_tag": [{"tag_key": key, "value": value} for key, value in one.tags.items()],
        }

    def release(self, number: int | None) -> list[dict[str, Any]]:
        """An expanded release: a list of one or none."""
        return [] if number is None else [{"id": number, "commit": self.releases[number]}]


def market(devices: int = 3) -> Cloud:
    """Devices stall-1 …, two releases, the last device off."""
    cloud = Cloud(releases={1: _hex("release 1")[:40], 2: _hex("release 2")[:40]})
    for n in range(1, devices + 1):
        uuid = _hex(f"device {n}")[:32]
        line = {
            "message": f"host agent of stall-{n} is up",
            "timestamp": 1_795_000_000_000 + n,
            "isSystem": False,
        }
        cloud.machines[uuid] = Machine(
            100 + n, uuid, f"stall-{n}", online=n < devices or n == 1, lines=[line]
        )
    cloud.obey()
    return cloud


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Server:
    """The model on 127.0.0.1. `with Server(market()) as api: api.url`."""

    def __init__(self, cloud: Cloud, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"cloud": cloud})
        self.cloud = cloud
        self.http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"
        self._thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cloud.ended.set()
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    cloud: Cloud

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        """Reads."""
        self._serve()

    def do_POST(self) -> None:
        """Makes, and the supervisor's actions."""
        self._serve()

    def do_PATCH(self) -> None:
        """Changes."""
        self._serve()

    def do_DELETE(self) -> None:
        """Takes away."""
        self._serve()

    # --- how it answers

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = min(int(self.headers.get("content-length") or 0), MAX_BODY)
        try:
            body: Any = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            body = {}
        self.cloud.asked.append((self.command, unquote(self.path)))
        del self.cloud.asked[:-1000]
        if self._faulty():
            return
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._say(401, "Unauthorized")
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        status, answer = self._answer(unquote(parts.path), query, cast("dict[str, Any]", body))
        self._say(status, answer)

    def _say(self, status: int, answer: Any) -> None:
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _faulty(self) -> bool:
        fault = self.cloud.fault
        if fault.startswith("status-"):
            self._say(int(fault[7:]), "this is a fault of the model")
        elif fault == "silent":
            self.cloud.ended.wait(300)
        elif fault == "odd":
            self._say(200, '{"d": [{"uuid": 7}, "device", null]}')
        elif fault in ("trickle", "endless", "cut"):
            self._stream(fault)
        return bool(fault)

    def _stream(self, fault: str) -> None:
        self.send_response(200)
        if fault == "cut":
            self.send_header("Content-Length", "100000")
        self.end_headers()
        piece = b'{"d": [' + b" " * (1 << 16 if fault == "endless" else 1)
        try:
            while fault != "cut" and not self.cloud.ended.is_set():
                self.wfile.write(piece)
                if fault == "trickle":
                    self.cloud.ended.wait(0.05)
            self.wfile.write(piece)
        except OSError:
            pass  # the other end had enough
        self.close_connection = True

    # --- what it knows

    def _answer(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        if path.startswith("/v7/device_tag"):
            return self._tag(query.get("$filter", ""), body)
        if path.startswith("/v7/device"):
            return self._device(path, query, body)
        if path.startswith("/v7/application"):
            wanted = query.get("$filter", path)
            return 200, {
                "d": [{"id": 1, "slug": APPLICATION}] if APPLICATION in wanted or "(1)" in path else []
            }
        if path.startswith("/v7/release"):
            return self._release(path, query.get("$filter", ""))
        if path.startswith("/supervisor/v1/"):
            return self._act(path.rpartition("/")[2], body)
        logs = re.fullmatch(r"/device/v2/([0-9a-f]+)/logs", path)
        if logs and logs[1] in self.cloud.machines:
            return 200, self.cloud.machines[logs[1]].lines[-int(query.get("count", "1000")) :]
        return 404, "Not found"

    def _device(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        filtered = query.get("$filter", "")
        every = list(self.cloud.machines.values())
        where = path + filtered
        uuids, numbers = re.findall(r"'([0-9a-f]{32,62})'", where), _numbers(where)
        found = [one for one in every if one.uuid in uuids or one.number in numbers]
        if "belongs_to__application" in filtered and not uuids:
            found = every
        if self.command == "PATCH":
            for one in found:
                one.pinned = body.get("is_pinned_on__release", one.pinned)
            self.cloud.obey()
            return 200, "OK"
        return 200, {"d": [self.cloud.device(one, query.get("$expand", "")) for one in found]}

    def _release(self, path: str, filtered: str) -> tuple[int, Any]:
        where = path + filtered
        found = [
            number
            for number, commit in self.cloud.releases.items()
            if commit in where or re.search(rf"(\(|id eq ){number}\)", where)
        ]
        return 200, {"d": [self.cloud.release(number)[0] for number in found]}

    def _tag(self, filtered: str, body: dict[str, Any]) -> tuple[int, Any]:
        numbers, key = _numbers(filtered), re.search(r"tag_key eq '([^']*)'", filtered)
        if self.command == "POST":
            numbers, name = [body["device"]], str(body["tag_key"])
        else:
            name = key[1] if key else ""
        for one in self.cloud.machines.values():
            if one.number not in numbers:
                continue
            if self.command == "POST" and name in one.tags:
                return 409, '"Unique key constraint violated"'
            if self.command == "DELETE":
                one.tags.pop(name, None)
            else:
                one.tags[name] = str(body["value"])
            return 201 if self.command == "POST" else 200, {"id": 1}
        return 404, "Not found"

    def _act(self, action: str, body: dict[str, Any]) -> tuple[int, Any]:
        for one in self.cloud.machines.values():
            if body.get("uuid") == one.uuid or body.get("deviceId") == one.number:
                if not one.online:
                    return 504, "tunneling socket could not be established"
                if one.locked and action in ("restart", "reboot", "purge"):
                    return 423, "Updates are locked: /tmp/balena/updates.lock exists"
                one.blinked += action == "blink"
                one.restarted += action == "restart"
                return 200, "OK"
        return 404, "Not found"


def _numbers(text: str) -> list[int]:
    return [int(one) for one in re.findall(r"\b(10[0-9]|1[1-9][0-9]|[2-9][0-9]{2,})\b", text)]


def main() -> None:
    """Serves until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A model of the balena API on this machine.")
    parser.add_argument("--port", type=int, default=8790)
    parser.add_argument("--devices", type=int, default=3)
    parser.add_argument("--fault", default="", help=", ".join((*FAULTS, "status-N")))
    given = parser.parse_args()
    cloud = market(given.devices)
    cloud.fault = given.fault
    with Server(cloud, given.port) as server:
        print(f"balena model on {server.url}  application {APPLICATION}  token {TOKEN}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
