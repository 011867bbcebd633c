"""SIGKILL at every step from an append to its checkpoint: what was durable is signed after, and no fork."""

import errno
import os
import shutil
import signal
import sqlite3
from itertools import pairwise

import pytest
from logs import SIGNER, Site
from stallmark import tree

from fleet.errors import NoteError
from fleet.ledger import files, fsck, note
from fleet.ledger.checkpoint import open_checkpoint

# Calls by which the log changes the disk; the database's own commits are steps too.
CALLS = ("open", "write", "fsync", "replace")


class Dying:
    """Counts steps, and kills this process with SIGKILL before or after the one that it is told."""

    def __init__(self, at, after):
        self.at, self.after, self.count = at, after, 0

    def step(self, call):
        self.count += 1
        if self.count == self.at and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call()
        if self.count == self.at and self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def patch(self, database):
        """Puts itself before the system calls of fleet.ledger.files and the commits of a database."""
        proxy = type(files.os)("os")
        proxy.__dict__.update(files.os.__dict__)
        for name in CALLS:
            proxy.__dict__[name] = self._wrapped(getattr(os, name))
        files.os = proxy
        engine = database._writer
        commit = engine.dialect.do_commit
        engine.dialect.do_commit = lambda connection: self.step(lambda: commit(connection))

    def _wrapped(self, call):
        return lambda *args, **more: self.step(lambda: call(*args, **more))


def in_child(work):
    """Runs work in a forked process: True where it was killed, False where it came through."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the child failed instead of being killed"
    return False


def published(path):
    """What a stranger has downloaded."""
    data = (path / "ledger/checkpoint").read_bytes()
    return open_checkpoint(data, [SIGNER.verifier], SIGNER.name)[0]


START, MORE, LATER = 250, 20, 3  # leaves: the second checkpoint fills a tile, the third begins one


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A closed site of START leaves, to be copied."""
    site = Site(tmp_path_factory.mktemp("begun"))
    site.create().grow(START)
    site.close()
    return site


def copied(begun, path):
    """Its copy at a path, closed."""
    shutil.copytree(begun.path, path)
    site = Site(path)
    site.entries = list(begun.entries)
    return site


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_step_it_goes_on_without_a_fork(begun, tmp_path, after):
    at, killed = 0, True
    while killed:
        at += 1
        assert at < 200, "there are not so many steps"
        path = tmp_path / f"{at}"
        site = copied(begun, path)
        seen = [published(path)]
        fresh = [b"\x63" + bytes([at, n]) for n in range(MORE)]

        def work(path=path, at=at, fresh=fresh):
            child = Site(path).open()
            dying = Dying(at, after)
            dying.patch(child.database)
            with child.log.writing() as tx:
                tx.add(fresh)
            child.log.publish()

        killed = in_child(work)
        seen.append(published(path))
        site.open()
        stored = site.log.size
        assert stored in (START, START + MORE), "a transaction is whole or was not there"
        if stored == START + MORE:
            site.entries += fresh
        site.publish()
        site.grow(LATER)
        seen.append(published(path))
        assert site.agrees() == stored + LATER
        for old, new in pairwise(seen):
            proof = [] if old.size == new.size else site.log.tree(new.size).consistency(old.size)
            assert tree.verify_consistency(old.size, new.size, old.root, new.root, proof), f"fork at {at}"
        report = fsck.check(path / "ledger", SIGNER.verifier)
        assert report.clean, (at, report.lines())
        assert not list((path / "ledger/.new").iterdir())
        site.close()
    assert at > 20, "the steps were not met"


def test_a_disk_that_fails_at_every_step_once_loses_nothing(begun, tmp_path, monkeypatch):
    """The same, but the call fails and the program lives on: EIO at each step in turn, then again without."""
    real = {name: getattr(os, name) for name in CALLS}
    at = 0
    while True:
        at += 1
        path = tmp_path / f"{at}"
        site = copied(begun, path).open()
        old = published(path)
        site.append(MORE)
        left = [at]

        def failing(name, left=left):
            def call(*args, **more):
                left[0] -= 1
                if left[0] == 0:
                    raise OSError(errno.EIO, "Input/output error")
                return real[name](*args, **more)

            return call

        failed = False
        with monkeypatch.context() as patched:
            for name in CALLS:
                patched.setattr(files.os, name, failing(name))
            try:
                site.log.publish()
            except OSError:
                failed = True
        if failed:
            assert published(path) in (old, site.log.stored)
        site.grow(LATER)
        assert site.agrees() == START + MORE + LATER
        report = fsck.check(path / "ledger", SIGNER.verifier)
        assert report.clean, (at, report.lines())
        site.close()
        if not failed:
            assert at > 15
            return


def test_a_torn_checkpoint_file_of_a_lying_disk_is_not_taken_for_one(tmp_path):
    site = Site(tmp_path)
    site.create().grow(5)
    site.close()
    whole = (tmp_path / "ledger/checkpoint").read_bytes()
    for data in (whole[:20], whole[:-4], note.sign("x\n", [note.Signer("x", bytes(32))])):
        (tmp_path / "ledger/checkpoint").write_bytes(data)
        with pytest.raises(Exception, match="not this log's checkpoint"):
            site.open()
        with pytest.raises(NoteError):
            published(tmp_path)
    (tmp_path / "ledger/checkpoint").unlink()  # the stored body is signed again, the same bytes
    site.open()
    assert (tmp_path / "ledger/checkpoint").read_bytes() == whole
    site.close()
    assert sqlite3.connect(tmp_path / "db.sqlite").execute("PRAGMA integrity_check").fetchone() == ("ok",)
