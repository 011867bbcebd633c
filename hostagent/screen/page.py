"""The page of the stall screen: a bar, five tabs, and what is told again to every open browser after a look."""

from pathlib import Path
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hostagent.screen.desk import Desk, Live
from hostagent.screen.model import Screen
from hostagent.screen.sessions import Session
from hostagent.screen.tab_amount import Amount
from hostagent.screen.tab_ask import Ask
from hostagent.screen.tab_kit import Kit
from hostagent.screen.tab_more import More
from hostagent.screen.tab_now import Now
from hostagent.screen.words import LANGUAGES

STYLE = (Path(__file__).parent / "style.css").read_text()
TABS = (
    ("now", "tab_now", "bolt"),
    ("ask", "tab_ask", "front_hand"),
    ("amount", "tab_amount", "dialpad"),
    ("kit", "tab_kit", "work"),
    ("more", "tab_more", "more_horiz"),
)


@ui.page("/", title="Stallmark")
async def stall(request: Request) -> None:
    """One browser's page. The gate put screen and session into the request; without them there is nothing."""
    screen: Screen = request.scope["stallmark.screen"]
    session: Session = request.scope["stallmark.session"]
    if request.query_params.get("lang") in LANGUAGES:
        session.language = LANGUAGES.index(request.query_params["lang"])
    await screen.look()
    desk = Desk(screen, session, ui.context.client, f"{request.url.scheme}://{request.url.netloc}")
    ui.add_css(STYLE)
    ui.colors(primary="#0a5c7a", positive="#0d6b3f", negative="#a8201a", warning="#f3c64a")
    _bar(desk)
    banner = Live(desk, lambda: (screen.training, session.named), lambda: _banner(desk))
    with ui.tabs().props("no-caps inline-label=false") as tabs:
        made = {name: ui.tab(name, label=desk.say(words), icon=icon) for name, words, icon in TABS}
    with made["ask"]:
        badge = ui.badge("").props("floating color=negative")
    with ui.tab_panels(tabs, value="now", animated=False, keep_alive=True):
        with ui.tab_panel("now"):
            now = Now(desk)
        with ui.tab_panel("ask"):
            ask = Ask(desk)
        with ui.tab_panel("amount"):
            amount = Amount(desk)
        with ui.tab_panel("kit"):
            kit = Kit(desk)
        with ui.tab_panel("more"):
            more = More(desk)

    def update() -> None:
        if not screen.sessions.good(session):
            with desk.client:
                ui.navigate.to("/stall/signin")
            return
        for part in (now, ask, amount, kit, more, banner):
            part.update()
        waiting = ask.count
        badge.set_text(str(waiting) if waiting else "")
        badge.set_visibility(waiting > 0)

    update()
    client: Any = ui.context.client
    client.on_delete(screen.watch(update))


def _bar(desk: Desk) -> None:
    other = 1 - desk.language
    with ui.element("div").classes("bar"):
        ui.icon("storefront").style("font-size:1.6rem")
        ui.label(desk.screen.agent.config.name).classes("name")
        ui.element("div").classes("grow")
        ui.label(desk.session.who).classes("soft")
        ui.link(LANGUAGES[other].upper(), f"/stall/?lang={LANGUAGES[other]}").props(
            f"lang={LANGUAGES[other]}"
        )
        if desk.session.named:
            with ui.element("form").props("method=post action=/stall/signout"):
                ui.button(icon="logout").props(f'flat round type=submit aria-label="{desk.say("sign_out")}"')


def _banner(desk: Desk) -> None:
    if desk.screen.training:
        with ui.element("div").classes("banner training").props("role=alert"):
            ui.icon("school").style("font-size:1.6rem")
            ui.label(desk.say("training_on"))
    if not desk.session.named:
        with ui.element("div").classes("banner plain"):
            ui.icon("info")
            ui.label(f"{desk.say('nobody')} {desk.say('nobody_do')}")
