"""The store: what was acknowledged survives any power cut and any failing disk; nothing readable lies in
the file."""

import itertools
import shutil
import stat
import time
from concurrent.futures import wait

import apsw
import pytest
from diskkit import FailingVFS, RecordingVFS, after_power_cut, draw
from stallmark import receipt

from hostagent import form, signer
from hostagent.chain import Chain, short
from hostagent.errors import StoreRefused, StoreUnavailable
from hostagent.store import database, open_store
from hostagent.store import writer as writing
from hostagent.store.receipts import Group, Receipts
from tests.world import World

KEY = bytes(range(32))


class Writer:
    """Builds groups as intake does, without a loop around it."""

    def __init__(self, world, store, brick):
        self.world, self.brick = world, brick
        self.receipts = Receipts(store)
        self.receipts.add_bricks([brick.brick8]).result()
        (head,) = self.receipts.heads().result()
        self.number, self.next = head.number, head.next_seq
        host = world.host
        signing = signer.Signer(host.seed)
        self.chain = Chain(
            host.host8, signing.kid, world.hub, None, host.handle_key, store.rulesets, signing.sign
        )

    def group(self, size):
        rows, made = [], None
        for _ in range(size):
            made = self.world.record(brick=self.brick)
            host_seq = self.chain.host_seq
            cose = self.chain.add(
                made.seq, made.public, made.mac, form.from_fields(made.fields), self.world.now_ms, 1, 1
            )
            rows.append((host_seq, self.number, made.seq, self.world.now_ms, cose, made.private))
        return Group(rows, {self.number: (made.seq + 1, form.link(made.public, made.mac))}, [], [])


def read_all(path):
    """Receipts of a store's file as (host seq, COSE, seq), with integrity, chain and heads checked."""
    sql = database.connect(path, KEY)
    database.prepare(sql)
    database.check(sql)
    found = sql.execute("SELECT host_seq, cose, seq FROM receipts ORDER BY host_seq").fetchall()
    heads = sql.execute("SELECT next_seq FROM bricks").fetchall()
    sql.close()
    prev = bytes(16)
    for number, (host_seq, cose, seq) in enumerate(found, 1):
        assert host_seq == seq == number
        assert receipt.parse(cose).fields[5] == prev
        prev = short(cose)
    if heads or found:
        assert heads == [(len(found) + 1,)], "heads and receipts are of different moments"
    return found


@pytest.mark.parametrize(
    ("sizes", "folds"), [((1, 4, 2, 25, 3), False), ((1, 6), True)], ids=["at work", "with quiet moments"]
)
def test_power_cut_after_every_operation_with_torn_sectors_loses_nothing_acknowledged(
    tmp_path, monkeypatch, sizes, folds
):
    if folds:
        monkeypatch.setattr(writing, "FOLD_PAGES", 1)
        monkeypatch.setattr(writing, "QUIET_S", 0.001)
    chance = draw(31)
    vfs = RecordingVFS(f"rec-{folds}")
    world = World(31)
    opened = open_store(tmp_path / "host.db", KEY, vfs=f"rec-{folds}")
    writer = Writer(world, opened.store, world.brick())
    for size in sizes:
        before = opened.store.writer.folds
        done = writer.receipts.commit(writer.group(size))
        count = writer.chain.host_seq - 1
        done.add_done_callback(lambda _, count=count: vfs.did("acknowledged", "", count, None))
        done.result()
        if folds:
            until(lambda before=before: opened.store.writer.folds > before, "the log to be folded")
    opened.store.close()
    log = list(vfs.log)
    total = writer.chain.host_seq - 1
    assert sum(entry[0] == "acknowledged" for entry in log) == len(sizes)
    seen = set()
    states = 0
    for cut in range(len(log) + 1):
        prefix = log[:cut]
        acknowledged = max((entry[2] for entry in prefix if entry[0] == "acknowledged"), default=0)
        for share in (0, 0.5) if folds else (0, 0.3, 0.5, 1.0):
            files = after_power_cut(prefix, share, chance)
            fingerprint = (acknowledged, tuple(sorted((name, bytes(data)) for name, data in files.items())))
            if fingerprint in seen or not files:
                continue
            seen.add(fingerprint)
            states += 1
            folder = tmp_path / "cut"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)
            present = len(read_all(folder / "host.db"))
            assert acknowledged <= present <= total, f"cut {cut}, share {share}"
    print("states", states, "operations", len(log))
    assert states > (40 if folds else 100)
    vfs.unregister()


def until(condition, what):
    """Waits for what the writer's thread does; a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"waited a minute for {what}"
        wait((), timeout=0.01)


def unfolded(sql):
    """Pages of the write-ahead log that are not in the file yet."""
    _, pages, folded = sql.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
    return pages - folded


def test_a_long_log_is_folded_in_a_quiet_moment_and_not_during_work(tmp_path):
    store = open_store(tmp_path / "host.db", KEY).store
    sql = database.connect(tmp_path / "host.db", KEY)
    rows = [(f"n-{number}", bytes(8000)) for number in range(200)]
    store.write(lambda sql: sql.executemany("INSERT INTO meta VALUES (?, ?)", rows)).result()
    until(lambda: not unfolded(sql), "the log to be folded")
    store.write(lambda sql: sql.execute("DELETE FROM meta")).result()
    assert store.writer.failures == 0
    sql.close()
    store.close()


def test_a_log_that_a_reader_kept_from_being_folded_is_folded_once_the_reader_is_gone(tmp_path):
    store = open_store(tmp_path / "host.db", KEY).store
    sql = database.connect(tmp_path / "host.db", KEY)
    sql.execute("BEGIN")
    sql.execute("SELECT count(*) FROM meta").fetchall()
    rows = [(f"n-{number}", bytes(8000)) for number in range(200)]
    store.write(lambda sql: sql.executemany("INSERT INTO meta VALUES (?, ?)", rows)).result()
    until(lambda: store.writer.fold_tries, "a quiet moment")
    assert not store.writer.folds
    sql.execute("COMMIT")
    until(lambda: not unfolded(sql), "the log to be folded without another write")
    sql.close()
    store.close()


@pytest.mark.parametrize("error", [apsw.FullError("full"), apsw.IOError("bad sector")], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "until healed"])
def test_a_disk_that_fails_at_any_write_or_sync_is_outlasted(tmp_path, monkeypatch, error, lasting):
    monkeypatch.setattr(writing, "RETRY_S", (0.01,))
    name = f"fail-{type(error).__name__}-{lasting}"
    vfs = FailingVFS(name)
    world = World(32)
    opened = open_store(tmp_path / "host.db", KEY, vfs=name)
    store = opened.store
    writer = Writer(world, store, world.brick())
    hit = 0
    for n in itertools.count(1):
        failures = vfs.failures
        vfs.fail(n, error, lasting)
        done = writer.receipts.commit(writer.group(6))
        if lasting and vfs_failed(vfs, failures, done):
            # Not acknowledged while the disk refuses; said in plain words.
            assert not done.done()
            assert store.trouble is not None
            expected = "disk full" if isinstance(error, apsw.FullError) else "disk error"
            assert store.trouble.reason.startswith(expected)
            with pytest.raises(StoreUnavailable):
                store.commit_link_key(bytes(8), 1, bytes(32))
            vfs.heal()
        done.result(60)
        hit += vfs.failures > failures
        vfs.heal()
        assert store.trouble is None
        if vfs.failures == failures:
            break
    print("operations that failed", hit)
    assert hit >= 4
    count = writer.chain.host_seq - 1
    store.close()
    assert len(read_all(tmp_path / "host.db")) == count
    vfs.unregister()


def vfs_failed(vfs, before, done):
    """Waits until the disk has failed or the commit went through."""
    for enough in (before + 1, before + 2):
        until(lambda enough=enough: vfs.failures >= enough or done.done(), "a failure or the commit")
    return not done.done()


def test_nothing_of_a_record_can_be_read_in_the_files(tmp_path):
    world = World(33)
    store = open_store(tmp_path / "host.db", KEY).store
    writer = Writer(world, store, world.brick())
    group = writer.group(50)
    writer.receipts.commit(group).result()
    store.put_bundle("tag", b"a bundle that could be read").result()
    store.commit_link_key(b"brick-id", 3, b"a link key of thirty-two bytes!!")
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.name != "host.db.key")
    assert len(data) > 50 * 400
    for row in group.rows:
        public = receipt.parse(row[4]).fields[1]
        for needle in (row[4][-64:], row[5], row[5][-8:], public[:24], public[-16:]):
            assert needle not in data
    for needle in (writer.brick.brick8, KEY, b"a bundle", b"a link key", b"CREATE TABLE", b"brick-id"):
        assert needle not in data
    assert stat.S_IMODE((tmp_path / "host.db").stat().st_mode) == 0o600
    store.close()


def test_a_wrong_key_is_refused_and_changes_nothing(tmp_path):
    open_store(tmp_path / "host.db", KEY).store.close()
    before = (tmp_path / "host.db").read_bytes()
    with pytest.raises(StoreRefused, match="another store key"):
        open_store(tmp_path / "host.db", bytes(32))
    (tmp_path / "host.db.key").unlink()
    with pytest.raises(StoreRefused, match="store_key"):
        open_store(tmp_path / "host.db", bytes(32))
    assert (tmp_path / "host.db").read_bytes() == before
    assert not list(tmp_path.glob("*.damaged*"))
    store = open_store(tmp_path / "host.db", KEY)
    assert store.aside is None
    store.store.close()


@pytest.mark.parametrize("where", ["first page", "middle", "end", "cut short"])
def test_a_damaged_file_is_set_aside_whole_and_named(tmp_path, where):
    world = World(34)
    path = tmp_path / "host.db"
    store = open_store(path, KEY).store
    writer = Writer(world, store, world.brick())
    for _ in range(4):
        writer.receipts.commit(writer.group(60)).result()
    store.close()
    data = bytearray(path.read_bytes())
    if where == "cut short":
        del data[len(data) // 2 :]
    else:
        at = {"first page": 2000, "middle": len(data) // 2, "end": len(data) - 2000}[where]
        data[at] ^= 1
    path.write_bytes(data)
    opened = open_store(path, KEY)
    assert opened.aside == tmp_path / "host.db.damaged-1"
    assert opened.damage
    assert opened.aside.read_bytes() == bytes(data)
    assert opened.store.meta["recovered"] == "host.db.damaged-1"
    assert Receipts(opened.store).last().result() is None
    opened.store.close()
    again = open_store(path, KEY)
    assert again.aside is None and again.store.meta["recovered"] == "host.db.damaged-1"
    again.store.close()


def test_link_keys_and_assignments_are_taken_over_from_a_damaged_file(tmp_path):
    world = World(35)
    path = tmp_path / "host.db"
    store = open_store(path, KEY).store
    store.commit_link_key(b"brick-id", 7, bytes(32))
    writer = Writer(world, store, world.brick())
    for _ in range(4):
        writer.receipts.commit(writer.group(60)).result()
    store.close()
    data = bytearray(path.read_bytes())
    data[-3000] ^= 1
    path.write_bytes(data)
    opened = open_store(path, KEY)
    assert opened.aside is not None
    assert opened.store.find_link_keys(b"brick-id") == {7: bytes(32)}
    opened.store.close()


def test_a_store_that_is_gone_is_noticed_and_its_old_log_not_taken_for_the_new_one_s(tmp_path):
    world = World(36)
    path = tmp_path / "host.db"
    store = open_store(path, KEY).store
    writer = Writer(world, store, world.brick())
    writer.receipts.commit(writer.group(5)).result()
    wal = path.with_name("host.db-wal").read_bytes()
    store.close()
    path.unlink()
    path.with_name("host.db-wal").write_bytes(wal)
    opened = open_store(path, KEY)
    assert opened.store.meta["recovered"] and Receipts(opened.store).last().result() is None
    assert path.with_name("host.db.damaged-1-wal").read_bytes() == wal
    opened.store.close()
    path.unlink()
    opened = open_store(path, KEY)
    assert opened.store.meta["recovered"] == "(missing)"
    opened.store.close()


@pytest.mark.parametrize("ended", ["before the new file", "before its tables"])
def test_setting_aside_may_be_cut_short_anywhere(tmp_path, ended):
    path = tmp_path / "host.db"
    store = open_store(path, KEY).store
    store.commit_link_key(b"brick-id", 2, bytes(32))
    store.close()
    database.set_aside(path)
    if ended == "before its tables":
        database.create_file(path, KEY)
    opened = open_store(path, KEY)
    assert opened.store.meta["recovered"] == "host.db.damaged-1"
    assert opened.store.find_link_keys(b"brick-id") == {2: bytes(32)}
    opened.store.close()


def test_two_agents_never_sign_from_one_store(tmp_path):
    first = open_store(tmp_path / "host.db", KEY)
    with pytest.raises(StoreRefused, match="another host agent"):
        open_store(tmp_path / "host.db", KEY)
    first.store.close()
    open_store(tmp_path / "host.db", KEY).store.close()


def test_a_disk_that_is_full_at_the_start_is_said_and_left_alone(tmp_path):
    vfs = FailingVFS("full-at-start")
    vfs.fail(1, apsw.FullError("full"), lasting=True)
    with pytest.raises(StoreUnavailable, match="disk full"):
        open_store(tmp_path / "host.db", KEY, vfs="full-at-start")
    vfs.heal()
    opened = open_store(tmp_path / "host.db", KEY, vfs="full-at-start")
    assert opened.aside is None
    opened.store.close()
    vfs.unregister()


def test_an_sqlite_that_loses_rows_is_refused(tmp_path, monkeypatch):
    for version in ("3.40.1", "3.51.2", "3.52.0"):
        monkeypatch.setattr(apsw, "sqlite_lib_version", lambda version=version: version)
        with pytest.raises(StoreRefused, match=version.replace(".", r"\.")):
            open_store(tmp_path / "host.db", KEY)
    for version in ("3.51.3", "3.53.0"):
        monkeypatch.setattr(apsw, "sqlite_lib_version", lambda version=version: version)
        database.check_sqlite()
    assert not list(tmp_path.iterdir())


def test_a_store_of_a_newer_program_is_left_alone(tmp_path):
    path = tmp_path / "host.db"
    open_store(path, KEY).store.close()
    sql = database.connect(path, KEY)
    sql.pragma("user_version", 99)
    sql.close()
    with pytest.raises(StoreRefused, match="schema 99"):
        open_store(path, KEY)


def test_a_job_that_is_wrong_harms_no_other(tmp_path):
    store = open_store(tmp_path / "host.db", KEY).store

    def wrong(sql):
        sql.execute("INSERT INTO meta VALUES ('half', 1)")
        raise ValueError("as the test asks")

    def put(name):
        return store.write(lambda sql: sql.execute("INSERT INTO meta VALUES (?, 1)", (name,)))

    jobs = [put(f"n{n}") for n in range(5)]
    bad = store.write(wrong)
    jobs.append(put("last"))
    with pytest.raises(ValueError, match="as the test asks"):
        bad.result(60)
    for job in jobs:
        job.result(60)
    names = store.read(lambda sql: {row[0] for row in sql.execute("SELECT name FROM meta")}).result()
    assert names == {"n0", "n1", "n2", "n3", "n4", "last"}
    store.close()
