"""What just happened and why: the newest decision as big as the screen allows, the ones before it below."""

import time
from datetime import UTC, datetime
from typing import Any

from nicegui import ui

from hostagent.core import reg
from hostagent.lane.answers import LaneAnswer
from hostagent.promised import OPEN, Voucher
from hostagent.screen import facts, printouts
from hostagent.screen.desk import Desk, Live, Refused, qr
from hostagent.screen.facts import Decision

ICONS = {
    "granted": "check_circle",
    "nothing": "do_not_disturb_on",
    "ask": "front_hand",
    "note": "info",
}
# Ages in words change slowly: drawn anew this often.
AGES_S = 15


class Now:
    """The tab of decisions."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._live = Live(desk, self._key, self._draw)

    def update(self) -> None:
        """After a look."""
        self._live.update()

    @property
    def _decided(self) -> list[Decision]:
        return self.desk.screen.decided[self.desk.language]

    def _key(self) -> object:
        return (
            tuple((one.host_seq, one.in_ledger) for one in self._decided),
            int(time.monotonic() / AGES_S),
        )

    def _draw(self) -> None:
        if not self._decided:
            with ui.element("div").classes("hero note"):
                ui.label(self.desk.say("empty_now")).classes("why")
            return
        self._hero(self._decided[0])
        if len(self._decided) > 1:
            with ui.element("div").classes("card"):
                for one in self._decided[1:]:
                    self._row(one)

    def _hero(self, one: Decision) -> None:
        mark = " training-mark" if one.training else ""
        with (
            ui.element("div")
            .classes(f"hero {one.outcome}{mark}")
            .props(f'role=status data-seq="{one.host_seq}"')
        ):
            with ui.element("div").classes("top"):
                ui.icon(ICONS[one.outcome])
                ui.label(self.desk.say(one.outcome)).classes("word")
            ui.label(facts.bare(one.sentence)).classes("why")
            with ui.element("div").classes("foot"):
                self._when(one)
                ui.label(self._where(one))
            with ui.row():
                ui.button(
                    self.desk.say("receipt"), icon="qr_code_2", on_click=lambda: self.receipt(one)
                ).props("unelevated color=white text-color=black")

    def _row(self, one: Decision) -> None:
        row = ui.element("div").classes("line tap").props("role=button tabindex=0")
        row.on("click", lambda: self.receipt(one)).on("keydown.enter", lambda: self.receipt(one))
        with row:
            with ui.element("span").classes(f"chip {_chip(one.outcome)}"):
                ui.icon(ICONS[one.outcome])
                ui.label(self.desk.say(one.outcome))
            with ui.element("div").classes("grow"):
                ui.label(facts.bare(one.sentence))
                with ui.element("div").classes("soft"):
                    ui.label(f"{self._age(one)} · {self._where(one)}")

    def _age(self, one: Decision) -> str:
        return self.desk.age((self.desk.screen.agent.clock.now_ms() - one.at_ms) / 1000)

    def _when(self, one: Decision) -> None:
        instant = datetime.fromtimestamp(one.at_ms / 1000, UTC)
        ui.label(self._age(one)).props(f'title="{instant:%Y-%m-%d %H:%M:%S} UTC"')

    def _where(self, one: Decision) -> str:
        where = self.desk.say("by_host") if one.gateway else one.brick
        return f"{where} · {self.desk.say('in_ledger' if one.in_ledger else 'on_host')}"

    def _here(self, one: Decision) -> str:
        """The receipt on the host itself: for phones of the kit's network without internet."""
        return f"{self.desk.base}/r/{facts.handle_text(one.handle)}"

    async def receipt(self, one: Decision) -> None:
        """The receipt in the customer's hand: code, link, paper, vouchers; and taking it back."""
        desk = self.desk
        vouchers: list[Voucher] = await desk.act(lambda: printouts.vouchers_of(desk.screen.agent, one)) or []
        with desk.client, ui.dialog() as dialog, ui.element("div").classes("card receipt"):
            ui.label(desk.say(one.outcome)).classes("text-h6")
            ui.label(one.sentence)
            qr(one.link)
            ui.label(desk.say("receipt_scan"))
            ui.label(one.link).classes("link")
            if one.link != self._here(one):
                ui.label(f"{desk.say('receipt_here')} {self._here(one)}").classes("link")
            ui.label(desk.say("receipt_secret")).classes("soft")
            for voucher in vouchers:
                self._voucher(voucher, one)
            with ui.row():
                if printouts.printer(desk.screen.agent) is None:
                    ui.label(desk.say("no_printer")).classes("soft")
                else:
                    ui.button(desk.say("paper_slip"), icon="print", on_click=lambda: self._print(one))
                if (
                    one.gateway
                    and one.kind in (reg.KIND_GRANT, reg.KIND_REDEEM)
                    and desk.screen.lane is not None
                ):
                    ui.button(
                        desk.say("take_back"), icon="undo", on_click=lambda: self._take_back(one, dialog)
                    ).props("flat color=negative")
            ui.button(desk.say("close_dialog"), on_click=dialog.close).props("flat")
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _voucher(self, voucher: Voucher, one: Decision) -> None:
        desk = self.desk
        worth = voucher.worth or desk.say("voucher_series", series=voucher.issued.series)
        with ui.element("div").classes("voucher").props(f'data-voucher="{voucher.state}"'):
            ui.label(desk.say("voucher", worth=worth)).classes("text-h6")
            if voucher.state != OPEN:
                ui.label(desk.say(f"voucher_{voucher.state}"))
                return
            qr(voucher.issued.text)
            ui.label(desk.say("voucher_until", until=f"{voucher.until:%Y-%m-%d %H:%M} UTC")).classes("soft")
            if printouts.printer(desk.screen.agent) is not None:
                ui.button(desk.say("voucher_print"), icon="print", on_click=lambda: self._print_vouchers(one))

    async def _print_vouchers(self, one: Decision) -> None:
        async def work() -> None:
            await printouts.vouchers(self.desk.screen.agent, self.desk.screen.market, one)
            self.desk.tell(self.desk.say("printed"))

        await self.desk.act(work)

    async def _print(self, one: Decision) -> None:
        async def work() -> None:
            await printouts.receipt(self.desk.screen.agent, self.desk.screen.market, one)
            self.desk.tell(self.desk.say("printed"))

        await self.desk.act(work)

    def _take_back(self, one: Decision, over: Any) -> None:
        desk = self.desk
        over.close()
        with desk.client, ui.dialog() as dialog, ui.element("div").classes("card"):
            ui.label(one.sentence)
            why = ui.input(desk.say("take_back_why")).props("outlined maxlength=60").classes("w-full")

            async def go() -> None:
                async def work() -> None:
                    reason = (why.value or "").strip()
                    if not reason:
                        raise Refused(desk.say("ask_need_reason"))
                    answer: LaneAnswer = await desk.screen.lane.reverse(
                        one.seq, reg.KIND_VOID, None, desk.session.who, reason
                    )
                    dialog.close()
                    desk.tell(desk.say("take_back_paid" if answer.vouchers_paid else "done"))

                await desk.act(work)

            with ui.row():
                ui.button(desk.say("take_back"), on_click=go).props("color=negative")
                ui.button(desk.say("cancel"), on_click=dialog.close).props("flat")
        dialog.on("hide", dialog.delete)
        dialog.open()


def _chip(outcome: str) -> str:
    return {"granted": "good", "nothing": "look", "ask": "todo"}.get(outcome, "note")
