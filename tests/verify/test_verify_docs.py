"""The verifier that docs/verify.md shows runs as it stands there, and finds out what is false."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verify.tampering import Stage

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"
STAGE = Stage(seed=13)


def run(folder, cose, proof, keys):
    """The page's own program over three files."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert "stallmark" not in program.replace("# ", "")
    (folder / "receipt.cose").write_bytes(cose)
    (folder / "receipt.tlog-proof").write_text(proof, encoding="utf-8")
    (folder / "keys.json").write_text(json.dumps(keys))
    command = [sys.executable, "-I", "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)


def test_a_verifier_of_a_screenful_accepts_a_good_receipt(tmp_path):
    good = STAGE.good()
    answer = run(tmp_path, good.cose, good.proof, good.keys)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "signed by host-1 and in the ledger localhost/test/2026 of 15 entries\n"


@pytest.mark.parametrize("what", ["signature", "payload", "proof", "checkpoint", "keys"])
def test_it_refuses_what_was_changed(tmp_path, what):
    good = STAGE.good()
    cose, proof, keys = good.cose, good.proof, good.keys
    if what == "signature":
        cose = cose[:-1] + bytes([cose[-1] ^ 1])
    elif what == "payload":
        cose = cose[:60] + bytes([cose[60] ^ 1]) + cose[61:]
    elif what == "proof":
        proof = STAGE.log.proof(5)
    elif what == "checkpoint":
        proof = proof.replace("\n15\n", "\n16\n")
    else:
        keys = STAGE.log.keys()
    assert run(tmp_path, cose, proof, keys).returncode != 0
