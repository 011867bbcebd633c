"""People at the stall: in records and on bricks a label stands for each; this host's own screen alone shows the name again.

Records are public and stay for good, so no name enters one. The label is the same for the same name under one event
key, and says nothing to who does not have that key.
"""

import hmac
import re

from hostagent.core import cbor
from hostagent.store.store import Store

MARK = b"stallmark/staff/1\0"
META = "staff"
# Without an event key there is nothing to make labels of that differ.
NOBODY = "staff"
NAMES = 256
LABEL = re.compile(r"staff-[0-9a-f]{6}")


class Staff:
    """One for a host. `event_key`: 32 bytes or None."""

    def __init__(self, store: Store, event_key: bytes | None) -> None:
        self._store = store
        self._key = event_key
        kept = store.meta.get(META)
        self._names: dict[str, str] = dict(cbor.decode(kept)) if isinstance(kept, bytes) else {}

    def label(self, name: str) -> str:
        """What stands for a name in records: "staff-" and six hex digits, or "staff". The name is kept here."""
        name = name.strip()
        if self._key is None or name == NOBODY or LABEL.fullmatch(name):
            return name if LABEL.fullmatch(name) else NOBODY
        label = f"{NOBODY}-{hmac.digest(self._key, MARK + name.encode(), 'sha256')[:3].hex()}"
        if self._names.get(label) != name:
            self._names[label] = name
            while len(self._names) > NAMES:
                del self._names[next(iter(self._names))]
            self._store.set_meta({META: cbor.encode([[known, self._names[known]] for known in self._names])})
        return label

    def forget(self) -> None:
        """No name is shown again; what stands in the store is for who calls this."""
        self._names.clear()

    def named(self, text: str) -> str:
        """A text with the names in place of the labels that are known here: for the stall's own screen only."""
        return LABEL.sub(lambda found: self._names.get(found[0], found[0]), text)
