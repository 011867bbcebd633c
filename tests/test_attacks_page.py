"""docs/attacks.md names tests: all of them are there, and every attack of the modules that trust stands on the page."""

import re
from pathlib import Path

import pytest

from tests.test_bad_input_page import functions

PAGE = (Path(__file__).parents[1] / "docs" / "attacks.md").read_text()
SHORT = dict(re.findall(r"`([A-Z])` = `(tests/[^`]+\.py)`", PAGE))
NAMED = sorted(set(re.findall(r"`([A-Z]|tests/[^`:]+)::([^`]+)`", PAGE)))


@pytest.mark.parametrize(("place", "name"), NAMED)
def test_each_attack_s_test_exists(place, name):
    assert name in functions(SHORT.get(place, place))


def test_each_row_names_a_test():
    rows = [
        row
        for row in PAGE.splitlines()
        if row.startswith("| ") and not row.startswith(("| attack", "| fault"))
    ]
    assert len(SHORT) == 4 and len(rows) > 25
    for row in rows:
        cells = row.split(" | ")
        assert len(cells) == 3 and "::test_" in cells[2], row
