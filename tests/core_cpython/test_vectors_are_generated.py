"""The committed vectors are what their scripts write today: nobody edits them by hand to please the code."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
SCRIPTS = sorted(path for path in VECTORS.glob("make_*.py") if "from independent import" in path.read_text())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_script_writes_the_committed_file(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(VECTORS))
    import independent

    written: dict[str, Any] = {}
    monkeypatch.setattr(independent, "write", written.__setitem__)
    runpy.run_path(str(script), run_name="__main__")
    assert written
    for name, content in written.items():
        assert json.loads((VECTORS / name).read_text()) == json.loads(json.dumps(content)), (
            f"{name} is not what {script.name} writes: run {sys.executable} {script}"
        )
