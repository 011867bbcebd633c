"""A rollout to ten thousand kits on a virtual clock, by the controller's own engine: seconds of this machine, and who gets a
halted release. Halt → last delivery over real HTTP is in `fanout`."""

import time

from fleet.rollouts import simulation_report
from fleet.rollouts.simulate import Simulation
from fleet.rollouts.virtualfleet import read_faults
from tests.bench import Figure, say

KITS, BRICKS, SEED, DAYS = 10_000, 4, 1, 14.0


def run(quick: bool = False) -> list[Figure]:
    """A market that goes through and one that halts; with `quick` a tenth of the kits."""
    kits = KITS // 10 if quick else KITS
    figures: list[Figure] = []
    for faults, words in (("market", "goes through"), ("bad", "halts and goes back")):
        say(f"{kits:,} kits, {faults}")
        plan = simulation_report.plan(kits, "10,5%,10%,50%,100%", "1h", 200, 200, 10, True)
        began = time.perf_counter()
        story = Simulation(plan, kits, BRICKS, read_faults(faults), SEED).run(DAYS)
        took = time.perf_counter() - began
        name = f"rollout to {kits:,} kits of {BRICKS} bricks that {words}"
        figures.append(Figure(name, took, "s", "two weeks of virtual time"))
        if faults == "bad":
            late = story.given_after_halt
            figures.append(Figure("kits that were given the release after its halt", late, "kits", "0", float(late), 0.0, True))
    return figures
