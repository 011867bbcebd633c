"""How far the rollouts' logs went, in a file beside the ledger: a database of yesterday is noticed and goes on above it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from fleet import durable
from fleet.errors import ConfigError


class HighWater:
    """The file: the highest token, and the number of the last event of every rollout."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError for a file that cannot be read: it says what kits may have been ordered."""
        self._path = path
        self.token = 0
        self.events: dict[str, int] = {}
        try:
            found = cast("dict[str, Any]", json.loads(path.read_text()))
            self.token = int(found["token"])
            self.events = {str(name): int(n) for name, n in found["events"].items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} cannot be read ({error}): restore it, or move it away and look at every kit"
            ) from None

    def reach(self, token: int, rollout: str = "", n: int = 0) -> None:
        """It went so far. Durable on return; called after the event is stored and before anything is ordered. Raises OSError."""
        if token <= self.token and (not rollout or n <= self.events.get(rollout, 0)):
            return
        self.token = max(self.token, token)
        if rollout:
            self.events[rollout] = max(n, self.events.get(rollout, 0))
        self._write()

    def restart(self, rollout: str, n: int) -> None:
        """Its log says that events are missing, and goes on from here. Raises OSError."""
        self.events[rollout] = n
        self._write()

    def _write(self) -> None:
        durable.write(self._path, json.dumps({"token": self.token, "events": self.events}).encode())
