"""Numbered paper slips: rights set aside beforehand, so that paper can be handed out and still never overspends."""

from nicegui import ui

from hostagent.lane.slips import Slip
from hostagent.screen import facts, printouts
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

    def _key(self) -> object:
        return tuple(self.desk.screen.slips()), tuple(self._rules().items()), self.desk.screen.lane is None

    def _draw(self) -> None:
        desk = self.desk
        say = desk.say
        with ui.element("div").classes("card").props("data-part=slips"):
            ui.label(say("slips")).classes("head text-h6")
            ui.label(say("slips_what")).classes("soft")
            if desk.screen.lane is None:
                ui.label(say("no_lane")).classes("soft")
                return
            self._make()
            paper = (
                ui.input(say("slips_scan"))
                .props("outlined dense maxlength=40 autocomplete=off")
                .classes("w-full")
            )

            async def redeem() -> None:
                async def work() -> None:
                    answer = await desk.screen.lane.pay_slip((paper.value or "").strip(), desk.session.who)
                    desk.tell(facts.bare(answer.sentence), good=answer.outcome == "granted")
                    paper.set_value("")

                await desk.act(work)

            ui.button(say("slips_redeem"), icon="redeem", on_click=redeem).props("outline")
            made = desk.screen.slips()
            if not made:
                ui.label(say("slips_none")).classes("soft")
            for number, rule, state in made:
                look, icon, word = LOOKS[state]
                with ui.element("div").classes("line").props(f'data-slip="{number}" data-state={state}'):
                    with ui.element("div").classes("grow"):
                        ui.label(f"Nº {number}").classes("text-weight-bold")
                        ui.label(self._rules().get(rule, str(rule))).classes("soft")
                    chip(look, icon, say(word))

    def _make(self) -> None:
        desk = self.desk
        say = desk.say
        rules = self._rules()
        with ui.element("div").classes("two"):
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
                number = min(MOST, int(count.value))
                made: list[Slip] = await desk.screen.lane.reserve_slips(rule.value, number, desk.session.who)
                if printouts.printer(desk.screen.agent) is None:
                    self._shown(made)
                else:
                    await printouts.slips(desk.screen.agent, desk.screen.market, say("slips_terms"), made)
                    desk.tell(say("printed"))

            await desk.act(work)

        ui.button(say("slips_make"), icon="confirmation_number", on_click=go).props("color=primary")

    def _shown(self, made: list[Slip]) -> None:
        """Without a printer: the codes to write down by hand."""
        desk = self.desk
        with (
            desk.client,
            ui.dialog() as dialog,
            ui.element("div").classes("card").props("data-part=slip-codes"),
        ):
            ui.label(desk.say("slips_write")).classes("text-h6")
            for one in made:
                ui.label(f"{one.code}: {printouts.worth(one)}").classes("link")
            ui.button(desk.say("close_dialog"), on_click=dialog.close).props("flat")
        dialog.on("hide", dialog.delete)
        dialog.open()
