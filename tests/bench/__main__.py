"""`make bench`: every figure of the project in one run, as a table or with --json."""

import argparse
import importlib
import json
import os
import platform
import sys
import time

from rich.console import Console
from rich.table import Table

from tests import bench
from tests.bench import Figure

AREAS = (
    "core", "engine", "tree", "host", "fleet", "brick", "market", "replay", "till", "voucher", "journal", "tags", "appliance",
    "radio", "heap32", "fanout", "rollout", "intent", "install", "trust",
)  # fmt: skip
WIDE = 150  # characters of the table where no terminal says otherwise


def main() -> int:
    """Runs the chosen areas; the exit code is 0 whatever the figures are, 1 only when an area could not run."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--quick", action="store_true", help="smaller samples: for a look, not for a record")
    parser.add_argument("areas", nargs="*", help=f"some of: {', '.join(AREAS)}; none means all")
    chosen = parser.parse_args()
    unknown = set(chosen.areas) - set(AREAS)
    if unknown:
        parser.error(f"there is no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    areas = [area for area in AREAS if not chosen.areas or area in chosen.areas]
    figures: list[tuple[str, Figure]] = []
    failed: dict[str, str] = {}
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    for area in areas:
        try:
            figures += [(area, figure) for figure in _measure(area, chosen.quick, console)]
        except Exception as error:  # noqa: BLE001 - one area that cannot run must not hide the others
            failed[area] = f"{type(error).__name__}: {error}"
            console.print(f"{area}: could not run: {failed[area]}", style="red", markup=False)
    if chosen.json:
        rows = [{"area": area, **figure._asdict(), "met": figure.met} for area, figure in figures]
        report = {"machine": machine(), "quick": chosen.quick, "figures": rows, "failed": failed}
        json.dump(report, sys.stdout, indent=1)
        print()
    elif figures:
        out = Console(highlight=False)
        (out if out.is_terminal else Console(width=WIDE, highlight=False)).print(table(figures))
    console.print(f"{len(figures)} figures in {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def _measure(area: str, quick: bool, console: Console) -> list[Figure]:
    """One area, with a line in the terminal that says what it is at."""
    started = time.monotonic()
    with console.status(f"{area} …") as status:

        def told(text: str) -> None:
            status.update(f"{area}: {text} …")

        bench.listeners.append(told)
        try:
            figures: list[Figure] = importlib.import_module(f"tests.bench.bench_{area}").run(quick=quick)
        finally:
            bench.listeners.remove(told)
    console.print(f"{area}: measured in {time.monotonic() - started:.0f} s")
    return figures


def table(figures: list[tuple[str, Figure]]) -> Table:
    """The figures for a person: texts may wrap, numbers never."""
    made = Table(title="Stallmark, measured in this run on this machine", caption=machine())
    made.add_column("area", no_wrap=True)
    made.add_column("figure", overflow="fold", min_width=12)
    made.add_column("value", justify="right", no_wrap=True)
    made.add_column("against", overflow="fold", min_width=8)
    made.add_column("ratio", justify="right", no_wrap=True)
    made.add_column("aim", no_wrap=True)
    before = ""
    for area, figure in figures:
        if before and area != before:
            made.add_section()
        made.add_row(
            "" if area == before else area,
            figure.name,
            f"{number(figure.value)} {figure.unit}",
            figure.against,
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            aim(figure),
        )
        before = area
    return made


def machine() -> str:
    """What it ran on, and how busy that was: the load tells how much noise to expect."""
    load = ", ".join(f"{minutes:.1f}" for minutes in os.getloadavg())
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, load average {load}"


def number(value: float) -> str:
    """Three digits that say something, and never an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def aim(figure: Figure) -> str:
    """The aim and whether it is met, in words."""
    if figure.aim is None:
        return ""
    sign = "≤" if figure.at_most else "≥"
    return f"{sign} {figure.aim:g} {'met' if figure.met else 'missed'}"


if __name__ == "__main__":
    sys.exit(main())
