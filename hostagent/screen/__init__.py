"""The stall screen: what happens at the stall and what a person there can do about it.

A phone or tablet beside the till opens `/stall` on the host. `gate` lets in who may come in, `model` holds what
is shown, `page` and the tabs draw it with NiceGUI, which is imported when somebody opens the screen and not
before. What customers open on their own phones is in `hostagent.public`.
"""

from typing import TYPE_CHECKING

from fastapi.responses import RedirectResponse

if TYPE_CHECKING:
    from fastapi import FastAPI

    from hostagent.agent import Agent
    from hostagent.screen.model import Screen


def install(app: "FastAPI", agent: "Agent") -> "Screen":
    """Puts the screen at /stall and the customers' pages beside it. Call last: they answer what is left."""
    from hostagent.public.routes import create_public
    from hostagent.screen.gate import Gate
    from hostagent.screen.model import Screen

    screen = Screen(agent)
    app.mount("/stall", Gate(screen))
    # The pages below answer everything else: without this a person who leaves out the last stroke finds nothing.
    app.add_api_route("/stall", _with_slash, include_in_schema=False)
    app.mount("/", create_public(agent, screen.passes))
    return screen


def _with_slash() -> RedirectResponse:
    # Relative to this host by whatever name it was reached.
    return RedirectResponse("/stall/")
