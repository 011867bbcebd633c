"""A power cut at every write, at the host and at the controller: old-good or new-good, never less."""

import contextlib
import shutil

import pytest
from tufkit import Fleet, SetClock, host, refused, source

from fleet.trust import ceremony, files
from fleet.trust.ceremony import Change
from hostagent import durable
from hostagent.trust.errors import TrustError


class Cut(BaseException):
    """The power is gone: no handler of the program runs on."""


class Writes:
    """Stands before a module's `write`: the n-th is cut, and leaves half of its temporary file. `count`: how many there
    were."""

    def __init__(self, monkeypatch, module, at):
        self.count, self._at, self._real = 0, at, module.write
        monkeypatch.setattr(module, "write", self)

    def __call__(self, path, data, *more):
        number = self.count
        self.count += 1
        if number == self._at:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.new").write_bytes(data[: len(data) // 2])
            raise Cut
        self._real(path, data, *more)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return Fleet(tmp_path_factory.mktemp("fleet") / "controller")


def moved_on(published, folder):
    """(the lists of yesterday, those of today: another root with another timestamp key, another list)."""
    fleet = published.moved(folder)
    before = fleet.copy()
    fleet.rotate(fresh=("timestamp",))
    fleet.release(fleet.bundle())
    return fleet, before, fleet.copy()


def test_a_host_cut_at_every_write_of_a_refresh_ends_on_old_good_or_new_good(
    tmp_path, published, monkeypatch
):
    fleet, before, today = moved_on(published, tmp_path / "controller")
    host(tmp_path, fleet).refresh(source(before))
    old = tmp_path / "old"
    (tmp_path / "host").rename(old)
    seen = set()
    for at in range(100):
        shutil.copytree(old, tmp_path / "host")
        with monkeypatch.context() as patch:
            writes = Writes(patch, durable, at)
            try:
                host(tmp_path, fleet).refresh(source(today))
                whole = True
            except Cut:
                whole = False
            assert whole == (writes.count <= at)
        again = host(tmp_path, fleet)
        assert again.known.versions["targets"] in (1, 2)
        assert again.set_aside == 0
        seen.add(again.known.versions["targets"])
        root_was_known = again.floor.versions["root"] == 2
        if root_was_known:  # what the ended key signed is refused from then on, whatever the cut left
            with refused(again, "older", "unsigned"):
                again.refresh(source(before))
        assert again.refresh(source(today)).versions["targets"] == 2
        with refused(again, "older", "unsigned"):
            again.refresh(source(before))
        shutil.rmtree(tmp_path / "host")
        if whole:
            break
    assert at >= 6
    assert seen == {1, 2}


def test_a_controller_cut_at_every_write_serves_lists_that_hosts_take(tmp_path, published, monkeypatch):
    fleet = published.moved(tmp_path / "start")
    for at in range(100):
        here = fleet.moved(tmp_path / f"controller-{at}")
        known = host(tmp_path, here, SetClock(), f"host-{at}")
        known.refresh(source(here.copy()))

        def move_on(here=here):
            """Another root without a key, the list anew with one more: as the commands do it."""
            if here.repository.root().signed.version == 1:
                change = Change(ended=(here.authors[0].holder.kid,), fresh=("timestamp",))
                root = ceremony.next_root(here.repository, change, here.now)
                here.repository.publish_root(here.sign(root, here.roots[1:]))
            if not here.repository.listed():
                entry = here.repository.take(here.bundle(signers=here.authors[1:]))
                release = ceremony.next_release(here.repository, [entry], (), here.now)
                here.repository.publish_release(here.sign(release, here.authors[1:]))
            ceremony.settle(here.repository, None, here.now)

        with monkeypatch.context() as patch:
            writes = Writes(patch, files, at)
            with contextlib.suppress(Cut):
                move_on()
            whole = writes.count <= at
        served = source({name: body for name, body in here.copy().items() if not name.startswith("tuf/.")})
        if here.repository.root().signed.version == 1:
            assert known.refresh(served).versions["root"] == 1
        else:
            # A published root ends the old timestamp key at once: until the lists are signed anew, hosts keep what they have.
            try:
                known.refresh(served)
            except TrustError:
                assert known.known.versions["targets"] == 1
        move_on()
        assert known.refresh(source(here.copy())).versions["targets"] == 2
        assert len(here.repository.online.keys()) == 2
        if whole:
            break
    assert at >= 6
