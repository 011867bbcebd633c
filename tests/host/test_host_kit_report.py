"""A host's report says how far each brick wrote, so that a kit is taken back only when all of it has arrived."""

import pytest

from hostagent.bricks import Brick, Status
from hostagent.kitreport import describe


class Quiet:
    """A clock at zero, and an updater that installed nothing."""

    def now_ms(self):
        return 10**12

    def result_of(self, _):
        return None


@pytest.mark.parametrize(("said", "last"), [(None, 7), (8, 7), (12, 11), (3, 7)])
def test_the_report_has_the_newest_record_that_the_brick_or_this_disk_knows(said, last):
    brick = Brick(1, b"b" * 8, "brick-1", 8, None, 7, None, None)
    if said is not None:
        brick.status = Status.parse({0: 1, 1: said, 2: 0})
        assert brick.status is not None
    found = describe({brick.brick: brick}, Quiet(), Quiet(), lambda _: True)
    assert found["bricks"][0]["last_seq"] == last
