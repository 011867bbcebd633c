"""Entry of the brick: `run(port)` takes it from power-on to its tasks; what is loaded depends on how it has started."""

# isort: off
import gc
from brick import config

if hasattr(gc, "threshold"):
    # Before anything else is loaded: what loading leaves behind would fill the heap before the first collection,
    # and what lives for ever would lie scattered over all of it. Without this the demo's market day did not run in
    # 630 KiB; with it, in 456: `python -m tests.bench brick`.
    gc.collect()
    gc.threshold(config.GC_THRESHOLD)

import asyncio
from brick.boots import counted
# isort: on


def run(port):
    """Run the brick on a board (what a port offers is in ports/__init__.py). Returns only by an exception."""
    boots = getattr(port, "boots", None)  # counted before there was a port, where the board's entry does that
    if boots is None:
        boots = counted(port.flash, port.reset_reason, config.BAD_BOOTS)
    # The order of imports is the order in which the heap fills: what lives for ever first, biggest modules before
    # small ones, so that what is compiled and dropped on the way leaves its holes at the end.
    if boots.safe:
        from brick.safemode import SafeBrick as Brick
    else:
        from brick.assembly import Brick
    from brick import powerup

    asyncio.run(powerup.main(port, boots, Brick))
