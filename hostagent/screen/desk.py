"""One browser at the screen: who it is, in which language, and how a part of the page is drawn anew."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import segno
from nicegui import Client, ui

from hostagent.asking import Unanswerable
from hostagent.errors import HostError
from hostagent.openvalues import Refused as Bounded
from hostagent.screen.model import Screen
from hostagent.screen.sessions import Session
from hostagent.screen.words import LANGUAGES, age, say

log = logging.getLogger("hostagent.screen")


class Refused(Exception):
    """What was asked cannot be done; the text says why, in words for the person at the screen."""


class Desk:
    """What every part of one open page needs."""

    def __init__(self, screen: Screen, session: Session, client: Client, base: str) -> None:
        self.screen = screen
        self.session = session
        self.client = client
        # This host as the screen itself reaches it: what a phone in the same network can open too.
        self.base = base

    @property
    def language(self) -> int:
        """Index into LANGUAGES."""
        return self.session.language

    @property
    def language_code(self) -> str:
        """As HTML names it."""
        return LANGUAGES[self.language]

    def say(self, key: str, **values: object) -> str:
        """Words of the table in this desk's language."""
        return say(self.language, key, **values)

    def age(self, seconds: float) -> str:
        """How long ago, in words."""
        return age(self.language, seconds)

    def tell(self, text: str, good: bool = True) -> None:
        """A message over the page: what was done, or what went wrong and stays until read."""
        with self.client:
            ui.notify(
                text,
                type="positive" if good else "negative",
                position="top",
                timeout=3000 if good else 0,
                actions=[] if good else [{"label": self.say("close_dialog"), "color": "white"}],
                multi_line=True,
            )

    async def act(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Does something for the person who is signed in; what fails is said. None where it failed."""
        if not self.screen.sessions.good(self.session):
            self.tell(self.say("signed_out"), good=False)
            return None
        try:
            return await work()
        except Refused as refused:
            self.tell(str(refused), good=False)
        except (HostError, Unanswerable, Bounded, ValueError, LookupError, RuntimeError) as failed:
            log.warning("an action at the stall screen failed: %s", failed)
            self.tell(self.say("failed", why=failed), good=False)
        finally:
            self.screen.soon()
        return None


class Live:
    """A part of the page that is drawn again when what it shows has changed, and only then: what somebody is
    typing elsewhere stays."""

    def __init__(self, desk: Desk, key: Callable[[], object], draw: Callable[[], None]) -> None:
        self._desk = desk
        self._key = key
        self._draw = draw
        self._shown: object = self
        self._box = ui.column().classes("live")
        self.update()

    def update(self) -> None:
        """Looks whether something changed."""
        key = self._key()
        if key == self._shown:
            return
        self._shown = key
        self._box.clear()
        with self._box:
            self._draw()


def qr(text: str, size: str = "15rem") -> None:
    """A QR code on white with its quiet zone: readable in dark mode too."""
    svg = segno.make(text, error="m", micro=False).svg_inline(
        border=4, light="#fff", dark="#000", omitsize=True
    )
    ui.html(svg, sanitize=False).classes("qr").style(f"width:{size};max-width:100%")


def chip(kind: str, icon: str, words: str) -> None:
    """A state: colour, icon and word, each enough alone."""
    with ui.element("span").classes(f"chip {kind}"):
        ui.icon(icon)
        ui.label(words)
