"""The kit: what is left, what is connected, how old the data is, and the check before opening."""

from typing import Any

from nicegui import ui

from hostagent.core import money
from hostagent.screen import battery, facts, opening
from hostagent.screen.desk import Desk, Live, chip
from hostagent.screen.facts import Budget, Part

STEP_LOOKS = {
    "good": ("good", "check_circle", "step_good"),
    "todo": ("todo", "warning", "step_todo"),
    "look": ("look", "visibility", "step_unknown"),
}


class Kit:
    """The tab of the kit."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._lives = [
            Live(desk, self._opening_key, self._draw_opening),
            Live(desk, self._budgets, self._draw_budgets),
            Live(desk, self._parts_key, self._draw_parts),
            Live(desk, self._trouble, self._draw_trouble),
        ]

    def update(self) -> None:
        """After a look."""
        for live in self._lives:
            live.update()

    # --- opening check

    def _steps(self) -> list[opening.Step]:
        screen = self.desk.screen
        return opening.check(
            screen.agent, screen.ruleset, screen.decided[0], self.desk.language, screen.agent.clock.now_ms()
        )

    def _opening_key(self) -> object:
        return tuple(self._steps())

    def _draw_opening(self) -> None:
        say, steps = self.desk.say, self._steps()
        left = opening.todo(steps)
        with ui.element("div").classes("card").props("data-part=opening"):
            ui.label(say("opening")).classes("head text-h6")
            ui.label(say("opening_open", n=left) if left else say("opening_good"))
            for step in steps:
                look, icon, word = STEP_LOOKS[step.state]
                with ui.element("div").classes("line").props(f"data-step={step.key} data-state={step.state}"):
                    with ui.element("div").classes("grow"):
                        ui.label(say(step.key)).classes("text-weight-bold")
                        if step.words:
                            ui.label(step.words).classes("soft")
                    chip(look, icon, say(word))

    # --- budget

    def _budgets(self) -> tuple[Budget, ...]:
        return tuple(facts.budgets(self.desk.screen.agent, self.desk.screen.ruleset))

    def _draw_budgets(self) -> None:
        say, rows = self.desk.say, self._budgets()
        with ui.element("div").classes("card").props("data-part=budget"):
            ui.label(say("budget")).classes("head text-h6")
            if not rows:
                ui.label(say("budget_none")).classes("soft")
            for row in rows:
                share = 0 if row.sent <= 0 else max(0, min(100, round(100 * row.left / row.sent)))
                with ui.element("div").classes("column w-full"):
                    ui.label(row.rule).classes("text-weight-bold")
                    with ui.element("div").classes("meter").props(f'role=img aria-label="{share} %"'):
                        ui.element("div").style(f"width:{share}%")
                    ui.label(say("left_of", left=self._worth(row, row.left), all=self._worth(row, row.sent)))
                    ui.label(say("stranded", n=self._worth(row, row.stranded))).classes("soft")
                    if row.away:
                        chip("todo", "warning", say("away", n=self._worth(row, row.away)))
                        ui.label(say("away_what")).classes("soft")

    def _worth(self, row: Budget, amount: int) -> str:
        if row.unit != "money":
            return str(amount)
        return money.text(amount, getattr(self.desk.screen.ruleset, "currency", None) or "")

    # --- bricks

    def _parts_key(self) -> object:
        return tuple(
            (part.name, part.up, part.state, part.free_pages, part.why, int((part.heard_s or 0) / 10), battery.key(part))
            for part in facts.parts(self.desk.screen.agent)
        ), self._others()

    def _draw_parts(self) -> None:
        say = self.desk.say
        with ui.element("div").classes("card").props("data-part=bricks"):
            ui.label(say("bricks")).classes("head text-h6")
            for part in facts.parts(self.desk.screen.agent):
                self._part(part)
            others = self._others()
            if others:
                ui.label(others).classes("soft")

    def _part(self, part: Part) -> None:
        say = self.desk.say
        with ui.element("div").classes("line"):
            with ui.element("div").classes("grow"):
                ui.label(part.name).classes("text-weight-bold")
                heard = (
                    say("never_heard")
                    if part.heard_s is None
                    else say("data_age", age=self.desk.age(part.heard_s))
                )
                ui.label(heard + (f" · {part.why}" if part.why else "")).classes("soft")
                ui.label(f"{say('battery')}: {battery.words(part.body, part.body_s, self.desk)}").classes("soft")
                pages = say("unknown") if part.free_pages is None else say("journal_free", n=part.free_pages)
                ui.label(f"{say('journal')}: {pages}").classes("soft")
            warning = battery.warning(part.body) if part.up else None
            if part.up and part.state == "safe":
                chip("bad", "health_and_safety", say("safe_mode"))
            if warning is not None:
                chip(warning.look, warning.icon, say(warning.key))
            if part.up:
                chip("good", "link", say("link_up"))
            else:
                chip("bad", "link_off", say("link_down"))

    def _others(self) -> str:
        """How old the lane's data of other bricks is."""
        lane: Any = self.desk.screen.lane
        age: Any = None if lane is None else lane.state.remote_age(self.desk.screen.agent.clock.now_ms())
        return "" if age is None else self.desk.say("others_age", age=self.desk.age(age))

    # --- what needs somebody

    def _trouble(self) -> tuple[Any, ...]:
        status = self.desk.screen.status
        return (*status.get("words", ()), status.get("outbox", {}).get("receipts", 0))

    def _draw_trouble(self) -> None:
        say = self.desk.say
        *words, waiting = self._trouble() or (0,)
        with ui.element("div").classes("card"):
            ui.label(say("trouble")).classes("head text-h6")
            for sentence in words or [say("all_well")]:
                ui.label(sentence)
            ui.label(f"{say('outbox')}: {say('outbox_what', n=waiting)}").classes("soft")
