"""The interface to whatever looks after the operating systems of hosts, and opening the one that is configured."""

from __future__ import annotations

from typing import Protocol

from fleet.hostos import settings
from fleet.hostos.errors import NONE, HostOsError
from fleet.hostos.model import Device, LogLine


class HostOsProvider(Protocol):
    """Every call blocks for at most the configured deadline and raises HostOsError with words for people, and nothing else.
    `device`: a device's number in full; `release`: a commit in full or id:NUMBER."""

    @property
    def name(self) -> str:
        """none, balena."""
        ...

    def devices(self) -> list[Device]:
        """Every device of the application."""
        ...

    def tag(self, device: str, key: str, value: str | None) -> None:
        """Sets a tag, or takes it away (None)."""
        ...

    def pin(self, device: str, release: str | None) -> None:
        """Holds a device at a release; None lets it follow its application. Also for a device that is off: it obeys later."""
        ...

    def restart(self, device: str) -> None:
        """Restarts the containers on a device, not the machine. Refused with LOCKED while the device holds its update lock."""
        ...

    def identify(self, device: str) -> None:
        """Lets a device blink."""
        ...

    def logs(self, device: str, count: int) -> list[LogLine]:
        """The newest lines of its log, at most `count`."""
        ...

    def close(self) -> None:
        """Ends what runs for it."""
        ...


class NoProvider:
    """Hosts are looked after by hand: every call says so."""

    name = "none"

    def devices(self) -> list[Device]:
        """Raises HostOsError NONE, as all of them."""
        raise HostOsError(NONE)

    def tag(self, device: str, key: str, value: str | None) -> None:
        """No."""
        raise HostOsError(NONE)

    def pin(self, device: str, release: str | None) -> None:
        """No."""
        raise HostOsError(NONE)

    def restart(self, device: str) -> None:
        """No."""
        raise HostOsError(NONE)

    def identify(self, device: str) -> None:
        """No."""
        raise HostOsError(NONE)

    def logs(self, device: str, count: int) -> list[LogLine]:
        """No."""
        raise HostOsError(NONE)

    def close(self) -> None:
        """Nothing to end."""


def open_provider(configured: settings.HostOs) -> HostOsProvider:
    """The configured one. Raises ConfigError where its token file is not there; the service itself is not asked yet."""
    if configured.provider == settings.NONE or configured.token_file is None:
        return NoProvider()
    from fleet.hostos.balena import BalenaProvider

    return BalenaProvider(
        configured.api,
        settings.token(configured.token_file),
        configured.application,
        configured.deadline_s,
    )
