"""NiceGUI, loaded when the first person opens the screen: its import takes seconds on a small machine.

NiceGUI is one per process: its pages are registered once, and find their agent by what the gate put into
the request. Where the loop is a new one (a test's), it is started anew in it.
"""

import asyncio
import importlib
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

_shell: FastAPI | None = None
_loop: asyncio.AbstractEventLoop | None = None


async def load() -> ASGIApp:
    """The app with the screen's page, ready in this loop."""
    global _shell, _loop  # noqa: PLW0603 NiceGUI itself is one per process
    # In a thread: bricks are served meanwhile.
    await asyncio.to_thread(importlib.import_module, "hostagent.screen.page")
    if _shell is None:
        nicegui: Any = importlib.import_module("nicegui")

        shell = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        nicegui.ui.run_with(
            shell,
            title="Stallmark",
            dark=None,
            tailwind=False,
            reconnect_timeout=20.0,
            show_welcome_message=False,
            gzip_middleware_factory=None,
        )
        _shell = shell
    if _loop is not asyncio.get_running_loop():
        _loop = asyncio.get_running_loop()
        # The host's server runs without lifespan events: NiceGUI's own start is called here. It is never ended: its
        # tasks end with the loop, its files with the process.
        await _shell.router.lifespan_context(_shell).__aenter__()
    return _shell
