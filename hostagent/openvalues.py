"""Open values: what an operator may set on the day within what the authors signed; set at every brick and the lane.

A brick that is away gets them when its link is back. What is asked for is kept over a restart of the host.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from hostagent.bricks import Brick
from hostagent.clock import Clock
from hostagent.core import Fields, cbor, reg
from hostagent.errors import HostError
from hostagent.staff import NOBODY
from hostagent.store.records import Stored
from hostagent.store.store import Store

ANSWER_S = 5.0
META = "open_values"
UNITS = {1: "percent", 2: "money", 3: "pieces", 4: "time"}
WORDS = {
    reg.PARAMETERS_OK: "taken",
    reg.PARAMETERS_BOUNDS: "out of bounds",
    reg.PARAMETERS_OTHER_RULESET: "has other rules",
    reg.PARAMETERS_NO_ROOM: "no room in its journal",
}
NO_LINK = "no link: gets it when it is back"


class Refused(Exception):
    """A value cannot be set; the message says what was asked for and what may be."""


@dataclass(frozen=True)
class OpenValue:
    """One open value of the rules in use. `unit`: percent (basis points), money (minor), pieces, time (ms);
    `value`: what was asked for last, by whom (None: nobody, it is the authors' default) and when (market ms);
    `bricks`: by name, where another value holds."""

    index: int
    name: str
    unit: str
    lowest: int
    highest: int
    default: int
    value: int
    who: str | None
    at_ms: int | None
    bricks: dict[str, int]


class Wanted(NamedTuple):
    """What was asked for under one ruleset: value, who and when (market ms), by index."""

    ruleset8: bytes
    values: dict[int, tuple[int, str, int]]


class OpenValues:
    """One for a host. `ruleset()` is the one in use; `tell(brick8, kind, value)` queues a message and says whether
    there is a link; `lane()` is the host's own lane or None."""

    def __init__(
        self,
        store: Store,
        bricks: Callable[[], list[Brick]],
        ruleset: Callable[[], Any],
        lane: Callable[[], Any],
        tell: Callable[[bytes, int, Any], bool],
        clock: Clock,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bricks = bricks
        self._ruleset = ruleset
        self._lane = lane
        self._tell = tell
        self._waiting: dict[bytes, tuple[bytes, asyncio.Future[int]]] = {}
        # What each brick's newest record of parameters said, by (brick, ruleset).
        self._said: dict[tuple[bytes, bytes], dict[int, int]] = {}
        self._wanted: Wanted | None = None
        # What bricks are told of who set a value (hostagent.staff).
        self.label: Callable[[str], str] = lambda name: NOBODY
        kept = store.meta.get(META)
        if isinstance(kept, bytes):
            ruleset8, values = cbor.decode(kept)
            self._wanted = Wanted(ruleset8, {index: (value, who, ms) for index, value, who, ms in values})

    def _values(self, ruleset8: bytes) -> dict[int, tuple[int, str, int]]:
        """What was asked for under a ruleset, by index: value, who, when."""
        return self._wanted.values if self._wanted is not None and self._wanted.ruleset8 == ruleset8 else {}

    def current(self) -> dict[int, OpenValue]:
        """The open values of the rules in use, by index; none where there are no rules."""
        ruleset = self._ruleset()
        if ruleset is None:
            return {}
        wanted = self._values(ruleset.digest8)
        found: dict[int, OpenValue] = {}
        for index, (unit, lowest, highest, default, name) in enumerate(ruleset.open_values):
            value, who, at_ms = wanted.get(index, (default, None, None))
            others: dict[str, int] = {}
            for brick in self._bricks():
                said = self._said.get((brick.brick, ruleset.digest8), {}).get(index, cast(int, default))
                if said != value:
                    others[brick.name] = said
            unit_word = UNITS.get(unit, "?")
            found[index] = OpenValue(
                index, name, unit_word, lowest, highest, default, value, who, at_ms, others
            )
        return found

    async def set(self, values: dict[int, int], who: str) -> dict[str, str]:
        """Sets values by index everywhere. What became of it, by name of the brick (and "host lane").

        Raises Refused where a value is out of bounds or no rules are in use: then nothing is set anywhere."""
        ruleset = self._ruleset()
        if ruleset is None:
            raise Refused("no rules are in use yet: there is nothing to set")
        if not values or not who.strip() or len(who.encode()) > 24:
            raise Refused("say which value, and who sets it (at most 24 bytes)")
        for index, value in values.items():
            if not 0 <= index < len(ruleset.open_values):
                raise Refused(f"there is no open value {index}: the rules have {len(ruleset.open_values)}")
            _, lowest, highest, _, name = ruleset.open_values[index]
            if not lowest <= value <= highest:
                raise Refused(
                    f"{name}: {value} is not between {lowest} and {highest}, what the authors signed"
                )
        now = self._clock.now_ms()
        whole = {
            **self._values(ruleset.digest8),
            **{index: (value, who, now) for index, value in values.items()},
        }
        kept = cbor.encode([ruleset.digest8, [[index, *whole[index]] for index in sorted(whole)]])
        await asyncio.wrap_future(self._store.set_meta({META: kept}))
        self._wanted = Wanted(ruleset.digest8, whole)
        results: dict[str, str] = {}
        answers = {
            brick.name: asyncio.ensure_future(self._set_at(brick, values, who)) for brick in self._bricks()
        }
        lane = self._lane()
        if lane is not None and lane.trouble is None and lane.ruleset is not None:
            try:
                await lane.parameters(values, who)
                results[lane.brick.name] = WORDS[reg.PARAMETERS_OK]
            except HostError as failed:
                results[lane.brick.name] = str(failed)
        for name, answer in answers.items():
            results[name] = await answer
        return results

    async def _set_at(self, brick: Brick, values: dict[int, int], who: str) -> str:
        nonce = os.urandom(8)
        assert self._wanted is not None
        message = _message(self._wanted.ruleset8, values, self.label(who), nonce)
        if not self._tell(brick.brick, reg.MSG_PARAMETERS, message):
            return NO_LINK
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[nonce] = brick.brick, answer
        try:
            # Not wait_for: on Python 3.11 it swallows a cancel that comes in the moment of the answer.
            async with asyncio.timeout(ANSWER_S):
                result = await answer
        except TimeoutError:
            return NO_LINK
        finally:
            del self._waiting[nonce]
        return WORDS.get(result, "an answer newer than this program")

    def answered(self, brick: Brick, value: Fields) -> None:
        """Message 8."""
        waiting = self._waiting.get(value.get(0, b""))
        if waiting is None or waiting[0] != brick.brick or type(value.get(1)) is not int:
            return
        if not waiting[1].done():
            waiting[1].set_result(value[1])

    def recorded(self, stored: Stored) -> None:
        """A record is here: a brick says which values hold there."""
        fields: Fields = stored.record.fields
        if fields[10] != reg.KIND_PARAMETERS or 8 not in fields or not fields.get(24):
            return
        said = self._said.setdefault((stored.brick, fields[8]), {})
        said.update({index: value for index, value in fields[24][0]})

    def due(self, brick: Brick) -> tuple[int, Any] | None:
        """What a brick with a new link still has to be told: message 43, or nothing."""
        ruleset, said = self._ruleset(), brick.status
        if ruleset is None or said is None or said.ruleset8 != ruleset.digest8:
            return None
        holds = self._said.get((brick.brick, ruleset.digest8), {})
        wanted = self._values(ruleset.digest8)
        due = {
            index: (value, who)
            for index, (value, who, _) in wanted.items()
            if index < len(ruleset.open_values) and holds.get(index, ruleset.open_values[index][3]) != value
        }
        if not due:
            return None
        values = {index: value for index, (value, _) in due.items()}
        who = due[max(due, key=lambda index: wanted[index][2])][1]
        return reg.MSG_PARAMETERS, _message(ruleset.digest8, values, self.label(who), os.urandom(8))


def _message(ruleset8: bytes, values: dict[int, int], who: str, nonce: bytes) -> Fields:
    return {0: ruleset8, 1: [[index, values[index]] for index in sorted(values)], 2: who, 3: nonce}
