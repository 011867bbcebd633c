"""Bodies of the admin API: one small JSON object, its fields asked by name and kind."""

from __future__ import annotations

import json
from typing import Any, cast

from fastapi import Request

from fleet.api.access import body
from fleet.errors import Refused

MAX_BODY = 8192
MAX_LIST = 64
MAX_NUMBER = (1 << 53) - 1


class Body:
    """A JSON object from outside. Each of its questions raises Refused 422 with what was expected."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value

    def has(self, name: str) -> bool:
        """Whether it says anything of that name."""
        return self.value.get(name) is not None

    def text(self, name: str, longest: int = 256, default: str | None = None) -> str:
        """A text of at most `longest` characters."""
        value = self.value.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or len(value) > longest or not _sound(value):
            raise Refused(422, f"{name!r} must be a text of at most {longest} characters")
        return value

    def number(self, name: str, most: int = MAX_NUMBER, default: int | None = None) -> int:
        """A whole number from 0 to `most`."""
        value = self.value.get(name)
        if value is None and default is not None:
            return default
        if type(value) is not int or not 0 <= value <= most:
            raise Refused(422, f"{name!r} must be a whole number from 0 to {most}")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false where absent."""
        value = self.value.get(name, False)
        if not isinstance(value, bool):
            raise Refused(422, f"{name!r} must be true or false")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of at most 64 short texts; empty where absent."""
        value: Any = self.value.get(name)
        if value is None:
            return []
        found: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [None]
        if len(found) > MAX_LIST or not all(
            isinstance(one, str) and len(one) <= 64 and _sound(one) for one in found
        ):
            raise Refused(422, f"{name!r} must be a list of at most {MAX_LIST} texts")
        return found

    def part(self, name: str) -> Body:
        """An object within."""
        value = self.value.get(name)
        if not isinstance(value, dict):
            raise Refused(422, f"{name!r} must be an object")
        return Body(cast("dict[str, Any]", value))


def _sound(text: str) -> bool:
    """Half of a surrogate pair is no text, and no database stores it; PostgreSQL stores no zero either."""
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


async def read(request: Request, limit: int = MAX_BODY) -> Body:
    """The request's body; an empty one is an empty object. Raises Refused 413, 415, 422."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":  # what a plain form of another site can send is none of ours
        raise Refused(415, "the body must be JSON: Content-Type application/json")
    return of(await body(request, limit))


def of(data: bytes) -> Body:
    """Bytes as an object. Raises Refused 422."""
    try:
        value: Any = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise Refused(422, "the body is no JSON") from None
    if not isinstance(value, dict):
        raise Refused(422, "the body is no JSON object")
    return Body(cast("dict[str, Any]", value))
