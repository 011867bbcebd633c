"""What an object of the core holds beyond a fresh one like it, as plain values, and put back into a fresh one.

For the state of a ruleset: a fresh one is made of the rules, so that all its wiring is there; what records changed in
it is numbers, bytes and lists. What is of another kind is refused, and whoever asks reads the records instead.
"""

import importlib
from array import array
from typing import Any

from hostagent.errors import HostError

CORE = "stallmark."
# Parts that a state makes when a record needs them
LATER: dict[str, Any] = {"Reserves": importlib.import_module(CORE + "reserves").Reserves}
# Of whatever items: their kind is told with them.
_array: Any = array
_PART, _MADE, _BYTES, _ARRAY, _LIST, _TUPLE, _DICT = range(7)


class NotPlain(HostError):
    """Something that cannot be told in plain values, or not put back."""


def difference(used: object, fresh: object) -> dict[str, Any]:
    """Attributes of `used` that are not as in `fresh`, for `put_back`; CBOR with text keys takes it. Raises NotPlain."""
    return _difference(used, fresh, set())


def put_back(fresh: object, told: dict[str, Any]) -> None:
    """Makes `fresh` what `used` was. Raises NotPlain; then `fresh` is of no use any more."""
    try:
        _put_back(fresh, told)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError) as failed:
        raise NotPlain(f"not the state of these rules and this program: {failed}") from failed


def _difference(used: Any, fresh: Any, seen: set[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if id(used) in seen:
        return found
    seen.add(id(used))
    attributes: dict[str, Any] = used.__dict__
    for name, now in sorted(attributes.items()):
        before = getattr(fresh, name, None)
        if now is before or callable(now):
            continue
        if _is_part(now):
            if _kind(before) is _kind(now):
                beyond = _difference(now, before, seen)
                if beyond:
                    found[name] = [_PART, beyond]
            elif before is None and _kind(now).__name__ in LATER:
                made = _kind(now).__name__
                found[name] = [_MADE, made, _difference(now, LATER[made](), seen)]
            else:
                raise NotPlain(f"{name} is a {_kind(now).__name__}")
        elif _kind(now) is not _kind(before) or now != before:
            if _kind(now) in (bytearray, array) and before is not None and len(now) != len(before):
                raise NotPlain(f"{name} is not as large as it was made")
            found[name] = _plain(now)
    return found


def _kind(value: object) -> Any:
    return type(value)


def _is_part(value: Any) -> bool:
    return _kind(value).__module__.startswith(CORE)


def _plain(value: Any) -> Any:
    kind = _kind(value)
    if value is None or kind in (int, bool, bytes, str):
        return value
    if kind is bytearray:
        return [_BYTES, bytes(value)]
    if kind is array:
        return [_ARRAY, value.typecode, value.tobytes()]
    if kind in (list, tuple):
        return [_LIST if kind is list else _TUPLE, [_plain(item) for item in value]]
    if kind is dict:
        return [_DICT, [[_plain(key), _plain(item)] for key, item in value.items()]]
    raise NotPlain(f"a {kind.__name__} is no plain value")


def _value(told: Any) -> Any:
    if _kind(told) is not list:
        return told
    kind, value = told[0], told[-1]
    if kind == _BYTES:
        return bytearray(value)
    if kind == _ARRAY:
        return _array(told[1], value)
    if kind in (_LIST, _TUPLE):
        items = [_value(item) for item in value]
        return items if kind == _LIST else tuple(items)
    if kind == _DICT:
        return {_value(key): _value(item) for key, item in value}
    raise NotPlain(f"{kind} is no kind of value")


def _put_back(fresh: Any, told: dict[str, Any]) -> None:
    for name, what in told.items():
        before = getattr(fresh, name, None)
        form = what[0] if _kind(what) is list else None
        if form == _PART:
            if not _is_part(before):
                raise NotPlain(f"{name} is not there")
            _put_back(before, what[1])
        elif form == _MADE:
            made = LATER[what[1]]()
            _put_back(made, what[2])
            setattr(fresh, name, made)
        else:
            _set(fresh, name, before, _value(what))


def _set(fresh: Any, name: str, before: Any, now: Any) -> None:
    """Buffers and lists are filled where they are: others hold them, too."""
    kind = _kind(before)
    if kind in (bytearray, array, list) and kind is not _kind(now):
        raise NotPlain(f"{name} is of another kind")
    if kind in (bytearray, array):
        if len(before) != len(now) or (kind is array and before.typecode != now.typecode):
            raise NotPlain(f"{name} is of another size")
        before[:] = now
    elif kind is list:
        before[:] = now
    else:
        setattr(fresh, name, now)
