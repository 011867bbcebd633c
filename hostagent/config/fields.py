"""Reading JSON objects: what is missing or of another kind is said in one sentence."""

import base64
import binascii
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from hostagent.errors import ConfigError

T = TypeVar("T")
MOST_BYTES = 1 << 20  # of a file: a kit's takes a few KiB
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


def public(where: str, value: Any) -> bytes:
    """A public key: base64 text, hex text, or an object with `public`."""
    if isinstance(value, dict):
        value = cast(dict[str, Any], value).get("public")
    if not isinstance(value, str):
        raise ConfigError(f"{where}: expected a public key in base64")
    try:
        key = bytes.fromhex(value) if len(value) == 64 else base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != 32:
        raise ConfigError(f"{where}: expected 32 bytes in base64")
    return key


def read(path: Path) -> dict[str, Any]:
    """A file with one JSON object, of at most 1 MiB. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ConfigError(f"{path}: larger than {MOST_BYTES} bytes: this is no file of a host")
        value: Any = json.loads(data.decode())
    except OSError as failed:
        raise ConfigError(f"{path}: {failed.strerror}; `stallmark kit new` makes a kit's folder") from failed
    except RecursionError:
        raise ConfigError(f"{path}: not JSON of a host (brackets within brackets without end)") from None
    except ValueError as failed:
        raise ConfigError(f"{path}: not JSON ({failed})") from failed
    return json_object(path.name, value)


def json_object(where: str, value: Any) -> dict[str, Any]:
    """A value that is an object. Raises ConfigError."""
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected an object")
    return cast(dict[str, Any], value)


class Fields:
    """One JSON object being read: what is missing or of another kind is named."""

    def __init__(self, where: str, values: dict[str, Any]) -> None:
        self.where = where
        self.values = values

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """What `read` makes of it, None where it is not there."""
        return None if self.values.get(name) is None else read(name)

    def text(self, name: str) -> str:
        """A text with something in it."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{self.where}: {name}: found {value!r}, expected a text")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A number from `low` to `high`."""
        value = self.values.get(name)
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(
                f"{self.where}: {name}: found {value!r}, expected a number from {low} to {high}"
            )
        return value

    def seconds(self, name: str) -> float:
        """Seconds from 0.01 to 86400."""
        value = self.values.get(name)
        if type(value) not in (int, float) or not 0.01 <= cast(float, value) <= 86400:
            raise ConfigError(f"{self.where}: {name}: found {value!r}, expected seconds from 0.01 to 86400")
        return float(cast(float, value))

    def octets(self, name: str, size: int) -> bytes:
        """`size` bytes in hex digits."""
        value = self.values.get(name)
        if not isinstance(value, str) or not _HEX.fullmatch(value) or len(value) != 2 * size:
            # Never the value itself: it may be a secret.
            raise ConfigError(f"{self.where}: {name}: expected {size} bytes as {2 * size} hex digits")
        return bytes.fromhex(value)

    def objects(self, name: str) -> list[dict[str, Any]]:
        """A list of objects."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise ConfigError(f"{self.where}: {name}: expected a list")
        return [
            json_object(f"{self.where}: {name}[{n}]", entry) for n, entry in enumerate(cast(list[Any], value))
        ]
