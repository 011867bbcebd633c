"""The host agent's own releases: old-good or new-good after a crash at any step, counted starts, the way back, refusals."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from stallmark import bundle
from stallmark import registry as reg
from test_host_slots import signed
from test_host_updater import authors_of

from fleet import packs
from hostagent.errors import BundleRefused
from hostagent.release import folder, state
from hostagent.release.launcher import SWITCH, Launcher, agent_command
from hostagent.release.updating import GOOD_S, LATE_S, Updating
from tests.world import World

ROOT = Path(__file__).parents[2]
OLD, NEW = "0a" * 32, "0b" * 32


def release(files, version="2.0", python=(3, 11)):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(folder.ABOUT, json.dumps({"format": 1, "version": version, "python": python}))
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


class Killed(BaseException):
    """Nobody can catch it by mistake: the process is gone."""


class Disk:
    """Counts what is asked of the disk, and ends the process at one of these calls: before it, or just after."""

    CALLS = ("replace", "fsync", "open")

    def __init__(self, monkeypatch, at, after):
        self.count, self.at, self.after = 0, at, after
        for name in self.CALLS:
            real = getattr(os, name)
            monkeypatch.setattr(os, name, lambda *a, _real=real, **k: self.call(_real, a, k))

    def call(self, real, a, k):
        self.count += 1
        if self.count == self.at and not self.after:
            raise Killed
        found = real(*a, **k)
        if self.count == self.at:
            raise Killed
        return found


def update(releases):
    """The whole way of one release, as agent and launcher go it; each line is a step after which the power may go."""
    now = state.load(releases)
    if now.current == OLD and now.fetched != NEW:
        folder.unpack(releases, NEW, release({"hostagent/__init__.py": b"new", "cli/main.py": b"new"}))
        state.save(releases, now := state.fetch(now, NEW))
    if now.current == OLD:
        state.save(releases, now := state.switch(now, NEW, 7, ("brick-1",), 1_000))
    if now.trial:
        state.save(releases, now := state.begin(now))
        folder.tidy(releases, now)
        state.save(releases, now := state.confirm(now, 2_000))


def whole(releases, digest, content):
    path = releases / digest
    assert (path / "cli" / "main.py").read_bytes() == content and (path / "hostagent" / "__init__.py").read_bytes() == content


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_ends_on_the_old_release_or_the_new_one_whole(tmp_path, monkeypatch, after):
    at, seen = 0, []
    while True:
        at += 1
        releases = tmp_path / f"{at}"
        folder.unpack(releases, OLD, release({"hostagent/__init__.py": b"old", "cli/main.py": b"old"}, "1.0"))
        state.save(releases, state.State(current=OLD))
        with monkeypatch.context() as patched:
            disk = Disk(patched, at, after)
            try:
                update(releases)
                break
            except Killed:
                pass
        found = state.load(releases)
        seen.append((found.current == NEW, found.phase, found.fetched == NEW))
        whole(releases, found.current, b"new" if found.current == NEW else b"old")
        if found.trial:
            assert found.before == OLD
            whole(releases, OLD, b"old")
        update(releases)  # and it goes on from there
        assert state.load(releases) == state.State(NEW, OLD, since_ms=2_000, order=7)
        whole(releases, NEW, b"new")
    trace = [one for n, one in enumerate(seen) if n == 0 or seen[n - 1] != one]
    assert trace == [
        (False, "steady", False),  # not there, or there and not noted
        (False, "steady", True),  # fetched
        (True, "trial", False),  # switched to
        (True, "steady", False),  # confirmed
    ][: len(trace)] and len(trace) >= 3, trace
    assert disk.count > 15


def test_starts_on_trial_are_counted_and_it_goes_back_with_its_reason_until_a_newer_directive():
    tried = state.switch(state.State(current=OLD), NEW, 7, (), 5)
    for _ in range(state.FAILED_STARTS):
        assert state.judge(tried) is None
        tried = state.ended(state.begin(tried))
    assert "3 starts failed" in state.judge(tried)
    gone = state.give_up(tried, state.judge(tried), 9)
    assert (gone.current, gone.phase, gone.returned.release) == (OLD, "steady", NEW)
    assert gone.refuses(NEW, 7) and not gone.refuses(NEW, 8) and not gone.refuses(OLD, 7)
    power = state.switch(state.State(), NEW, 7, (), 5)
    for _ in range(state.MOST_STARTS):
        assert state.judge(power) is None
        power = state.begin(power)  # the power went, every time
    assert "never confirmed" in state.judge(power) and state.give_up(power, "", 9).current is None


def test_a_state_that_cannot_be_read_is_set_aside_and_what_is_installed_runs(tmp_path):
    good = state.switch(state.State(current=OLD), NEW, 7, ("brick-1",), 5)
    state.save(tmp_path, good)
    assert state.load(tmp_path) == good
    whole_file = json.loads((tmp_path / state.FILE).read_text())
    for wrong in (b"", b"[]", b"{", json.dumps(whole_file | {"current": "../../etc"}).encode(),
                  json.dumps(whole_file | {"phase": "trial", "current": None}).encode(),
                  json.dumps(whole_file | {"expected": ["x"] * 99}).encode()):  # fmt: skip
        (tmp_path / state.FILE).write_bytes(wrong)
        assert state.load(tmp_path) == state.State()
        assert not (tmp_path / state.FILE).exists() and any((tmp_path / "damaged").iterdir())


def test_what_is_no_release_or_leaves_its_folder_is_not_unpacked(tmp_path):
    for wrong in (b"", b"PK", release({"../x": b"1"}), release({"/x": b"1"}), release({"a\\..\\x": b"1"}),
                  release({}, version="x" * 49), release({}, python=(9, 0)),
                  release({f"f{n}": b"" for n in range(2_001)})):  # fmt: skip
        with pytest.raises(BundleRefused):
            folder.unpack(tmp_path, NEW, wrong)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(folder.ABOUT, json.dumps({"format": 1, "version": "1", "python": [3, 11]}))
        made.writestr("zeros", bytes(folder.MOST_BYTES + 1))
    with pytest.raises(BundleRefused):
        folder.unpack(tmp_path, NEW, bomb.getvalue())
    assert [path.name for path in tmp_path.iterdir()] == []


AGENT = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from hostagent.release import state
releases = Path(os.environ["STALLMARK_RELEASES"])
name = Path(__file__).parent.name[:4] if {release} else "base"
(releases / "log").open("a").write(name + "\\n")
{rest}
"""


def put(releases, digest, rest):
    content = AGENT.format(root=str(ROOT), release=True, rest=rest).encode()
    folder.unpack(releases, digest, release({"agent_of_test.py": content}))


def test_the_launcher_starts_counts_switches_and_goes_back_as_real_processes(tmp_path):
    """What is installed orders a bad release, which ends three times, then a good one, which stays and is asked to end."""
    good, bad = "0c" * 32, "0d" * 32
    base = tmp_path / "base"
    base.mkdir()
    (base / "agent_of_test.py").write_text(AGENT.format(root=str(ROOT), release=False, rest=f"""
now = state.load(releases)
to = {good!r} if now.returned else {bad!r}
state.save(releases, state.switch(now, to, 3, (), 1))
raise SystemExit({SWITCH})
"""))  # fmt: skip
    releases = tmp_path / "releases"
    put(releases, bad, "raise SystemExit(1)")
    put(releases, good, "state.save(releases, state.confirm(state.load(releases), 2))\ntime.sleep(60)")
    code = (
        "import sys; from pathlib import Path; from hostagent.release.launcher import Launcher\n"
        f"raise SystemExit(Launcher(Path({str(releases)!r}), [sys.executable, '-m', 'agent_of_test'], pause_s=0).run())"
    )
    environment = os.environ | {"PYTHONPATH": f"{base}:{ROOT}:{ROOT / 'firmware'}"}
    launcher = subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=tmp_path)
    try:
        until(lambda: state.load(releases).current == good and not state.load(releases).trial)
        assert (releases / "log").read_text().split() == ["base", "0d0d", "0d0d", "0d0d", "base", "0c0c"]
        assert state.load(releases).returned is not None and "3 starts failed" in state.load(releases).returned.why
        launcher.send_signal(signal.SIGTERM)
        assert launcher.wait(60) in (0, 128 + signal.SIGTERM, -signal.SIGTERM, 256 - signal.SIGTERM)
    finally:
        launcher.kill()


def until(found, seconds=60):
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def test_a_release_whose_folder_is_gone_or_that_is_never_confirmed_goes_back(tmp_path):
    state.save(tmp_path, state.switch(state.State(), NEW, 1, (), 5))
    launcher = Launcher(tmp_path, [sys.executable, "-c", "raise SystemExit(0)"])
    assert launcher._settled().current is None and "gone" in state.load(tmp_path).returned.why
    folder.unpack(tmp_path, NEW, release({"x": b""}))
    state.save(tmp_path, state.switch(state.State(), NEW, 2, (), 5))
    slow = [sys.executable, "-c", f"import time, sys; sys.path.insert(0, {str(ROOT)!r}); "
            "import os; time.sleep(0 if os.environ.get('PYTHONPATH', '').find('0b0b') < 0 else 600)"]  # fmt: skip
    assert Launcher(tmp_path, slow, trial_s=0.1)._start(launcher._settled()) != 0
    assert "not confirmed in time" in state.load(tmp_path).returned.why


class Kit:
    """An agent's part: a directive that names a release, a store of targets, a clock."""

    def __init__(self, tmp_path, kind=reg.ARTEFACT_HOST, listed=True, data=None):
        world = World(6)
        self.data = data or release({"x": b"1"})
        item, self.targets = signed(world, self.data, kind)
        self.digest = item.bundle.hex()
        self.intent = SimpleNamespace(number=4, in_force=True, order=SimpleNamespace(host_release=self.digest))
        self.up, self.busy, self.left, self.now = {"brick-1", "the controller"}, "", 0, 0.0
        self.authors, self.listed, self.releases = authors_of(world), listed, tmp_path
        self.here = tmp_path / self.digest / "hostagent" / "release" / "updating.py"
        self.make()

    async def get(self, digest, length=None):
        assert length in (None, len(self.targets[digest]))
        return self.targets[digest]

    def make(self):
        self.agent = Updating(
            self.intent, SimpleNamespace(get=self.get), self.authors, lambda digest, data: self.listed, lambda: self.up,
            lambda: self.busy, self.leave, self.releases, lambda: self.now, lambda: int(self.now * 1000) + 1, self.here,
        )  # fmt: skip

    def leave(self):
        self.left += 1

    def step(self, seconds=0.0):
        self.now += seconds
        asyncio.run(self.agent.step())
        return self.agent.report()


def test_the_agent_fetches_waits_for_a_quiet_moment_switches_and_confirms_what_works_as_before(tmp_path):
    kit = Kit(tmp_path)
    assert kit.step()["phase"] == "fetched" and (tmp_path / kit.digest / "x").exists()
    kit.busy = "customers are there"
    said = kit.step(2)
    assert said["waits"] == "customers are there" and said["waits_ms"] and not kit.left, "a busy stall is never interrupted"
    kit.busy = ""
    kit.step(2)
    assert kit.left == 1 and kit.agent.leaving
    kit.make()  # started again by the launcher
    kit.up = {"the controller"}
    assert kit.step(GOOD_S)["phase"] == "trial" and "on trial" in kit.agent.words()
    kit.up = {"brick-1"}
    kit.step()
    said = kit.step()
    assert said["phase"] == "steady" and said["release"] == kit.digest, "each was seen once"
    assert kit.left == 1 and said["version"] == "2.0"


def test_a_trial_in_which_a_brick_does_not_come_back_ends_with_the_old_release(tmp_path):
    kit = Kit(tmp_path)
    kit.step()
    kit.step()
    kit.make()
    kit.up = {"the controller"}
    kit.step(GOOD_S)
    assert kit.left == 1
    said = kit.step(LATE_S)
    assert kit.left == 2 and said["returned"]["why"] == "no longer there: brick-1" and "release" not in said
    kit.make()
    kit.up = {"brick-1", "the controller"}
    kit.step(1)
    assert kit.left == 2, "not again under this directive"
    kit.intent.number = 5
    kit.step(100)
    kit.step(1)
    assert kit.left == 3


def test_a_trial_of_another_program_than_the_release_proves_nothing(tmp_path):
    kit = Kit(tmp_path)
    kit.step()
    kit.step()
    kit.here = ROOT / "hostagent" / "release" / "updating.py"  # as where the current folder stands first on the module path
    kit.make()
    assert kit.step()["returned"]["why"] == "another program than this release was started" and kit.left == 2


def test_a_release_is_started_whatever_lies_in_the_current_folder(tmp_path):
    made = folder.unpack(tmp_path / "releases", NEW, release({"cli/__init__.py": b"", "cli/main.py": b"print('the release')"}))
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "main.py").write_text("print('the folder')")
    done = subprocess.run(
        agent_command(tmp_path / "config.json"), env=os.environ | {"PYTHONPATH": str(made)}, cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "the release\n", done.stderr


@pytest.mark.parametrize("wrong", ["kind", "authors", "list", "bytes", "launcher"])
def test_what_authors_did_not_sign_as_a_hosts_release_is_not_installed_and_said(tmp_path, wrong):
    kit = Kit(tmp_path, kind=reg.ARTEFACT_APPLICATION if wrong == "kind" else reg.ARTEFACT_HOST, listed=wrong != "list")
    if wrong == "authors":
        kit.authors = None
    if wrong == "bytes":
        kit.targets = {digest: data if len(data) < 500 else b"" for digest, data in kit.targets.items()}
        kit.targets = {digest: b"not an envelope" for digest in kit.targets}

        async def get(digest, length=None):
            return kit.targets[digest]

        kit.get = get
    if wrong == "launcher":
        kit.releases = None
    kit.make()
    if wrong == "launcher":
        assert kit.agent.report()["installs"] is False and "somebody else installs" in kit.agent.words()
        return
    said = kit.step()["trouble"]
    words = {"kind": "something else", "authors": "authors", "list": "signed list", "bytes": ""}
    assert said and words[wrong] in said
    assert not kit.left and not (tmp_path / kit.digest).exists()


def test_a_release_of_this_tree_runs_as_it_stands(tmp_path):
    data = packs.host_release(ROOT, "9.9 of a test")
    assert data == packs.host_release(ROOT, "9.9 of a test") and packs.host_version(data) == "9.9 of a test"
    assert len(data) < 1024 * 1024 - 8192, "a bundle has at most 1 MiB"
    made = folder.unpack(tmp_path, NEW, data)
    done = subprocess.run(
        [sys.executable, "-c", "import hostagent.agent, cli.main, stallmark.bundle as b; print(hostagent.__file__, b.__file__)"],
        env=os.environ | {"PYTHONPATH": str(made), "PYTHONDONTWRITEBYTECODE": "1"}, cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(made / "hostagent" / "__init__.py"), str(made / "stallmark" / "bundle.py")]
    assert bundle.MAX_ENVELOPE
