"""Tag keys at the controller: from the desk without its master, to each brick of a kit sealed under that brick's K_ctl."""

import base64
import json

import pytest
from stallmark import tagkeys as core_tagkeys
from typer.testing import CliRunner
from workbench import tagexport, tagmaster

from cli.main import app
from fleet import enrolled, tagkeys
from fleet.errors import ConfigError, Refused
from tests.fleet.serving import served
from tests.stall import Stall

MASTER = bytes(range(32))


@pytest.fixture
def stall(tmp_path):
    made = Stall(tmp_path)
    yield made
    made.close()


def desk_file(stall, master=MASTER, event=None):
    """What the desk writes for this controller."""
    event = event or stall.world.event
    sealing = bytes(enrolled.sealing_key(stall.config.secrets.seal_key).public_key)
    path = stall.folder / "event-tags.json"
    tagexport.write(path, tagexport.export(tagmaster.event_keys(master, event), event, sealing))
    return path


def opened(stall, brick, one):
    """What a brick reads in its message 47."""
    value = {0: one.nonce, 1: one.sealed, 2: one.tag}
    return core_tagkeys.unseal(value, brick.control_key, brick.brick8, tagmaster.make_ecb)


def test_each_brick_of_the_kit_can_open_its_own_and_no_other(stall):
    world, host = stall.world, stall.config.hosts[0]
    tagkeys.take(stall.config, desk_file(stall))
    etag, found = stall.controller.tag_keys(host, world.event)
    assert [one.brick for one in found] == sorted(brick.brick8 for brick in world.bricks)
    made = tagmaster.event_keys(MASTER, world.event)
    by = {one.brick: one for one in found}
    for brick in world.bricks:
        version, event8, *keys = opened(stall, brick, by[brick.brick8])
        assert (event8, keys) == (world.event, [made.meta, made.file, made.live]) and version > 1
    with pytest.raises(core_tagkeys.FormatError, match="not from this brick's controller"):
        opened(stall, world.bricks[0], by[world.bricks[1].brick8])
    assert len({one.nonce for one in found}) == len(found)
    assert stall.controller.tag_keys(host, world.event) == (etag, found), "the same bytes each time"
    assert stall.controller.tag_keys(host, world.event, [etag]) == (etag, None)
    with pytest.raises(Refused) as refused:
        stall.controller.tag_keys(host, b"event-no")
    assert refused.value.status == 404


def test_other_keys_are_a_higher_version_and_the_same_change_nothing(stall):
    world, host = stall.world, stall.config.hosts[0]
    first = tagkeys.take(stall.config, desk_file(stall))
    assert tagkeys.take(stall.config, desk_file(stall)) == (world.event, first[1], False)
    etag, before = stall.controller.tag_keys(host, world.event)
    _, version, fresh = tagkeys.take(stall.config, desk_file(stall, b"\x77" * 32))
    assert fresh and version > first[1]
    changed, after = stall.controller.tag_keys(host, world.event, [etag])
    assert changed != etag and not {one.nonce for one in before} & {one.nonce for one in after}
    assert (
        opened(stall, world.bricks[0], next(o for o in after if o.brick == world.bricks[0].brick8))[0]
        == version
    )


def test_a_revoked_brick_gets_none_any_more(stall):
    world, host = stall.world, stall.config.hosts[0]
    tagkeys.take(stall.config, desk_file(stall))
    gone = world.bricks[1].brick8
    known = {"kit": world.kit.hex(), "board": "7cdfa1654321", "revoked_ms": 5}
    with stall.controller.database.write() as connection:
        enrolled._set(connection, enrolled.BRICK + gone.hex(), known)
    _, found = stall.controller.tag_keys(host, world.event)
    assert gone not in [one.brick for one in found] and len(found) == 2


def test_hosts_fetch_them_with_their_own_credential_only(stall):
    world = stall.world
    tagkeys.take(stall.config, desk_file(stall))
    with served(stall) as running:
        url = f"/v1/kits/{world.kit.hex()}/tag-keys/{world.event.hex()}"
        assert running.client.get(url).status_code == 401
        other = f"/v1/kits/{'0b' * 8}/tag-keys/{world.event.hex()}"
        assert running.client.get(other, headers=running.token()).status_code == 403
        answer = running.client.get(url, headers=running.token())
        assert answer.headers["cache-control"] == "no-store" and len(answer.json()["bricks"]) == 3
        again = running.client.get(url, headers=running.token() | {"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert running.client.get(url[:-16] + "11" * 8, headers=running.token()).status_code == 404
        assert running.client.get(url[:-16] + "nonsense", headers=running.token()).status_code == 422


def test_from_the_desk_to_the_controller_by_the_two_commands(stall):
    run = CliRunner()
    config = str(stall.folder / "config.json")
    told = json.loads(run.invoke(app, ["fleet", "tag-keys", "--config", config, "--json"]).stdout)
    assert told["events"] == []
    desk = stall.folder / "tags.json"
    held = {"master": MASTER.hex(), "event": stall.world.event.hex(), "event_key": bytes(32).hex()}
    desk.touch(0o600)
    desk.write_text(json.dumps(held | {"address": "https://stall.example/t"}))
    out = stall.folder / "out.json"
    base = ["kit", "tag-keys", "--keys", str(desk), "--out", str(out)]
    missing = run.invoke(app, base)
    assert missing.exit_code == 1 and "--sealing" in missing.output and not out.exists()
    wrong = run.invoke(app, [*base, "--sealing", "77"])
    assert wrong.exit_code == 1 and "64 hex characters" in wrong.output and not out.exists()
    made = run.invoke(app, [*base, "--sealing", told["sealing"]])
    assert made.exit_code == 0, made.output
    assert out.stat().st_mode & 0o777 == 0o600 and MASTER.hex() not in out.read_text()
    taken = run.invoke(app, ["fleet", "tag-keys", str(out), "--config", config])
    assert taken.exit_code == 0 and "taken" in taken.output
    again = run.invoke(app, ["fleet", "tag-keys", str(out), "--config", config])
    assert "the same as here already" in again.output
    assert stall.world.event.hex() in run.invoke(app, ["fleet", "tag-keys", "--config", config]).output


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 4000,
        '{"format": "stallmark-tag-keys/1"}',
        '{"format": "stallmark-tag-keys/1", "sealed": 7}',
        '{"format": "stallmark-tag-keys/1", "sealed": "AA=="}',
        "x" * 5000,
    ],
)
def test_a_file_that_is_none_is_refused_in_words(stall, text):
    path = stall.folder / "bad.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.json"):
        tagkeys.take(stall.config, path)
    assert tagkeys.listed(stall.config) == []


def test_what_is_sealed_for_another_controller_is_said(stall):
    path = stall.folder / "other.json"
    event = stall.world.event
    strange = bytes(enrolled.sealing_key(b"\x01" * 32).public_key)
    tagexport.write(path, tagexport.export(tagmaster.event_keys(MASTER, event), event, strange))
    with pytest.raises(ConfigError, match="another controller"):
        tagkeys.take(stall.config, path)
    value = json.loads(path.read_text())
    value["sealed"] = base64.b64encode(bytes(100)).decode()
    path.write_text(json.dumps(value))
    with pytest.raises(ConfigError, match="another controller"):
        tagkeys.take(stall.config, path)
