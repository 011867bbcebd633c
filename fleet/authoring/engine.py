"""The core's modules that authoring uses, for typed code: they carry no annotations, so they are Any."""

from typing import Any

from stallmark import bundle as _bundle
from stallmark import cbor as _cbor
from stallmark import event as _event
from stallmark import explain as _explain
from stallmark import expr as _expr
from stallmark import golden as _golden
from stallmark import money as _money
from stallmark import record as _record
from stallmark import registry as reg
from stallmark import rules as _rules
from stallmark import state as _state
from stallmark.errors import FormatError

bundle: Any = _bundle
cbor: Any = _cbor
event: Any = _event
explain: Any = _explain
expr: Any = _expr
golden: Any = _golden
money: Any = _money
record: Any = _record
rules: Any = _rules
state: Any = _state

_registry: Any = reg


def word(names: tuple[tuple[int, str], ...], number: int) -> str:
    """The registry's word for a number, or a plain statement that it is newer."""
    found: str = _registry.name(names, number)
    return found


__all__ = [
    "FormatError",
    "bundle",
    "cbor",
    "event",
    "explain",
    "expr",
    "golden",
    "money",
    "record",
    "reg",
    "rules",
    "state",
    "word",
]
