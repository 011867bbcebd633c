"""The part `host_os` of config.json: who looks after the operating systems of hosts.

  "host_os": {"provider": "none" or "balena", "api": "https://api.balena-cloud.com/", "token_file": "balena.token",
              "application": "org/fleet" or its number, "deadline_s": 20}

Without the part: none. `api` of openBalena is https://api.YOURDOMAIN/; http is taken for this machine only. The token file holds
one line and is for its owner alone (mode 0600)."""

from __future__ import annotations

import ipaddress
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fleet.errors import ConfigError

NONE, BALENA = "none", "balena"
PROVIDERS = (NONE, BALENA)
CLOUD = "https://api.balena-cloud.com/"
DEADLINE_S = 20
MOST_S = 120


@dataclass(frozen=True, slots=True)
class HostOs:
    """`api` ends with a slash; `deadline_s`: the longest that one call may take."""

    provider: str = NONE
    api: str = CLOUD
    token_file: Path | None = None
    application: str = ""
    deadline_s: float = DEADLINE_S


def made(
    place: str, provider: str, api: str, token_file: Path | None, application: str, deadline_s: float
) -> HostOs:
    """Checked. Raises ConfigError."""
    if provider not in PROVIDERS:
        raise ConfigError(f"{place}: provider is {provider!r}, there are {', '.join(PROVIDERS)}")
    if provider == NONE:
        return HostOs()
    if not application:
        raise ConfigError(f"{place}: 'application' is missing: org/fleet as balena shows it, or its number")
    if token_file is None:
        raise ConfigError(f"{place}: 'token_file' is missing: a file with one line, an API key of balena")
    if not 0 < deadline_s <= MOST_S:
        raise ConfigError(f"{place}: 'deadline_s' must be from 1 to {MOST_S}")
    return HostOs(provider, address(place, api), token_file, application, deadline_s)


def address(place: str, api: str) -> str:
    """The address with its slash. Raises ConfigError: a token goes there."""
    try:
        parts = urlsplit(api)
        name = parts.hostname or ""
    except ValueError:
        raise ConfigError(f"{place}: 'api' is no address") from None
    if parts.query or parts.fragment or parts.username or not name:
        raise ConfigError(f"{place}: 'api' must be like {CLOUD}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(name)):
        raise ConfigError(f"{place}: 'api' must begin with https:// (http:// only for this machine)")
    return api.rstrip("/") + "/"


def token(path: Path) -> str:
    """The one line. Raises ConfigError, also where others may read it."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}: put the API key of balena there") from None
    except ValueError:
        raise ConfigError(f"{path}: this is no API key") from None
    if mode & 0o077:
        raise ConfigError(f"{path} is a secret and can be read by others: chmod 600 {path}")
    if not text or len(text) > 4096 or any(not 33 <= ord(one) < 127 for one in text):
        raise ConfigError(f"{path}: one line is expected, an API key of balena")
    return text


def _here(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
