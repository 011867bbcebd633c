"""An amount by keypad where there is no till: decided at once by the host's own lane."""

from functools import partial
from typing import Any

from nicegui import ui

from hostagent.core import money, reg
from hostagent.screen import entries, facts
from hostagent.screen.desk import Desk, Refused
from hostagent.screen.tab_now import ICONS

KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "00", "0", "⌫")


class Amount:
    """The tab of the keypad."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._pad = entries.Keypad()
        say = desk.say
        with ui.element("div").classes("card"):
            self._kind = ui.toggle(
                {reg.EVENT_TILL_SALE: say("amount_sale"), reg.EVENT_OPERATOR_ENTRY: say("amount_entry")},
                value=reg.EVENT_TILL_SALE,
            ).props("unelevated")
            self._shown = ui.label().classes("amount").props("data-amount")
            with ui.element("div").classes("keys"):
                for key in KEYS:
                    ui.button(key, on_click=partial(self._press, key)).props("unelevated")
            self._pass = (
                ui.input(say("amount_pass"), placeholder=say("amount_pass_none"))
                .props("outlined clearable autocapitalize=characters autocomplete=off maxlength=60")
                .classes("w-full")
            )
            ui.button(say("amount_go"), icon="bolt", on_click=self._go).classes("go").props("color=primary")
        self._answer = ui.column().classes("live")
        self._missing = ui.label(say("no_lane")).classes("soft")
        self._show()
        self.update()

    def update(self) -> None:
        """After a look."""
        self._missing.set_visibility(self.desk.screen.lane is None)

    @property
    def _currency(self) -> str:
        return getattr(self.desk.screen.ruleset, "currency", None) or ""

    def _press(self, key: str) -> None:
        self._pad.press(key)
        self._show()

    def _show(self) -> None:
        self._shown.set_text(_money(self._pad.minor, self._currency))

    async def _go(self) -> None:
        desk = self.desk

        async def work() -> Any:
            if desk.screen.lane is None:
                raise Refused(desk.say("no_lane"))
            if self._pad.minor == 0:
                raise Refused(desk.say("amount_zero"))
            customer = None
            if (self._pass.value or "").strip():
                customer = desk.screen.passes.read(str(self._pass.value))
                if customer is None:
                    raise Refused(desk.say("amount_pass_wrong"))
            event = entries.amount(self._kind.value, self._pad.minor, customer)
            return await desk.screen.lane.decide(event)

        answer: Any = await desk.act(work)
        if answer is None:
            return
        self._pad.minor = 0
        self._pass.set_value("")
        self._show()
        self._answer.clear()
        with self._answer:
            self._told(answer)

    def _told(self, answer: Any) -> None:
        look = outcome_of(answer.outcome)
        with ui.element("div").classes(f"hero {look}").props("role=status data-answer"):
            with ui.element("div").classes("top"):
                ui.icon(ICONS[look])
                ui.label(self.desk.say(look)).classes("word")
            if answer.credit_minor:
                ui.label(
                    self.desk.say("amount_credit", money=_money(answer.credit_minor, answer.currency or ""))
                ).classes("word")
            ui.label(facts.bare(answer.sentence)).classes("why")


def outcome_of(outcome: Any) -> str:
    """The look of a lane's answer: its kind, or its words."""
    words = {
        "granted": "granted",
        "grant": "granted",
        "nothing this time": "nothing",
        "deny": "nothing",
        "ask at the stall": "ask",
        "uncertain": "ask",
    }
    if isinstance(outcome, str):
        return words.get(outcome, "note")
    return facts.OUTCOMES.get(outcome, "note")


def _money(minor: int, currency: str) -> str:
    return str(money.text(minor, currency))
