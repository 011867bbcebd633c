"""Giving bricks a place, and replacing one: what `stallmark host bricks` changes, says and refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hostagent import config as configuration
from hostagent import placing
from hostagent.cli import app
from hostagent.errors import ConfigError
from tests.host.hostkit import host_folder
from tests.world import World

RUN = CliRunner()
NEW = "00112233445566aa"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    world = World(4)
    world.brick()
    world.brick()
    return host_folder(world, tmp_path / "host")


def bricks(config: Path) -> list[dict]:
    return json.loads(config.read_text())["bricks"]


def given(folder: Path, brick: str = NEW) -> Path:
    """A hand-over file as the bench writes it."""
    path = folder / f"{brick}.json"
    path.write_text(json.dumps({"brick": brick, "epoch": 0, "key": "5a" * 32, "hardware": "esp32s3-8m-nfc"}))
    return path


def run(*words: str, config: Path) -> tuple[int, str, str]:
    made = RUN.invoke(app, ["bricks", *words, "--config", str(config)])
    assert made.exception is None or isinstance(made.exception, SystemExit), made.exception
    return made.exit_code, made.stdout, made.stderr


def test_a_dead_brick_is_swapped_and_the_new_one_keeps_its_place(config: Path, tmp_path: Path) -> None:
    before = bricks(config)[1]
    key = given(tmp_path)
    code, said, _ = run("swap", "brick-2", NEW, "--key", str(key), config=config)
    after = bricks(config)[1]
    assert code == 0 and after == before | {"brick": NEW}
    (gone,) = configuration.load(config).ended
    assert (gone.brick.hex(), gone.heir.hex(), gone.name) == (before["brick"], NEW, "brick-2")
    assert gone.last_seq is None, "no host program runs: nobody knows"
    assert "when it starts" in said
    assert f"brick-2 is {NEW} now" in said and before["brick"] in said and "keep it" in said
    links = configuration.load(config).keys.links
    assert [link.key.hex() for link in links if link.brick.hex() == NEW] == ["5a" * 32]
    assert not key.exists(), "the first link key lies nowhere else any more"
    assert configuration.load(config).keys_file.stat().st_mode & 0o077 == 0


def test_a_brick_is_paired_by_radio_cable_or_both(config: Path, tmp_path: Path) -> None:
    code, said, _ = run("pair", NEW, "--name", "door", "--key", str(given(tmp_path)), config=config)
    assert code == 0 and bricks(config)[2] == {"brick": NEW, "name": "door", "links": ["ble"]}
    assert "door is" in said and "ble" in said
    run("pair", "door", "--links", "serial,ble", "--port", "/dev/ttyUSB9", config=config)
    told = configuration.load(config).bricks[2]
    assert told.links == ("serial", "ble") and told.port == Path("/dev/ttyUSB9")
    first = bricks(config)[0]
    run("pair", first["brick"][:6], "--links", "ble", config=config)
    assert configuration.load(config).bricks[0].port is None


@pytest.mark.parametrize(
    ("words", "because"),
    [
        (["pair", NEW], "no link key"),
        (["swap", "brick-2", NEW], "no link key"),
        (["swap", "brick-9", NEW], "is not among"),
        (["swap", "brick-2", "1234"], "16 digits"),
        (["swap", "brick-2", "BRICK-1"], "16 digits"),
        (["pair", "brick-1", "--links", "wifi"], "serial"),
        (["pair", "brick-1", "--links", "ble,ble"], "links"),
        (["pair", "brick-1", "--port", "run/brick-2"], "are both on"),
        (["pair", NEW, "--key", "/nowhere/key.json"], "key.json"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_changed(
    config: Path, words: list[str], because: str
) -> None:
    before = config.read_text()
    code, _, said = run(*words, config=config)
    assert code == 1 and because in said and said.count("\n") == 1
    assert config.read_text() == before and not config.with_name("config.json.new").exists()


def test_a_brick_that_was_replaced_comes_back_to_be_read_out_and_never_as_a_new_one(
    config: Path, tmp_path: Path
) -> None:
    old = bricks(config)[1]["brick"]
    run("swap", "brick-2", NEW, "--key", str(given(tmp_path)), config=config)
    code, _, said = run("swap", "brick-1", old, config=config)
    assert code == 1 and "its identity has ended" in said
    code, said, _ = run("pair", old, "--links", "ble", config=config)
    assert code == 0 and "only read out" in said
    told = configuration.load(config)
    assert told.bricks[2].brick.hex() == old and told.ended[0].brick.hex() == old


def test_of_two_who_change_places_at_once_neither_is_lost(config: Path, tmp_path: Path) -> None:
    mine, other = placing.Places(config), placing.Places(config)
    other.find("brick-2")["name"] = "door"
    other.save()
    key = given(tmp_path)
    mine.take(placing.handover(key))
    mine.swap("brick-1", bytes.fromhex(NEW), 1, None)
    with pytest.raises(ConfigError, match="changed by somebody else meanwhile"):
        mine.save()
    assert key.exists() and [one["name"] for one in bricks(config)] == ["brick-1", "door"]
    assert run("swap", "brick-1", NEW, "--key", str(key), config=config)[0] == 0, "given again"
    assert bricks(config)[0]["brick"] == NEW and bricks(config)[1]["name"] == "door" and not key.exists()


def test_one_brick_cannot_stand_in_two_places(config: Path) -> None:
    other = bricks(config)[0]["brick"]
    code, _, said = run("swap", "brick-2", other, config=config)
    assert code == 1 and "cannot stand in two" in said


def test_a_serial_port_is_kept_by_the_name_that_stays(tmp_path: Path) -> None:
    by_id, by_path = tmp_path / "by-id", tmp_path / "by-path"
    for folder in (by_id, by_path):
        folder.mkdir()
    for tty in ("ttyUSB0", "ttyUSB1"):
        (tmp_path / tty).touch()
    (by_id / "usb-CP2102-0001").symlink_to(tmp_path / "ttyUSB0")
    for number in (0, 1):
        (by_path / f"usb-0:{number}").symlink_to(tmp_path / f"ttyUSB{number}")
    assert placing.stable_name(tmp_path / "ttyUSB0", by_id, by_path) == by_id / "usb-CP2102-0001"
    assert placing.stable_name(tmp_path / "ttyUSB1", by_id, by_path) == by_path / "usb-0:1"
    assert placing.stable_name(by_path / "usb-0:0", by_id, by_path) == by_path / "usb-0:0"
    assert placing.stable_name(tmp_path / "ttyS9", by_id, by_path) == tmp_path / "ttyS9"
    assert placing.serial_ports(by_id, by_path) == [by_id / "usb-CP2102-0001", by_path / "usb-0:1"]


def test_a_scan_without_bluetooth_says_so_and_still_lists_the_places(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
    code, said, _ = run("scan", "--seconds", "0.5", config=config)
    assert (
        code == 0
        and "no Bluetooth on this machine" in said
        and "brick-1" in said
        and "look at its cable" in said
    )
