"""What a host OS service says of devices, as values; read from JSON that is not trusted."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, cast

from fleet.hostos.errors import ODD, HostOsError

MOST_DEVICES = 5000
MOST_TAGS = 64
MOST_LINES = 1000
MAX_LINE = 2048
DEVICE = re.compile(r"[0-9a-f]{32}([0-9a-f]{30})?")  # balena: 32 or 62 hex digits, never shortened
RELEASE = re.compile(r"[0-9a-f]{32,64}|id:[1-9][0-9]{0,15}")  # a commit in full, or id:NUMBER
TAG_KEY = re.compile(r"[A-Za-z0-9._:-]{1,64}")
MAX_TAG = 255


@dataclass(frozen=True, slots=True)
class Device:
    """One device. `pinned`: the commit it is held at, None where it follows its application; `running`: the one it runs by its
    own word; `last_seen`: the service's text of when it was connected last."""

    device: str
    name: str
    online: bool
    status: str
    pinned: str | None
    running: str | None
    os: str
    supervisor: str
    last_seen: str
    tags: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "tags": dict(self.tags)}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a device's log. `at_ms`: the device's clock, 0 where it says none; `system`: of its supervisor."""

    at_ms: int
    text: str
    system: bool

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def device_of(value: Any) -> Device:
    """A device out of what the service's library hands over. Raises HostOsError ODD."""
    f = _dict(value, "a device")
    tags = [_dict(one, "a tag") for one in _list(f.get("device_tag"))[:MOST_TAGS]]
    number = f.get("uuid")
    if not isinstance(number, str) or not DEVICE.fullmatch(number):
        raise HostOsError(ODD, "a device without a number in full")
    return Device(
        device=number,
        name=_text(f.get("device_name"), 255),
        online=f.get("is_online") is True,
        status=_text(f.get("overall_status") or f.get("status"), 64),
        pinned=_commit(f.get("is_pinned_on__release")),
        running=_commit(f.get("is_running__release")),
        os=_text(f.get("os_version"), 64),
        supervisor=_text(f.get("supervisor_version"), 64),
        last_seen=_text(f.get("last_connectivity_event"), 40),
        tags=tuple(sorted((_text(one.get("tag_key"), 255), _text(one.get("value"), 255)) for one in tags)),
    )


def devices_of(value: Any) -> list[Device]:
    """All of an application, by name. Raises HostOsError ODD."""
    found = [device_of(one) for one in _list(value)[:MOST_DEVICES]]
    return sorted(found, key=lambda one: (one.name, one.device))


def lines_of(value: Any) -> list[LogLine]:
    """Lines of a log, the oldest first. Raises HostOsError ODD."""
    found: list[LogLine] = []
    for one in _list(value)[-MOST_LINES:]:
        f = _dict(one, "a line of a log")
        at = f.get("timestamp") or f.get("createdAt")
        at_ms = at if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < 1 << 53 else 0
        found.append(LogLine(at_ms, _text(f.get("message"), MAX_LINE), f.get("isSystem") is True))
    return found


def _commit(value: Any) -> str | None:
    """An expanded release is a list of one, or of none."""
    if value is None:
        return None
    if isinstance(value, dict) and "__id" in value:
        return f"id:{cast('dict[str, Any]', value)['__id']}"
    found = _list(value)
    if not found:
        return None
    release = _dict(found[0], "a release")
    return _text(release.get("commit"), 64) or f"id:{release.get('id')}"


def _dict(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise HostOsError(ODD, f"{what} is no object")
    return cast("dict[str, Any]", value)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise HostOsError(ODD, "a list was expected")
    return cast("list[Any]", value)


def _text(value: Any, most: int) -> str:
    """Printable and bounded: it is shown in terminals and pages."""
    if not isinstance(value, str):
        return ""
    return "".join(one if one.isprintable() else " " for one in value[:most])
