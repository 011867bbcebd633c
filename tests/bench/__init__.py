"""What `make bench` runs: one module an area, each with `run(quick) -> list[Figure]`; ratios within one run, never a failure."""

from pathlib import Path
from typing import NamedTuple

import stallmark


class Figure(NamedTuple):
    """One line of the table. `aim`: the ratio or value the project wants to reach, None where there is none."""

    name: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    aim: float | None = None


def upy_path() -> str:
    """MICROPYPATH: the folder that holds the packages stallmark, brick and boards."""
    return str(Path(stallmark.__file__).parents[1])
