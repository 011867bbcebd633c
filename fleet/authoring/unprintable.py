"""Characters that nobody sees: they turn a terminal red, a line around, two names into one. Refused, never printed."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from typing import Any, cast

import rich.console
import typer
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment

from fleet.authoring.reader import Problem

# Control, format (bidi, zero width, soft hyphen, tags), separators of lines and paragraphs
_REFUSED = ("Cc", "Cf", "Zl", "Zp")
_WITH_LINES = ("terms", "note")  # members whose text may have several lines
_SHOWN = 40  # more help nobody
_DEPTH = 40  # what is deeper is refused as such


def shown(text: str) -> str:
    """Text that is safe to print, and inside JSON: what nobody sees stands as \\uXXXX; line ends stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        one if one == "\n" or not (_bad(one) or "\ud800" <= one <= "\udfff") else _escape(one) for one in text
    )


def problems(campaign: Any, most: int) -> list[Problem]:
    """Each text of a campaign, or name of a member, with such a character; looks at `most` values at most, and not deeper than
    any campaign goes."""
    found: list[Problem] = []
    waiting: list[tuple[Any, str, bool, int]] = [(campaign, "", False, 0)]
    for _ in range(most):
        if not waiting or len(found) >= _SHOWN:
            break
        one, pointer, lines, depth = waiting.pop()
        if isinstance(one, str):
            found += _of(one, pointer, "", lines)
        elif depth > _DEPTH:
            continue
        elif isinstance(one, dict):
            for name, inner in cast("dict[Any, Any]", one).items():
                found += _of(str(name), pointer, "a member's name: ", False)
                step = shown(str(name)).replace("~", "~0").replace("/", "~1")
                waiting.append((inner, f"{pointer}/{step}", lines or name in _WITH_LINES, depth + 1))
        elif isinstance(one, list):
            entries = cast("list[Any]", one)[:most]
            waiting += [(inner, f"{pointer}/{at}", lines, depth + 1) for at, inner in enumerate(entries)]
    return sorted(found, key=lambda problem: problem.pointer)


def echo_json(found: Any) -> None:
    """One line of JSON on the standard output, readable, with nothing raw that nobody sees."""
    typer.echo(shown(json.dumps(found, ensure_ascii=False)))


class Console(rich.console.Console):
    """A terminal to which no text of a file can speak: only what rich itself makes steers it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed, each piece made safe."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else shown(text), style, control)


def _of(text: str, pointer: str, what: str, lines: bool) -> list[Problem]:
    if text.isascii() and text.isprintable():
        return []
    bad = next((one for one in text if _bad(one) and not (lines and one == "\n")), None)
    if bad is None:
        return []
    name = unicodedata.name(bad, "a control character")
    said = f"{what}holds {_escape(bad)} ({name.lower()}), which nobody sees: write the text without it"
    return [Problem(pointer[:200], said, "unprintable", _escape(bad))]


def _bad(one: str) -> bool:
    return unicodedata.category(one) in _REFUSED


def _escape(one: str) -> str:
    data = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2))
