"""The packs of a virtual brick: two cells that run down under its load, and what can go wrong with them."""

import asyncio
import os
import struct
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

_FORM = ">iiBBB5x"
_ABSENT = -1
_UNKNOWN = 255
_STEP_S = 0.25
SUPPLY_MV = 5000

# Open-circuit voltage of a lithium-ion cell by charge, in steps of ten per cent (the mean of published curves of 18650 cells).
_CELL_MV = (3100, 3420, 3530, 3630, 3720, 3800, 3890, 3955, 4015, 4110, 4190)


def cell_mv(percent: float) -> int:
    """Open-circuit millivolts of a cell that holds so many per cent."""
    place = max(0.0, min(100.0, percent)) / 10
    low = min(int(place), 9)
    return round(_CELL_MV[low] + (_CELL_MV[low + 1] - _CELL_MV[low]) * (place - low))


@dataclass
class PowerFaults:
    """What is wrong with a brick's power, and how full its packs are."""

    main_percent: float = 100.0
    """Charge of the main pack."""
    backup_percent: float = 100.0
    """Charge of the back-up pack."""
    main_absent: bool = False
    """The main pack is taken out."""
    backup_absent: bool = True
    """There is no back-up pack."""
    supply: bool = False
    """A USB supply stands in the back-up's place."""
    charging: bool = False
    """The charger says that it works."""
    sag_mv: int = 0
    """Both packs sink by so much under load."""
    dying: float = 0.0
    """Per cent of the main pack lost a second: a dying pack."""
    stuck: bool = False
    """The converter gives the same value for ever."""
    failing: bool = False
    """The converter does not answer."""
    raw_mv: int = 0
    """The main input reads so many millivolts whatever is there; 0: what is there."""


class PowerModel:
    """Writes `path`, which the brick's port reads. A change of `faults` shows at once; a dying pack dies in real seconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults = PowerFaults()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self._task: asyncio.Task[None] | None = None
        self.update()

    def set(self, **wanted: Any) -> None:
        """Change some faults. Raises AttributeError for one that there is not."""
        known = {one.name for one in fields(self.faults)}
        for name, value in wanted.items():
            if name not in known:
                raise AttributeError(f"power knows the faults {', '.join(sorted(known))}, not {name!r}")
            setattr(self.faults, name, value)
        self.update()

    def update(self) -> None:
        """Write what the converter reads now."""
        one = self.faults
        main = _ABSENT if one.main_absent else cell_mv(one.main_percent) - one.sag_mv
        backup = _ABSENT if one.backup_absent else cell_mv(one.backup_percent) - one.sag_mv
        if one.supply:
            backup = SUPPLY_MV
        if one.raw_mv:
            main = one.raw_mv
        charging = 1 if one.charging else 0
        os.pwrite(self._handle, struct.pack(_FORM, main, backup, charging, one.stuck, one.failing), 0)
        if one.dying and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run_down(), name=f"{self.path.name} runs down")

    async def _run_down(self) -> None:
        while self.faults.dying and self.faults.main_percent > 0:
            await asyncio.sleep(_STEP_S)
            self.faults.main_percent = max(0.0, self.faults.main_percent - self.faults.dying * _STEP_S)
            self.update()
        self._task = None

    def close(self) -> None:
        """The file is gone."""
        if self._task is not None:
            self._task.cancel()
        os.close(self._handle)
        self.path.unlink(missing_ok=True)
