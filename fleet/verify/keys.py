"""The public keys file, `stallmark-public-keys/1` (docs/formats/ledger.md): all that a stranger trusts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, cast

from fleet.errors import NoteError
from fleet.ledger.note import Verifier, parse_vkey

FORMAT = "stallmark-public-keys/1"


class KeysError(ValueError):
    """The keys file is not one; the message says what was found."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host's signing key; `kid` is computed from the key itself, whatever the file claims."""

    kid: bytes  # 8 bytes
    public: bytes  # 32 bytes
    name: str


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What the file says."""

    development: bool
    origin: str
    log: Verifier
    hosts: tuple[HostKey, ...]

    def host(self, kid: bytes) -> HostKey | None:
        """The host with that key id."""
        return next((host for host in self.hosts if host.kid == kid), None)


def parse_keys(data: bytes | str) -> PublicKeys:
    """Reads a keys file. Raises KeysError."""
    try:
        found: Any = json.loads(data)
    except ValueError:
        raise KeysError("the keys file is not JSON") from None
    if not isinstance(found, dict):
        raise KeysError("the keys file is not a JSON object")
    file = cast("dict[str, Any]", found)
    if file.get("format") != FORMAT:
        raise KeysError(f"the keys file is not of the form {FORMAT}")
    try:
        log = parse_vkey(str(file["log"]["vkey"]))
        hosts = tuple(_host(host) for host in file["hosts"])
        return PublicKeys(file.get("development") is True, str(file["log"]["origin"]), log, hosts)
    except (KeyError, TypeError, AttributeError):
        raise KeysError("the keys file names no log or no hosts") from None
    except NoteError as error:
        raise KeysError(f"the log's key in the keys file: {error}") from None


def _host(host: dict[str, Any]) -> HostKey:
    try:
        public = base64.b64decode(str(host["public"]), validate=True)
    except (binascii.Error, ValueError):
        raise KeysError("a host key in the keys file is not base64") from None
    if len(public) != 32:
        raise KeysError(f"a host key in the keys file has {len(public)} bytes, expected 32")
    return HostKey(hashlib.sha256(public).digest()[:8], public, str(host.get("name", "")))
