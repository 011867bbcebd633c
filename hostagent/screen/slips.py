"""Numbered paper slips: rights set aside beforehand, so that paper can be handed out and still never overspends."""

from typing import Any

from nicegui import ui

from hostagent.screen import printouts
from hostagent.screen.closing import settle
from hostagent.screen.desk import Desk, Live, Refused, chip

LOOKS = {
    "open": ("look", "confirmation_number", "slip_out"),
    "redeemed": ("good", "check_circle", "slip_redeemed"),
    "released": ("todo", "undo", "slip_released"),
}
MOST = 50


class Slips:
    """The part of the page about slips."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._live = Live(desk, self._key, self._draw)

    def update(self) -> None:
        """After a look."""
        self._live.update()

    def _rules(self) -> dict[int, str]:
        """Rules that need rights: only those can stand behind a slip."""
        known = self.desk.screen.ruleset
        return {n: rule.id for n, rule in enumerate(getattr(known, "rules", ())) if rule.need}

    def _slips(self) -> list[Any]:
        listed: Any = getattr(self.desk.screen.lane, "slips_today", None)
        return [] if listed is None else listed()

    def _key(self) -> object:
        return tuple((one.number, one.state) for one in self._slips()), tuple(self._rules().items())

    def _draw(self) -> None:
        desk = self.desk
        say = desk.say
        rules, made = self._rules(), self._slips()
        with ui.element("div").classes("card").props("data-part=slips"):
            ui.label(say("slips")).classes("head text-h6")
            ui.label(say("slips_what")).classes("soft")
            if not hasattr(desk.screen.lane, "reserve_slips"):
                ui.label(say("no_lane" if desk.screen.lane is None else "not_here")).classes("soft")
                return
            with ui.row().classes("items-center"):
                rule = ui.select(rules, label=say("slips_rule"), value=next(iter(rules), None)).props(
                    "outlined dense"
                )
                count = ui.number(say("slips_count"), value=5, min=1, max=MOST, precision=0).props(
                    "outlined dense"
                )

                async def go() -> None:
                    async def work() -> None:
                        if rule.value is None or not count.value:
                            raise Refused(say("values_number"))
                        slips: Any = await settle(
                            desk.screen.lane.reserve_slips(
                                rule.value, min(MOST, int(count.value)), desk.session.who
                            )
                        )
                        if printouts.printer(desk.screen.agent) is None:
                            desk.tell(say("no_printer"), good=False)
                        else:
                            await printouts.slips(desk.screen.agent, slips)
                            desk.tell(say("printed"))

                    await desk.act(work)
                    self.update()

                ui.button(say("slips_make"), icon="confirmation_number", on_click=go).props("color=primary")
            if not made:
                ui.label(say("slips_none")).classes("soft")
            for one in made:
                self._slip(one)

    def _slip(self, one: Any) -> None:
        desk = self.desk
        look, icon, word = LOOKS.get(one.state, LOOKS["open"])
        with ui.element("div").classes("row").props(f'data-slip="{one.number}"'):
            with ui.element("div").classes("grow"):
                ui.label(f"Nº {one.number}").classes("text-weight-bold")
                ui.label(str(one.rule)).classes("soft")
            chip(look, icon, desk.say(word))
            if one.state == "open":

                async def redeem() -> None:
                    async def work() -> None:
                        await settle(desk.screen.lane.redeem_slip(one.number, desk.session.who))
                        desk.tell(desk.say("done"))

                    await desk.act(work)
                    self.update()

                ui.button(desk.say("slips_redeem"), on_click=redeem).props("outline dense")
