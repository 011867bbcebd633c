"""What `make bench` runs: one module an area, each with `run(quick) -> list[Figure]`; ratios within one run, never a failure."""

from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the table. `aim`: the ratio or value the project wants to reach, None where there is none."""

    name: str
    value: float
    unit: str
    against: str = ""
    ratio: float | None = None
    aim: float | None = None
