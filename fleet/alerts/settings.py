"""Where alerts are sent: the file alerts.json beside config.json (mode 0600, as it may hold a password). Absent: nowhere.

{"mail": [{"name", "host", "port", "tls": "tls" | "starttls" | "none", "user", "password", "from", "to": [text …],
           "least": "now" | "soon" | "look"}],
 "webhooks": [{"name", "url", "secret": hex, 16 bytes or more, "least", "private": true where the url may be of this machine
               or its network, and plain http}]}"""

from __future__ import annotations

import ipaddress
import json
import re
import stat
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from fleet.errors import ConfigError

Urgency = Literal["now", "soon", "look"]
NAME = "^[a-z0-9-]{1,32}$"
ADDRESS = re.compile(r"[^\s<>,;:\"()\[\]\\@\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,190}")
MOST = 8  # senders of a kind
MAX_FILE = 65_536


def _address(text: str) -> str:
    if not ADDRESS.fullmatch(text):
        raise ValueError("no mail address")
    return text


Address = Annotated[str, AfterValidator(_address)]


class _Sender(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
    name: str = Field(pattern=NAME)
    least: Urgency = "soon"


class Mail(_Sender):
    """A mail server and who is written to."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(ge=1, le=65_535)
    tls: Literal["tls", "starttls", "none"]
    user: str = Field(default="", max_length=256)
    password: SecretStr = SecretStr("")
    sender: Address = Field(alias="from")
    to: tuple[Address, ...] = Field(min_length=1, max_length=16, strict=False)


class Webhook(_Sender):
    """An address that is posted to, and the secret that its signature is made with."""

    url: str = Field(max_length=1000)
    secret: SecretStr
    private: bool = False

    def key(self) -> bytes:
        """The secret's bytes."""
        return bytes.fromhex(self.secret.get_secret_value())


class Senders(BaseModel):
    """All of them, mail first."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    mail: tuple[Mail, ...] = Field(default=(), max_length=MOST)
    webhooks: tuple[Webhook, ...] = Field(default=(), max_length=MOST)

    def every(self) -> tuple[Mail | Webhook, ...]:
        """In order."""
        return (*self.mail, *self.webhooks)


def read(path: Path) -> Senders:
    """Raises ConfigError with the place; never with what stands there."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"{path} can be read by others and may hold a password: chmod 600 {path}")
        data = path.read_bytes()[: MAX_FILE + 1]
    except FileNotFoundError:
        return Senders()
    except OSError as failed:
        raise ConfigError(f"{path} cannot be read: {failed.strerror}") from None
    try:
        if len(data) > MAX_FILE:
            raise ConfigError(f"{path} has more than {MAX_FILE} bytes")
        found = Senders.model_validate_json(json.dumps(json.loads(data)))
        names = [one.name for one in found.every()]
        if len(set(names)) != len(names):
            raise ConfigError(f"{path}: every sender has a name of its own")
        for one in found.webhooks:
            _check(path, one)
        for one in found.mail:
            if one.tls == "none" and (one.user or one.password.get_secret_value()) and not _here(one.host):
                raise ConfigError(f"{path}: {one.name}: a password goes over tls or starttls only")
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {place or 'the whole'}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path} is no JSON of docs/alerts.md") from None
    return found


def _check(path: Path, one: Webhook) -> None:
    try:
        long_enough = len(one.key()) >= 16
        parts = urlsplit(one.url)
        port_good = parts.port is None or parts.port > 0
    except ValueError:
        raise ConfigError(f"{path}: {one.name}: url or secret cannot be read") from None
    if not long_enough:
        raise ConfigError(f"{path}: {one.name}: the secret has 16 bytes or more, in hex")
    allowed = ("https", "http") if one.private else ("https",)
    if parts.scheme not in allowed or not parts.hostname or parts.username or parts.fragment or not port_good:
        raise ConfigError(
            f"{path}: {one.name}: the url begins with {' or '.join(allowed)}:// and names no user"
        )


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
