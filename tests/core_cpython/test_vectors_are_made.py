"""Every vector file is what its committed script makes, with other people's libraries, today."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "vectors"
SCRIPTS = sorted(path.name for path in FOLDER.glob("make_*.py"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_makes_what_is_committed(script: str, tmp_path: Path) -> None:
    for path in [*FOLDER.glob("*.py"), *FOLDER.glob("*.json")]:
        shutil.copy(path, tmp_path / path.name)
    subprocess.run([sys.executable, tmp_path / script], check=True, cwd=tmp_path, timeout=180)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    committed = {path.name: path.read_bytes() for path in FOLDER.glob("*.json")}
    assert set(made) == set(committed)
    for name, content in made.items():
        assert content == committed[name], f"{name} differs: run {script} and look at the change"


def test_no_script_uses_our_own_code() -> None:
    for script in [*SCRIPTS, "independent.py"]:
        text = (FOLDER / script).read_text()
        assert "import stallmark" not in text and "from stallmark" not in text, script
