"""What a simulated rollout came to: in words, and as a picture."""

from __future__ import annotations

import textwrap
from pathlib import Path

from fleet.rollouts import planning
from fleet.rollouts.plan import Gate, Limits, Plan, Release
from fleet.rollouts.simulate import LiveFigures, Story

GROUPS = (  # words, statuses, colour
    ("runs the release", ("ok",), "#2a7f4f"),
    ("at it", ("offered", "installing", "going back"), "#e0a030"),
    ("failed, refused, timed out", ("failed", "rejected", "timed out", "stuck"), "#b3261e"),
    ("back", ("back",), "#4a6fa5"),
    ("still to go back", ("to go back",), "#8d6fb0"),
    ("away", ("unreached",), "#9a9a9a"),
    ("rented", ("deferred",), "#c9b79c"),
    ("waits", ("waiting", "superseded"), "#e4e4e4"),
)
UNITS = (("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000))


def plan(kits: int, sizes: str, soak: str, in_flight: int, failures: int, percent: int, gates: bool) -> Plan:
    """A plan for made-up releases. Raises PlanError."""
    new = Release(digest="aa" * 32, bundle="ab" * 32, rev=8, length=8_000, name="simulated")
    old = Release(digest="bb" * 32, bundle="bc" * 32, rev=7, length=8_000, name="before")
    return Plan(
        name="simulated",
        release=new,
        rollback=old,
        waves=planning.waves(sizes, planning.seconds(soak), 2 * 86_400, None, kits),
        limits=Limits(in_flight=in_flight, failures=failures, failure_percent=percent),
        gates=(Gate(name="uncertain", worse=200, min_sample=100),) if gates else (),
    )


def words(story: Story) -> list[str]:
    """For people."""
    took = story.as_json()["took_ms"]
    deliveries = (
        f"{story.deliveries:,} deliveries, at most {story.most_in_flight} kits at it at a time; waves began "
        + ", ".join(f"after {_time(at)}" if at else "at once" for at in story.waves)
    )
    log = f"{story.events:,} events in the log"
    if story.live is not None:
        ran = f"{_time(story.virtual_ms)} of real time, {story.seconds:.0f} s with the hosts' coming; {log}"
    else:
        ran = (
            f"{_time(story.virtual_ms)} of virtual time in {story.seconds:.1f} s; {story.facts:,} facts in {story.steps:,} steps,"
            f" {log}"
        )
    out = [
        f"{story.kits:,} kits with {story.bricks} bricks, seed {story.seed}: {story.phase}. {story.reason}".rstrip(
            ". "
        )
        + ".",
        ran,
        deliveries,
        "kits: "
        + ", ".join(
            f"{n:,} {status}" for status, n in sorted(story.outcomes.items(), key=lambda one: -one[1])
        ),
    ]
    if took:
        out.append("start to good: " + ", ".join(f"{_time(ms)} (p{p})" for p, ms in took.items()))
    if story.halt_ms is not None:
        why = next((text for _, text in story.words if text.startswith("halted: ")), "halted: ")[8:]
        out.append(
            f"halted after {_time(story.halt_ms)}{' (' + why + ')' if why else ''}; {story.given_before_halt} deliveries before,"
            f" {story.given_after_halt} after; {story.still_running} bricks still run the release"
        )
    if story.live is not None:
        out += _live(story.live)
    return out


def _live(live: LiveFigures) -> list[str]:
    delivered, active = live.delivered_ms, live.active_ms
    out = [
        f"other rules for all {live.hosts:,} hosts that waited: directive after {delivered[0] / 1000:.2f} s (p50), "
        f"{delivered[1] / 1000:.2f} s (p99); active, proved by boot records in the ledger, after {active[0] / 1000:.2f} s (p50), "
        f"{active[1] / 1000:.2f} s (p99)",
        f"controller: {live.memory / 1024:.1f} KiB of memory for each waiting host, its connection and token included",
    ]
    if live.last_delivery_ms is not None:
        last = live.last_delivery_ms
        out.append(
            f"halt to last delivery: {last / 1000:.2f} s"
            if last > 0
            else f"halt to last delivery: none after it, the last one {-last / 1000:.2f} s before"
        )
    out.append("hosts: " + ", ".join(f"{n:,} {what}" for what, n in live.counts.items()))
    return out


def draw(story: Story, path: Path) -> None:
    """A picture, PNG or SVG by its name: kits by status over time with the waves' beginnings, places taken, how long kits took.
    Raises OSError, ValueError (another kind of file)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    word, unit = next(one for one in UNITS if story.virtual_ms >= 3 * one[1] or one is UNITS[-1])
    hours = [at / unit for at, _, _ in story.series]
    figure = Figure(figsize=(11, 8), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, height_ratios=[3, 1, 1])  # pyright: ignore[reportGeneralTypeIssues]
    shown = [
        one for one in GROUPS if any(counts.get(name) for _, _, counts in story.series for name in one[1])
    ]
    top.stackplot(
        hours,
        [
            [sum(counts.get(name, 0) for name in names) for _, _, counts in story.series]
            for _, names, _ in shown
        ],
        labels=[text for text, _, _ in shown],
        colors=[colour for _, _, colour in shown],
    )
    for number, at in enumerate(story.waves, 1):
        top.axvline(at / unit, color="black", linewidth=0.6)
        top.annotate(f" wave {number}", (at / unit, story.kits), rotation=90, va="top", ha="left", fontsize=8)
    if story.halt_ms is not None:
        top.axvline(story.halt_ms / unit, color="#b3261e", linewidth=2)
        top.annotate("halt", (story.halt_ms / unit, story.kits / 2), color="#b3261e", rotation=90, ha="left")
    took = sorted(story.took_ms)
    shown_ms = max(
        [
            took[len(took) * 95 // 100] * 1.3 if took else 0,
            *(at * 1.2 for at in story.waves),
            story.halt_ms or 0,
        ]
    )
    end = (
        min(story.virtual_ms, max(shown_ms, 600_000)) / unit
    )  # the last few kits take days: they are in the words
    if story.phase != "complete":
        end = story.virtual_ms / unit
    for one in (top, middle, bottom):
        one.set_xlim(0, end)
    top.set_ylabel("kits")
    title = (
        f"{story.kits:,} kits, seed {story.seed}: {story.phase}{': ' if story.reason else ''}{story.reason}"
    )
    top.set_title("\n".join(textwrap.wrap(title, 100)), fontsize=11)
    top.yaxis.set_major_formatter("{x:,.0f}")
    top.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    middle.plot(hours, [flying for _, flying, _ in story.series], color="#e0a030")
    middle.set_ylabel("kits at it")
    middle.set_xlabel(f"{word} since the start")
    if story.took_ms:
        bottom.hist([ms / unit for ms in story.took_ms], bins=60, range=(0, end), color="#2a7f4f")
    else:
        bottom.text(0.5, 0.5, "no kit stays with the release", transform=bottom.transAxes, ha="center", color="#777777")
        bottom.set_yticks([])
    bottom.set_ylabel("kits")
    bottom.set_xlabel(f"{word} from the start until good")
    figure.savefig(path, dpi=110)  # pyright: ignore[reportUnknownMemberType]


def _time(ms: int) -> str:
    minutes = ms / 60_000
    if minutes < 3:
        return f"{ms / 1000:.1f} s"
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 2 * 1440 else f"{minutes / 1440:.1f} days"
