"""An act and its line of the log are one transaction; benches and hosts stand in it, too."""

import pytest
from sqlalchemy.exc import OperationalError

from fleet import ending, enrolled, rekeys
from fleet.people import audit
from fleet.people.commands import beside
from tests.fleet.peopleworld import office
from tests.stall import Stall


@pytest.fixture
def stall(tmp_path):
    made = Stall(tmp_path, seed=12, bricks=2)
    yield made
    made.close()


def lines(stall):
    with stall.controller.database.read() as connection:
        return [(one["verb"], one["actor"], one["how"]) for one in audit.page(connection)]


class Full(OperationalError):
    """A disk that takes no more."""

    def __init__(self):
        super().__init__("INSERT", {}, Exception("disk full"))


def no_line(*_):
    raise Full


def test_a_stop_without_its_line_is_no_stop(tmp_path, monkeypatch):
    with office(tmp_path) as desk:
        desk.account("ada", "fleet-admin")
        ada = desk.browser("ada")
        kit = desk.running.stall.world.kit
        desired = desk.running.app.state.controller.desired
        with monkeypatch.context() as patch:
            patch.setattr(audit, "record", no_line)
            failed = ada.post("/v1/admin/stop", json={"kit": kit.hex(), "reason": "wrong price"})
            assert failed.status_code == 503
            assert not desired.halted(kit)
        done = ada.post("/v1/admin/stop", json={"kit": kit.hex(), "reason": "wrong price"})
        assert done.status_code == 200
        again = ada.post(
            "/v1/admin/stop", json={"kit": kit.hex(), "reason": "again"}
        )  # is stopped: a line all the same
        assert again.status_code == 200
        with desk.database.read() as connection:
            found = [one["after"] for one in audit.page(connection) if one["verb"] == "kits.stop"]
        assert found == [{"stopped": [kit.hex()], "reason": reason} for reason in ("wrong price", "again")]


def test_new_link_keys_without_their_line_are_not_ordered(stall, monkeypatch):
    brick = stall.world.bricks[0].brick8.hex()
    with monkeypatch.context() as patch:
        patch.setattr(audit, "record", no_line)
        with pytest.raises(Exception, match="disk full"):
            rekeys.order(stall.config, None, [brick])
    assert [one.number for one in rekeys.order(stall.config, None, [brick])] == [1]
    assert lines(stall) == [("bricks.rekey", "command line", "command")]


def test_what_a_host_ends_stands_in_the_log_with_its_name_once(stall):
    brick = stall.world.bricks[0].brick8
    for _ in range(2):
        ending.end(stall.controller, stall.world.kit, brick, ending.Ending("replaced", 4), "aa" * 8)
    assert lines(stall) == [("enrol.revoke", f"host {'aa' * 8}", "host")]


def test_what_a_bench_ends_stands_in_the_log_with_its_name(stall):
    bench = enrolled.Bench("bench-1", stall.world.kit, stall.world.rental, "ab" * 8)
    with beside(stall.config) as connection:
        enrolled.note(connection, stall.controller.config.bricks[0], 1)
    brick = stall.world.bricks[0].brick8
    for _ in range(2):
        stall.controller.revoke(bench, brick, "lost")
    assert lines(stall) == [("enrol.revoke", "bench bench-1", "bench")]


def test_an_answer_that_broke_has_safe_headers_and_one_cookie(tmp_path, monkeypatch):
    with office(tmp_path) as desk:
        desk.account("ada", "fleet-admin")
        ada = desk.browser("ada")
        desk.clock.now += 16 * 60_000  # the cookie turns with the next answer
        monkeypatch.setattr(audit, "page", lambda *_: 1 // 0)
        broke = ada.get("/v1/admin/audit")
        assert broke.status_code == 500
        assert broke.headers["x-content-type-options"] == "nosniff"
        assert len(broke.headers.get_list("set-cookie")) == 1
