"""A task that looks again and again says what is wrong once, and looks on."""

import asyncio
import logging

import pytest
from sqlalchemy.exc import SQLAlchemyError

from fleet.errors import FleetError
from fleet.looking import look_again

log = logging.getLogger("looks")


def looked(turns, caplog):
    """What is logged while one turn after the other returns or raises; the last one ends the task by an error of ours."""
    left = iter(turns)

    def look():
        turn = next(left)
        if turn is not None:
            raise turn

    caplog.set_level(logging.ERROR)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(look_again(look, log, "rentals", 0.0, 0.0))
    assert next(left, "over") == "over", "it looked at every turn"
    return [record.getMessage() for record in caplog.records if record.name == "looks"]


def test_the_same_trouble_is_said_once_and_again_after_it_was_over(caplog):
    full, gone = OSError(28, "No space left on device"), SQLAlchemyError("no such table")
    turns = [None, full, full, gone, gone, None, gone, FleetError("no"), None, ZeroDivisionError()]
    said = looked(turns, caplog)
    assert said == [f"rentals: {one}" for one in (full, gone, gone, "no")]


def test_it_waits_longer_after_a_failure(monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    left = iter([None, OSError("x"), None])

    def look():
        turn = next(left)
        if turn is not None:
            raise turn

    monkeypatch.setattr("fleet.looking.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(look_again(look, log, "x", 1.0, 5.0))
    assert pauses == [1.0, 5.0, 1.0]
