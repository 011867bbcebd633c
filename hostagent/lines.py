"""Bricks that get, change or lose their place while the host runs: config.json and keys.json are looked at, and lines follow.

Only bricks, their first link keys and replaced bricks are taken up; anything else in the files waits for a restart, and says so.
"""

import asyncio
import contextlib
import dataclasses
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostagent import config as configuration
from hostagent.bricks import Brick
from hostagent.config import Config
from hostagent.config.model import Keys
from hostagent.errors import ConfigError, StoreUnavailable
from hostagent.links.line import Line

if TYPE_CHECKING:
    from hostagent.agent import Agent

LOOK_S = 1.0
# What may change while the host runs; keys change by themselves as link keys are taken out of keys.json.
TAKEN_UP = ("bricks", "ended", "keys", "path")
log = logging.getLogger("hostagent.lines")


class TakeUp:
    """The lines of a running host. `run` until cancelled; `trouble` says why a changed file was not taken up."""

    def __init__(self, agent: "Agent") -> None:
        self._agent = agent
        self._seen = self._signature()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._radio: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        self.taken = 0
        self.mark()

    # --- tasks

    def start(self, group: asyncio.TaskGroup) -> None:
        """Runs every line, and the radio where one needs it."""
        self._group = group
        for line in self._agent.lines:
            self._begin(line)

    def stop(self) -> None:
        """Ends every line."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        if self._radio is not None:
            self._radio.cancel()

    def _begin(self, line: Line) -> None:
        assert self._group is not None
        agent = self._agent
        if agent.radio is not None and self._radio is None:
            self._radio = self._group.create_task(agent.radio.run(), name="Bluetooth")
        task = self._group.create_task(line.run(), name=f"line {line.expected.name}")
        self._tasks[line.expected.brick] = task

    async def _end(self, line: Line, reason: str) -> None:
        task = self._tasks.pop(line.expected.brick, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if line.session is not None:
            line.session.end(reason)

    # --- the file

    async def run(self) -> None:
        """Looks at the file until cancelled."""
        path = self._agent.config.path
        while path is not None:
            await asyncio.sleep(LOOK_S)
            seen = self._signature()
            if None in seen or seen == self._seen:
                continue
            try:
                fresh = await asyncio.to_thread(configuration.load, path)
                await self.take_up(fresh)
            except (ConfigError, StoreUnavailable, OSError) as failed:
                if self.trouble != str(failed):
                    log.error("the changed configuration is not taken up: %s", failed)
                self.trouble = str(failed)
                if isinstance(failed, ConfigError):
                    self._seen = seen  # until one is changed again
                continue
            except Exception as failed:  # whatever a file may bring about: receipts go on
                log.exception("the changed configuration is not taken up")
                self.trouble = (
                    f"{path.name} was changed and cannot be taken up ({type(failed).__name__}): tell the hub"
                )
                self._seen = seen
                continue
            self._seen = seen  # where link keys were taken out of keys.json it is looked at once more

    def _signature(self) -> tuple[Any, ...]:
        """Of config.json and keys.json."""
        config = self._agent.config
        return _signature(config.path), None if config.path is None else _signature(config.keys_file)

    async def take_up(self, fresh: Config) -> None:
        """Follows a configuration. Raises StoreUnavailable: then nothing has changed, and it is to be tried again."""
        agent = self._agent
        links = fresh.keys.links
        if links:
            keys = [(link.brick, link.epoch, link.key) for link in links]
            await asyncio.wrap_future(agent.store.import_link_keys(keys))
            await asyncio.to_thread(configuration.forget_links, fresh.keys_file, links)
        await self._rows(fresh)
        self.trouble = self._waits(fresh)
        agent.config = dataclasses.replace(agent.config, bricks=fresh.bricks, ended=fresh.ended)
        agent.on_links[:] = [one.brick for one in fresh.bricks]
        for expected in fresh.bricks:
            agent.bricks[expected.brick].name = expected.name
        self.mark()
        kept: dict[bytes, Line] = {}
        for line in list(agent.lines):
            on_it = line.brick
            if line.expected in fresh.bricks and (on_it is None or agent.ended.refusal(on_it) is None):
                kept[line.expected.brick] = line
                continue
            agent.lines.remove(line)
            await self._end(line, "another brick has this place now, or it is reached in another way")
        if agent.radio is None and any("ble" in one.links for one in fresh.bricks):
            agent.radio = agent.new_radio()
        agent.lines[:] = [kept.get(one.brick) or agent.new_line(one) for one in fresh.bricks]
        for line in agent.lines:
            if line.expected.brick not in kept:
                self._begin(line)
        self.taken += 1
        log.info("%d bricks have a place here", len(fresh.bricks))

    def mark(self) -> None:
        """Who was replaced: gets no rights, and its records count up to what was known then."""
        agent = self._agent
        agent.ended.use(agent.config.ended, agent.config.bricks)
        agent.ended.durable = lambda brick8: agent.bricks[brick8].durable_seq if brick8 in agent.bricks else 0
        for brick in agent.bricks.values():
            end = agent.ended.of(brick.brick)
            brick.ended = end is not None
            # What came between the look of whoever swapped it and now came from before.
            known = None if end is None or end.last_seq is None else max(end.last_seq, brick.next_seq - 1)
            brick.last_seq = known

    async def _rows(self, fresh: Config) -> None:
        agent = self._agent
        names = {one.brick: one.name for one in fresh.bricks if one.brick not in agent.bricks}
        if not names:
            return
        await asyncio.wrap_future(agent.receipts.add_bricks(list(names)))
        for head in await asyncio.wrap_future(agent.receipts.heads()):
            if head.brick in names:
                agent.bricks[head.brick] = Brick.of(head, names[head.brick])

    def _waits(self, fresh: Config) -> str | None:
        """What else changed in the file."""
        changed: list[str] = [
            one.name
            for one in dataclasses.fields(Config)
            if one.name not in TAKEN_UP and getattr(fresh, one.name) != getattr(self._agent.config, one.name)
        ]
        had, has = self._agent.config.keys, fresh.keys
        names = (one.name for one in dataclasses.fields(Keys) if one.name != "links")
        keys = [name for name in names if getattr(has, name) != getattr(had, name)]
        words = [f"{', '.join(changed)} changed in config.json"] if changed else []
        words += [f"{', '.join(keys)} changed in keys.json"] if keys else []
        return f"{' and '.join(words)} too: start the host program again for that" if words else None


def _signature(path: Path | None) -> tuple[Any, ...] | None:
    """Changes with every replacement of the file; None where there is none at the moment."""
    if path is None:
        return None
    with contextlib.suppress(OSError):
        found = os.stat(path)
        return found.st_ino, found.st_size, found.st_mtime_ns
    return None
