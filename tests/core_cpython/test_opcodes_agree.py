"""Operators, values and flags that a module holds as its own constants are those of the module that it says."""

import importlib
import re
from pathlib import Path

import pytest
from stallmark import expr

CORE = Path(expr.__file__).parent
SAYS = "as stallmark.expr names them"
FOUND = sorted(path.stem for path in CORE.glob("*.py") if SAYS in path.read_text())
CONST = re.compile(r"^_([A-Z_]+) = const\((\d+)\)$", re.MULTILINE)


def test_these_modules_hold_copies():
    assert {"facts", "judgewhen", "values", "whynot"} <= set(FOUND)


@pytest.mark.parametrize("module", FOUND)
def test_every_copy_is_the_original(module: str):
    """MicroPython folds `const` into the code that uses it, only within one file: hence the copies."""
    text = (CORE / f"{module}.py").read_text()
    block = text[text.index(SAYS) :].split("\n\n")[0]
    copies = dict(CONST.findall(block))
    assert len(copies) >= 3 and block.count("const(") == len(copies), "every line of the block is a copy"
    loaded = importlib.import_module(f"stallmark.{module}")
    for name, number in copies.items():
        original = getattr(expr, name)
        assert int(number) == original == getattr(loaded, f"_{name}"), name
