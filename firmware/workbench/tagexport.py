"""What the desk gives a controller of an event's tag keys: sealed to that controller, without the master. docs/formats/tag.md"""

import base64
import json
import os
from pathlib import Path
from typing import Any

from nacl.public import PublicKey, SealedBox
from stallmark import cbor as _cbor

from workbench.tagmaster import EventKeys

cbor: Any = _cbor
FORMAT = "stallmark-tag-keys/1"


def brick_part(keys: EventKeys) -> bytes:
    """Of an event's keys what bricks need and the controller holds: meta16 ‖ file16 ‖ live16. Who has them can imitate tags
    of the event until it ends, and change none."""
    return keys.meta + keys.file + keys.live


def export(keys: EventKeys, event8: bytes, sealing: bytes, development: bool = False) -> dict[str, Any]:
    """The file for `stallmark fleet tag-keys`, as JSON. `sealing`: the controller's X25519 key, 32 bytes; raises ValueError
    where it is none."""
    plain: bytes = cbor.encode({0: 1, 1: event8, 2: keys.meta, 3: keys.file, 4: keys.live})
    try:
        box = SealedBox(PublicKey(sealing)).encrypt(plain)
    except Exception as wrong:  # PyNaCl's own tree: of length, of kind, and of a key that is no point
        raise ValueError("the controller's sealing key has 32 bytes, 64 hex characters") from wrong
    return {
        "format": FORMAT,
        "development": development,
        "event": event8.hex(),
        "sealed": base64.b64encode(box).decode(),
    }


def write(path: Path, value: dict[str, Any]) -> None:
    """Writes it for its owner alone. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(value, out, indent=1)
        out.write("\n")
