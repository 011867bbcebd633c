"""Releases of a host that are signed and damaged all the same, and what changes between fetching and starting."""

import io
import json
import sys
import zipfile

import pytest
from test_host_release import NEW, OLD, Kit, release

from fleet import packs
from fleet.core import FormatError
from hostagent.errors import BundleRefused
from hostagent.release import folder, state
from hostagent.release.launcher import Launcher

PYTHON = [3, 11]


def zipped(files, about=None, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        made.writestr(folder.ABOUT, about or json.dumps({"format": 1, "version": "2.0", "python": PYTHON}))
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def damaged(method, behind):
    """A file's bytes changed, `behind` their beginning; the zip's own list is whole."""
    data = bytearray(zipped({"hostagent/a.py": b"line = 1\n" * 60}, method=method))
    data[data.find(b"hostagent/a.py") + len("hostagent/a.py") + behind] ^= 0xFF
    return bytes(data)


def locked():
    data = bytearray(zipped({"hostagent/a.py": b"line = 1\n" * 60}))
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    data[data.rfind(b"PK\x03\x04") + 6] |= 1
    return bytes(data)


def about(text):
    return zipped({"hostagent/a.py": b""}, text)


WRONG = {
    "deflate": damaged(zipfile.ZIP_DEFLATED, 3),
    "crc": damaged(zipfile.ZIP_STORED, 0),
    "locked": locked(),
    "a file as a folder": zipped({"a": b"1", "a/b": b"2"}),
    "half a version of Python": about('{"format": 1, "version": "2.0", "python": [3]}'),
    "endless Python": about('{"format": 1, "version": "2.0", "python": [3, 1e999]}'),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_release_that_cannot_be_unpacked_is_refused_and_leaves_nothing_under_its_name(tmp_path, wrong):
    with pytest.raises(BundleRefused, match="no release of a host"):
        folder.unpack(tmp_path, NEW, WRONG[wrong])
    assert not (tmp_path / NEW).exists()


def test_a_signed_release_that_cannot_be_unpacked_is_said_and_does_not_take_the_agent_along(tmp_path):
    kit = Kit(tmp_path, data=WRONG["deflate"])
    assert "no release of a host" in kit.step()["trouble"] and not kit.left


def test_a_release_that_left_the_authors_list_after_it_was_fetched_is_not_switched_to(tmp_path):
    kit = Kit(tmp_path)
    kit.busy = "customers are there"
    assert kit.step()["phase"] == "fetched"
    kit.step(2)
    kit.busy, kit.listed = "", False
    said = kit.step(2)
    assert not kit.left and "list" in said["trouble"] and not state.load(tmp_path).trial
    kit.listed = True
    kit.step(60)
    assert kit.left == 1


def test_a_stop_while_the_release_is_looked_at_once_more_holds_the_switch(tmp_path):
    kit = Kit(tmp_path)
    assert kit.step()["phase"] == "fetched"
    real = kit.get

    async def get(digest, length=None):
        kit.intent.in_force = False
        return await real(digest, length)

    kit.get = get
    kit.make()
    kit.step(2)
    assert not kit.left and not state.load(tmp_path).trial


def test_a_folder_that_cannot_be_tidied_keeps_no_release_from_starting(tmp_path, monkeypatch):
    folder.unpack(tmp_path, OLD, release({"x": b""}))
    state.save(tmp_path, state.State(current=OLD))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "tidy", full)
    launcher = Launcher(tmp_path, [sys.executable, "-c", "raise SystemExit(7)"], pause_s=0)
    assert launcher._start(launcher._settled()) == 7


def test_a_start_on_trial_that_cannot_be_counted_starts_what_ran_before(tmp_path, monkeypatch):
    for digest in (OLD, NEW):
        folder.unpack(tmp_path, digest, release({"x": b""}))
    state.save(tmp_path, state.switch(state.State(current=OLD), NEW, 7, (), 5))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state, "save", full)
    standing = Launcher(tmp_path, [sys.executable, "-c", ""], pause_s=0)._settled()
    assert standing.current == OLD and not standing.trial


@pytest.mark.parametrize("wrong", ["deflate", "crc", "locked"])
def test_nobody_is_asked_to_sign_a_release_that_hosts_could_not_unpack(wrong):
    with pytest.raises(FormatError, match="no release of a host"):
        packs.host_version(WRONG[wrong])


def test_a_release_that_unpacks_to_more_than_hosts_take_is_not_signed_and_not_read():
    with pytest.raises(FormatError, match="more than hosts unpack"):
        packs.host_version(zipped({"hostagent/a.py": bytes(packs.MOST_BYTES + 1)}))
    assert packs.MOST_BYTES == folder.MOST_BYTES


def test_where_both_folders_are_gone_what_is_installed_runs_and_the_release_on_trial_stays_refused(tmp_path):
    state.save(tmp_path, state.switch(state.State(current=OLD), NEW, 7, (), 5))
    found = Launcher(tmp_path, [sys.executable, "-c", ""], pause_s=0)._settled()
    assert found == state.load(tmp_path) and found.current is None and not found.trial
    assert found.refuses(NEW, 7) and "gone" in found.returned.why
