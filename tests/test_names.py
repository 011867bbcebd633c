"""No two modules of tests share a name: without a package they are imported by it alone, and one would hide the other."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent


def test_each_module_of_tests_has_a_name_of_its_own():
    found = {path for path in TESTS.rglob("*.py") if not (path.parent / "__init__.py").exists()}
    found |= set(TESTS.rglob("test_*.py"))
    # Programs that are run, never imported, and what pytest itself tells apart.
    names = Counter(path.name for path in found if path.name not in ("run.py", "conftest.py"))
    twice = [name for name, count in names.items() if count > 1]
    assert not twice, f"two of each, rename one: {', '.join(twice)}"
