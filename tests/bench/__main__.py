"""`make bench`: every figure of the project in one run, as a table or with --json."""

import argparse
import importlib
import json
import sys
import time

from rich.console import Console
from rich.table import Table

MODULES = ("bench_core", "bench_tree", "bench_host", "bench_fleet", "bench_brick", "bench_market")


def main() -> int:
    """Runs the chosen areas; the exit code is 0 whatever the figures are, 1 only when an area could not run."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--quick", action="store_true", help="smaller samples: for a look, not for a record")
    parser.add_argument("areas", nargs="*", help=f"some of: {', '.join(name[6:] for name in MODULES)}")
    chosen = parser.parse_args()
    console = Console(stderr=True)
    rows: list[dict[str, object]] = []
    failed = 0
    for name in MODULES:
        area = name[6:]
        if chosen.areas and area not in chosen.areas:
            continue
        started = time.monotonic()
        with console.status(f"measuring {area} …"):
            try:
                figures = importlib.import_module(f"tests.bench.{name}").run(quick=chosen.quick)
            except Exception as error:  # noqa: BLE001 - one area that cannot run must not hide the others
                console.print(f"{area}: could not run: {type(error).__name__}: {error}", style="red")
                failed = 1
                continue
        console.print(f"{area}: {time.monotonic() - started:.0f} s")
        rows += [{"area": area, **figure._asdict()} for figure in figures]
    if chosen.json:
        json.dump({"figures": rows}, sys.stdout, indent=1)
        print()
        return failed
    table = Table(title="Stallmark, measured in this run on this machine")
    for heading in ("area", "figure", "value", "against", "ratio", "aim"):
        table.add_column(heading, justify="right" if heading in ("value", "ratio", "aim") else "left")
    for row in rows:
        ratio, aim = row["ratio"], row["aim"]
        table.add_row(
            str(row["area"]),
            str(row["name"]),
            f"{row['value']:,.4g} {row['unit']}",
            str(row["against"]),
            "" if ratio is None else f"{ratio:.2f}",
            "" if aim is None else f"{aim:g}",
        )
    Console().print(table)
    return failed


if __name__ == "__main__":
    sys.exit(main())
