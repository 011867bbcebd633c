"""docs/bad-input.md names tests, counters and keys: all of them are there, and every counter of bad input is named."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from brick import counter_names

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "bad-input.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
# Counters of what goes as it should, or of the brick's own housekeeping.
NO_BAD_INPUT = {
    6, 51, 54, 57, 58, 59, 61, 62, 64, 65, 66, 67, 70, 71, 74, 75, 78, 82, 90, 94, 102, 103, 104, 105, 120, 121, 130, 131, 133,
    140, 141, 142, 143,
}  # fmt: skip


@cache
def functions(path):
    """Names of the tests in a file."""
    found = ast.walk(ast.parse((ROOT / path).read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[^`]+::[^`]+)`", PAGE))))
def test_each_test_exists(named):
    path, _, name = named.partition("::")
    assert name in functions(path)


def test_each_row_names_a_test():
    rows = [row for row in ROWS if not row.startswith(("| input", "|---"))]
    assert len(rows) > 40
    for row in rows:
        cells = row.split(" | ")
        assert len(cells) == 4, row
        assert "tests/" in cells[3] or "the same" in cells[3], row


def test_each_counter_has_its_word_and_none_is_missing():
    counted = " ".join(row.split(" | ")[2] for row in ROWS)
    named = {int(number): words for number, words in re.findall(r"\b(\d+) \*([^*]+)\*", counted)}
    for number, words in named.items():
        assert counter_names.name(number) == words
    assert set(dict(counter_names.NAMES)) - set(named) == NO_BAD_INPUT


def test_each_key_is_one_of_the_programs():
    host = "".join(path.read_text() for path in (ROOT / "hostagent").rglob("*.py"))
    controller = (ROOT / "fleet" / "api" / "readers.py").read_text()
    for row in ROWS:
        for side in re.split(r";|, the log", row.split(" | ")[2]):
            source = host if "host `" in side else controller
            for key in re.findall(r"`([a-z_.\[\]]+)`", side):
                for part in key.replace("[]", "").split("."):
                    assert f'"{part}"' in source, (key, side)
