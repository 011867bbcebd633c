"""`stallmark ledger export` and `fsck`: a ledger goes with a stranger, and every change to it is named."""

import json
import shutil

import pytest
from stallmark import leaf, registry
from stallmark.registry import KIND_GRANT
from typer.testing import CliRunner

from fleet.ledger.cli import app
from tests.verify.paperlog import PaperLog
from tests.world import World

RUNNER = CliRunner()


class Ledger:
    """A ledger as a controller begins it: the host's key, then receipts; 300 leaves fill a tile."""

    def __init__(self, receipts=299):
        self.world = World(81)
        self.brick = self.world.brick()
        host = self.world.host
        self.log = PaperLog(self.world.checkpoint_seed)
        event = leaf.encode_key_event(
            registry.ACTION_ADD, registry.ROLE_HOST, host.host8, host.public, 0, host.host8, None, True
        )
        self.log.append(registry.LEAF_KEY_EVENT, event)
        self.log.receipts(self.world.receipts(receipts, KIND_GRANT))
        self.keys = self.log.keys(host)


LEDGER = Ledger()


@pytest.fixture
def folder(tmp_path):
    return LEDGER.log.folder(tmp_path / "ledger", LEDGER.keys)


def run(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def test_a_good_ledger_is_clean_in_words_and_in_json(folder):
    answer = run("fsck", folder)
    assert answer.exit_code == 0
    assert "checkpoint of 300 leaves, signature good" in answer.stdout
    assert "299 receipt" in answer.stdout and "Nothing is wrong." in answer.stdout
    found = json.loads(run("fsck", folder, "--json").stdout)
    assert found["clean"] and found["size"] == 300 and found["signatures"] == 299
    assert json.loads(run("fsck", folder, "--json", "--no-signatures").stdout)["signatures"] == 0


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("tile/entries/000", "entries do not lead to the root"),
        ("tile/entries/001.p/44", "entries do not lead to the root"),
        ("tile/0/000", "tile/0/000 does not hold the hashes of its leaves"),
        ("tile/1/000.p/1", "tile/1/000.p/1 does not hold"),
        ("checkpoint", "checkpoint: "),
    ],
)
def test_one_changed_byte_anywhere_is_found(folder, file, words):
    path = folder / file
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    answer = run("fsck", folder)
    assert answer.exit_code == 1
    assert words in answer.stdout


def test_a_missing_tile_is_named(folder):
    (folder / "tile/0/000").unlink()
    answer = run("fsck", folder)
    assert (answer.exit_code, "tile/0/000 is missing" in answer.stdout) == (1, True)


def test_other_peoples_keys_do_not_fit(folder, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps(PaperLog(b"\x05" * 32).keys(LEDGER.world.host)))
    answer = run("fsck", folder, "--keys", other)
    assert answer.exit_code == 1 and "checkpoint: " in answer.stdout
    answer = run("export", folder, tmp_path / "copy", "--keys", other)
    assert answer.exit_code == 2 and "not of this ledger" in answer.stderr
    assert not (tmp_path / "copy").exists()


def test_an_export_is_whole_checks_by_itself_and_is_brought_up_to_date(folder, tmp_path):
    early = LEDGER.log.folder(tmp_path / "early", LEDGER.keys, size=260)
    copy = tmp_path / "copy"
    assert run("export", early, copy).exit_code == 0
    assert json.loads((copy / "keys.json").read_text()) == LEDGER.keys
    assert run("fsck", copy).exit_code == 0
    answer = run("export", folder, copy, "--json")
    assert answer.exit_code == 0
    found = json.loads(answer.stdout)
    assert found["size"] == 300 and 0 < found["files"] < 6
    assert run("fsck", copy).exit_code == 0
    answer = run("export", early, copy)
    assert answer.exit_code == 1 and "newer copy" in answer.stderr


def test_a_ledger_with_gaps_is_not_exported_as_if_whole(folder, tmp_path):
    (folder / "tile/entries/000").unlink()
    answer = run("export", folder, tmp_path / "copy")
    assert answer.exit_code == 1 and "tile/entries/000 is missing" in answer.stderr
    assert not (tmp_path / "copy" / "checkpoint").exists()


def test_the_ledger_is_found_in_a_controllers_and_in_a_kits_folder(folder, tmp_path):
    kit = tmp_path / "kit"
    config = LEDGER.world.controller(kit / "controller")
    shutil.copytree(folder, kit / "controller" / "ledger")
    (kit / "controller" / "ledger" / "keys.json").unlink()
    for source in (kit, kit / "controller", kit / "controller" / "ledger"):
        (kit / "public").mkdir(exist_ok=True)
        (kit / "public" / "keys.json").write_text(json.dumps(LEDGER.keys))
        answer = run("export", source, tmp_path / "copy")
        assert answer.exit_code == 0, answer.stderr
        assert json.loads((tmp_path / "copy" / "keys.json").read_text()) == LEDGER.keys
    shutil.rmtree(kit / "public")
    answer = run("export", kit, tmp_path / "copy")  # as the controller itself would serve them
    assert answer.exit_code == 0, answer.stderr
    written = (tmp_path / "copy" / "keys.json").read_text()
    assert json.loads(written)["hosts"] == LEDGER.keys["hosts"]
    for seed in (LEDGER.world.checkpoint_seed, LEDGER.world.director_seed, LEDGER.world.seal_key):
        assert seed.hex() not in written
    config.unlink()
    assert run("export", kit, tmp_path / "copy").exit_code == 2


def test_what_is_no_ledger_is_usage_and_says_what_would_be(tmp_path, folder):
    answer = run("fsck", tmp_path)
    assert answer.exit_code == 2 and "no ledger folder" in answer.stderr
    (folder / "keys.json").unlink()
    answer = run("fsck", folder)
    assert answer.exit_code == 2 and "name it with --keys" in answer.stderr
    assert run("fsck", folder, "--keys", tmp_path / "nothing").exit_code == 2
    (tmp_path / "nothing").write_text("{}")
    assert run("fsck", folder, "--keys", tmp_path / "nothing").exit_code == 2
    assert run().exit_code == 2
