"""balena and openBalena behind the interface: asks the SDK's own process, each call with a deadline of ours.

Where a call does not end by itself the process is ended; the next call starts another one. At most WAITING calls wait for
their turn, the others are refused at once."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from threading import Lock
from typing import Any, cast

from fleet.hostos import errors
from fleet.hostos.errors import HostOsError
from fleet.hostos.model import (
    DEVICE,
    MAX_TAG,
    MOST_LINES,
    RELEASE,
    TAG_KEY,
    Device,
    LogLine,
    devices_of,
    lines_of,
)

WAITING = 16
START_S = 30.0  # what importing the SDK may take on a loaded machine
GRACE_S = 3.0  # between the deadline on the wire and the end of the process
MAX_ANSWER = 16 << 20
# The SDK reads these: on a balena device it would talk to that device's own supervisor instead of the service.
NOT_PASSED = ("BALENA_", "RESIN_")


class BalenaProvider:
    """Thread-safe; one call at a time. The token goes to the process through its input and stands nowhere else."""

    name = "balena"

    def __init__(self, api: str, token: str, application: str, deadline_s: float) -> None:
        self._first = json.dumps({"api": api, "token": token, "application": application}) + "\n"
        self._deadline_s = deadline_s
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = Lock()
        self._counting = Lock()
        self._waiting = 0

    def devices(self) -> list[Device]:
        """Every device of the application, with tags and releases."""
        return devices_of(self._call("list"))

    def tag(self, device: str, key: str, value: str | None) -> None:
        """Keys have at most 64 letters, digits, . _ : -; values at most 255 characters."""
        if not TAG_KEY.fullmatch(key) or (
            value is not None and (len(value) > MAX_TAG or not value.isprintable())
        ):
            raise HostOsError(
                errors.REFUSED, "a tag's key has at most 64 letters, digits, . _ : -, its value 255"
            )
        self._call("tag", _device(device), key, value)

    def pin(self, device: str, release: str | None) -> None:
        """The release must have been built with success."""
        if release is not None and not RELEASE.fullmatch(release):
            raise HostOsError(errors.REFUSED, "a release is named by its commit in full, or id:NUMBER")
        self._call("pin", _device(device), release)

    def restart(self, device: str) -> None:
        """Its containers."""
        self._call("restart", _device(device))

    def identify(self, device: str) -> None:
        """It blinks."""
        self._call("identify", _device(device))

    def logs(self, device: str, count: int) -> list[LogLine]:
        """The newest, never followed live: that would start the SDK's reactor."""
        return lines_of(self._call("logs", _device(device), max(1, min(count, MOST_LINES))))[-count:]

    def close(self) -> None:
        """Ends the process."""
        with self._turn:
            self._end()

    # --- the process

    def _call(self, call: str, *args: object) -> Any:
        until = time.monotonic() + self._deadline_s
        with self._counting:
            if self._waiting >= WAITING:
                raise HostOsError(errors.BUSY)
            self._waiting += 1
        try:
            if not self._turn.acquire(timeout=self._deadline_s):
                raise HostOsError(errors.BUSY)
            try:
                return self._ask(call, args, max(0.1, until - time.monotonic()))
            finally:
                self._turn.release()
        finally:
            with self._counting:
                self._waiting -= 1

    def _ask(self, call: str, args: tuple[object, ...], seconds: float) -> Any:
        if self._process is None or self._process.poll() is not None:
            self._start()
        line = json.dumps({"call": call, "args": args, "seconds": seconds}) + "\n"
        answer = self._answer(line, seconds + GRACE_S)
        if "error" in answer:
            retry = answer.get("retry_s")
            raise HostOsError(
                str(answer["error"]),
                str(answer.get("detail") or ""),
                retry if isinstance(retry, int) else None,
            )
        return answer.get("ok")

    def _start(self) -> None:
        self._end()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED)}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fleet.hostos.sdk"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # tracebacks of the SDK name addresses and heads
                env=environment,
                start_new_session=True,  # Ctrl-C is for the controller, which then ends this one
            )
        except OSError as failed:
            raise HostOsError(errors.FAILED, f"no process for it: {failed.strerror}") from None
        self._answer(self._first, START_S)

    def _write(self, line: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError:
            self._end()
            raise HostOsError(errors.FAILED, "its process ended") from None

    def _answer(self, line: str, seconds: float) -> dict[str, Any]:
        self._write(line)
        assert self._process is not None and self._process.stdout is not None
        out, until, data = self._process.stdout, time.monotonic() + seconds, bytearray()
        with selectors.DefaultSelector() as waiting:
            waiting.register(out, selectors.EVENT_READ)
            while not data.endswith(b"\n"):
                left = until - time.monotonic()
                if left <= 0 or not waiting.select(left):
                    self._end()
                    raise HostOsError(errors.SLOW)
                piece = os.read(out.fileno(), 1 << 16)
                data += piece
                if not piece or len(data) > MAX_ANSWER:
                    self._end()
                    raise HostOsError(
                        errors.ODD, "its process ended" if not piece else "an answer that is too long"
                    )
        try:
            found: Any = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self._end()
            raise HostOsError(errors.ODD)
        return cast("dict[str, Any]", found)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _device(device: str) -> str:
    if not DEVICE.fullmatch(device):
        raise HostOsError(errors.UNKNOWN, "a device is named by its 32 or 62 hex digits in full")
    return device
