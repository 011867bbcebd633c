"""What people do with hosts, the same for commands and the API: written down first, then done, then what became of it.

A call whose outcome nobody knows (slow, broken) stands in the log so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleet.errors import Refused
from fleet.hostos.errors import HostOsError
from fleet.hostos.model import DEVICE, MAX_TAG, RELEASE, TAG_KEY
from fleet.hostos.provider import HostOsProvider

Record = Callable[[str, str, object, object], None]  # verb, thing, before, after


def tag(provider: HostOsProvider, record: Record, device: str, key: str, value: str | None) -> None:
    """Sets a tag or takes it away. Raises HostOsError, Refused 422; so do the others."""
    if not TAG_KEY.fullmatch(key) or (
        value is not None and (len(value) > MAX_TAG or not value.isprintable())
    ):
        raise Refused(
            422,
            f"a tag's key has at most 64 letters, digits, . _ : -, its value at most {MAX_TAG} characters",
        )
    _do(record, "hosts.tag", device, {"key": key, "value": value}, lambda: provider.tag(device, key, value))


def pin(provider: HostOsProvider, record: Record, device: str, release: str | None) -> None:
    """Holds a device at a release, or lets it follow its application."""
    if release is not None and not RELEASE.fullmatch(release):
        raise Refused(422, "a release is named by its commit in full, or id:NUMBER")
    _do(record, "hosts.pin", device, {"release": release}, lambda: provider.pin(device, release))


def restart(provider: HostOsProvider, record: Record, device: str) -> None:
    """Restarts its containers."""
    _do(record, "hosts.restart", device, {}, lambda: provider.restart(device))


def identify(provider: HostOsProvider, record: Record, device: str) -> None:
    """Lets it blink."""
    _do(record, "hosts.identify", device, {}, lambda: provider.identify(device))


def _do(record: Record, verb: str, device: str, asked: dict[str, Any], call: Callable[[], None]) -> None:
    if not DEVICE.fullmatch(device):
        raise Refused(422, "a device is named by its 32 or 62 hex digits in full")
    thing = f"device {device}"
    record(verb, thing, None, asked)
    try:
        call()
    except HostOsError as failed:
        record(f"{verb}.failed", thing, None, {**asked, "why": failed.code})
        raise
