"""What all tests share: made-up examples are the same ones in every run (others with HYPOTHESIS_PROFILE=random), long files
come first, and programs that tests start find their modules compiled."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("random", print_blob=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Hosts, controllers and demos are started dozens of times: without this each would compile all its modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

TESTS = Path(__file__).parent
# Files of more than some five seconds (`pytest --durations=100`), the longest first: what runs last must be short, or one
# worker waits for the other. The order matters for nothing else.
LONG_FIRST = (
)


def pytest_configure(config: pytest.Config) -> None:
    """Workers take the files in the order below, not those of many tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, all others as they were found."""
    place = {TESTS / name: number for number, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))
