"""The campaign's terms as this host holds them: `terms/<terms16>.txt` beside config.json, translations beside it.

Receipts name terms by SHA-256 of their text; a file whose text has another digest is not shown as theirs.
"""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hostagent.agent import Agent

MOST_BYTES = 64 * 1024
_TRANSLATION = re.compile(r"^[0-9a-f]{32}\.([a-z]{2})\.txt$")


class Terms(NamedTuple):
    """A text of terms. `language` None: the text that receipts name; else a translation of it."""

    digest: str
    text: str
    language: str | None


def in_force(agent: "Agent", known: Any) -> bytes | None:
    """terms16 of the rules in use; None where they name none."""
    return getattr(known, "terms", None) or agent.config.terms


def held(folder: Path, digest: bytes, language: str | None = None) -> Terms | None:
    """The terms of a digest, in a language where a translation is there; None where this host has not got them."""
    name = digest.hex()
    text = _read(folder / "terms" / f"{name}.txt")
    if text is None or hashlib.sha256(text.encode()).digest()[:16] != digest:
        return None
    if language is not None:
        other = _read(folder / "terms" / f"{name}.{language}.txt")
        if other is not None:
            return Terms(name, other, language)
    return Terms(name, text, None)


def languages(folder: Path, digest: bytes) -> list[str]:
    """Languages in which translations are there."""
    return sorted(
        found[1]
        for path in (folder / "terms").glob(f"{digest.hex()}.*.txt")
        if (found := _TRANSLATION.match(path.name))
    )


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return None
