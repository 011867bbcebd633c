"""The shared core (firmware/stallmark) for typed code: its modules carry no annotations, so they are Any."""

from typing import Any

from stallmark import bundle as _bundle
from stallmark import event as _event
from stallmark import keys as _keys
from stallmark import parameters as _parameters
from stallmark import people as _people
from stallmark import record as _record
from stallmark import rights as _rights
from stallmark import risk as _risk
from stallmark import rules as _rules
from stallmark import state as _state
from stallmark import token as _token

bundle: Any = _bundle
event: Any = _event
keys: Any = _keys
parameters: Any = _parameters
people: Any = _people
record: Any = _record
rights: Any = _rights
risk: Any = _risk
rules: Any = _rules
state: Any = _state
token: Any = _token
