"""Reads a campaign's JSON: what is wrong is noted with its JSON pointer (RFC 6901), in plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from fleet.authoring.engine import money

_DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?")
_DECIMAL = re.compile(r"(\d{1,12})(?:\.(\d{1,3}))?")
# What a sentence says to write, where that is JSON
_WRITE = re.compile(r'\bwrite ("[^"]*"(?:: (?:"[^"]*"|\{[^{}]*\}|\[[^\[\]]*\]|[0-9]+|true|false))?)')
_SHOWN = 60  # characters of a value that was found
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend, or to know: where (JSON pointer) and what; of campaign/2 also its kind, what was
    found and what to write."""

    pointer: str
    text: str
    code: str = ""
    found: str = ""
    write: str = ""

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.text}"


def _short(value: Any) -> str:
    """A value that was found, as JSON; nothing of objects and lists, whose parts are named one by one."""
    if not isinstance(value, (str, int, float)):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


class _Unusable(Exception):
    """A value that was noted as wrong and cannot be used; caught where the next value is read."""


@dataclass
class Node:
    """One JSON value, where it stands, and the shared list of problems."""

    value: Any
    pointer: str = ""
    problems: list[Problem] = field(default_factory=list[Problem])

    def wrong(self, text: str) -> _Unusable:
        """Notes a problem here; raise the answer where nothing can be made of the value."""
        write = _WRITE.search(text)
        self.problems.append(
            Problem(self.pointer, text, "", _short(self.value), "" if write is None else write[1])
        )
        return _Unusable(text)

    def unusable(self) -> _Unusable:
        """Raised where parts were noted already and nothing can be made of the whole."""
        return _Unusable(self.pointer)

    def _under(self, key: str | int, value: Any) -> Node:
        step = str(key).replace("~", "~0").replace("/", "~1")
        return Node(value, f"{self.pointer}/{step}", self.problems)

    # --- objects and lists

    def _object(self, expected: str) -> Mapping[str, Any]:
        found: object = self.value
        if not isinstance(found, dict):
            raise self.wrong(f"expected {expected}")
        return cast("Mapping[str, Any]", found)

    def keys(self, *known: str) -> None:
        """An object that has no other members than these; unknown ones are each noted."""
        for key in self._object(f"an object with {', '.join(known)}"):
            if key not in known:
                self._under(key, None).wrong(f"unknown; known here: {', '.join(known)}")

    def get(self, key: str, default: Any = _MISSING) -> Node:
        """The member of an object, or its default; noted where there is neither."""
        found = self._object("an object").get(key, default)
        if found is _MISSING:
            raise self.wrong(f"{key} is missing")
        return self._under(key, found)

    def has(self, key: str) -> bool:
        """True where an object has this member."""
        return key in self._object("an object")

    def items(self, least: int, most: int) -> list[Node]:
        """The entries of a list."""
        found: object = self.value
        if not isinstance(found, list):
            raise self.wrong("expected a list")
        entries = cast("list[Any]", found)
        if not least <= len(entries) <= most:
            raise self.wrong(f"{len(entries)} entries: expected {least} to {most}")
        return [self._under(index, entry) for index, entry in enumerate(entries)]

    def members(self, most: int) -> list[tuple[str, Node]]:
        """Names and values of an object that serves as a table."""
        table = self._object("an object")
        if len(table) > most:
            raise self.wrong(f"{len(table)} entries: expected at most {most}")
        return [(name, self._under(name, entry)) for name, entry in table.items()]

    def only(self) -> tuple[str, Node]:
        """Name and value of an object with exactly one member."""
        if len(self._object("an object with exactly one member")) != 1:
            raise self.wrong("expected an object with exactly one member")
        return self.members(1)[0]

    # --- values

    def text(self, limit: int, least: int = 1) -> str:
        """Text of `least` to `limit` bytes of UTF-8."""
        if not isinstance(self.value, str):
            raise self.wrong("expected text")
        try:
            size = len(self.value.encode())
        except UnicodeEncodeError:
            raise self.wrong("half of a surrogate pair is no text") from None
        if not least <= size <= limit:
            raise self.wrong(f"expected {least} to {limit} bytes of text")
        return self.value

    def whole(self, least: int, most: int) -> int:
        """A whole number."""
        if type(self.value) is not int:
            raise self.wrong("expected a whole number")
        if not least <= self.value <= most:
            raise self.wrong(f"expected a number from {least} to {most}")
        return self.value

    def yes(self) -> bool:
        """true or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("expected true or false")
        return self.value

    def choice(self, words: Mapping[str, int]) -> int:
        """The number of one of these words."""
        if not isinstance(self.value, str) or self.value not in words:
            raise self.wrong(f"expected one of {', '.join(words)}")
        return words[self.value]

    def _decimal(self, places: int, what: str) -> int:
        found = _DECIMAL.fullmatch(self.value) if isinstance(self.value, str) else None
        if found is None or len(found[2] or "") > places:
            raise self.wrong(f"expected {what}")
        return int(found[1]) * 10**places + int((found[2] or "").ljust(places, "0") or "0")

    def amount(self, currency: str) -> int:
        """Minor units of an amount written as text: "5.00"."""
        places: int = money.places(currency)
        example = money.decimal(500, places)
        return self._decimal(places, f'an amount of {currency} as text, such as "{example}"')

    def percent(self) -> int:
        """Basis points of a percentage written as text: "15" or "12.5"."""
        bps = self._decimal(2, 'a percentage as text, such as "15" or "12.5"')
        if not 0 < bps <= 10_000:
            raise self.wrong("expected more than 0 and at most 100 percent")
        return bps

    def duration(self) -> int:
        """Milliseconds of an ISO 8601 duration of days, hours, minutes and seconds: "PT1H15M"."""
        found = _DURATION.fullmatch(self.value) if isinstance(self.value, str) else None
        if found is None or str(self.value).endswith(("P", "T")):
            raise self.wrong('expected a duration such as "PT1H15M" or "P1D"')
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000

    def instant(self, start_ms: int) -> int:
        """An instant in ms: a duration after the market's start, or a time with its offset from UTC."""
        if isinstance(self.value, str) and self.value.startswith("P"):
            return start_ms + self.duration()
        try:
            found = datetime.fromisoformat(str(self.value))
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise self.wrong('expected a duration after the start ("PT30M") or "2026-10-03T09:00:00+02:00"')
        return (found - _EPOCH) // timedelta(milliseconds=1)


class Attempt:
    """`with Attempt(): …` goes on after a value that was noted as wrong; `failed` says so."""

    def __init__(self) -> None:
        self.failed = False

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self.failed = kind is not None and issubclass(kind, _Unusable)
        return self.failed
