"""The rest: open values, paper slips, passes, training, poster, end of day."""

from typing import Any

from nicegui import ui

from hostagent.screen import closing, values
from hostagent.screen.desk import Desk, Live, Refused, qr
from hostagent.screen.slips import Slips


class More:
    """The tab of what is done now and then."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._values = Live(desk, lambda: tuple(values.rows(desk.screen)), self._draw_values)
        self._slips = Slips(desk)
        self._draw_passes()
        self._training = Live(desk, lambda: desk.screen.training, self._draw_training)
        self._draw_poster()
        self._draw_close()

    def update(self) -> None:
        """After a look."""
        self._values.update()
        self._slips.update()
        self._training.update()

    # --- open values

    def _draw_values(self) -> None:
        say, rows = self.desk.say, values.rows(self.desk.screen)
        with ui.element("div").classes("card").props("data-part=values"):
            ui.label(say("values")).classes("head text-h6")
            if not rows:
                ui.label(say("values_none")).classes("soft")
            for row in rows:
                self._value(row)

    def _value(self, row: values.Row) -> None:
        desk = self.desk
        say = desk.say
        bounds = say("values_bounds", low=row.text(row.lowest), high=row.text(row.highest))
        with ui.element("div").classes("line").props(f"data-value={row.index}"):
            with ui.element("div").classes("grow"):
                ui.label(row.name).classes("text-weight-bold")
                ui.label(f"{row.text(row.value)} · {bounds}")
                by = say("values_default") if row.who is None else say("values_by", who=row.who)
                when = (
                    ""
                    if row.at_ms is None
                    else f" · {desk.age((desk.screen.agent.clock.now_ms() - row.at_ms) / 1000)}"
                )
                ui.label(by + when).classes("soft")
                for brick, value in row.apart:
                    ui.label(say("values_apart", brick=brick, value=row.text(value))).classes("soft")
            field = (
                ui.input(value=row.number(row.value))
                .props("outlined dense inputmode=decimal")
                .style("width:6rem")
            )

            async def go() -> None:
                async def work() -> None:
                    try:
                        value = row.parse(field.value or "")
                    except ValueError:
                        raise Refused(say("values_number")) from None
                    if not row.lowest <= value <= row.highest:
                        raise Refused(
                            say(
                                "values_out",
                                value=row.text(value),
                                low=row.text(row.lowest),
                                high=row.text(row.highest),
                            )
                        )
                    desk.tell(
                        await values.put(desk.screen, row.index, value, desk.session.who) or say("done")
                    )

                await desk.act(work)
                self._values.update()

            ui.button(say("values_set"), on_click=go).props("color=primary")

    # --- passes

    def _draw_passes(self) -> None:
        desk = self.desk
        say = desk.say
        with ui.element("div").classes("card").props("data-part=passes"):
            ui.label(say("passes")).classes("head text-h6")
            if desk.screen.passes.event_key is None:
                ui.label(say("passes_no_key")).classes("soft")
                return
            ui.button(say("passes_new"), icon="badge", on_click=self._new_pass).props("color=primary")
            number = (
                ui.input(say("passes_number"))
                .props("outlined dense maxlength=60 autocomplete=off")
                .classes("w-full")
            )
            other = (
                ui.input(say("passes_new_number"))
                .props("outlined dense maxlength=60 autocomplete=off data-part=new-number")
                .classes("w-full")
            )

            async def revoke() -> None:
                async def work() -> None:
                    subject = desk.screen.passes.subject_of_number(number.value or "")
                    if subject is None:
                        raise Refused(say("passes_number_bad"))
                    exchange = desk.screen.agent.exchange
                    fresh = desk.screen.passes.subject_of_number(other.value or "")
                    if fresh == subject or (fresh is None and (other.value or "").strip()):
                        raise Refused(say("passes_new_bad"))
                    await exchange.revoke(subject, desk.session.who)
                    desk.tell(say("passes_revoked"))
                    if fresh is None:
                        lane = desk.screen.lane
                        balance: Any = None if lane is None else lane.state.balance(subject)
                        if balance and not desk.screen.agent.kitside.moving.moved(subject):
                            desk.tell(say("passes_balance", n=balance), good=False)
                            return  # its number stays: the new one may be added
                    else:
                        moved = await exchange.move(subject, fresh, desk.session.who)
                        desk.tell(say("passes_moved", n=moved))
                    number.set_value("")
                    other.set_value("")

                await desk.act(work)

            ui.button(say("passes_revoke"), icon="block", on_click=revoke).props("outline color=negative")

    def _new_pass(self) -> None:
        desk = self.desk
        link = f"{desk.base}/p?code={desk.screen.passes.new_code()}"
        with (
            desk.client,
            ui.dialog() as dialog,
            ui.element("div").classes("card").props("data-part=new-pass"),
        ):
            ui.label(desk.say("passes_new")).classes("text-h6")
            qr(link)
            ui.label(desk.say("passes_code"))
            ui.label(link).classes("link")
            ui.button(desk.say("close_dialog"), on_click=dialog.close).props("flat")
        dialog.on("hide", dialog.delete)
        dialog.open()

    # --- training

    def _draw_training(self) -> None:
        desk = self.desk
        on = desk.screen.training

        async def go() -> None:
            async def work() -> None:
                await desk.screen.agent.training(not on, desk.session.who)

            await desk.act(work)
            self._training.update()

        with ui.element("div").classes("card").props("data-part=training"):
            ui.label(desk.say("training")).classes("head text-h6")
            ui.label(desk.say("training_what")).classes("soft")
            ui.button(desk.say("training_end" if on else "training_start"), icon="school", on_click=go).props(
                "color=warning text-color=black"
            )

    # --- poster

    def _draw_poster(self) -> None:
        say = self.desk.say
        with ui.element("div").classes("card"):
            ui.label(say("poster")).classes("head text-h6")
            with ui.row():
                for key, path in (("poster_open", "/poster"), ("terms_open", "/terms"), ("faq_open", "/faq")):
                    ui.link(say(key), path, new_tab=True)

    # --- end of day

    def _draw_close(self) -> None:
        desk = self.desk
        say = desk.say

        def ask() -> None:
            with desk.client, ui.dialog() as dialog, ui.element("div").classes("card"):
                ui.label(say("day_end_sure")).classes("text-h6")
                ui.label(say("day_end_what"))

                async def go() -> None:
                    async def work() -> None:
                        asked, away = await closing.close_day(desk.screen, desk.session.who)
                        nobody = say("nobody_word")
                        desk.tell(
                            say(
                                "day_end_done",
                                asked=", ".join(asked) or nobody,
                                away=", ".join(away) or nobody,
                            )
                        )

                    dialog.close()
                    await desk.act(work)

                ui.button(say("day_end_go", who=desk.session.who), on_click=go).props("color=negative")
                ui.button(say("cancel"), on_click=dialog.close).props("flat")
            dialog.on("hide", dialog.delete)
            dialog.open()

        with ui.element("div").classes("card").props("data-part=close"):
            ui.label(say("day_end")).classes("head text-h6")
            ui.label(say("day_end_what")).classes("soft")
            ui.button(say("day_end"), icon="nightlight", on_click=ask).props("outline color=negative")
