"""The bench's folder: a log of every board (JSON lines), what the controller must still be told, labels, hand-overs.

log.jsonl        one line for each board and outcome, appended and flushed; never rewritten
queue/*.json     registrations and revocations that the controller has not confirmed; roots in it are sealed
labels/*.png     one for each brick
handover/*.json  link keys for the host, mode 0600: carried to the host, then deleted
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from workbench.errors import BenchError

DONE, FAILED, ERASED = "done", "failed", "erased"
KEYED = "keyed"  # this bench is about to give the board keys: a line before they exist, so that it may be repeated


@dataclass(frozen=True)
class Book:
    """The folder. Everything in it is the technician's alone (mode 0700)."""

    folder: Path

    def open(self) -> "Book":
        """Makes what is missing; a folder that was there already becomes the technician's alone, too."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for name in ("queue", "labels", "handover"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        return self

    @property
    def log(self) -> Path:
        """The log's file."""
        return self.folder / "log.jsonl"

    def note(self, **line: Any) -> None:
        """Appends a line, with the time; durable when this returns."""
        data = json.dumps({"at_ms": time.time_ns() // 1_000_000, **line}, sort_keys=True) + "\n"
        with self.log.open("ab+") as out:
            if out.tell():
                out.seek(-1, os.SEEK_END)
                if out.read(1) != b"\n":  # cut by a power failure: what follows is a line of its own
                    data = "\n" + data
            out.write(data.encode())
            out.flush()
            os.fsync(out.fileno())

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every line that can be read; a last one that was cut by a power failure is passed over."""
        if not self.log.exists():
            return
        with self.log.open() as source:
            for line in source:
                try:
                    value = json.loads(line)
                except ValueError:
                    continue
                if isinstance(value, dict):
                    yield cast("dict[str, Any]", value)

    def board(self, mac: str) -> dict[str, Any] | None:
        """The newest line of this board that says what became of it."""
        return self._newest(mac, (DONE, ERASED))

    def unfinished(self, mac: str) -> dict[str, Any] | None:
        """The line of keys that this bench gave this board and never finished it with; None where it is finished,
        erased, or not this bench's."""
        found = self._newest(mac, (KEYED, DONE, ERASED))
        return found if found is not None and found["outcome"] == KEYED else None

    def _newest(self, mac: str, outcomes: tuple[str, ...]) -> dict[str, Any] | None:
        found = None
        for line in self.lines():
            if line.get("board") == mac and line.get("outcome") in outcomes:
                found = line
        return found

    def done(self, batch: str) -> list[dict[str, Any]]:
        """The boards that are finished in a batch, one line for each."""
        by_board = {
            line["board"]: line
            for line in self.lines()
            if line.get("batch") == batch and line.get("outcome") == DONE and "board" in line
        }
        return list(by_board.values())

    # --- what the controller must still be told

    def queue(self, name: str, request: dict[str, Any]) -> Path:
        """Keeps a request until the controller has confirmed it. The same name again replaces it."""
        path = self.folder / "queue" / f"{name}.json"
        write_private(path, request)
        return path

    def waiting(self) -> list[Path]:
        """Requests in the order in which they were made."""
        return sorted((self.folder / "queue").glob("*.json"))

    def put_back(self) -> int:
        """Requests that a controller refused for good are tried again: after what it said was put right. How many."""
        found = list((self.folder / "queue").glob("*.refused"))
        for path in found:
            path.replace(path.with_suffix(".json"))
        return len(found)


def read(path: Path) -> dict[str, Any]:
    """A queued request. Raises BenchError where the file is damaged."""
    try:
        return cast("dict[str, Any]", json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}; move it away and flash its board again") from error


def write_private(path: Path, value: dict[str, Any]) -> None:
    """JSON that only its owner reads, old or new whole after a power cut."""
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(value, out, indent=1)
        out.write("\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
