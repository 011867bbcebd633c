"""Listening to a brick without its keys: what it says in plain is who it is, how often it started, and its log lines."""

import time
from collections.abc import Iterator
from typing import Any

from stallmark import frame, handshake, provision
from stallmark import registry as reg
from stallmark.errors import StallmarkError

from workbench.errors import Silent
from workbench.provision import Bench

SECONDS = 12.0  # a brick without a host opens its link every eight seconds at most
_ASK_SECONDS = 1.0
_LEVELS = {1: "debug", 2: "info", 3: "warning", 4: "error"}


def hear(port: str, seconds: float = SECONDS) -> dict[str, Any]:
    """{"state": "blank", hardware …} of a brick without keys, {"state": "has keys", "brick", "starts", "link epoch"} of
    another. Raises ProvisionError, Silent."""
    bench = Bench(port)
    try:
        deadline = time.monotonic() + seconds
        asked = 0.0
        while time.monotonic() < deadline:
            if time.monotonic() >= asked:
                bench.send(reg.FRAME_PROVISION_REQUEST, provision.identify_request())
                asked = time.monotonic() + _ASK_SECONDS
            for kind, body in bench.frames():
                if kind == reg.FRAME_PROVISION_ANSWER:
                    try:
                        found = provision.parse_identity(body)
                    except StallmarkError:
                        continue
                    return {
                        "state": "blank",
                        "hardware": found["hardware"],
                        "flash bytes": found["flash_bytes"],
                        "firmware": found["firmware_digest"].hex(),
                    }
                if kind == reg.FRAME_M1 and len(body) == handshake.M1_SIZE:
                    m1 = handshake.parse_m1(body)
                    return {
                        "state": "has keys",
                        "brick": m1.brick8.hex(),
                        "starts": m1.boot,
                        "link epoch": m1.epoch,
                    }
    finally:
        bench.close()
    raise Silent(
        f"no brick answers on {port}: a bare board (flash it), one without power, or one whose host has the port open"
    )


def watch_log(port: str, seconds: float | None) -> Iterator[tuple[str, str, str]]:
    """(time of day, level, words) of each log line and notice, until `seconds` have passed. Raises PortGone."""
    bench = Bench(port)
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        while deadline is None or time.monotonic() < deadline:
            for kind, body in bench.frames():
                if kind in (reg.FRAME_LOG, reg.FRAME_NOTICE) and body:
                    number, words = frame.parse_text(body)
                    level = "notice" if kind == reg.FRAME_NOTICE else _LEVELS.get(number, str(number))
                    yield time.strftime("%H:%M:%S"), level, words
    except KeyboardInterrupt:
        return
    finally:
        bench.close()
