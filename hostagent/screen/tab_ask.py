"""Ask the host: open questions, answered by the person who is signed in, with a reason."""

from typing import Any

from nicegui import ui

from hostagent.screen.desk import Desk, Live, Refused
from hostagent.screen.facts import bare

REASON_SIGNS = 60


class Ask:
    """The tab of questions; `count` is how many wait."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._live = Live(desk, self._key, self._draw)

    def update(self) -> None:
        """After a look."""
        self._live.update()

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._open())

    def _open(self) -> list[Any]:
        questions = self.desk.screen.questions
        return [] if questions is None else list(questions.open())

    def _key(self) -> object:
        return tuple((one.brick, one.seq) for one in self._open())

    def _draw(self) -> None:
        waiting = self._open()
        if not waiting:
            with ui.element("div").classes("hero note"):
                ui.label(self.desk.say("ask_none")).classes("why")
        for one in waiting:
            self._question(one)

    def _question(self, one: Any) -> None:
        desk = self.desk
        brick = desk.screen.agent.bricks.get(one.brick)
        age = desk.age((desk.screen.agent.clock.now_ms() - one.at_ms) / 1000)
        with ui.element("div").classes("card question"):
            with ui.element("div").classes("hero ask"):
                with ui.element("div").classes("top"):
                    ui.icon("front_hand")
                    ui.label(desk.say("ask_head")).classes("word")
                ui.label(bare(one.sentence)).classes("why")
                with ui.element("div").classes("foot"):
                    ui.label(f"{age} · {'?' if brick is None else brick.name} · {one.rule}")
            why = (
                ui.input(desk.say("ask_reason")).props(f"outlined maxlength={REASON_SIGNS}").classes("w-full")
            )

            async def answer(granted: bool) -> None:
                async def work() -> None:
                    reason = (why.value or "").strip()
                    if not reason:
                        raise Refused(desk.say("ask_need_reason"))
                    said: Any = await desk.screen.questions.answer(one, granted, desk.session.who, reason)
                    desk.tell(desk.say("answered", what=said.sentence))

                await desk.act(work)
                self.update()

            with ui.element("div").classes("two"):
                ui.button(desk.say("ask_yes"), icon="check_circle", on_click=lambda: answer(True)).props(
                    "color=positive size=lg"
                )
                ui.button(desk.say("ask_no"), icon="do_not_disturb_on", on_click=lambda: answer(False)).props(
                    "outline color=negative size=lg"
                )
            ui.label(desk.say("ask_limits")).classes("soft")
