"""The bench API: who may register bricks, of which kit and rental; hostile bodies; late registrations; revocation."""

import base64
import json
import os
from dataclasses import replace

import httpx
import pytest
from nacl.public import SealedBox
from sqlalchemy import select
from typer.testing import CliRunner

from fleet import cli, enrolled, enrolling, rekeys
from fleet.core import reg
from fleet.db import tables
from fleet.errors import ConfigError, Refused
from tests.fleet.serving import served
from tests.stall import Stall

BOARD = "7cdfa1654321"
OTHER = bytes.fromhex("0b" * 8)


@pytest.fixture
def stall(tmp_path):
    made = Stall(tmp_path)
    yield made
    made.close()


def token_of(stall, name="bench", kit=None):
    kit = kit or stall.config.kits[0]
    with stall.controller.database.write() as connection:
        return enrolled.issue(connection, kit.kit, kit.rental, name, stall.world.now_ms)


def bench_of(stall, kit=None):
    return stall.controller.bench(token_of(stall, kit=kit))


def with_two_kits(stall):
    """A second kit beside the first; returns it."""
    second = replace(stall.config.kits[0], kit=OTHER, name="another")
    stall.config = replace(stall.config, kits=(*stall.config.kits, second))
    stall.controller.config = replace(stall.controller.config, kits=stall.config.kits)
    return second


def body(stall, bench, **more):
    root = SealedBox(enrolled.sealing_key(stall.config.secrets.seal_key).public_key).encrypt(os.urandom(32))
    return {
        "brick": os.urandom(8).hex(),
        "kit": bench.kit.hex(),
        "rental": bench.rental,
        "root": base64.b64encode(root).decode(),
        "board": BOARD,
        "hardware": "esp32s3-8m-nfc",
        "chip": "ESP32-S3",
        "firmware": "00" * 32,
        "label": "NSB7-VI7V",
        "made_ms": stall.world.now_ms,
    } | more


def enrol(stall, bench, **more):
    made = body(stall, bench, **more)
    return bytes.fromhex(made["brick"]), stall.controller.enrol(bench, json.dumps(made).encode())


def test_who_has_no_credential_or_one_that_ended_gets_nowhere(stall):
    token = token_of(stall)
    bench = stall.controller.bench(token)
    with served(stall) as running:
        url = f"{running.url}/v1/bricks"
        good = {"Authorization": f"Bearer {token}"}
        for head in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {token}"}, running.token()):
            assert httpx.post(url, json=body(stall, bench), headers=head).status_code == 401
            assert httpx.get(f"{url}?board={BOARD}", headers=head).status_code == 401
            assert httpx.get(f"{url}/{'00' * 8}", headers=head).status_code == 401
            assert (
                httpx.post(f"{url}/{'00' * 8}/revoke", json={"reason": "x"}, headers=head).status_code == 401
            )
        assert httpx.post(url, content=b"x" * 9000, headers=good).status_code == 413
        made = body(stall, bench)
        assert httpx.post(url, json=made, headers=good).json()["again"] is False
        assert httpx.post(url, json=made, headers=good).json()["again"] is True
        found = httpx.get(f"{url}?board={BOARD}", headers=good).json()["bricks"]
        assert [one["brick"] for one in found] == [made["brick"]]
        assert httpx.get(f"{url}/nonsense", headers=good).status_code == 422
        assert httpx.post(f"{url}/{'11' * 8}/revoke", json={"reason": "x"}, headers=good).status_code == 404
        # Ended beside the running controller: at once.
        assert [one["state"] for one in enrolling.benches(stall.config)] == ["good"]
        enrolling.end_bench(stall.config, enrolling.benches(stall.config)[0]["number"])
        assert httpx.get(f"{url}?board={BOARD}", headers=good).status_code == 401
        assert [one["state"] for one in enrolling.benches(stall.config)] == ["ended"]
    with pytest.raises(ConfigError, match="not ended already"):
        enrolling.end_bench(stall.config, "00" * 6)


@pytest.mark.parametrize(
    "change",
    [
        {"made_ms": float("inf")},
        {"made_ms": 1.9},
        {"made_ms": True},
        {"made_ms": "7"},
        {"made_ms": -1},
        {"made_ms": 1 << 63},
        {"rental": 1.0},
        {"rental": None},
        {"brick": "00"},
        {"brick": ["00"] * 8},
        {"brick": "00 00 00 00 00 0"},
        {"kit": 7},
        {"board": ""},
        {"board": {"a": 1}},
        {"label": "x" * 65},
        {"label": "\ud800"},
        {"label": "a\nb"},
        {"chip": None},
        {"root": "AAAA"},
        {"root": 3},
        {"root": "é"},
    ],
)
def test_a_body_of_another_form_is_refused_in_words(stall, change):
    bench = bench_of(stall)
    data = json.dumps(body(stall, bench) | change).replace("Infinity", "1e999").encode()
    with pytest.raises(Refused) as refused:
        stall.controller.enrol(bench, data)
    assert refused.value.status == 422
    assert enrolling.look(stall.config) == []


@pytest.mark.parametrize("data", [b"[" * 8000, b"", b"\xff", b"[]", b"null", b'{"a":' * 1500, b"1" * 8000])
def test_a_body_that_is_no_json_object_is_refused(stall, data):
    for work in (
        lambda: stall.controller.enrol(bench_of(stall), data),
        lambda: enrolled.parse_revocation(data),
    ):
        with pytest.raises(Refused) as refused:
            work()
        assert refused.value.status == 422


def test_a_bench_is_bound_to_its_kit(stall):
    second = with_two_kits(stall)
    mine, theirs = bench_of(stall), bench_of(stall, second)
    brick, _ = enrol(stall, mine)
    # Another kit's bench sees nothing of it, ends nothing of it, and takes no board away.
    assert stall.controller.enrolled(theirs, brick) is None
    assert stall.controller.of_board(theirs, BOARD) == []
    for status, work in (
        (404, lambda: stall.controller.revoke(theirs, brick, "mine now")),
        (403, lambda: enrol(stall, theirs, kit=mine.kit.hex())),
        (409, lambda: enrol(stall, theirs)),
    ):
        with pytest.raises(Refused) as refused:
            work()
        assert refused.value.status == status
    assert "revoked_ms" not in stall.controller.enrolled(mine, brick)
    # Ended at its own kit, the board is free.
    stall.controller.revoke(mine, brick, "sold")
    assert enrol(stall, theirs)[1]["revoked"] == []


def test_a_credential_of_a_rental_that_is_over_is_worth_nothing(stall):
    token = token_of(stall)
    bench = stall.controller.bench(token)
    brick, _ = enrol(stall, bench)
    kits = tuple(replace(kit, rental=kit.rental + 1) for kit in stall.config.kits)
    stall.controller.config = replace(stall.controller.config, kits=kits)
    with pytest.raises(Refused, match="rental that is over") as refused:
        stall.controller.bench(token)
    assert refused.value.status == 403
    fresh = bench_of(stall, kits[0])
    with pytest.raises(Refused, match="another rental"):
        stall.controller.revoke(fresh, brick, "x")
    # The same board in the kit's new rental: the old identity ends.
    assert enrol(stall, fresh)[1]["revoked"] == [brick.hex()]
    assert stall.controller.revoke(fresh, brick, "again")["reason"].startswith("flashed again as")


def test_a_registration_that_comes_late_ends_nobody_alive(stall):
    bench = bench_of(stall)
    now = stall.world.now_ms
    living, _ = enrol(stall, bench, made_ms=now)
    late, answer = enrol(stall, bench, made_ms=now - 1000)
    assert answer["revoked"] == [late.hex()]
    assert "revoked_ms" not in stall.controller.enrolled(bench, living)
    assert "before this arrived" in stall.controller.enrolled(bench, late)["reason"]
    again = body(stall, bench, made_ms=now + enrolled.AHEAD_MS + 1)
    with pytest.raises(Refused, match="clock is ahead"):
        stall.controller.enrol(bench, json.dumps(again).encode())
    newer, answer = enrol(stall, bench, made_ms=now + 1)
    assert answer["revoked"] == [living.hex()]
    stall.restart()
    assert set(stall.controller._store.revoked) == {late, living}
    assert newer in {brick.brick for brick in stall.controller.config.bricks}


def revoke_by_hand(stall, brick):
    """Makes one of the world's bricks a bench's, and ends it."""
    bench = bench_of(stall)
    with stall.controller.database.write() as connection:
        enrolled._set(
            connection,
            enrolled.BRICK + brick.brick8.hex(),
            body(stall, bench) | {"registered_ms": 1},
        )
    stall.controller.revoke(bench, brick.brick8, "stolen")


def test_a_revoked_brick_cannot_count_by_setting_its_clock_back(stall):
    brick = stall.world.bricks[0]
    before = [stall.world.record(brick=brick) for _ in range(3)]
    held = before.pop(1)
    stall.hand_in(before)
    at_host = stall.world.record(brick=brick)
    under_way = stall.world.receipt(at_host)  # its host has it, the controller not yet
    revoke_by_hand(stall, brick)
    stall.take(stall.world.batch([under_way]))
    stall.world.now_ms += 60_000
    backdated = stall.world.record(brick=brick, f5=before[0].fields[5])
    receipts = [stall.world.receipt(item) for item in (held, backdated)]
    stall.take(stall.world.batch(receipts))
    bits = [found_bits(stall, item) for item in (held, at_host, backdated)]
    unknown = 1 << reg.FINDING_UNKNOWN_BRICK
    assert [bool(found & unknown) for found in bits] == [False, False, True]
    stall.publish()


def found_bits(stall, item):
    with stall.controller.database.read() as connection:
        receipts = tables.receipts
        return (
            connection.execute(
                select(receipts.c.findings).where(
                    receipts.c.brick == item.fields[1], receipts.c.seq == item.fields[2]
                )
            )
            .scalars()
            .all()[-1]
        )


def test_receipts_of_before_count_for_three_days_only():
    end = enrolled.End(1000, 5)
    assert end.covers(5, 9999, 1 << 60) and end.covers(6, 1000, 1000 + enrolled.GRACE_MS)
    assert not end.covers(6, 1001, 1001) and not end.covers(6, 1000, 1001 + enrolled.GRACE_MS)


def test_bricks_of_benches_get_new_link_keys_too_and_revoked_ones_none(stall):
    bench = bench_of(stall)
    one, _ = enrol(stall, bench)
    gone, _ = enrol(stall, bench, board="02")
    stall.controller.revoke(bench, gone, "lost")
    made = {order.brick for order in rekeys.order(stall.config, stall.config.kits[0].name, [])}
    assert one in made and gone not in made
    assert {brick.brick8 for brick in stall.world.bricks} <= made
    assert [order.number for order in rekeys.order(stall.config, None, [one.hex()])] == [2]
    with pytest.raises(ConfigError, match="no brick '0011223344556677'"):
        rekeys.order(stall.config, None, [one.hex(), "0011223344556677"])
    host = stall.config.hosts[0]
    assert one in {order.brick for order, _, _ in stall.controller.rekeys(host)}


def test_a_person_ends_bricks_and_benches_beside_the_controller(stall):
    brick, _ = enrol(stall, bench_of(stall))
    config = ["--config", str(next(stall.folder.rglob("config.json")))]
    run = CliRunner().invoke
    assert run(cli.app, ["bricks", "revoke", "00" * 8, *config]).exit_code == 1
    assert (
        "is revoked: lost"
        in run(cli.app, ["bricks", "revoke", brick.hex(), "--reason", "lost", *config]).output
    )
    stall.controller.renew(force=True)
    assert brick in stall.controller._store.revoked
    shown = json.loads(run(cli.app, ["benches", "--json", *config]).output)["benches"]
    assert "ended" in run(cli.app, ["benches", "--end", shown[0]["number"], *config]).output
