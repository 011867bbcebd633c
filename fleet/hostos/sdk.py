"""The process in which the balena SDK runs: `python -m fleet.hostos.sdk`, requests and answers as lines of JSON.

A process of its own, because importing it installs Twisted's reactor, and because a call that hangs where no timeout reaches
(a name that does not resolve) can then be ended for sure. First line in: `{"api", "token", "application"}`, answered when the SDK
is there; then one `{"call", "args", "seconds"}` a line. Answers: `{"ok": value}` or `{"error": code, "detail", "retry_s"}`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

SELECT = [
    "id", "uuid", "device_name", "is_online", "overall_status", "last_connectivity_event", "os_version", "supervisor_version",
]  # fmt: skip
EXPAND = {
    "is_pinned_on__release": {"$select": ["id", "commit"]},
    "is_running__release": {"$select": ["id", "commit"]},
    "device_tag": {"$select": ["tag_key", "value"]},
}


def main() -> None:
    """Serves until its input ends."""
    out = sys.stdout
    sys.stdout = sys.stderr  # what the SDK prints is no answer
    first = json.loads(sys.stdin.readline())
    try:
        calls = _Calls(first["api"], first["token"], first["application"])
    except ImportError:
        calls = None
    out.write(json.dumps({"ok": "ready"}) + "\n")
    out.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        answer = {"error": "missing"} if calls is None else calls.answer(asked)
        out.write(json.dumps(answer) + "\n")
        out.flush()


class _Calls:
    """The SDK on a base address of our own. Raises ImportError where it is not installed."""

    def __init__(self, api: str, token: str, application: str) -> None:
        # The parts and not `Balena`: OData calls keep the address that is set when PineClient is made, and there is no
        # setting of the constructor for it.
        # They have no types, and are not there at all without the extra.
        balena: Any = import_module("balena")
        pine, auth = import_module("balena.pine"), import_module("balena.balena_auth")
        exceptions: Any = import_module("balena.exceptions")
        from fleet.hostos.wire import Wire

        settings: Any = import_module("balena.settings").Settings(
            {"data_directory": False}  # nothing is written to ~/.balena
        )
        settings.set("api_endpoint", api)
        settings.set("token", token)
        self._wire: Any = Wire(api)
        for module in (pine, auth):
            vars(module)["requests"] = self._wire
        client: Any = vars(pine)["PineClient"](settings, str(balena.__version__))
        self._devices: Any = import_module("balena.models").Models(client, settings).device
        self._logs: Any = import_module("balena.logs").Logs(client, settings)
        self._application: str | int = int(application) if application.isdigit() else application
        self._unknown = (
            exceptions.DeviceNotFound, exceptions.ReleaseNotFound, exceptions.ApplicationNotFound,
        )  # fmt: skip

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """To one line. Never raises: whatever comes out of the SDK has a code here."""
        calls: dict[str, Callable[..., Any]] = {
            "list": self.devices,
            "tag": self.tag,
            "pin": self.pin,
            "restart": self._devices.restart_application,
            "identify": self._devices.identify,
            "logs": self._logs.history,
        }
        self._wire.begin(float(asked["seconds"]))
        try:
            found = calls[asked["call"]](*asked["args"])
        except Exception as wrong:  # noqa: BLE001 - the SDK names other causes than the true one: the wire knows
            return self._fault() or {
                "error": "unknown" if isinstance(wrong, self._unknown) else "odd",
                "detail": "" if isinstance(wrong, self._unknown) else type(wrong).__name__,
            }
        fault = self._fault()
        if fault is not None:
            return fault
        return {"ok": found if asked["call"] in ("list", "logs") else None}

    def devices(self) -> Any:
        """Every device, with its releases and tags."""
        return self._devices.get_all_by_application(
            self._application, {"$select": SELECT, "$expand": EXPAND, "$top": 5000}
        )

    def tag(self, device: str, key: str, value: str | None) -> None:
        """Sets or takes away."""
        if value is None:
            self._devices.tags.remove(device, key)
        else:
            self._devices.tags.set(device, key, value)

    def pin(self, device: str, release: str | None) -> None:
        """At a release, or none."""
        if release is None:
            self._devices.track_application_release(device)
        elif release.startswith("id:"):
            self._devices.pin_to_release(device, int(release[3:]))
        else:
            self._devices.pin_to_release(device, release)

    def _fault(self) -> dict[str, Any] | None:
        if self._wire.fault is None:
            return None
        code, detail, retry_s = self._wire.fault
        return {"error": code, "detail": detail, "retry_s": retry_s}


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        main()
