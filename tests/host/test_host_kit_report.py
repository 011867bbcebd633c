"""A host's report says how far each brick wrote, so that a kit is taken back only when all of it has arrived."""

import pytest

from hostagent import appliance
from hostagent.bricks import Brick, Status
from hostagent.kitreport import describe


class Quiet:
    """A clock at zero, and an updater that installed nothing."""

    def now_ms(self):
        return 10**12

    def result_of(self, *_):
        return None


@pytest.mark.parametrize(("said", "last"), [(None, 7), (8, 7), (12, 11), (3, 7)])
def test_the_report_has_the_newest_record_that_the_brick_or_this_disk_knows(said, last):
    brick = Brick(1, b"b" * 8, "brick-1", 8, None, 7, None, None)
    if said is not None:
        brick.status = Status.parse({0: 1, 1: said, 2: 0})
        assert brick.status is not None
    found = describe({brick.brick: brick}, Quiet(), Quiet(), lambda _: True)
    assert found["bricks"][0]["last_seq"] == last


def test_the_report_has_how_long_lights_took_and_the_memory_of_the_same_message():
    brick = Brick(1, b"b" * 8, "brick-1", 8, None, 7, None, None)
    lights = [0] * 7 + [40] + [0] * 8
    brick.diagnostics = appliance.parse({0: 5, 1: 60_000, 4: 8192, 11: [3, b"r" * 8, lights]}, None)
    found = describe({brick.brick: brick}, Quiet(), Quiet(), lambda _: True)["bricks"][0]
    assert found["figures"] == {
        "boot": 3, "ruleset": (b"r" * 8).hex(), "lights": lights, "free": 60_000, "block": 8192,
    }  # fmt: skip
    for wrong in (
        None,
        [3, None, lights],
        [3, b"r" * 7, lights],
        [3, b"r" * 8, lights[1:]],
        [3, b"r" * 8, [-1] * 16],
        [3, 4, lights],
    ):
        brick.diagnostics = appliance.parse({0: 5, 11: wrong}, None)
        assert "figures" not in describe({brick.brick: brick}, Quiet(), Quiet(), lambda _: True)["bricks"][0]
