"""Virtual bricks whose programs run from slot A or B of their flash, as flashed boards do (docs/slots.md)."""

from pathlib import Path
from typing import Any

from boards import partitions as _partitions

from virtualkit import firmware
from virtualkit.folder import KitFolder, write_json

partitions: Any = _partitions
ENTRY = firmware.UPY / "slotted_main.py"
_SECTOR = 4096


def times(kit: dict[str, Any]) -> dict[str, Any] | None:
    """None where this kit's bricks run from the sources; else what kit.json says under `slots`: true, or shorter times than a
    board's, {"calm_ms": int, "trial_ms": [a part's, the link's]}, as keys of CONFIG.json."""
    said = kit.get("slots")
    if said is True:
        return {}
    return {name: said[name] for name in ("calm_ms", "trial_ms") if name in said} if isinstance(said, dict) else None


def turn_on(folder: KitFolder) -> None:
    """From the next start on, for good: what runs from slots has boot records that name it. Raises OSError."""
    kit = folder.load()
    if times(kit) is None:
        write_json(folder.kit_json, kit | {"slots": True})


def fill(flashes: list[Path]) -> int:
    """Writes this tree's programs to the first slot of every image that holds none in either, as the bench does; how many.

    Raises workbench.errors.ToolMissing where there is no compiler, BenchError."""
    empty = [flash for flash in flashes if not _holds(flash)]
    if empty:
        from workbench import application  # late: only these kits need the compiler

        programs = application.build()
        for flash in empty:
            offset = partitions.find(flash.stat().st_size, "app_a")[0]
            with flash.open("r+b") as image:
                image.seek(offset)
                image.write(application.for_partition(programs, flash.stat().st_size))
    return len(empty)


def _holds(flash: Path) -> bool:
    """Whether either slot has a first sector that is not blank: what is damaged is not written over either."""
    with flash.open("rb") as image:
        for name in ("app_a", "app_b"):
            image.seek(partitions.find(flash.stat().st_size, name)[0])
            if image.read(_SECTOR).strip(b"\xff"):
                return True
    return False
