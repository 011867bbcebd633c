"""`python -m tests.campaigns.hostkills`: SIGKILL of a running host in every state of an update, and of its launcher at each step.

Prints the tables of tests/host/test_host_killed.py and test_host_killed_launcher.py with what was seen. Exit code 1 where that is
something else."""

import asyncio
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "host"), str(HERE.parent / "firmware"), str(HERE.parent / "hardware")]


def main() -> None:
    """All kills."""
    import test_host_killed as host
    import test_host_killed_launcher as launcher

    wrong = 0

    def say(what: str, wanted: object, seen: object) -> None:
        nonlocal wrong
        wrong += wanted != seen
        print(f"{what:<27} {wanted!s:<58} {'seen' if wanted == seen else f'SEEN: {seen}'}", flush=True)

    print("host killed when            after it: directive, envelope, artefact fetched; pieces to the brick")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(
            host.play(
                Path(folder),
                [row[0] for row in host.TRACE],
                lambda *row: say(row[0], *map(", ".join, row[1:])),
            )
        )
    print(
        "launcher killed when        stands: release, phase, starts, failed; next start: release, phase, starts"
    )
    for step, stands, runs in launcher.TRACE:
        with tempfile.TemporaryDirectory() as folder:
            say(step, (stands, runs), launcher.kill(Path(folder), step))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
