"""Key files of people: an Ed25519 seed sealed with a passphrase.

Argon2id and SecretBox of PyNaCl, which signs here anyway: one library fewer to trust than with age files, the public half
stays readable without the passphrase, and the cost stands in the file, so it can rise later.
  {"format": "stallmark-key/1", "role": "root" or "author", "name": text, "kid": hex8, "public": base64,
   "sealed": {"kdf": "argon2id", "ops": int, "mem": bytes, "salt": base64, "box": base64}}
Inside the box: {"seed", "role", "name"}, so that a file cannot be relabelled. Development keys have "seed" in the open
and say INSECURE."""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from nacl import pwhash
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.signing import SigningKey

from fleet.trust import files
from fleet.trust.errors import KeyFileError, TrustError
from fleet.trust.keyset import Holder, holder

FORMAT = "stallmark-key/1"
PUBLIC_FORMAT = "stallmark-public-key/1"
MAX_FILE = 16_384
ROLES = ("root", "author")
INSECURE = "INSECURE development key: in the open, for tests and demonstrations only"
# libsodium's "moderate": 256 MiB, about a second. Dearer files are opened too, up to these.
MODERATE = (pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE)
MOST_OPS = 16
MOST_MEM = 1 << 30


@dataclass(frozen=True, slots=True)
class Key:
    """An opened key: who holds it, and its seed, which is never printed."""

    role: str
    name: str
    seed: bytes = field(repr=False)
    development: bool = False

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return bytes(SigningKey(self.seed).verify_key)

    @property
    def holder(self) -> Holder:
        """Its public half."""
        return holder(self.name, self.public)

    def sign(self, message: bytes) -> bytes:
        """64 bytes, Ed25519 (RFC 8032)."""
        return SigningKey(self.seed).sign(message).signature


def new(role: str, name: str) -> Key:
    """A fresh key. Raises KeyFileError for another role or a name that is none."""
    if role not in ROLES:
        raise KeyFileError(f"role {role!r}: expected one of {', '.join(ROLES)}")
    if not 0 < len(name.encode()) <= 48 or not name.isprintable():
        raise KeyFileError("the name: 1 to 48 printable bytes, as lists will show it")
    return Key(role, name, os.urandom(32))


def seal(key: Key, passphrase: str, cost: tuple[int, int] = MODERATE) -> bytes:
    """The key file's bytes. `cost`: Argon2id operations and memory in bytes."""
    if not passphrase:
        raise KeyFileError("an empty passphrase seals nothing")
    salt = os.urandom(pwhash.argon2id.SALTBYTES)
    inside = json.dumps({"seed": key.seed.hex(), "role": key.role, "name": key.name}).encode()
    box = bytes(SecretBox(_derive(passphrase, salt, cost)).encrypt(inside))
    value = {
        "format": FORMAT,
        "role": key.role,
        "name": key.name,
        "kid": key.holder.kid.hex(),
        "public": base64.b64encode(key.public).decode(),
        "sealed": {"kdf": "argon2id", "ops": cost[0], "mem": cost[1], "salt": _b64(salt), "box": _b64(box)},
    }
    return (json.dumps(value, indent=1) + "\n").encode()


def in_the_open(key: Key) -> bytes:
    """A development key's file: no passphrase, and it says so."""
    value = {
        "development": True,
        "warning": INSECURE,
        "role": key.role,
        "name": key.name,
        "seed": key.seed.hex(),
        "public": key.public.hex(),
    }
    return (json.dumps(value, indent=1) + "\n").encode()


def public_file(found: Holder, role: str) -> bytes:
    """What a holder hands to the fleet's admin: no secret in it."""
    value = {"format": PUBLIC_FORMAT, "role": role, "name": found.name, "public": _b64(found.public)}
    return (json.dumps(value, indent=1) + "\n").encode()


def read_public(path: Path) -> tuple[str, Holder]:
    """(role, holder) of a public file, a sealed key file or a development key file; no passphrase is needed.
    Role is "" where the file does not say. Raises KeyFileError."""
    value = _json(path)
    return str(value.get("role", "")), _holder(path, value)


def is_sealed(path: Path) -> bool:
    """Whether a passphrase is needed. Raises KeyFileError."""
    return "sealed" in _json(path)


def open_file(path: Path, passphrase: str | None) -> Key:
    """The key in a file; `passphrase` None for one in the open. Raises KeyFileError."""
    value = _json(path)
    stated = _holder(path, value)
    if "sealed" not in value:
        if value.get("development") is not True or not isinstance(value.get("seed"), str):
            raise KeyFileError(f"{path}: this file holds no secret key; the holder's own key file is needed")
        key = Key(str(value.get("role", "author")), stated.name, _octets(path, value["seed"], 32), True)
    else:
        key = _unseal(path, value, stated, passphrase)
    if key.public != stated.public:
        raise KeyFileError(
            f"{path}: the secret key is not that of the public one beside it: file was altered"
        )
    return key


def _unseal(path: Path, value: dict[str, Any], stated: Holder, passphrase: str | None) -> Key:
    sealed: Any = value["sealed"]
    if value.get("format") != FORMAT or not isinstance(sealed, dict):
        raise KeyFileError(f"{path}: not a key file of this program")
    part = cast("dict[str, Any]", sealed)
    ops, mem = part.get("ops"), part.get("mem")
    if part.get("kdf") != "argon2id" or type(ops) is not int or type(mem) is not int:
        raise KeyFileError(f"{path}: sealed in a way that this program does not know")
    if not 1 <= ops <= MOST_OPS or not 8192 <= mem <= MOST_MEM:
        raise KeyFileError(
            f"{path}: asks for {ops} passes over {mem} bytes: more than a key file of ours does"
        )
    if passphrase is None:
        raise KeyFileError(f"{path} is sealed: its passphrase is needed")
    salt = _octets(path, part.get("salt"), pwhash.argon2id.SALTBYTES)
    box = _octets(path, part.get("box"))
    try:
        inside: Any = json.loads(SecretBox(_derive(passphrase, salt, (ops, mem))).decrypt(box))
    except (CryptoError, ValueError):
        raise KeyFileError(f"{path}: wrong passphrase, or the file was altered") from None
    role, name = str(value.get("role")), stated.name
    if not isinstance(inside, dict) or (inside.get("role"), inside.get("name")) != (role, name):  # pyright: ignore[reportUnknownMemberType]
        raise KeyFileError(f"{path}: role or name is not the one that was sealed: file was altered")
    return Key(role, name, _octets(path, cast("dict[str, Any]", inside).get("seed"), 32))


def _derive(passphrase: str, salt: bytes, cost: tuple[int, int]) -> bytes:
    return pwhash.argon2id.kdf(SecretBox.KEY_SIZE, passphrase.encode(), salt, cost[0], cost[1])


def _json(path: Path) -> dict[str, Any]:
    try:
        return files.read_json(path, MAX_FILE)
    except TrustError as error:
        raise KeyFileError(str(error)) from None


def _holder(path: Path, value: dict[str, Any]) -> Holder:
    name = value.get("name", path.stem)
    if not isinstance(name, str) or not 0 < len(name.encode()) <= 48:
        raise KeyFileError(f"{path}: a key without a name")
    return holder(name, _octets(path, value.get("public"), 32))


def _octets(path: Path, text: Any, size: int | None = None) -> bytes:
    try:
        if not isinstance(text, str):
            raise ValueError
        data = (
            bytes.fromhex(text) if size == 32 and len(text) == 64 else base64.b64decode(text, validate=True)
        )
    except (ValueError, binascii.Error):
        data = b""
    if not data or (size is not None and len(data) != size):
        raise KeyFileError(f"{path}: damaged: a value is not {size or 'some'} bytes")
    return data


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
