"""No two modules of tests share a name: those of folders without a package are imported by it alone, and one would hide the other."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent


def test_each_module_of_tests_has_a_name_of_its_own():
    alone = [path for path in TESTS.rglob("*.py") if not (path.parent / "__init__.py").exists() and path.name != "conftest.py"]
    alone += TESTS.rglob("test_*.py")
    twice = [name for name, count in Counter(path.name for path in set(alone)).items() if count > 1]
    assert not twice, f"two of each, rename one: {', '.join(twice)}"
