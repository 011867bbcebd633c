"""`stallmark verify` as a stranger runs it: exit codes, plain words, JSON, nothing else installed."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from stallmark import base32
from typer.testing import CliRunner

from fleet.verify.cli import app
from tests.verify.paperlog import PaperLog
from tests.verify.tampering import Stage

RUNNER = CliRunner()
ROOT = Path(__file__).parents[2]


class Files:
    """The files that a customer downloads, and the exported ledger."""

    def __init__(self, folder):
        self.stage = Stage(seed=71)
        self.good = self.stage.good()
        self.folder = folder
        self.receipt = self._write("receipt.cose", self.good.cose)
        self.keys = self._write("keys.json", json.dumps(self.good.keys).encode())
        self.proof = self._write("receipt.tlog-proof", self.good.proof.encode())
        self.record_key = self._write("receipt.record-key", self.good.record_key.encode())
        self.ledger = str(self.stage.log.folder(folder / "ledger", self.good.keys))

    def _write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("customer"))


def run(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def folded(text):
    return " ".join(text.split())


def test_a_receipt_alone_is_signed_and_the_rest_is_not_known(files):
    answer = run(files.receipt, "--keys", files.keys)
    text = folded(answer.stdout)
    assert answer.exit_code == 0
    assert "15 % off now" in text and "NFC tap, with a tag or pass issued by the hub" in text
    assert "Signed ✔ yes host-1 signed exactly these bytes" in text
    assert "In the ledger ? unknown" in text and "Not reversed ? unknown" in text
    assert "Development keys" in text and "Nothing failed." in text


def test_with_proof_and_record_key_the_brick_and_the_ledger_are_proven(files):
    answer = run(
        files.receipt,
        "--keys",
        files.keys,
        "--proof",
        files.proof,
        "--record-key",
        files.record_key,
        "--json",
    )
    found = json.loads(answer.stdout)
    assert answer.exit_code == 0 and found["verdict"] == "ok"
    assert {one["check"]: one["code"] for one in found["checks"]} == {
        "signed": "signed",
        "mac": "brick-made",
        "ledger": "included",
        "reversed": "no-ledger",
    }
    assert found["place"] == {"index": 4, "size": len(files.stage.log.entries)}
    assert found["says"]["headline"] == "15 % off now"
    assert found["development"] is True


def test_with_the_whole_ledger_everything_is_known_as_of_its_size(files):
    answer = run(files.receipt, "--keys", files.keys, "--ledger", files.ledger)
    text = folded(answer.stdout)
    assert answer.exit_code == 0
    assert "unknown" not in text
    assert f"No later entry takes it back, as of {len(files.stage.log.entries)} entries." in text


def test_proof_and_ledger_together_must_be_one_history(files):
    both = ("--keys", files.keys, "--ledger", files.ledger)
    assert run(files.receipt, *both, "--proof", files.proof).exit_code == 0
    early = files._write("early.tlog-proof", files.stage.log.proof(4, size=9).encode())
    assert run(files.receipt, *both, "--proof", early).exit_code == 0
    fork = PaperLog(files.stage.world.checkpoint_seed)
    fork.entries = [*files.stage.log.entries[:5], b"\x01another"]
    forked = files._write("fork.tlog-proof", fork.proof(4).encode())
    answer = run(files.receipt, *both, "--proof", forked)
    assert answer.exit_code == 1
    assert "two histories, both signed" in folded(answer.stdout)
    rubbish = files._write("rubbish.tlog-proof", b"hello")
    answer = run(files.receipt, *both, "--proof", rubbish)
    assert answer.exit_code == 1 and "proof file cannot be read" in folded(answer.stdout)


def test_a_full_link_and_pasted_text_are_receipts_too(files):
    link = f"https://stall.test/r/{base32.encode(files.good.handle)}#r={files.good.cose.hex()}"
    answer = run(link, "--keys", files.keys, "--json")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["checks"][1]["code"] == "handle-fits"
    pasted = files._write("pasted.txt", files.good.cose.hex().encode() + b"\n")
    assert run(pasted, "--keys", files.keys).exit_code == 0


def test_a_changed_receipt_fails_and_is_said_to_claim_only(files):
    path = files._write("bad.cose", files.good.cose[:-1] + bytes([files.good.cose[-1] ^ 1]))
    answer = run(path, "--keys", files.keys, "--ledger", files.ledger)
    text = folded(answer.stdout)
    assert answer.exit_code == 1
    assert "What these bytes claim; the host did not sign it so:" in text
    assert "Do not rely on this receipt: 2 of 4 checks failed." in text
    rubbish = files._write("rubbish.cose", b"\xff\xfe not a receipt")
    assert run(rubbish, "--keys", files.keys).exit_code == 1
    assert json.loads(run(rubbish, "--keys", files.keys, "--json").stdout)["says"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"receipt": "nowhere.cose"}, "cannot be read"),
        ({"receipt": "https://stall.test/r/AAAA"}, "only points at a receipt"),
        ({"--keys": "nowhere.json"}, "the keys file nowhere.json cannot be read"),
        ({"--keys": "RECEIPT"}, "the keys file is not JSON"),
        ({"--proof": "nowhere.proof"}, "the proof file nowhere.proof cannot be read"),
        ({"--record-key": "nowhere.key"}, "the record key nowhere.key cannot be read"),
        ({"--ledger": "."}, "is no ledger folder"),
    ],
)
def test_what_cannot_be_asked_is_usage(files, changes, words):
    options = {"--keys": files.keys, **changes}
    receipt = options.pop("receipt", files.receipt)
    arguments = [part for pair in options.items() for part in pair]
    answer = run(receipt, *[files.receipt if part == "RECEIPT" else part for part in arguments])
    assert answer.exit_code == 2
    assert words in folded(answer.stderr)
    assert answer.stdout == ""


def test_options_that_are_missing_or_unknown_are_usage(files):
    assert run(files.receipt).exit_code == 2
    assert run().exit_code == 2
    assert run(files.receipt, "--keys", files.keys, "--online").exit_code == 2


LONELY = """
import json, sys
BLOCKED = set(json.loads(sys.argv[1]))

class Gate:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Gate())
sys.argv = sys.argv[2:]
from cli.main import main
main()
"""


def only_with_extras():
    """Every module installed here that `pip install stallmark` without extras would not bring."""
    wanted, open_ = {"stallmark"}, [_name(line) for line in _own_requirements()]
    while open_:
        name = open_.pop()
        if name in wanted:
            continue
        wanted.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform
        open_ += [_name(line) for line in needs if "extra ==" not in line]
    owners = metadata.packages_distributions().items()
    return sorted(module for module, names in owners if not wanted & {_name(name) for name in names})


def _name(requirement):
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def _own_requirements():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


def lonely(*arguments):
    """The command in a process of its own where only what `pip install stallmark` brings can be imported."""
    blocked = json.dumps(only_with_extras())
    command = [sys.executable, "-c", LONELY, blocked, "stallmark", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_an_auditor_needs_none_of_the_extras(files, tmp_path):
    blocked = set(only_with_extras())
    assert {"fastapi", "sqlalchemy", "jinja2", "httpx", "cryptography", "click"} <= blocked
    assert not {"nacl", "rich", "typer", "pydantic"} & blocked
    answer = lonely(
        "verify", files.receipt, "--keys", files.keys, "--ledger", files.ledger, "--proof", files.proof
    )
    assert answer.returncode == 0, answer.stderr
    assert "Nothing failed." in answer.stdout
    answer = lonely("ledger", "fsck", files.ledger, "--json")
    assert answer.returncode == 1, answer.stderr  # this ledger names no host key: fsck says so
    assert json.loads(answer.stdout)["macs"] == 12
    answer = lonely("ledger", "export", files.ledger, tmp_path / "copy")
    assert answer.returncode == 0, answer.stderr
