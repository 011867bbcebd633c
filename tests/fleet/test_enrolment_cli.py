"""`stallmark fleet enrol` beside a controller that does not run."""

import json

import zxingcpp
from PIL import Image
from typer.testing import CliRunner

from fleet.enrolment import pending
from fleet.enrolment.cli import app
from tests.fleet.hostsigner import HostSigner
from tests.stall import Stall


def test_devices_are_listed_accepted_replaced_and_ended_on_the_command_line(tmp_path):
    stall = Stall(tmp_path, seed=3, bricks=2)
    kit, signer = stall.world.kit, HostSigner(b"called")
    other = HostSigner(b"also called")
    with stall.controller.database.write() as connection:
        for one in (signer, other):
            sight = pending.Sight(
                "host", one.host8, True, 1000, 2000, 3, one.public, kit, said='{"name": "[/b] spare"}'
            )
            pending.saw(connection, sight)
    stall.controller.close()
    config = ["--config", str(tmp_path / "config.json")]

    def do(*words):
        return CliRunner().invoke(app, [*words])

    shown = json.loads(do("list", *config, "--json").stdout)
    assert sorted(one["device"] for one in shown["devices"]) == sorted(
        [signer.host8.hex(), other.host8.hex()]
    )
    assert "spare" in do("list", *config).output
    accepted = do("accept", *config, signer.host8.hex(), "--kit", "kit-1")
    assert f"rental {stall.world.rental}" in accepted.output
    assert do("reject", *config, "host", other.host8.hex(), "--reason", "not ours").exit_code == 0
    old, spare = (one.brick8.hex() for one in stall.world.bricks)
    earlier = do("code", *config, "brick", spare).stdout.strip()
    swap = ["replace", *config, "--kit", "kit-1", "--old", old, "--code"]
    picture = tmp_path / "spare.png"
    assert "expected the name of a .png" in do("code", *config, "brick", spare, "--label", "spare.txt").output
    label = do("code", *config, "brick", spare, "--label", str(picture)).stdout.strip()
    assert picture.stat().st_mode & 0o077 == 0
    (scanned,) = [one.text for one in zxingcpp.read_barcodes(Image.open(picture).convert("L"))]
    assert scanned == "STALLMARK:CODE:" + label.replace("-", "")
    for wrong in ("0000-0000", earlier):
        refused = do(*swap, wrong)
        assert refused.exit_code == 1 and "short name" in refused.output
    assert do(*swap, scanned).exit_code == 0
    again = do(*swap, label)
    assert (again.exit_code, "was used" in again.output) == (1, True)
    assert do("revoke", *config, "host", signer.host8.hex(), "--reason", "lost").exit_code == 0
    assert "16 hex" in do("revoke", *config, "host", "xyz", "--reason", "lost").output
    assert "no bench registered" in do("accept", *config, "ab" * 8).output
    after = json.loads(do("list", *config, "--all", "--json").stdout)
    assert {one["host"]: one["revoked"] and one["revoked"]["reason"] for one in after["hosts"]} == {
        stall.world.host.host8.hex(): None,
        signer.host8.hex(): "lost",
    }
    stall.restart()  # a controller that starts now knows all of it
    assert bytes.fromhex(old) in stall.controller._store.revoked
    assert signer.host8 in [one.host for one in stall.controller.config.hosts]
    stall.controller.close()
