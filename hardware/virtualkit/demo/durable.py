"""When a receipt is committed at the host, seen from outside: a reader of its store, in a process of its own.

SQLite shows a commit to other connections only once its write-ahead log is synced (synchronous=FULL), so what the reader sees
is durable. It looks every millisecond: what it says is late by at most that and one query, never early.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hostagent.store.database import Sql, connect

LOOK_SECONDS = 0.001
READY_SECONDS = 60.0


class StoreWatch:
    """Watches the store of the running host whose folder is `folder`. `on_durable(brick hex, seq, monotonic ns)`.

    Not for a host that is killed meanwhile: a second connection keeps SQLite from recovering as it would alone.
    """

    def __init__(self, folder: Path, on_durable: Callable[[str, int, int], None]) -> None:
        self._folder = folder
        self._on_durable = on_durable
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the reader has seen where the store stands. Raises RuntimeError if it cannot."""
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            str(self._folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout
        async with asyncio.timeout(READY_SECONDS):
            if await process.stdout.readline() != b"ready\n":
                raise RuntimeError("the reader of the host's store ended while starting")
        self._listening = asyncio.create_task(self._listen(process.stdout), name="store watch")

    async def stop(self) -> None:
        """Ends the reader."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._listening:
            await self._listening
        self._process = self._listening = None

    async def _listen(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            brick, seq, at_ns = line.decode().split()
            self._on_durable(brick, int(seq), int(at_ns))


def watch(folder: Path) -> None:
    """The reader's process: a line `brick seq ns` for every record that became durable, until the parent is gone."""
    config = json.loads((folder / "config.json").read_text())
    key = bytes.fromhex(json.loads((folder / "keys.json").read_text())["store_key"])
    sql = connect(folder / config["store"], key, readonly=True)
    parent = os.getppid()
    version = sql.pragma("data_version")
    heads = _heads(sql)
    print("ready", flush=True)
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
        seen = sql.pragma("data_version")
        if seen == version:
            continue
        version = seen
        now = _heads(sql)
        at_ns = time.monotonic_ns()
        for brick, next_seq in now.items():
            for seq in range(heads.get(brick, 1), next_seq):
                print(brick, seq, at_ns)
        sys.stdout.flush()
        heads = now


def _heads(sql: Sql) -> dict[str, int]:
    return {bytes(brick).hex(): int(seq) for brick, seq in sql.execute("SELECT brick, next_seq FROM bricks")}


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
