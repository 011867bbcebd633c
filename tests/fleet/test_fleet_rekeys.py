"""An order for a new link key means one key, whatever becomes of the brick's root afterwards."""

import pytest

from fleet import rekeys
from fleet.db import tables
from tests.stall import Stall


@pytest.fixture
def stall(tmp_path):
    made = Stall(tmp_path)
    yield made
    made.close()


def test_a_rental_step_leaves_an_order_the_key_that_it_had(stall):
    host = stall.config.hosts[0]
    brick = stall.world.bricks[0].brick8
    keys = stall.controller._store.keys

    def told():
        return next((one, tag) for one, tag, _ in stall.controller.rekeys(host) if one.brick == brick)

    (first,) = rekeys.order(stall.config, None, [brick.hex()])
    one, tag = told()
    assert one == first and first.root is not None
    stepped = keys.step(brick, 50, 2)
    assert told() == (one, tag), "the same epoch is the same key"
    with stall.controller.database.write() as connection:
        row = {"brick": brick, "first_epoch": 50, "rental": 2, "sealed": stepped.sealed}
        connection.execute(tables.roots.insert().values(**row))
    (second,) = rekeys.order(stall.config, None, [brick.hex()])
    assert (second.number, second.root) == (2, 50)
    assert told() == (second, keys.rekey(brick, second.epoch)[0]), "a new order is of the root of today"


def test_an_order_of_before_roots_were_written_down_still_counts(stall):
    brick = stall.world.bricks[0].brick8
    with stall.controller.database.write() as connection:
        connection.execute(tables.meta.insert().values(name=rekeys.NAME + brick.hex(), value="3"))
    (one, _, _), *_ = stall.controller.rekeys(stall.config.hosts[0])
    assert (one.number, one.root) == (3, None)
    assert rekeys.order(stall.config, None, [brick.hex()])[0].number == 4
