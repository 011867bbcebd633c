"""What holds updates back: a time of day told to bricks as message 55, and every hold reported with since when."""

import datetime as dt
import json
from types import SimpleNamespace

import pytest
from stallmark import registry as reg
from test_host_slots import STEADY

from fleet.desired.report import Report
from hostagent.bricks import Brick
from hostagent.config.sections import updates
from hostagent.errors import ConfigError
from hostagent.following import _same
from hostagent.holding import AGAIN_MS, TOLD_S, Holding
from hostagent.slots import heard
from hostagent.window import window

NIGHT = window("22:00", "06:00", "Europe/Berlin")


def at(text):
    """Market ms of a wall time in Berlin."""
    zone = dt.timezone(dt.timedelta(hours=1))  # winter
    return int(dt.datetime.fromisoformat(f"2026-01-10T{text}:00").replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("21:59", 60), ("22:00", 0), ("23:59", 0), ("00:00", 0), ("05:59", 0), ("06:00", 16 * 3600), ("12:00", 10 * 3600)],
)
def test_a_window_over_midnight_is_open_at_night_in_its_own_zone(time, seconds):
    assert NIGHT.wait_s(at(time)) == seconds


def test_a_window_in_a_configuration_is_bounded_and_says_what_is_wrong():
    assert updates("config.json: updates", {"from": "22:00", "to": "06:00"}).words() == "22:00 to 06:00"
    for wrong, words in (
        ({"from": "22:00", "to": "22:10"}, "at least 30 minutes"), ({"from": "24:00", "to": "06:00"}, "no time of day"),
        ({"from": "22:00", "to": "22:00"}, "at least 30"), ({"from": "22:00", "to": "06:00", "zone": "../etc"}, "no time zone"),
        ({"from": "22:00"}, "to"), ("22:00", "object"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            updates("config.json: updates", wrong)


class Stall:
    """Two bricks that run from slots, a clock, and what was told."""

    def __init__(self, time):
        names = (b"left---1", b"right--1")
        self.bricks = {name: Brick(n, name, name.decode(), 1, None, 0, None, None) for n, name in enumerate(names, 1)}
        self.clock = SimpleNamespace(ms=at(time), known=lambda: True)
        self.clock.now_ms = lambda: self.clock.ms
        self.told, self.now, self.linked, self.locked, self.host = [], 0, True, False, ""
        self.holding = Holding(
            NIGHT, self.clock, self.bricks, self.tell, lambda: self.locked, lambda: self.host, lambda: self.now
        )

    def tell(self, brick, kind, value):
        if self.linked:
            assert kind == reg.MSG_HOLD
            self.told.append((brick, value[0]))
        return self.linked

    def say(self, name, **more):
        heard(self.bricks[name], STEADY | {int(key[1:]): value for key, value in more.items()})

    def look(self, ms=0):
        self.now, self.clock.ms, self.told = self.now + ms, self.clock.ms + ms, []
        self.holding.look()
        return self.told


def test_bricks_that_run_from_slots_are_told_to_hold_again_and_again_and_when_it_ends():
    stall = Stall("21:00")
    assert stall.look() == [], "nobody said that its programs lie in slots"
    stall.say(b"left---1")
    assert stall.look() == [(b"left---1", TOLD_S)]
    assert stall.look(1_000) == [] and stall.look(AGAIN_MS) == [(b"left---1", 3_539)]
    stall.say(b"left---1")  # a new session: it may have started anew and forgotten
    assert stall.look(1_000) == [(b"left---1", 3_538)]
    stall.linked = False
    stall.look(3_600_000)
    stall.linked = True
    assert stall.look() == [(b"left---1", 0)], "the end is told as soon as there is a link"
    assert stall.look(AGAIN_MS) == []


def test_holds_are_reported_with_words_and_since_when_while_something_waits():
    stall = Stall("12:00")
    stall.say(b"left---1")
    assert stall.holding.report() == [], "nothing is to be installed"
    stall.say(b"left---1", f5=[bytes(8), 512, 900, 2])
    stall.say(b"right--1", f5=[bytes(8), 512, 900, 1])
    first = stall.clock.ms
    found = {one["code"]: one for one in stall.holding.report()}
    assert found["quiet"]["text"] == "this stall updates from 22:00 to 06:00"
    assert found["battery"]["text"] == "left---1: the battery is low"
    assert found["busy"]["text"] == "right--1: customers are there"
    stall.clock.ms += 60_000
    stall.locked = True
    found = {one["code"]: one for one in stall.holding.report()}
    assert found["battery"]["since_ms"] == first and found["lock"]["since_ms"] == first + 60_000
    said = Report.model_validate_json(json.dumps({"holds": stall.holding.report()}))
    assert [one.code for one in said.holds] == ["quiet", "battery", "busy", "lock"]
    stall.say(b"left---1")
    stall.say(b"right--1")
    stall.host = "a question is open"
    assert [one["code"] for one in stall.holding.report()] == ["quiet", "busy", "lock"]
    # Customers come and go: that alone is no news, it goes along with the next report.
    busy = {"bricks": [], "holds": [{"code": "busy", "text": "x", "since_ms": 1}]}
    assert _same(busy, {"bricks": [], "holds": []}) and not _same(busy, {"bricks": [], "holds": [{"code": "lock"}]})


def test_a_host_that_does_not_know_the_time_holds_nothing():
    stall = Stall("12:00")
    stall.clock.known = lambda: False
    stall.say(b"left---1")
    assert stall.look() == [] and stall.holding.closed_s() == 0
