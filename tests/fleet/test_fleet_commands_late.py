"""Commands load when they are called: asking for help, or running one program, does not load the others."""

import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from cli import lazy
from cli.main import GROUPS, app
from fleet.cli import PARTS as FLEET
from hostagent.cli import PARTS as HOST

HEAVY = ("sqlalchemy", "fastapi", "uvicorn", "nicegui", "tuf", "httpx")


def test_asking_for_help_loads_no_web_server_no_database_and_no_other_group():
    groups = ["fleet", "host", "kit", "demo", "verify", "ledger"]
    asked = [["--help"], ["fleet", "bricks", "--help"], *([group, "--help"] for group in groups)]
    code = f"""
import sys
from typer.testing import CliRunner
from cli.main import app
for words in {asked!r}:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (words, done.output)
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    assert not loaded, (words, loaded)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("parts", [GROUPS, FLEET, HOST], ids=["stallmark", "fleet", "host"])
def test_every_place_that_is_listed_is_there(parts):
    for name, (module, attribute, line) in parts.items():
        assert line.endswith("."), name
        assert lazy.Later(name, lazy.Place(module, attribute, line)).load().name == name


def test_a_group_of_a_group_answers_with_its_own_help_and_its_own_errors():
    done = CliRunner().invoke(app, ["fleet", "people", "--help"])
    assert done.exit_code == 0 and "disable" in done.output and "--install-completion" not in done.output
    assert CliRunner().invoke(app, ["fleet", "peopel"]).exit_code == 2
    one = CliRunner().invoke(app, ["fleet", "why", "--help"])
    assert one.exit_code == 0 and "--config" in one.output


def test_a_missing_package_is_named_with_the_extra_that_has_it_however_deep_it_is_missed(monkeypatch):
    def gone(name):
        if name == "fleet.people.cli":
            raise ModuleNotFoundError("No module named 'sqlalchemy.engine'", name="sqlalchemy.engine")
        return import_module(name)

    monkeypatch.setattr(lazy.importlib, "import_module", gone)
    done = CliRunner().invoke(app, ["fleet", "people", "list"])
    assert done.exit_code == 2
    assert "`stallmark fleet` needs the package 'sqlalchemy.engine': pip install 'stallmark[fleet]'" in done.output


def test_a_module_of_ours_that_is_missing_is_an_error_of_ours(monkeypatch):
    def gone(name):
        raise ModuleNotFoundError("No module named 'fleet.cli'", name="fleet.cli")

    monkeypatch.setattr(lazy.importlib, "import_module", gone)
    done = CliRunner().invoke(app, ["fleet", "--help"])
    assert isinstance(done.exception, ModuleNotFoundError)


