"""Signed notes (C2SP signed-note v1): text, a blank line, a line per signature. Ed25519; others ignored."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

from fleet.errors import NoteError
from fleet.signatures import good

ED25519 = 0x01  # signature type byte of a note key
DASH = "— "  # em dash, space: opens a signature line
MAX_BYTES = 1_000_000  # as Go's note package
MAX_SIGNATURES = 100


def key_id(name: str, public: bytes) -> bytes:
    """SHA-256(name ‖ LF ‖ type ‖ public key)[:4], which tells keys of one name apart."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([ED25519]) + public).digest()[:4]


def check_name(name: str) -> str:
    """A key name: not empty, no white space, no plus sign. Returns it; raises NoteError."""
    if not name or "+" in name or any(c.isspace() for c in name):
        raise NoteError(f"not a note key name: {name!r} (it must not be empty nor hold white space or '+')")
    return name


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name."""

    name: str
    public: bytes  # 32 bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes."""
        return key_id(self.name, self.public)

    @property
    def vkey(self) -> str:
        """`name+hex8+base64`: how notes write a public key down."""
        data = base64.b64encode(bytes([ED25519]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{data}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `message`."""
        return len(signature) == crypto_sign_BYTES and good(signature + message, self.public)


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A secret key under a name. Never printed."""

    name: str
    seed: bytes  # 32 bytes

    @property
    def verifier(self) -> Verifier:
        """Its public half."""
        return Verifier(self.name, crypto_sign_seed_keypair(self.seed)[0])

    def sign(self, message: bytes) -> bytes:
        """64 bytes; deterministic, as Ed25519 is."""
        return crypto_sign(message, crypto_sign_seed_keypair(self.seed)[1])[:crypto_sign_BYTES]

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note: its text, the verifiers whose signature is good, and the lines of keys that are not
    ours."""

    text: str
    verified: tuple[Verifier, ...]
    others: tuple[str, ...]


def parse_vkey(vkey: str) -> Verifier:
    """Reads `name+hex8+base64`. Raises NoteError where form, key id or type is wrong."""
    parts = vkey.split("+", 2)
    if len(parts) != 3:
        raise NoteError("a verifier key is name+hash+base64")
    name, short, data = parts
    check_name(name)
    try:
        key = base64.b64decode(data, validate=True)
        identity = bytes.fromhex(short)
    except (binascii.Error, ValueError):
        raise NoteError("a verifier key is name+hash+base64: hash or base64 unreadable") from None
    if len(key) != 33 or key[0] != ED25519:
        raise NoteError("only Ed25519 verifier keys (type 1, 32 bytes) are known here")
    if len(short) != 8 or identity != key_id(name, key[1:]):
        raise NoteError("the hash of the verifier key does not fit its name and key")
    return Verifier(name, key[1:])


def sign(text: str, signers: Sequence[Signer], others: Iterable[str] = ()) -> bytes:
    """The note over `text` (ends in a newline) by each signer; `others` are signature lines of witnesses,
    verbatim."""
    _check_text(text)
    message = text.encode()
    lines = list(others)
    for signer in signers:
        check_name(signer.name)
        blob = signer.verifier.key_id + signer.sign(message)
        lines.append(f"{DASH}{signer.name} {base64.b64encode(blob).decode()}\n")
    if not lines:
        raise NoteError("a note without a signature is not a note")
    return message + b"\n" + "".join(lines).encode()


def open_note(data: bytes, verifiers: Sequence[Verifier]) -> Note:
    """Checks a note against the keys we know.

    Unknown keys are kept aside and ignored; one wrong signature under a known key refuses the note, and so
    does having none at all. Raises NoteError.
    """
    text, lines = split(data)
    message = text.encode()
    known = {(v.name, v.key_id): v for v in verifiers}
    good: list[Verifier] = []
    others: list[str] = []
    for line in lines:
        name, blob = _signature(line)
        verifier = known.get((name, blob[:4]))
        if verifier is None:
            others.append(line + "\n")
        elif verifier not in good:  # a second line by the same key says nothing new
            if not verifier.verify(message, blob[4:]):
                raise NoteError(f"the signature by {name} is wrong")
            good.append(verifier)
    if not good:
        raise NoteError("no signature by a key that is known here")
    return Note(text, tuple(good), tuple(others))


def split(data: bytes) -> tuple[str, list[str]]:
    """(text with its last newline, signature lines without theirs), unverified. Raises NoteError."""
    if len(data) > MAX_BYTES:
        raise NoteError(f"a note has at most {MAX_BYTES} bytes, this one {len(data)}")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteError("a note is UTF-8 text") from None
    if any(c < " " and c != "\n" for c in whole):
        raise NoteError("a note has no control characters but newlines")
    at = whole.rfind("\n\n")
    if at < 0 or not whole.endswith("\n"):
        raise NoteError("a note has a blank line before its signatures and ends in a newline")
    lines = whole[at + 2 :].split("\n")[:-1]
    if not lines:
        raise NoteError("the note has no signature line")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signature lines")
    return whole[: at + 1], lines


def _signature(line: str) -> tuple[str, bytes]:
    if not line.startswith(DASH):
        raise NoteError("a signature line opens with an em dash and a space")
    name, _, data = line[len(DASH) :].partition(" ")
    try:
        blob = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("a signature line ends in base64") from None
    check_name(name)
    if len(blob) < 5:
        raise NoteError("a signature holds a four-byte key id and at least a byte")
    return name, blob


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends in a newline")
    if any(c < " " and c != "\n" for c in text):
        raise NoteError("the text of a note has no control characters but newlines")
