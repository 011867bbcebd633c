"""The MicroPython that runs the firmware: the one on the PATH when it is fit for it, else the wheel's."""

import stat
from pathlib import Path

import pytest
from virtualkit import interpreter


@pytest.fixture(autouse=True)
def _fresh():
    interpreter.find.cache_clear()
    yield
    interpreter.find.cache_clear()


def _program(folder: Path, script: str) -> Path:
    path = folder / "micropython"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_one_found_here_runs() -> None:
    assert interpreter.find().exists()


def test_a_fit_one_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = _program(tmp_path, "echo stallmark\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert interpreter.find() == mine


def test_one_that_lacks_something_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = _program(tmp_path, "echo \"ImportError: no module named 'cryptolib'\" >&2; exit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert interpreter.find() != old


def test_none_at_all_says_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "echo \"ImportError: no module named 'vfs'\" >&2; exit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(interpreter.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(interpreter.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(interpreter.InterpreterMissing, match=r"no module named 'vfs'.*make setup"):
        interpreter.find()


def test_one_that_cannot_be_started_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "micropython"
    broken.write_bytes(b"\x7fELF not really")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert interpreter.find() != broken
