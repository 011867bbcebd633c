"""A replay as one HTML file: tables, and plots as SVG inside it. Nothing is fetched, no script runs."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import matplotlib
from jinja2 import Environment
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure

from fleet.authoring.replay import Plan, Result
from fleet.authoring.replay_report import KINDS, Words, assumptions, headline, ranked, took
from fleet.authoring.tally import Row, Tally

BEFORE, AFTER = "#6b7a8f", "#0b7a5b"  # told apart by lightness too, and by their place
HUBS = 12  # in the plot; the table has all

_PAGE = Path(__file__).parent / "templates" / "replay.html"


def page(plan: Plan, result: Result, words: Words) -> str:
    """The report as one self-contained page."""
    tally = result.tally
    plots = [("Decisions", "How many of each outcome.", _svg(_decisions(tally)))]
    if tally.over_time:
        plots.append(
            ("Money over time", "What was given in each quarter of an hour, UTC.", _svg(_money(tally, words)))
        )
    if len(tally.by_hub) > 1:
        shown = "" if len(tally.by_hub) <= HUBS else f" The {HUBS} hubs that change most are shown."
        plots.append(("Money by hub", f"What was given at each hub.{shown}", _svg(_hubs(tally, words))))
    template = Environment(autoescape=True).from_string(_PAGE.read_text("utf-8"))
    return template.render(
        plan=plan,
        tally=tally,
        words=words,
        lead=headline(tally, words),
        plots=plots,
        flips=sorted(tally.flips.items(), key=lambda one: (-one[1], one[0])),
        tables=[
            ("By kind of event", "event", ranked(tally.by_event)),
            ("By hub", "hub", ranked(tally.by_hub)),
            ("By kit: the largest changes", "kit", ranked(tally.by_kit)),
            ("By rule", "rule", _rules(tally)),
        ],
        assumed=assumptions(plan),
        took=took(result),
    )


def _rules(tally: Tally) -> list[tuple[str, Row]]:
    rows: dict[str, Row] = {}
    for rule in {*tally.old.rules, *tally.new.rules}:
        old, new = tally.old, tally.new
        row = Row(max(old.rules[rule], new.rules[rule]), abs(old.rules[rule] - new.rules[rule]))
        row.old_grants, row.new_grants = old.rules[rule], new.rules[rule]
        row.old_minor, row.new_minor = old.rule_minor[rule], new.rule_minor[rule]
        rows[rule] = row
    return ranked(rows)


# --- plots


def _figure(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(9, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors="#3a4653")
    return figure, axes


def _pairs(axes: Any, names: list[str], old: list[float], new: list[float]) -> None:
    """Two bars for each name, before above after, with their numbers."""
    for at, (before, after) in enumerate(zip(old, new, strict=True)):
        for offset, value, colour in ((-0.19, before, BEFORE), (0.19, after, AFTER)):
            bar = axes.barh(at + offset, value, height=0.34, color=colour)
            axes.bar_label(bar, fmt="{:,.0f}", padding=4, fontsize=9, color="#17202a")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.barh(0, 0, color=BEFORE, label="before")
    axes.barh(0, 0, color=AFTER, label="after")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _legend(axes)


def _legend(axes: Any) -> None:
    """Above the plot, where no bar and no number can be."""
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)


def _decisions(tally: Tally) -> Figure:
    names = [kind for kind in KINDS if tally.old.kinds[kind] or tally.new.kinds[kind]] or ["deny"]
    figure, axes = _figure(0.7 + 0.62 * len(names))
    old = [float(tally.old.kinds[kind]) for kind in names]
    _pairs(axes, names, old, [float(tally.new.kinds[kind]) for kind in names])
    axes.set_xlabel("events")
    return figure


def _money(tally: Tally, words: Words) -> Figure:
    figure, axes = _figure(3.2)
    steps = sorted(tally.over_time)
    scale = 10 ** _places(words)
    at = [datetime.fromtimestamp(step / 1000, UTC) for step in steps]
    for side, colour, name, style in ((0, BEFORE, "before", "--"), (1, AFTER, "after", "-")):
        values = [tally.over_time[step][side] / scale for step in steps]
        axes.plot(
            at, values, color=colour, label=name, linewidth=1.8, linestyle=style, drawstyle="steps-post"
        )
    axes.set_ylabel(words.currency)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_formatter(DateFormatter("%d %b %H:%M"))
    _legend(axes)
    figure.autofmt_xdate()
    return figure


def _hubs(tally: Tally, words: Words) -> Figure:
    rows = ranked(tally.by_hub)[:HUBS]
    figure, axes = _figure(0.7 + 0.62 * len(rows))
    scale = 10 ** _places(words)
    old = [row.old_minor / scale for _, row in rows]
    _pairs(axes, [name for name, _ in rows], old, [row.new_minor / scale for _, row in rows])
    axes.set_xlabel(words.currency)
    return figure


def _places(words: Words) -> int:
    return len(words.amount(0).partition(".")[2].partition(" ")[0])


def _svg(figure: Figure) -> str:
    """The figure's SVG element, without what only stands in a file of its own; the same bytes for the same data."""
    out = io.StringIO()
    # Text stays text: it can be searched, and the file is smaller
    plotting, canvas = cast("Any", matplotlib), cast("Any", figure)
    with plotting.rc_context({"svg.hashsalt": "stallmark", "svg.fonttype": "none"}):
        canvas.savefig(out, format="svg")
    return re.sub(r"^.*?(?=<svg )|<metadata>.*?</metadata>", "", out.getvalue(), flags=re.DOTALL)
