"""A kit's folder: where everything of a kit made by `stallmark kit new` lies."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostagent import durable


@dataclass(frozen=True)
class KitFolder:
    """Paths below one kit's folder; docs/kit-folder.md lists them."""

    path: Path

    @property
    def kit_json(self) -> Path:
        return self.path / "kit.json"

    @property
    def controller(self) -> Path:
        return self.path / "controller"

    @property
    def host(self) -> Path:
        return self.path / "host"

    @property
    def authors(self) -> Path:
        return self.path / "author"

    @property
    def public_keys(self) -> Path:
        return self.path / "public" / "keys.json"

    @property
    def till(self) -> Path:
        """What a till at this stall is told: the host's address and its token."""
        return self.path / "till" / "till-1.json"

    @property
    def tag_desk(self) -> Path:
        """The hub's desk: the master of tag keys, and what is written to tags."""
        return self.path / "desk" / "tags.json"

    @property
    def operator(self) -> Path:
        """Name and PIN of the person at the stall's screen."""
        return self.path / "operator.json"

    @property
    def cards(self) -> Path:
        return self.path / "cards"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def clock(self) -> Path:
        return self.run / "clock"

    def flash(self, brick: str) -> Path:
        """The flash image of one brick."""
        return self.path / "bricks" / brick / "flash.bin"

    def exists(self) -> bool:
        """True once `kit new` has finished: kit.json is written last."""
        return self.kit_json.exists()

    def load(self) -> dict[str, Any]:
        """kit.json: names, identities and ports, no secrets."""
        return json.loads(self.kit_json.read_text())


def write_json(path: Path, value: Any, secret: bool = False) -> None:
    """As `write_text`, a value in JSON."""
    write_text(path, json.dumps(value, indent=1) + "\n", secret)


def write_text(path: Path, text: str, secret: bool = False) -> None:
    """Writes atomically; secrets are readable by the owner alone from the first byte on."""
    durable.write(path, text.encode(), 0o600 if secret else 0o644)
