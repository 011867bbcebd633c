"""The shared core (firmware/stallmark) for typed code: its modules carry no annotations, so they are Any."""

from typing import Any

from stallmark import base32 as _base32
from stallmark import batch as _batch
from stallmark import bundle as _bundle
from stallmark import cbor as _cbor
from stallmark import control as _control
from stallmark import crypt as _crypt
from stallmark import directive as _directive
from stallmark import keys as _keys
from stallmark import leaf as _leaf
from stallmark import receipt as _receipt
from stallmark import record as _record
from stallmark import recordform as _recordform
from stallmark import registry as reg
from stallmark import rental as _rental
from stallmark import rights as _rights
from stallmark import rootmeta as _rootmeta
from stallmark import shadow as _shadow
from stallmark import tagkeys as _tagkeys
from stallmark import tree as _tree
from stallmark import trust as _trust
from stallmark.errors import FormatError

base32: Any = _base32
batch: Any = _batch
bundle: Any = _bundle
cbor: Any = _cbor
control: Any = _control
crypt: Any = _crypt
directive: Any = _directive
keyschedule: Any = _keys
leaf: Any = _leaf
receipt: Any = _receipt
record: Any = _record
recordform: Any = _recordform
rental: Any = _rental
rights: Any = _rights
rootmeta: Any = _rootmeta
shadow: Any = _shadow
tagkeys: Any = _tagkeys
tree: Any = _tree
trust: Any = _trust

_registry: Any = reg

Fields = dict[int, Any]  # a decoded map of a format page


def word(names: tuple[tuple[int, str], ...], number: int) -> str:
    """The registry's word for a number, or a plain statement that it is newer."""
    found: str = _registry.name(names, number)
    return found


__all__ = [
    "Fields",
    "FormatError",
    "base32",
    "batch",
    "bundle",
    "cbor",
    "control",
    "crypt",
    "directive",
    "keyschedule",
    "leaf",
    "receipt",
    "record",
    "recordform",
    "reg",
    "rights",
    "tagkeys",
    "tree",
    "word",
]
