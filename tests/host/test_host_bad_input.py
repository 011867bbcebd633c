"""What the host says of bad input, in words and counts: the rows of docs/bad-input.md that are the host's."""

import asyncio
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hostkit import OnDemand, PtyBrick, host_folder, running, until
from stallmark import batch, cbor, frame, message, receipt
from stallmark import registry as reg

from hostagent import report
from tests.world import World

ROOT = Path(__file__).parents[2]


async def line_of(agent, number=0):
    """What the status says of a brick."""
    return (await report.status(agent))["bricks"][number]


def troubles(said):
    """The sentences of a status, but for the one about rules, which these controllers do not have."""
    return [words for words in said["words"] if not words.startswith("No new rules")]


def stall(seed, tmp_path):
    """A world with one brick, its controller and the host's folder."""
    print("seed", seed)
    world = World(seed)
    world.brick()
    return world, OnDemand(world), tmp_path / "host"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("500", "failing", "Receipts wait here: the controller answers 500."),
        ("half", "unreadable", "Receipts wait here: the answer broke off ("),
        ("nothing", "unreadable", "Receipts wait here: the answer broke off ("),
        ("not json", "unreadable", "Receipts wait here: the answer is not JSON."),
        ("401", "credentials", "Receipts wait here: the controller does not accept this host's credential."),
        ("422", "invalid", "Receipts wait here: the controller finds the batch wrong: as the test asks."),
        ("away", "offline", "Receipts wait here: the controller cannot be reached ("),
    ],
)
def test_what_is_wrong_with_the_controller_is_said_counted_and_over_when_it_is_over(
    tmp_path, fault, kind, words
):
    async def scenario():
        world, controller, folder = stall(71, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            brick.decide(1)
            await until(lambda: brick.ledger_seq == 1)
            if fault == "away":
                await controller.stop()
            controller.faults.extend([fault] * 1000)
            brick.decide(3)
            await until(lambda: brick.host_seq == 4, "the host takes records all the same")
            await until(lambda: agent.forwarder.trouble is not None)
            said = await report.status(agent)
            assert [text for text in said["words"] if text.startswith(words)], said["words"]
            assert said["outbox"]["error"]["kind"] == kind and said["outbox"]["receipts"] == 3
            assert said["controller"]["failures"][kind] >= 1
            controller.faults.clear()
            if fault == "away":
                await controller.start()
            await until(lambda: brick.ledger_seq == 4, "everything arrives afterwards")
            said = await report.status(agent)
            assert troubles(said) == [] and said["outbox"]["receipts"] == 0
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_silent_controller_is_said_also_while_nothing_waits_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "AWAY_S", 0.2)

    async def scenario():
        world, _, folder = stall(72, tmp_path)
        async with running(host_folder(world, folder)) as agent:
            await until(lambda: agent.puller.trouble is not None)
            words = "New rules and rights wait: the controller cannot be reached ("
            async with asyncio.timeout(20):
                while not str((await report.status(agent))["words"]).startswith(f"['{words}"):
                    await asyncio.sleep(0.02)

    asyncio.run(scenario())


def test_a_wrong_link_key_is_named_and_counted_and_the_right_one_still_fits(tmp_path):
    async def scenario():
        world, controller, folder = stall(73, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        right, brick.key = brick.key, bytes(32)
        async with running(path) as agent:
            brick.plug()
            await until(lambda: agent.lines[0].session.link.refusal is not None)
            said = await report.status(agent)
            assert "brick-1: no link (wrong link key)." in said["words"]
            line = said["bricks"][0]["link"]
            assert (line["up"], line["bad_handshakes"] > 0) == (False, True)
            brick.decide(2)
            brick.unplug()
            brick.key = right
            brick.power_on()
            brick.plug()
            await until(lambda: brick.ledger_seq == 2)
            assert "brick-1" not in str((await report.status(agent))["words"])
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_every_wrong_kind_of_frame_has_its_own_count_and_costs_no_record(tmp_path):
    async def scenario():
        world, controller, folder = stall(74, tmp_path)
        await controller.start()
        path = host_folder(world, folder, controller.address)
        brick = PtyBrick(world, 0, folder)
        async with running(path) as agent:
            brick.plug()
            brick.decide(1)
            await until(lambda: brick.host_seq == 1)
            session = brick.link._session
            before = (await line_of(agent))["link"]

            async def counts(name, more=1):
                for _ in range(2000):
                    now = (await line_of(agent))["link"]
                    if now[name] >= before[name] + more:
                        return now
                    await asyncio.sleep(0.005)
                raise AssertionError(f"{name} was not counted: {now}")

            def sealed(plaintext):
                """As the brick would send it next, but never resent by its link."""
                data = session._seal(plaintext)
                session._next_out -= 1
                return data

            good = sealed(message.encode(reg.MSG_IDENTIFY, 1, {}))
            brick.raw(b"\x00" + random.Random(74).randbytes(200).replace(b"\x00", b"\x01") + b"\x00")
            await counts("noise")
            brick.raw(good[: len(good) // 2] + b"\x00")  # cut short
            await counts("noise", 2)
            brick.raw(good[:4] + bytes((good[4] ^ 3 or 1,)) + good[5:])  # its CRC is wrong now
            await counts("noise", 3)
            brick.raw(b"\x11" * 3000 + b"\x00")
            await counts("oversize")
            brick.raw(frame.build(200, b"a type from the future"))
            await counts("unknown")
            session._next_out += 1
            early = sealed(message.encode(reg.MSG_STATUS, 2, {}))
            session._next_out -= 1
            brick.raw(early)  # before its turn
            await counts("dropped")
            brick.raw(frame.build(reg.FRAME_SEALED, session.session + bytes(40)))
            await counts("bad_tags")
            brick.raw(frame.build(reg.FRAME_SEALED, b"past" + good[9:60]))
            await counts("strays")
            brick.raw(sealed(message.encode(reg.MSG_STATUS, 3, {})[:3] + b"\xf7 no CBOR of ours"))
            await counts("unreadable")
            session._next_out += 1  # that one was taken
            brick.raw(sealed(message.encode(reg.MSG_STATUS, 4, {})))
            session._next_out += 1
            again = early
            brick.raw(again)
            await counts("repeats")
            brick.decide(2)
            await until(lambda: brick.ledger_seq == 3, "the records")
        assert len(controller.receipts) == 3
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())


def test_a_brick_that_is_not_well_is_shown_with_its_reason(tmp_path):
    async def scenario():
        world, _, folder = stall(75, tmp_path)
        brick = PtyBrick(world, 0, folder)
        async with running(host_folder(world, folder)) as agent:
            brick.plug()
            known = agent.bricks[brick.brick.brick8]
            await until(lambda: known.status is not None)
            told = {0: 1, 1: 1, 2: 1, 7: 2, 8: 1, 9: []}

            def heard():
                return known.status.reader, known.status.scanner, known.status.free_pages

            for reader, scanner, free, words in (
                (1, 0, 3, "(its journal is full, people are sent to the stall until this host has its records)"),
                (2, 0, 900, "(its reader does not answer)"),
                (1, 2, 900, "(its scanner does not answer)"),
            ):
                brick.send(reg.MSG_STATUS, {**told, 6: free, 10: reader, 11: scanner})
                parts = reader, scanner, free
                await until(lambda parts=parts: parts == heard())
                said = await report.status(agent)
                assert f"brick-1 says of itself: degraded {words}." in said["words"]
        brick.unplug()

    asyncio.run(scenario())


# --- a full disk under a real process


class Limited:
    """The host agent's process may not let any file grow: to SQLite an I/O error, to people a full disk."""

    words = "disk full (the file may not grow beyond a limit)"

    def __init__(self, folder):
        self._folder = folder

    def command(self, arguments):
        return arguments

    def fill(self, pid):
        """No file of the process may grow any more."""
        sizes = [path.stat().st_size for path in self._folder.glob("host.db*")]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(sizes), resource.RLIM_INFINITY))

    def empty(self, pid):
        """Room again."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


class Tmpfs:
    """The store lies on a disk of one megabyte, mounted in a name space of the process's own."""

    words = "disk full"

    def __init__(self, folder):
        self._disk = folder / "disk"
        self._disk.mkdir(parents=True)
        if subprocess.run(self.command(["true"]), capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody but root mount in a name space of their own")

    def command(self, arguments):
        script = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
        return ["unshare", "-Urm", "sh", "-c", script, str(self._disk), *arguments]

    def _inside(self, pid):
        return Path(f"/proc/{pid}/root{self._disk}/filler")

    def fill(self, pid):
        """Another file takes the rest of the disk."""
        with open(self._inside(pid), "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                return

    def empty(self, pid):
        """That file goes."""
        self._inside(pid).unlink()


@pytest.mark.parametrize("kind", [Limited, Tmpfs])
def test_a_real_host_whose_disk_is_full_says_so_acknowledges_nothing_and_recovers(tmp_path, kind):
    async def scenario():
        world, controller, folder = stall(76, tmp_path)
        await controller.start()
        if kind is Tmpfs and not shutil.which("unshare"):
            pytest.skip("unshare is not installed here")
        disk = kind(folder if kind is Limited else tmp_path)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        store = "host.db" if kind is Limited else str(tmp_path / "disk" / "host.db")
        path = host_folder(world, folder, controller.address, port=port, store=store)
        brick = PtyBrick(world, 0, folder)
        run = "import sys; from hostagent.cli import app; app(sys.argv[1:])"
        process = await asyncio.create_subprocess_exec(
            *disk.command([sys.executable, "-c", run, "run", "--config", str(path)]),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        errors = asyncio.create_task(process.stderr.read())
        brick.plug()
        brick.decide(20)
        try:
            await until(lambda: brick.ledger_seq == 20 or process.returncode is not None, "a start")
            assert process.returncode is None, (await errors).decode()
            disk.fill(process.pid)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

                async def status():
                    answer = await http.get("/v1/status")
                    assert answer.status_code == 200, "the page answers, whatever the disk does"
                    return answer.json()

                async with asyncio.timeout(60):
                    while (await status())["store"]["trouble"] is None:
                        # A write-ahead log that was folded in is written over before it grows.
                        brick.decide(50)
                        await asyncio.sleep(0.05)
                said = await status()
                assert said["store"]["trouble"]["reason"] == disk.words
                assert said["words"][0].startswith(f"{disk.words} for ")
                assert "nothing is acknowledged" in said["words"][0]
                stood = brick.host_seq
                brick.decide(30)
                failures = said["store"]["failures"]
                async with asyncio.timeout(60):
                    while (await status())["store"]["failures"] < failures + 2:
                        await asyncio.sleep(0.05)
                assert brick.host_seq == stood < brick.head, "nothing is acknowledged that is not stored"
                disk.empty(process.pid)
                await until(lambda: brick.ledger_seq == brick.head, "all of it, once there is room", 60)
                said = await status()
                assert said["store"]["trouble"] is None and not troubles(said)
                assert (await status())["store"]["receipts"] == brick.head
            process.terminate()
            assert await process.wait() == 0, (await errors).decode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        seen = [
            cbor.decode(receipt.parse(cose).fields[1])[2]
            for body in controller.bodies
            for cose in batch.parse(body).receipts
        ]
        assert seen == list(range(1, brick.head + 1)), "each record once, in order"
        brick.unplug()
        await controller.stop()

    asyncio.run(scenario())
