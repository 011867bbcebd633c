"""A task of the running controller that looks again and again, and says what is wrong once and not every second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from stallmark.errors import StallmarkError


async def look_again(
    look: Callable[[], object], logger: logging.Logger, about: str, every_s: float, trouble_s: float
) -> None:
    """Calls `look` in a thread, every `every_s` seconds and after a failure in `trouble_s`, until it is cancelled.

    What disk, database or a refusal say is logged after `about`, again only when it changed or was over meanwhile; what
    else a look raises ends the task."""
    said = ""
    while True:
        pause = every_s
        try:
            await asyncio.to_thread(look)
            said = ""
        except (StallmarkError, OSError, SQLAlchemyError) as failed:
            if str(failed) != said:
                logger.error("%s: %s", about, failed)
            said, pause = str(failed), trouble_s
        await asyncio.sleep(pause)
