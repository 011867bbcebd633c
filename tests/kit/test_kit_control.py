"""The virtual kit and its control socket: other programs tap, scan, look, break parts and switch bricks."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import segno
from virtualkit import control, tags
from virtualkit.control import KitNotRunning
from virtualkit.folder import KitFolder, write_json
from virtualkit.kit import VirtualKit, new_flash

ENTRY = Path(__file__).with_name("smokebrick.py")
UID = "04a1b2c3d4e580"


Scene = Callable[[VirtualKit], Awaitable[None]]


def with_a_kit(path: Path, scene: Scene, market_clock: bool = False) -> None:
    """Plays a scene on a kit of three bricks that run a few lines of MicroPython."""
    folder = KitFolder(path)
    bricks: list[dict[str, Any]] = []
    for number, part in enumerate(("nfc", "nfc", "qr"), 1):
        name = f"brick-{number}"
        new_flash(folder.flash(name), 128 * 1024)
        bricks.append({"name": name, "parts": [part], "brick": "00" * 8, "flash_bytes": 128 * 1024})
    write_json(folder.kit_json, {"format": 1, "name": "k", "market_clock": market_clock, "bricks": bricks})

    async def play() -> None:
        kit = VirtualKit(path, timing="fast", entry=ENTRY)
        await kit.start()
        try:
            await kit.ready()
            await scene(kit)
        finally:
            await kit.stop()

    asyncio.run(play())


async def ask(kit: VirtualKit, **message: Any) -> dict[str, Any]:
    return await asyncio.to_thread(control.request, kit.folder.run / "kit.sock", message)


def test_other_programs_tap_and_scan(tmp_path: Path) -> None:
    dump, picture = tmp_path / "tag.bin", tmp_path / "pass.png"
    dump.write_bytes(tags.ntag215_image(bytes.fromhex(UID)))
    segno.make_qr("SM1.ABC", error="m").save(str(picture), scale=6)

    async def scene(kit: VirtualKit) -> None:
        answer = await ask(kit, op="tap", uid=UID)
        assert (answer["ok"], answer["brick"], answer["outcome"]) == (True, "brick-1", "granted")
        assert answer["ms"] > 0
        answer = await ask(kit, op="tap", brick="brick-2", dump=str(dump), hold_ms=50)
        assert (answer["brick"], answer["outcome"]) == ("brick-2", "granted")
        for request in ({"text": "SM1.XYZ"}, {"image": str(picture)}):
            answer = await ask(kit, op="scan", **request)
            assert (answer["brick"], answer["outcome"]) == ("brick-3", "nothing this time")
            assert answer["code"].startswith("SM1.")
        status = await ask(kit, op="status")
        assert [brick["taps"] for brick in status["bricks"]] == [1, 1, 2]
        assert [brick["power"] for brick in status["bricks"]] == [True, True, True]
        assert status["market_ms"] is None

    with_a_kit(tmp_path / "kit", scene)
    assert not (tmp_path / "kit" / "run" / "kit.sock").exists()


def test_bricks_are_switched_cut_and_broken(tmp_path: Path) -> None:
    async def scene(kit: VirtualKit) -> None:
        assert (await ask(kit, op="power", brick="brick-1", state="off"))["power"] is False
        answer = await ask(kit, op="tap", brick="brick-1", uid=UID)
        assert answer == {"ok": False, "error": "brick-1 is switched off"}
        assert (await ask(kit, op="tap", uid=UID))["brick"] == "brick-2"  # the first with power
        assert (await ask(kit, op="power", brick="brick-1", state="on"))["power"] is True
        assert (await ask(kit, op="power", brick="brick-2", state="cut", seed=1))["torn"] is None
        answer = await ask(kit, op="fault", brick="brick-3", part="qr", set={"silent": True})
        assert answer["faults"]["silent"] is True
        answer = await ask(kit, op="fault", brick="brick-3", part="up", set={"dropped": 0.5})
        assert kit.bricks[2].wire.up.faults.dropped == 0.5

    with_a_kit(tmp_path / "kit", scene)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"op": "dance"}, "there is no operation 'dance'"),
        ({"op": "tap"}, "tap needs uid or dump"),
        ({"op": "tap", "uid": "xyz"}, "not a tag number in hex"),
        ({"op": "tap", "uid": "04"}, "7 or 4 bytes"),
        ({"op": "tap", "dump": "/no/such/file"}, "No such file"),
        ({"op": "tap", "uid": UID, "brick": "brick-9"}, "there is no brick called brick-9"),
        ({"op": "tap", "uid": UID, "brick": "brick-3"}, "brick-3 has no NFC reader"),
        ({"op": "tap", "uid": UID, "hold_ms": -1}, "hold_ms is a whole number"),
        ({"op": "scan", "text": "1" * 8000}, "at most 7089"),
        ({"op": "scan"}, "scan needs text or image"),
        ({"op": "power", "state": "maybe"}, "not 'maybe'"),
        ({"op": "fault", "part": "lid"}, "not 'lid'"),
        ({"op": "fault", "part": "nfc", "set": {"tired": True}}, "nfc knows the faults silent"),
        ({"op": "clock", "advance_ms": 1}, "runs on real time"),
    ],
)
def test_requests_that_cannot_be_met_are_answered_with_a_sentence(
    kit_socket: Path, message: dict[str, Any], error: str
) -> None:
    answer = control.request(kit_socket, message)
    assert answer["ok"] is False
    assert error in answer["error"]


@pytest.fixture(scope="module")
def kit_socket(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The socket of a kit that runs for all tests of this file that ask for it."""
    from kitloop import LoopThread

    thread = LoopThread()
    path = tmp_path_factory.mktemp("shared") / "kit"
    folder = KitFolder(path)
    new_flash(folder.flash("brick-1"), 128 * 1024)
    new_flash(folder.flash("brick-3"), 128 * 1024)
    bricks = [{"name": "brick-1", "parts": ["nfc"]}, {"name": "brick-3", "parts": ["qr"]}]
    write_json(folder.kit_json, {"bricks": bricks})
    kit = VirtualKit(path, timing="fast", entry=ENTRY)
    thread.run(kit.start())
    yield folder.run / "kit.sock"
    thread.run(kit.stop())
    thread.stop()


def test_garbage_on_the_socket_is_answered_and_survived(kit_socket: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(kit_socket.resolve()))
        with connection.makefile("rb") as answers:
            for garbage in (b"\xff\xfe\n", b"[1, 2]\n", b"{\n", b"null\n"):
                connection.sendall(garbage)
                assert json.loads(answers.readline())["ok"] is False
            connection.sendall(b"x" * 70_000 + b"\n")
            assert "64 KiB" in json.loads(answers.readline())["error"]
    assert control.request(kit_socket, {"op": "status"})["ok"] is True


def test_the_market_clock_is_moved_for_everybody(tmp_path: Path) -> None:
    async def scene(kit: VirtualKit) -> None:
        assert (await ask(kit, op="clock", set_ms=1_700_000_000_000))["market_ms"] == 1_700_000_000_000
        assert (await ask(kit, op="clock", advance_ms=500))["market_ms"] == 1_700_000_000_500
        assert kit.folder.clock.read_bytes() == (1_700_000_000_500).to_bytes(8, "big")

    with_a_kit(tmp_path / "kit", scene, market_clock=True)


def test_a_long_folder_name_still_has_a_socket(tmp_path: Path) -> None:
    async def scene(kit: VirtualKit) -> None:
        assert (await ask(kit, op="status"))["ok"] is True

    with_a_kit(tmp_path / ("very-long-name-" * 8), scene)


def test_without_a_kit_the_answer_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KitNotRunning, match="start it with `stallmark demo`"):
        control.request(tmp_path / "run" / "kit.sock", {"op": "status"})


def test_a_kit_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "kit"
    folder = KitFolder(path)
    new_flash(folder.flash("brick-1"), 128 * 1024)
    bricks = [{"name": "brick-1", "parts": ["nfc"]}, {"name": "brick-2", "parts": ["nfc"]}]
    write_json(folder.kit_json, {"bricks": bricks})

    async def play() -> None:
        with pytest.raises(FileNotFoundError, match="brick-2"):
            await VirtualKit(path, entry=ENTRY).start()

    asyncio.run(play())
    assert [entry.name for entry in folder.run.iterdir() if entry.is_symlink() or entry.is_socket()] == []
