"""Flash under cuts, flipped bits and years of use: `python -m tests.campaigns.flash --bytes all --seeds 4`.

Power ends inside every operation: after each n-th byte (`--bytes n`; `all`: each one), and with the whole page or sector part of
its way. Journal, rules, programs in their slots, keys, tables, and small files on littlefs, by way of littlefs-python and of
MicroPython's own VfsLfs2. No acknowledged record lost, none doubled, never without rules, programs or keys: counts printed.
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.campaigns import flash_files, flash_journal, flash_pairs, flash_slots, flash_tables, flash_vfs

ERASE_STRIDE = 61  # of a sector, unless every byte is asked for
WEAR = 20_000


def jobs(seed, seeds, stride, erase_stride, wear):
    """(area, function, arguments) of everything."""
    out = [("journal: wear", flash_journal.wear, (wear, seed))]
    for one in range(seed, seed + seeds):
        out += [
            ("journal: cuts", flash_journal.cuts, (one, stride, erase_stride)),
            ("rules: cuts", flash_pairs.slot_cuts, (one, stride, erase_stride)),
            ("keys: cuts", flash_pairs.key_cuts, (one, stride, erase_stride)),
            ("small files: cuts", flash_files.cuts, (one, stride, erase_stride)),
            ("small files, MicroPython's VfsLfs2: cuts", flash_vfs.cuts, (one, stride, erase_stride)),
            ("programs: cuts", flash_slots.program_cuts, (one, stride, erase_stride)),
            ("tried rules: cuts", flash_slots.rule_cuts, (one, stride, erase_stride)),
            ("tables: cuts", flash_tables.cuts, (one, stride, erase_stride)),
        ]
    return [
        *out,
        ("journal: flipped bits", flash_journal.flips, (seed, stride)),
        ("rules: flipped bits", flash_pairs.slot_flips, (seed, stride)),
        ("keys: flipped bits", flash_pairs.key_flips, (seed, stride)),
    ]


def one(area, function, arguments):
    """(area, counts, what broke or None)."""
    try:
        return area, function(*arguments), None
    except Exception as failed:  # noqa: BLE001 - a crash is a finding, too
        return area, Counter(), f"{area}, seed {arguments[0]}: {type(failed).__name__}: {failed}"


def campaign(seed, seeds, stride, erase_stride, wear=WEAR, workers=1, progress=None):
    """({area: counts}, [what broke])."""
    told, broken = {}, []
    waiting = jobs(seed, seeds, stride, erase_stride, wear)
    if workers == 1:
        results = (one(*job) for job in waiting)
    else:
        pool = ProcessPoolExecutor(workers)
        results = (ready.result() for ready in as_completed([pool.submit(one, *job) for job in waiting]))
    for number, (area, counts, failed) in enumerate(results, 1):
        told[area] = told.get(area, Counter()) + counts
        if failed:
            broken.append(failed)
        if progress:
            progress(number, len(waiting), area)
    return told, broken


def main():
    """The command; exit code 1 where something broke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--bytes", default="16", help="cut after each n-th byte of a program, or `all`; of erases too"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first workload; the others count on from it"
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--wear", type=int, default=WEAR, help="records of the run that counts erases")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    stride = 1 if chosen.bytes == "all" else int(chosen.bytes)
    began = time.monotonic()

    def progress(done, of, area):
        print(
            f"\r{done} of {of} sweeps, {time.monotonic() - began:.0f} s ({area})\x1b[K",
            end="",
            file=sys.stderr,
            flush=True,
        )

    erase_stride = 1 if chosen.bytes == "all" else ERASE_STRIDE
    told, broken = campaign(
        chosen.seed, chosen.seeds, stride, erase_stride, chosen.wear, chosen.jobs, progress
    )
    print(file=sys.stderr)
    for area in sorted(told):
        print(f"{area}: " + ", ".join(f"{number:,} {what}" for what, number in told[area].items()))
    for line in broken:
        print(f"BROKEN {line}")
    images = sum(counts["images"] for counts in told.values())
    verdict = f"{len(broken)} broken" if broken else "none lost, none doubled, none other than written"
    print(
        f"seeds {chosen.seed} to {chosen.seed + chosen.seeds - 1}: {images:,} images after a cut, {verdict}"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
