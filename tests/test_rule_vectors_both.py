"""The rule vectors on both interpreters: what any implementation must decide, event by event."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cbor2
import pytest
from virtualkit import interpreter

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "vectors" / "rules"
FILES = sorted(FOLDER.glob("*.json"))
RUN = FOLDER / "run.py"


def _run(
    command: list[str | Path], env: dict[str, str], files: list[Path]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, RUN, *files],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("name", ["CPython", "MicroPython"])
def test_every_rule_vector_comes_out_as_it_says(name: str) -> None:
    if name == "CPython":
        run = _run([sys.executable], {"PYTHONPATH": f"{ROOT}/firmware"}, FILES)
    else:
        path = {"MICROPYPATH": f"{ROOT}/firmware:.frozen"}
        run = _run([interpreter.find(), "-X", "heapsize=4M"], path, FILES)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr
    assert run.stdout.splitlines()[-1] == f"{len(FILES)} files, 0 events otherwise"
    assert len(FILES) >= 16


def test_the_runner_says_which_event_of_which_file_came_out_otherwise(tmp_path: Path) -> None:
    vector = json.loads((FOLDER / "basket-2-off.json").read_text())
    events = [number for number, step in enumerate(vector["steps"]) if step["do"] == "event"]
    vector["steps"][events[1]]["expect"][0]["record"]["10"] = 2
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(vector))
    run = _run([sys.executable], {"PYTHONPATH": f"{ROOT}/firmware"}, [wrong])
    assert run.returncode == 1
    assert f"wrong.json step {events[1]}:" in run.stdout


def test_the_vectors_use_every_grant_and_every_kind_of_step() -> None:
    """What is worth standing there does: each grant type, each step, each outcome of a decision."""
    steps, kinds, grants = set(), set(), set()
    for path in FILES:
        for step in json.loads(path.read_text())["steps"]:
            steps.add(step["do"])
            for one in step.get("expect", ()):
                kinds.add(one["record"]["10"])
                grants |= {grant[0] for grant in one["record"].get("12", ())}
    assert grants == set(range(1, 13))
    assert kinds == {1, 2, 3, 4, 14}
    assert steps == {
        "slice", "event", "exchange", "signals", "balances", "parameters", "revoke", "restart",
    }  # fmt: skip


def test_another_library_reads_and_writes_the_same_bytes() -> None:
    for path in FILES:
        vector = json.loads(path.read_text())
        ruleset = bytes.fromhex(vector["ruleset"])
        assert cbor2.dumps(cbor2.loads(ruleset), canonical=True) == ruleset
        assert cbor2.loads(ruleset)[0] == 2
        for step in vector["steps"]:
            if step["do"] == "event":
                data = bytes.fromhex(step["event"])
                assert cbor2.dumps(cbor2.loads(data), canonical=True) == data
