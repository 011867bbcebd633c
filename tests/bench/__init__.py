"""What `make bench` runs: one module an area, each with `run(quick) -> list[Figure]`; ratios within one run, never a failure."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import stallmark

listeners: list[Callable[[str], None]] = []


class Figure(NamedTuple):
    """One line of the table. `ratio`: value to what it is measured against; `aim`: the ratio to reach, None where there is none.

    `at_most`: the aim is not to be exceeded; else it is to be reached.
    """

    name: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    aim: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the aim is met, by the ratio as it is printed; None without one."""
        if self.ratio is None or self.aim is None:
            return None
        printed = round(self.ratio, 2)
        return printed <= self.aim if self.at_most else printed >= self.aim


def say(text: str) -> None:
    """Tells whoever waits what is going on."""
    for listener in listeners:
        listener(text)


def upy_path() -> str:
    """MICROPYPATH: the folder that holds the packages stallmark, brick and boards."""
    return str(Path(stallmark.__file__).parents[1])
