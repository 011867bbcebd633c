"""What people hand in as a receipt: a .cose file, text in hex or base64, or a link; bytes come out."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import NamedTuple

from fleet.core import FormatError, base32

MAX_BYTES = 65_536
_LINK = re.compile(r"(?i)https?://\S+")
_HANDLE = re.compile(r"/r/([A-Za-z2-7]{26})(?:[./?#]|$)")


class SourceError(ValueError):
    """There is no receipt in what was given; the message says why and what would do."""


class Source(NamedTuple):
    """The receipt's bytes, and the 16 bytes of its look-up handle where the link gave them."""

    cose: bytes
    handle: bytes | None


def read_source(given: str) -> Source:
    """`given` is a path or a link. Raises SourceError."""
    if _LINK.fullmatch(given):
        return from_link(given)
    path = Path(given)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(f"{given} has over {MAX_BYTES} bytes: that is not a receipt")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        remedy = "give a .cose file, a text file with it, or a link"
        raise SourceError(f"{given} cannot be read: {remedy}") from None
    return from_bytes(data)


def from_bytes(data: bytes) -> Source:
    """COSE as it is, or a text with hex, base64, or a link in it. Raises SourceError."""
    if data[:1] == b"\xd2":  # CBOR tag 18
        return Source(data, None)
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError:
        return Source(data, None)  # whatever it is, the checks will say that it is no receipt
    if _LINK.fullmatch(text):
        return from_link(text)
    return Source(from_text(text), None)


def from_link(link: str) -> Source:
    """A full link: the receipt rides after `#r=`. Raises SourceError where it does not."""
    address, mark, fragment = link.partition("#")
    found = _HANDLE.search(address)
    handle = None
    if found:
        try:
            handle = base32.decode(found[1].upper())
        except FormatError:
            raise SourceError("the link is damaged: what follows /r/ is not a receipt's handle") from None
    if not mark or not fragment.startswith("r="):
        raise SourceError(
            "this link only points at a receipt and does not hold it: download the .cose file from its page, "
            "or copy the full link with #r="
        )
    return Source(from_text(fragment[2:]), handle)


def from_text(text: str) -> bytes:
    """Hex, base64 or base64url, white space ignored. Raises SourceError."""
    plain = "".join(text.split())
    if plain and len(plain) % 2 == 0 and re.fullmatch(r"[0-9a-fA-F]+", plain):
        return bytes.fromhex(plain)
    padded = plain.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        data = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SourceError("this text is neither hex nor base64 nor a link with a receipt in it") from None
    if not data:
        raise SourceError("there is nothing in it")
    return data
