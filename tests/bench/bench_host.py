"""Durable receipts per second on the host, against the two limits of the same run: Ed25519 and fdatasync."""

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from stallmark import record

from hostagent import form
from hostagent.bricks import Brick
from hostagent.chain import Chain
from hostagent.clock import RealClock
from hostagent.intake import GROUP_RECORDS, Durable, Intake, Outcome
from hostagent.signer import Signer
from hostagent.store import open_store
from hostagent.store.receipts import Receipts
from tests.bench import Figure
from tests.world import World

BRICKS = 3
RECEIPT = 600  # bytes that a stored receipt takes, its index included
LOG_BYTES = 4 * 1024 * 1024  # the log's length at a checkpoint
# What a turn of the loop takes in when every link is busy.
TURN = 64


def run(quick: bool = False) -> list[Figure]:
    """Record → checks → COSE receipt → INSERT → commit, in one process; ratio to the lower of the two
    limits."""
    count = 4_000 if quick else 20_000
    records = _market(count)
    signs, syncs, rates = [], [], []
    # The machine is shared and noisy: limits are measured before and after each round, the median round
    # counts.
    with tempfile.TemporaryDirectory(dir=os.environ.get("STALLMARK_BENCH_DIR")) as folder:
        for turn in range(3):
            signs.append(_signatures_per_second(count // 4))
            syncs.append(_syncs_per_second(Path(folder), 50 if quick else 200))
            rates.append(asyncio.run(_durable_per_second(Path(folder) / f"{turn}", records)))
        signs.append(_signatures_per_second(count // 4))
        flushes = _flushes(Path(folder))
        waits = asyncio.run(_one_at_a_time(Path(folder) / "single", records[: 200 if quick else 1_000]))
        flushes += _flushes(Path(folder))
    sign, sync, rate = (sorted(values)[len(values) // 2] for values in (signs, syncs, rates))
    flushed = sync * GROUP_RECORDS
    limit = min(sign, flushed)
    flush = statistics.median(flushes)
    lower = "Ed25519 signatures/s" if sign <= flushed else f"fdatasync/s × {GROUP_RECORDS}"
    return [
        Figure("Ed25519 signatures (PyNaCl)", sign, "/s", "the first limit"),
        Figure(f"fdatasync × group of {GROUP_RECORDS}", flushed, "/s", "the second limit"),
        Figure("durable receipts on the host", rate, "/s", f"the lower limit: {lower}", rate / limit, 0.4),
        Figure("one receipt alone, until durable", waits, "ms", f"one fdatasync of {RECEIPT} bytes", waits / flush),
    ]


def _market(count: int) -> list[tuple[int, list[Any]]]:
    """`count` decisions by three bricks in turn: (brick, [seq, public, mac, private])."""
    world = World(1)
    bricks = [world.brick() for _ in range(BRICKS)]
    made: list[tuple[int, list[Any]]] = []
    for n in range(count):
        item: record.Record = world.record(brick=bricks[n % BRICKS])
        made.append((n % BRICKS, [item.seq, item.public, item.mac, item.private]))
    return made


def _signatures_per_second(count: int) -> float:
    """Over messages as long as a receipt's."""
    signer, message = Signer(os.urandom(32)), os.urandom(400)
    started = time.perf_counter()
    for _ in range(count):
        signer.sign(message)
    return count / (time.perf_counter() - started)


def _syncs_per_second(folder: Path, count: int) -> float:
    """Writing what a group of receipts takes, one fdatasync a group."""
    return count / sum(_flush(folder, count, RECEIPT * GROUP_RECORDS))


def _flushes(folder: Path) -> list[float]:
    """Milliseconds of each of many flushes of one receipt."""
    return [seconds * 1000 for seconds in _flush(folder, 200, RECEIPT)]


def _flush(folder: Path, count: int, size: int) -> list[float]:
    """Seconds of each write of `size` bytes with its fdatasync, round and round in a file of the log's
    length: SQLite writes its log over again too, and a file that grows costs more."""
    data = os.urandom(size)
    places = max(1, LOG_BYTES // size)
    took: list[float] = []
    handle = os.open(folder / "sync", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, bytes(places * size))
        os.fsync(handle)
        for n in range(count):
            started = time.perf_counter()
            os.pwrite(handle, data, n % places * size)
            os.fdatasync(handle)
            took.append(time.perf_counter() - started)
    finally:
        os.close(handle)
    return took


def _open(folder: Path) -> tuple[Any, Intake, list[Brick]]:
    folder.mkdir()
    store = open_store(folder / "host.db", os.urandom(32)).store
    receipts = Receipts(store)
    world = World(1)
    names = [world.brick().brick8 for _ in range(BRICKS)]
    receipts.add_bricks(names).result()
    heads = {head.brick: head for head in receipts.heads().result()}
    signer = Signer(world.host.seed)
    digest = world.ruleset_digest
    chain = Chain(
        signer.kid,
        signer.kid,
        world.hub,
        None,
        os.urandom(32),
        {digest[:8]: (digest, bytes(16))},
        signer.sign,
    )
    intake = Intake(receipts, chain, RealClock(), 0, 0)
    intake.start()
    return store, intake, [Brick.of(heads[name], name.hex()) for name in names]


async def _durable_per_second(folder: Path, records: list[tuple[int, list[Any]]]) -> float:
    store, intake, bricks = _open(folder)
    started = time.perf_counter()
    for n, (brick, value) in enumerate(records):
        while intake.submit(bricks[brick], value) is Outcome.BUSY:
            await asyncio.sleep(0)
        if n % TURN == 0:
            await asyncio.sleep(0)
    await intake.drain()
    rate = len(records) / (time.perf_counter() - started)
    assert sum(brick.durable_seq for brick in bricks) == len(records)
    assert all(not brick.counters["chain_breaks"] for brick in bricks)
    assert form.usual(records[0][1][0], records[0][1][1], records[0][1][3]) is not None
    store.close()
    return rate


async def _one_at_a_time(folder: Path, records: list[tuple[int, list[Any]]]) -> float:
    """Median milliseconds from a record's arrival to its acknowledgement being due, with nothing else
    going on."""
    store, intake, bricks = _open(folder)
    durable = asyncio.Event()

    def listener(_: Durable) -> None:
        durable.set()

    intake.listen(listener)
    waits: list[float] = []
    for brick, value in records:
        durable.clear()
        started = time.perf_counter()
        intake.submit(bricks[brick], value)
        await durable.wait()
        waits.append((time.perf_counter() - started) * 1000)
    store.close()
    return sorted(waits)[len(waits) // 2]
