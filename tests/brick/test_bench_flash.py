"""A bare board becomes a brick: real esptool, real mpremote, the written bytes, the firmware started from them."""

import hashlib
import json
import struct
import time

import httpx
import pytest
from boards.partitions import PARTITIONS_8M, find
from littlefs import LittleFS
from nacl.public import PrivateKey
from typer.testing import CliRunner
from virtualkit.bootrom_board import BRICK
from workbench import application, batch, flash, image, job, partition_table, register
from workbench import cli as bench_cli
from workbench.errors import Away, BadFlash, HasKeys

from fleet import enrolling
from tests.brick.benchkit import BenchWorld
from tests.fleet.serving import served
from tests.stall import Stall

TOLD = []


def told(what, done, of):
    TOLD.append(what)


@pytest.fixture(scope="module")
def programs():
    return application.build()


@pytest.fixture
def bench(tmp_path):
    world = BenchWorld(tmp_path)
    yield world
    world.close()


def controller(tmp_path):
    """A controller whose clock is the bench's."""
    stall = Stall(tmp_path / "controller")
    stall.world.now_ms = time.time_ns() // 1_000_000
    return stall


def files_of(content):
    """Every file of a littlefs image, by path."""
    system = LittleFS(block_size=4096, block_count=len(content) // 4096, mount=False)
    system.context.buffer = bytearray(content)
    system.mount()
    found = {}
    for folder, _, names in system.walk("/"):
        for name in names:
            with system.open(folder.rstrip("/") + "/" + name, "rb") as source:
                found[folder.rstrip("/") + "/" + name] = source.read()
    return found


def with_flash_size(data, size_code):
    """What esptool makes of an image with --flash-size: the header's size, and the digest behind its segments."""
    data = bytearray(data)
    data[3] = size_code << 4 | data[3] & 0x0F
    end = 24 + 8 + struct.unpack_from("<I", data, 28)[0]
    end += 16 - end % 16
    data[end : end + 32] = hashlib.sha256(data[:end]).digest()
    return bytes(data)


def write_no_further(*_):
    raise BadFlash("this far")


def test_one_command_makes_a_brick_and_every_byte_is_where_it_belongs(bench, programs, tmp_path, monkeypatch):
    stall = controller(tmp_path)
    with served(stall) as running:
        path = tmp_path / "job.json"
        enrolling.write_job(
            stall.config,
            path,
            stall.config.kits[0].kit.hex(),
            stall.world.hub.hex(),
            "EUR",
            "bench",
            None,
            None,
            0,
        )
        text = json.loads(path.read_text()) | {"controller": running.url}
        path.write_text(json.dumps(text))
        task = job.load(path)
        made = flash.flash_board(bench.port, task, bench.book, bench.settings, programs, told, "monday")

        # What esptool wrote: interpreter with our table, blank partitions, the pack.
        content = bench.board.flash.read_bytes()
        expected = with_flash_size(
            image.with_our_table(image.load(bench.image, "esp32s3"), 8 << 20), 3
        )  # 3: 8 MB
        assert content[: len(expected)] == expected
        assert content[0x8000:0x8C00] == partition_table.binary(PARTITIONS_8M)
        at = find(8 << 20, "app_a")[0]
        assert content[at : at + len(programs.pack())] == programs.pack()
        # What mpremote wrote, read by another implementation of littlefs.
        at, size = find(8 << 20, "vfs")
        assert files_of(content[at : at + size]) == {
            "/appfs.mpy": programs.loader,
            "/board.txt": b"esp32s3-8m-nfc\n",
            **programs.starters,
        }
        assert "Hash of data verified." in bench.said
        assert f"True {programs.digest.hex()}" in bench.said

        # What runs is what was written; it tested itself and made keys.
        assert bench.board.mode == BRICK
        outcomes = {one.part: one.outcome for one in made.tests}
        assert outcomes["flash"] == outcomes["link"] == "good"
        assert outcomes["scanner"] == "absent"
        assert made.made.firmware_digest == programs.digest
        assert made.made.hardware == "esp32s3-8m-nfc"

        # The controller knows it, keeps its root closed, and says so to the bench.
        assert made.registered and not bench.book.waiting()
        known = register.known(task, made.made.brick.hex())
        assert known["label"] == made.code and known["board"] == "7cdfa1654321"
        assert running.controller._store.keys.mac_key(made.made.brick, 0) is not None
        assert made.made.root.hex() not in json.dumps(known)
        line = list(bench.book.lines())[-1]
        assert (line["outcome"], line["batch"], line["registered"]) == ("done", "monday", True)
        label = bench.folder / "bench" / "labels" / f"{made.code}.png"
        assert label.stat().st_size > 500
        secret = made.made.root.hex(), made.made.link_key.hex(), task.rental.event_key.hex()
        log = bench.book.log.read_text()
        assert not any(key in log for key in secret)

        # The line before the keys stands before the one of the finished board.
        outcomes = [one["outcome"] for one in bench.book.lines()]
        assert outcomes.index("keyed") < outcomes.index("done")

        # A brick is not flashed again by mistake, and on purpose its old identity ends.
        with pytest.raises(HasKeys, match="--replace"):
            flash.flash_board(bench.port, task, bench.book, bench.settings, programs, told)
        # One that got its keys here and was never finished is flashed again without a word.
        bench.book.note(outcome="keyed", board=made.found.mac, brick="00" * 8)
        with monkeypatch.context() as patch, pytest.raises(BadFlash, match="this far"):
            patch.setattr(flash.Esptool, "identify", lambda _: made.found)
            patch.setattr(flash.Esptool, "write", write_no_further)
            flash.flash_board(bench.port, task, bench.book, bench.settings, programs, told)
        bench.book.note(**{name: line[name] for name in line if name != "at_ms"})
        shown = CliRunner().invoke(
            bench_cli.app, ["log", "--of-bench", "--bench", str(bench.folder / "bench")]
        )
        assert made.code in shown.output
        again = fake_brick(task)
        assert flash.hand_on(task, bench.book, again, made.found, told) == (True, "")
        old = register.known(task, made.made.brick.hex())
        assert old["revoked_ms"] and again.brick.hex() in old["reason"]


def test_a_bench_without_its_controller_goes_on_and_tells_it_later(bench, tmp_path, programs):
    stall = controller(tmp_path)
    path = tmp_path / "job.json"
    enrolling.write_job(
        stall.config,
        path,
        stall.config.kits[0].kit.hex(),
        stall.world.hub.hex(),
        "EUR",
        "bench",
        "04aabb",
        "CODE",
        3,
    )
    text = json.loads(path.read_text())
    path.write_text(json.dumps(text | {"controller": "http://127.0.0.1:9"}))
    away = job.load(path)
    made = [fake_brick(away) for _ in range(3)]
    for number, one in enumerate(made):
        assert flash.hand_on(away, bench.book, one, board(number), told) == (False, "")
    waiting = bench.book.waiting()
    assert len(waiting) == 3
    assert all(one.root.hex() not in waiting[0].read_text() for one in made)
    with pytest.raises(Away):
        register.send(away, batch.read(waiting[0]))
    with served(stall) as running:
        path.write_text(json.dumps(text | {"controller": running.url}))
        back = job.load(path)
        first = batch.read(waiting[0])
        register.send(back, first)  # the answer was lost: the same request comes again
        # The same file with the controller's address of then: what waits is for that one, and only sent there.
        assert register.reconcile(bench.book, back).others == 3 and len(bench.book.waiting()) == 3
        move(bench.book, running.url)
        said = register.reconcile(bench.book, back)
        assert (len(said.answers), said.waiting) == (3, 0)
        assert register.send(back, first)["again"] is True
        for one in made:
            assert register.known(back, one.brick.hex())["kit"] == stall.config.kits[0].kit.hex()
        assert running.client.get(f"/v1/bricks/{made[0].brick.hex()}").status_code == 401
        # A controller that starts again knows them still.
    stall.restart()
    assert {one.brick for one in made} <= {brick.brick for brick in stall.controller.config.bricks}
    stall.controller.close()


def test_what_a_bench_may_not_do_is_refused_in_words(tmp_path, bench):
    stall = controller(tmp_path)
    path = tmp_path / "job.json"
    enrolling.write_job(
        stall.config,
        path,
        stall.config.kits[0].kit.hex(),
        stall.world.hub.hex(),
        "EUR",
        "bench",
        None,
        None,
        0,
    )
    with served(stall) as running:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"controller": running.url}))
        task = job.load(path)
        good = register.registration(task, fake_brick(task), "aabb", "X", "ESP32")["body"]
        head = {"Authorization": f"Bearer {task.token}"}

        def post(body, **more):
            return httpx.post(f"{running.url}/v1/bricks", json=body, headers=head, **more)

        assert post(good | {"kit": "00" * 8}).status_code == 403
        assert post(good | {"brick": "00"}).status_code == 422
        assert post(good | {"root": "AAAA"}).status_code == 422
        other = register.SealedBox(PrivateKey.generate().public_key).encrypt(bytes(32))
        answer = post(good | {"root": __import__("base64").b64encode(other).decode()})
        assert answer.status_code == 422 and "another controller" in answer.json()["reason"]
        assert httpx.post(f"{running.url}/v1/bricks", content=b"[", headers=head).status_code == 422
        assert post(good).json() == {"brick": good["brick"], "again": False, "revoked": []}
        changed = register.registration(task, fake_brick(task), "aabb", "X", "ESP32")["body"]
        assert post(changed | {"brick": good["brick"]}).status_code == 409
        # The same board with another identity: the one before ends.
        assert post(changed).json()["revoked"] == [good["brick"]]
        assert (
            httpx.post(
                f"{running.url}/v1/bricks/{'11' * 8}/revoke", json={"reason": "lost"}, headers=head
            ).status_code
            == 404
        )
        assert len(enrolling.look(stall.config)) == 2


def move(book, url):
    """What waits is for another address from now on."""
    for path in book.waiting():
        book.queue(path.stem, batch.read(path) | {"controller": url})


def fake_brick(task):
    import os

    from workbench.provision import Provisioned

    return Provisioned(os.urandom(8), os.urandom(32), os.urandom(32), "esp32s3-8m-nfc", 8 << 20, bytes(32))


def board(number):
    from workbench.esptool import Found

    return Found("ESP32-S3", 8 << 20, f"7cdfa1{number:06x}")
