"""Small files of host and controller, cut between any two steps: the old one or the new one is there, whole."""

import errno
import os

import pytest

import fleet.durable
import hostagent.durable

HOUSES = [pytest.param(hostagent.durable, id="host"), pytest.param(fleet.durable, id="controller")]
# What a write asks the system for, in order; a cut stands before each of them, and after the last.
STEPS = ["fsync file", "replace", "fsync folder"]


class Cut(BaseException):
    """The power is gone: no handler of the program runs on."""


class Steps:
    """Notes the steps of a write, and ends it before step number `at` with `error`."""

    def __init__(self, monkeypatch, at=None, error=Cut):
        self.seen, self._at, self._error = [], at, error
        fsync, replace = os.fsync, os.replace
        monkeypatch.setattr(os, "fsync", lambda handle: self._step(f"fsync {kind(handle)}", fsync, handle))
        monkeypatch.setattr(os, "replace", lambda old, new: self._step("replace", replace, old, new))

    def _step(self, name, real, *arguments):
        if len(self.seen) == self._at:
            raise self._error
        self.seen.append(name)
        real(*arguments)


def kind(handle):
    return "folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"


@pytest.mark.parametrize("house", HOUSES)
def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_return(house, tmp_path, monkeypatch):
    steps = Steps(monkeypatch)
    house.write(tmp_path / "a" / "file", b"new")
    assert steps.seen == STEPS
    assert (tmp_path / "a" / "file").read_bytes() == b"new" and len(list((tmp_path / "a").iterdir())) == 1


@pytest.mark.parametrize("at", range(len(STEPS) + 1))
@pytest.mark.parametrize("house", HOUSES)
def test_a_cut_before_any_step_leaves_the_old_file_or_the_new_one(house, at, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with monkeypatch.context() as patched:
        Steps(patched, at)
        if at < len(STEPS):
            with pytest.raises(Cut):
                house.write(file, b"new")
        else:
            house.write(file, b"new")
    assert file.read_bytes() == (b"old" if at <= STEPS.index("replace") else b"new")
    house.write(file, b"later")  # what the cut left is in nobody's way
    assert file.read_bytes() == b"later"


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("house", HOUSES)
def test_a_full_disk_is_said_leaves_the_old_file_and_no_half_of_a_new_one(house, at, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with monkeypatch.context() as patched:
        Steps(patched, at, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(OSError, match="No space"):
            house.write(file, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["file"] and file.read_bytes() == b"old"


def test_a_secret_is_its_owners_alone_also_over_a_leftover_that_was_not(tmp_path):
    leftover = tmp_path / ".keys.json.new"
    leftover.write_bytes(b"half")
    leftover.chmod(0o644)
    hostagent.durable.write(tmp_path / "keys.json", b"{}")
    fleet.durable.write(tmp_path / "seal", b"{}", secret=True)
    for name in ("keys.json", "seal"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_store_whose_mark_was_cut_is_no_store_of_another_key(tmp_path, monkeypatch):
    from hostagent.store import database

    path = tmp_path / "store.db"
    for at in range(len(STEPS)):
        with monkeypatch.context() as patched:
            Steps(patched, at)
            with pytest.raises(Cut):
                database.create_file(path, bytes(32))
        database.create_file(path, bytes(32))
        database.mark_of(path).unlink()
