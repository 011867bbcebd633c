"""The kit's control socket: JSON lines by which other programs tap, scan, break parts and switch bricks.

Requests are objects with `op`; every answer has `ok`, and `error` (a sentence) where it is false.

tap     brick?, uid (hex) or dump (path), hold_ms?    → brick, outcome (or null), ms
scan    brick?, text or image (path), hold_ms?        → brick, outcome (or null), ms, code
status                                                → kit, market_ms, bricks [...]
power   brick, state "on", "off" or "cut", seed?      → brick, power, torn (operation or null)
fault   brick, part "nfc", "qr", "up", "down" or "power", set {name: value}   → brick, part, faults
clock   advance_ms or set_ms                          → market_ms
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virtualkit import dumps, qrimage
from virtualkit.brick import BrickOff, Shown, VirtualBrick
from virtualkit.brick_process import BrickCrashed
from virtualkit.interpreter import InterpreterMissing

if TYPE_CHECKING:
    from virtualkit.kit import VirtualKit

_SAID = (ValueError, KeyError, OSError, BrickOff, BrickCrashed, InterpreterMissing)
_OPERATIONS = "tap, scan, status, power, fault, clock"
_MAX_LINE = 64 * 1024
_MAX_PATH = 100  # of a socket: 108 bytes on Linux, 104 on macOS


class KitNotRunning(RuntimeError):
    """Nobody listens at the control socket; the message says how to start the kit."""


class BadRequest(ValueError):
    """The request cannot be understood; the message says what is missing."""


class ControlServer:
    """Serves `path` for one kit."""

    def __init__(self, kit: "VirtualKit", path: Path) -> None:
        self._kit = kit
        self._path = path
        self._short: Path | None = None
        self._server: asyncio.Server | None = None
        self._rng = random.Random()
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Opens the socket. A path too long for one becomes a link to a short one."""
        self._path.unlink(missing_ok=True)
        bound = self._path
        if len(os.fsencode(bound)) > _MAX_PATH:
            self._short = Path(tempfile.mkdtemp(prefix="stallmark-"))
            bound = self._short / "kit.sock"
            self._path.symlink_to(bound)
        self._server = await asyncio.start_unix_server(self._serve, str(bound), limit=_MAX_LINE)

    async def stop(self) -> None:
        """Closes the socket."""
        if self._server:
            self._server.close()
            for writer in list(self._clients):
                writer.close()
            await self._server.wait_closed()
        self._path.unlink(missing_ok=True)
        if self._short:
            shutil.rmtree(self._short, ignore_errors=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except ValueError:
            writer.write(b'{"ok": false, "error": "a request is at most 64 KiB"}\n')
        except ConnectionError:
            pass
        finally:
            self._clients.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise BadRequest("a request is a JSON object")
            return {"ok": True} | await self._obey(request)  # pyright: ignore[reportUnknownArgumentType]
        except _SAID as error:
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            return {"ok": False, "error": str(text)}

    async def _obey(self, request: dict[str, Any]) -> dict[str, Any]:
        match request.get("op"):
            case "tap":
                return await self._tap(request)
            case "scan":
                return await self._scan(request)
            case "status":
                return self._status()
            case "power":
                return await self._power(request)
            case "fault":
                return self._fault(request)
            case "clock":
                return self._clock(request)
            case other:
                raise BadRequest(f"there is no operation {other!r}; there are {_OPERATIONS}")

    async def _tap(self, request: dict[str, Any]) -> dict[str, Any]:
        if "uid" in request:
            tag = dumps.from_uid(_hex(request["uid"]), self._rng)
        elif "dump" in request:
            tag = dumps.load(Path(str(request["dump"])))
        else:
            raise BadRequest("tap needs uid or dump")
        brick = self._kit.brick(_name(request), "nfc")
        return _told(brick, await brick.tap(tag, _number(request, "hold_ms")))

    async def _scan(self, request: dict[str, Any]) -> dict[str, Any]:
        if "text" in request:
            code = str(request["text"]).encode()
        elif "image" in request:
            code = await asyncio.to_thread(qrimage.decode, Path(str(request["image"])))
        else:
            raise BadRequest("scan needs text or image")
        brick = self._kit.brick(_name(request), "qr")
        shown = await brick.scan(code, _number(request, "hold_ms"))
        return _told(brick, shown) | {"code": code.decode("utf-8", "backslashreplace")}

    def _status(self) -> dict[str, Any]:
        return {
            "kit": self._kit.folder.path.name,
            "market_ms": self._kit.clock.now() if self._kit.clock else None,
            "bricks": [
                {
                    "name": brick.name,
                    "parts": list(brick.spec.parts),
                    "power": brick.powered,
                    "crash": brick.process.crash,
                    "boots": brick.process.boots,
                    "taps": brick.taps,
                    "light": list(brick.light.colour),
                    "edges": brick.light.count,
                    "link": str(brick.link),
                    "log": str(brick.process.log),
                }
                for brick in self._kit.bricks
            ],
        }

    async def _power(self, request: dict[str, Any]) -> dict[str, Any]:
        brick, torn = self._kit.brick(_name(request)), None
        match request.get("state"):
            case "on":
                await brick.start()
            case "off":
                await brick.stop()
            case "cut":
                seed = _number(request, "seed")
                cut = await brick.power_cut(self._rng.getrandbits(32) if seed is None else seed)
                torn = cut.operation
            case other:
                raise BadRequest(f'state is "on", "off" or "cut", not {other!r}')
        return {"brick": brick.name, "power": brick.powered, "torn": torn}

    def _fault(self, request: dict[str, Any]) -> dict[str, Any]:
        brick = self._kit.brick(_name(request))
        part, wanted = request.get("part"), request.get("set", {})
        places: dict[str, Any] = {
            "up": brick.wire.up.faults,
            "down": brick.wire.down.faults,
            "power": brick.packs.faults,
        }
        if brick.nfc:
            places["nfc"] = brick.nfc.faults
        if brick.scanner:
            places["qr"] = brick.scanner.faults
        if part not in places:
            raise BadRequest(f"part is one of {', '.join(sorted(places))}, not {part!r}")
        known = dataclasses.asdict(places[part])
        for name, value in wanted.items():
            if name not in known or not isinstance(value, int | float):
                names = ", ".join(known)
                raise BadRequest(f"{part} knows the faults {names}, with numbers or true and false")
            setattr(places[part], name, type(known[name])(value))
        brick.packs.update()
        return {"brick": brick.name, "part": part, "faults": dataclasses.asdict(places[part])}

    def _clock(self, request: dict[str, Any]) -> dict[str, Any]:
        clock = self._kit.clock
        if clock is None:
            raise BadRequest("this kit runs on real time")
        advance, wanted = _number(request, "advance_ms"), _number(request, "set_ms")
        if advance is None and wanted is None:
            raise BadRequest("clock needs advance_ms or set_ms")
        clock.set(clock.now() + (advance or 0) if wanted is None else wanted)
        return {"market_ms": clock.now()}


def request(socket_path: Path, message: dict[str, Any], seconds: float = 30.0) -> dict[str, Any]:
    """Sends one request and gives the answer. Raises KitNotRunning, TimeoutError."""
    folder = socket_path.parent.parent
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(os.path.realpath(socket_path))
            connection.sendall(json.dumps(message).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except TimeoutError:
        raise
    except OSError as error:
        raise KitNotRunning(f"no kit is running in {folder}: start it with `stallmark demo`") from error
    if not line:
        raise KitNotRunning(f"the kit in {folder} ended before it answered")
    return json.loads(line)


def _told(brick: VirtualBrick, shown: Shown) -> dict[str, Any]:
    ms = None if shown.ms is None else round(shown.ms, 3)
    return {"brick": brick.name, "outcome": shown.outcome, "ms": ms}


def _name(request: dict[str, Any]) -> str | None:
    name = request.get("brick")
    return None if name is None else str(name)


def _number(request: dict[str, Any], key: str) -> int | None:
    value = request.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadRequest(f"{key} is a whole number, not {value!r}")
    return value


def _hex(text: Any) -> bytes:
    try:
        return bytes.fromhex(str(text).replace(":", ""))
    except ValueError as error:
        raise BadRequest(f"{text!r} is not a tag number in hex") from error
