"""A campaign/2 on its way in: bounded before anything is made of it, then held against the models."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from typing_extensions import TypeAliasType

from fleet.authoring import model_base, model_grants, model_when
from fleet.authoring.model import Campaign
from fleet.authoring.reader import Problem

MAX_FILE = 1_048_576
MAX_DEPTH, MAX_NODES, MAX_TEXT = 32, 50_000, 65_536
LARGEST = 2**53 - 1  # what every JSON reader and RFC 8785 hold exactly
_SHOWN = 40  # errors of form; more help nobody

_MISSING: dict[str, str] = {
    "at_most": 'a percentage needs a cap: write "at_most": "5.00", the most that one may cost',
    "currency": 'amounts of money need a currency: write "currency": "EUR"',
    "valid": 'write how long it holds: "valid": "P30D"',
    "to": 'write who it goes to: "to": "creator"',
    "slots": 'write when it holds: "slots": ["market"]',
    "intent": 'write "intent": "conversion", "loyalty", "surprise" or "tip match"',
}
_PATTERNS: dict[str, str] = {
    r"^\d{1,12}(?:\.\d{1,3})?$": 'an amount as text, such as "5.00"',
    r"^\d{1,3}(?:\.\d{1,2})?$": 'a percentage as text, such as "15" or "12.5"',
    r"^[A-Z]{3}$": 'a currency of three capital letters, such as "EUR"',
    r"^[A-Za-z0-9][A-Za-z0-9 ._:-]*$": 'a name of letters, digits, space and . _ : -, such as "surprise-15"',
    r"^\d{4}-\d\d-\d\d$": 'a day, such as "2026-10-03"',
    r"^\d\d:\d\d$": 'a time of day, such as "17:00"',
    r"^[0-9a-f]{16}$": "16 hexadecimal digits",
    r"^[0-9a-f]{64}$": "a public key of 64 hexadecimal digits",
    r"^[a-z]{2,3}(?:-[A-Z]{2})?$": 'a language, such as "en"',
    r"^[1-9]\d{0,8} in [1-9]\d{0,8}$": 'odds, such as "1 in 10"',
}
_TYPES = {
    "int_type": "a whole number", "string_type": "text", "bool_type": "true or false", "list_type": "a list",
    "dict_type": "an object", "model_type": "an object", "model_attributes_type": "an object",
}  # fmt: skip


class TwiceError(ValueError):
    """A member that stands twice in one object."""


def read_json(data: bytes) -> Any:
    """JSON values of a file. Raises ValueError, also for a member that stands twice and for nesting too deep."""
    if len(data) > MAX_FILE:
        raise ValueError(f"{len(data)} bytes: expected a campaign of at most {MAX_FILE}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise TwiceError(f"{twice[:40]!r} stands twice in one object: which one counts?")
        return found

    try:
        return json.loads(data, object_pairs_hook=once)
    except RecursionError:
        raise ValueError("nested too deep") from None


def bounded(value: Any) -> Problem | None:
    """The first thing that no campaign may hold: depth, size, numbers beyond 2^53 − 1, fractions, broken text.

    Bounded itself: at most MAX_NODES values are looked at, so cyclic values end as well."""
    waiting: list[tuple[Any, str, int]] = [(value, "", 0)]
    seen = 0
    while waiting:
        one, pointer, depth = waiting.pop()
        seen += 1
        if seen > MAX_NODES:
            return Problem("", f"more than {MAX_NODES} values: write fewer rules", "too large")
        if depth > MAX_DEPTH:
            text = f"nested more than {MAX_DEPTH} deep: a condition may have {model_when_depth()} levels"
            return Problem(pointer[:200], text, "too deep")
        wrong = _scalar(one)
        if wrong:
            return Problem(pointer[:200], wrong, "number" if isinstance(one, (int, float)) else "text")
        if isinstance(one, dict):
            for key, inner in cast("dict[Any, Any]", one).items():
                wrong = _scalar(key) if isinstance(key, str) else "expected members with names"
                if wrong:
                    return Problem(pointer[:200], f"a member's name: {wrong}", "text")
                waiting.append((inner, f"{pointer}/{_step(key)}", depth + 1))
        elif isinstance(one, list):
            if len(waiting) + len(cast("list[Any]", one)) > MAX_NODES:
                return Problem(pointer[:200], f"more than {MAX_NODES} values: write fewer rules", "too large")
            waiting += [
                (inner, f"{pointer}/{at}", depth + 1) for at, inner in enumerate(cast("list[Any]", one))
            ]
    return None


def model_when_depth() -> int:
    """Levels that a condition may have."""
    from fleet.authoring import opcodes as expr

    return expr.MAX_DEPTH


def validated(value: Any) -> tuple[Any, list[Problem]]:
    """The campaign as JSON values with every default filled in, and what is wrong with its form."""
    wrong = bounded(value)
    if wrong:
        return None, [wrong]
    try:
        found = Campaign.model_validate(value)
    except ValidationError as error:
        return None, _problems(value, error)
    return found.model_dump(by_alias=True, mode="json"), []


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        return None
    if isinstance(value, int):
        if not -LARGEST <= value <= LARGEST:
            return f"found a number of {value.bit_length()} bits: expected one of at most 2^53 − 1"
        return None
    if isinstance(value, float):
        text = f'found {value}: numbers are whole; write money and percentages as text, such as "12.5"'
        return text
    if not isinstance(value, str):
        return "expected a JSON value"
    if len(value) > MAX_TEXT:
        return f"found text of {len(value)} characters: expected at most {MAX_TEXT}"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair is no text"
    return None


def _step(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _problems(value: Any, error: ValidationError) -> list[Problem]:
    """What pydantic found, each place once, in the words of docs/campaign.md."""
    out: dict[str, tuple[Problem, list[str]]] = {}
    for one in error.errors(include_url=False, include_context=True)[:_SHOWN]:
        loc = one["loc"]
        pointer, here = _where(value, loc, one["type"])
        context: Mapping[str, Any] = one.get("ctx", {})
        code, text, write = _said(one["type"], one["msg"], context, loc)
        found = "" if one["type"] in ("missing", "extra_forbidden", "too_short", "too_long") else _short(here)
        if pointer in out:
            out[pointer][1].append(text)
        else:
            out[pointer] = (Problem(pointer, "", code, found, write), [text])
    made: list[Problem] = []
    for problem, texts in out.values():
        said = list(dict.fromkeys(texts))
        if len(said) > 1:
            said = [text for text in said if text.startswith("expected")] or said
        text = said[0] + "".join(text.replace("expected", " or", 1) for text in said[1:])
        found = f"found {problem.found}: " if problem.found else ""
        made.append(Problem(problem.pointer, found + text, problem.code, problem.found, problem.write))
    return made


def _where(value: Any, loc: tuple[int | str, ...], kind: str) -> tuple[str, Any]:
    """JSON pointer of a location, without the names that pydantic gives to parts of unions."""
    pointer = ""
    here: Any = value
    for at, step in enumerate(loc):
        last = at == len(loc) - 1
        inside = _inside(here, step)
        if inside is not None:
            here = inside[0]
        elif not (last and kind == "missing"):
            continue
        if kind != "missing" or not last:
            pointer += f"/{_step(str(step))}"
    return pointer, here


def _inside(value: Any, step: int | str) -> list[Any] | None:
    """[the member or entry], None where there is none."""
    if isinstance(value, dict):
        members = cast("dict[Any, Any]", value)
        return [members[step]] if step in members else None
    entries = cast("list[Any]", value if isinstance(value, list) else [])
    return [entries[step]] if isinstance(step, int) and step < len(entries) else None


def _said(kind: str, message: str, context: Mapping[str, Any], loc: tuple[Any, ...]) -> tuple[str, str, str]:
    """(code, text, what to write) of one of pydantic's errors."""
    name = str(loc[-1]) if loc else ""
    if kind == "missing":
        write = _MISSING.get(name, "")
        return f"missing {name}", f"{name} is missing{': ' + write if write else ''}", write
    if kind == "extra_forbidden":
        known = ", ".join(_known(loc[:-1]))
        return "unknown", f"unknown; known here: {known}", f"one of {known}"
    if kind == "string_pattern_mismatch":
        expected = _PATTERNS.get(str(context.get("pattern")), "another form")
    elif kind == "literal_error":
        expected = str(context.get("expected")).replace("'", '"').replace("True", "true")
    elif kind in _TYPES:
        expected = _TYPES[kind]
    elif kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        expected = f"at least {least} entries" if least is not None else f"at most {most} entries"
        return kind, f"found {context.get('actual_length', 'other')} entries: expected {expected}", expected
    elif kind in ("string_too_long", "string_too_short"):
        expected = f"text of {'at most ' + str(context.get('max_length')) if 'long' in kind else 'at least 1'} characters"
    elif kind in ("greater_than_equal", "less_than_equal"):
        expected = f"a number of {'at least' if 'ge' in context else 'at most'} {context.get('ge', context.get('le'))}"
    else:
        return kind, message, message
    return kind, f"expected {expected}", expected


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        names = ", ".join(str(name)[:24] for name in list(cast("dict[Any, Any]", value))[:4])
        return f"an object with {names}" if names else "an empty object"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


_UNIONS: dict[str, type[BaseModel]] = {}
for _module in (model_when, model_grants):
    for _found in vars(_module).values():
        if isinstance(_found, type) and issubclass(_found, model_base.Strict):
            for _name, _field in _found.model_fields.items():
                if _name != "reversal":
                    _UNIONS.setdefault(f"~{_field.alias or _name}", _found)


def _known(loc: tuple[Any, ...]) -> list[str]:
    """The members of the object at a location."""
    here: type[BaseModel] = Campaign
    for step in loc:
        if isinstance(step, int):
            continue
        if step in _UNIONS and str(step).startswith("~"):
            here = _UNIONS[step]
            continue
        for name, field in here.model_fields.items():
            if step in (name, field.alias):
                here = _model_in(field.annotation) or here
                break
    return [field.alias or name for name, field in here.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, TypeAliasType):
        return None
    for part in typing.get_args(annotation):
        found = _model_in(part)
        if found is not None:
            return found
    return None
