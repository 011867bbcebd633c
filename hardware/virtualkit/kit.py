"""The virtual kit: every brick of a kit's folder as a process with modelled parts, and the control socket."""

import asyncio
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from virtualkit import slots
from virtualkit.brick import DEFAULT_HEAP, BrickSpec, VirtualBrick
from virtualkit.clockfile import MarketClock
from virtualkit.control import ControlServer
from virtualkit.folder import KitFolder

if TYPE_CHECKING:
    from virtualkit.airfield import Airfield

_BLOCK = 64 * 1024


def new_flash(path: Path, flash_bytes: int) -> None:
    """A blank flash image: all FF. Raises FileExistsError rather than touch one that is there."""
    if flash_bytes % _BLOCK:
        raise ValueError(f"flash comes in blocks of 64 KiB, not {flash_bytes} bytes")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as image:
        for _ in range(flash_bytes // _BLOCK):
            image.write(b"\xff" * _BLOCK)


class VirtualKit:
    """The bricks of the kit in `folder` (made by `stallmark kit new`), from `start` to `stop`.

    timing   "real" or "fast", see BrickSpec
    clock    the market's clock; None: the folder's, if kit.json says that it has one, else real time
    heap     bytes of MicroPython heap per brick
    seed     of everything random in the models
    source, entry   other firmware than what is installed, see BrickProcess
    """

    def __init__(
        self,
        folder: Path,
        timing: str = "real",
        clock: MarketClock | None = None,
        heap: int = DEFAULT_HEAP,
        seed: int = 0,
        source: Path | None = None,
        entry: Path | None = None,
    ) -> None:
        self.folder = KitFolder(folder.resolve())
        self.bricks: list[VirtualBrick] = []
        self.clock = clock
        self._own_clock = False
        self._timing = timing
        self._heap = heap
        self._seed = seed
        self._source = source
        self._entry = entry
        self._control: ControlServer | None = None
        self.airfield: Airfield | None = None

    async def prepare(self) -> None:
        """What has to be there before the host's program starts: the air, where a brick has a radio. `start` does it, too.

        Raises privatebus.BusMissing.
        """
        kit = self.folder.load()
        if self.airfield is None and any("ble" in brick.get("links", ()) for brick in kit["bricks"]):
            # bumble takes half a second to load, and only radios need it.
            made: Airfield = importlib.import_module("virtualkit.airfield").Airfield(
                self.folder.run / "bus", self._timing, self._seed
            )
            await made.start()
            self.airfield = made

    async def start(self) -> None:
        """Ports, bricks and control socket; returns when every brick runs.

        Raises brick_process.BrickCrashed, interpreter.InterpreterMissing, FileNotFoundError without kit.json; where bricks run
        from slots, workbench.errors.BenchError.
        """
        kit = self.folder.load()
        if self.clock is None and kit.get("market_clock"):
            self.clock = MarketClock(self.folder.clock)
            self._own_clock = True
        await self.prepare()
        slotted = None if self._entry is not None else slots.times(kit)
        if slotted is not None:
            await asyncio.to_thread(slots.fill, [self.folder.flash(brick["name"]) for brick in kit["bricks"]])
        try:
            for number, brick in enumerate(kit["bricks"]):
                spec = BrickSpec(
                    name=brick["name"],
                    parts=tuple(brick["parts"]),
                    flash=self.folder.flash(brick["name"]),
                    hardware=brick.get("hardware", ""),
                    timing=self._timing,
                    heap=self._heap,
                    seed=self._seed * 64 + number,
                    clock=self.clock.path if self.clock else None,
                    nfc_bus=brick.get("nfc_bus", "hsu"),
                    source=self._source,
                    entry=self._entry if slotted is None else slots.ENTRY,
                    extra=slotted or {},
                    links=tuple(brick.get("links", ("serial",))),
                )
                air = None if self.airfield is None else self.airfield.air
                self.bricks.append(VirtualBrick(spec, self.folder.run, air))
            self._control = ControlServer(self, self.folder.run / "kit.sock")
            await self._control.start()
            async with asyncio.TaskGroup() as starting:
                for brick in self.bricks:
                    starting.create_task(brick.start(), name=f"start {brick.name}")
        except BaseExceptionGroup as group:
            await self.stop()
            raise group.exceptions[0] from group
        except BaseException:
            await self.stop()
            raise

    async def ready(self, seconds: float = 30.0) -> None:
        """Waits until every brick looks for customers. Raises TimeoutError, brick_process.BrickCrashed."""
        for brick in self.bricks:
            await brick.ready(seconds)

    async def stop(self) -> None:
        """Power off, ports and socket gone."""
        if self._control:
            await self._control.stop()
            self._control = None
        for brick in self.bricks:
            await brick.close()
        self.bricks.clear()
        if self.airfield is not None:
            await self.airfield.stop()
            self.airfield = None
        if self.clock and self._own_clock:
            self.clock.close()
            self.clock, self._own_clock = None, False

    def brick(self, name: str | None = None, part: str | None = None) -> VirtualBrick:
        """The brick called `name`, or the first with power and `part`. Raises KeyError with a sentence."""
        for brick in self.bricks:
            if name == brick.name:
                return brick
        names = ", ".join(brick.name for brick in self.bricks)
        if name is not None:
            raise KeyError(f"there is no brick called {name}; there are {names}")
        able = [brick for brick in self.bricks if part is None or part in brick.spec.parts]
        if not able:
            raise KeyError(f"no brick of this kit has a part called {part}; there are {names}")
        return next((brick for brick in able if brick.powered), able[0])
