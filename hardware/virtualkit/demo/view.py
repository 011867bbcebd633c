"""Draws the demo's scene in a terminal with rich: words and shapes first, colour on top."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from virtualkit.demo.scene import BudgetScene, Scene
from virtualkit.stats import percentile

BUDGETS_SHOWN = 8
LOW_SHARE = 0.2
# Outcome → (shape, style): each enough alone.
LOOKS = {
    "granted": ("●", "bold green"),
    "nothing this time": ("○", "blue"),
    "ask at the stall": ("◐", "yellow"),
    "reversed": ("↩", "magenta"),
    "nothing to take back": ("·", "dim"),
    "no light": ("×", "bold red"),
}


def look(outcome: str) -> Text:
    """An outcome as shape and word."""
    shape, style = LOOKS.get(outcome, ("·", "dim"))
    return Text(f"{shape} {outcome}" if outcome else "", style=style)


def render(scene: Scene) -> RenderableType:
    """The whole screen."""
    return Group(_head(scene), _bricks(scene), _budgets(scene), _events(scene), _foot(scene))


def _head(scene: Scene) -> RenderableType:
    lines = Text()
    lines.append("The stall, live   ", style="bold").append(f"{scene.fleet_url}/live\n", style="underline")
    lines.append("The host          ", style="bold").append(f"{scene.host_url}/\n", style="underline")
    lines.append("Its screen        ", style="bold").append(f"{scene.host_url}/stall", style="underline")
    lines.append(f"   sign in as {scene.operator}, PIN {scene.pin}\n", style="dim")
    lines.append("Newest receipt    ", style="bold").append(
        scene.last_link or "none yet", style="underline" if scene.last_link else "dim"
    )
    return Panel(lines, title=f"Stallmark · {scene.title} · development keys", title_align="left")


def _bricks(scene: Scene) -> RenderableType:
    table = Table(expand=True)
    for heading, justify in (
        ("brick", "left"),
        ("reader", "left"),
        ("taps", "right"),
        ("last", "left"),
        ("tap → light", "right"),
        ("link", "left"),
    ):
        table.add_column(heading, justify=justify)  # pyright: ignore[reportArgumentType]
    for brick in scene.bricks.values():
        table.add_row(
            brick.name,
            brick.reader,
            str(brick.taps),
            look(brick.outcome),
            "" if brick.milliseconds is None else f"{brick.milliseconds:.0f} ms",
            brick.link,
        )
    till = scene.till
    table.add_row(
        "till-1",
        "till",
        str(till.asked),
        look(till.outcome),
        "" if till.milliseconds is None else f"{till.milliseconds:.0f} ms",
        f"{till.credit_minor // 100}.{till.credit_minor % 100:02} taken off so far",
    )
    return table


def _budgets(scene: Scene) -> RenderableType:
    """What is left, the scarcest first; nothing where nothing is known yet."""
    if not scene.budgets:
        return Text("Budgets: not heard of yet.", style="dim")
    line = Text("Left of the budgets  ", style="bold")
    for budget in sorted(scene.budgets, key=lambda one: one.share)[:BUDGETS_SHOWN]:
        line.append(f"{budget.rule} ").append(f"{budget.left}   ", style=_shade(budget))
    return line


def _shade(budget: BudgetScene) -> str:
    return "bold red" if budget.share <= 0 else "yellow" if budget.share < LOW_SHARE else "green"


def _events(scene: Scene) -> RenderableType:
    if not scene.events:
        return Panel(Text("No customer yet: the first one is on the way.", style="dim"))
    table = Table(expand=True, show_edge=False)
    table.add_column("time", no_wrap=True)
    table.add_column("brick", no_wrap=True)
    table.add_column("light", no_wrap=True)
    table.add_column("why", ratio=1)
    table.add_column("ledger", justify="right", no_wrap=True)
    for event in scene.events:
        table.add_row(
            event.clock,
            event.brick,
            look(event.outcome),
            event.sentence,
            "on its way" if event.leaf is None else f"leaf {event.leaf}",
        )
    return table


def _foot(scene: Scene) -> RenderableType:
    p50, p95 = percentile(list(scene.latencies), 50), percentile(list(scene.latencies), 95)
    line = Text()
    line.append(f"ledger {scene.ledger_size} leaves", style="bold")
    line.append(f"   controller {scene.fleet_state}   host {scene.host_state}")
    if scene.outbox is not None:
        line.append(f", {scene.outbox} receipts waiting to be forwarded")
    if p50 is not None and p95 is not None:
        line.append(f"\ntap → light {p50:.0f} ms in the middle, {p95:.0f} ms at the 95th percentile")
    for note in scene.notes:
        line.append(f"\n{note}", style="yellow")
    line.append("\nTake part from another terminal:  ", style="dim")
    line.append(f"stallmark kit tap --dump {scene.cards}/tag-1.bin", style="dim bold")
    line.append("    Ctrl-C ends; the next start resumes.", style="dim")
    return Panel(line)
