"""`python -m tests.campaigns.rollouts [--seeds N] [--kits K]`: rollouts under random faults; what must hold, held.

No delivery after a halt, never more kits at it than allowed, and after a way back no brick with the release."""

import argparse
import random

from fleet.rollouts import simulation_report
from fleet.rollouts.simulate import Simulation
from fleet.rollouts.virtualfleet import Faults


def faults_of(rng):
    """Mild most of the time, wild now and then."""
    wild = rng.random() < 0.3
    return Faults(
        away=rng.choice([0, 20, 50, 80]), fail=rng.choice([0, 0, 0.3, 40 if wild else 1]), reject=rng.choice([0, 0.2]),
        silent=rng.choice([0, 0.5, 20 if wild else 0]), slow=rng.choice([0, 3]), twice=rng.choice([0, 10, 100]),
        rented=rng.choice([0, 10]), uncertain=rng.choice([0, 0, 15]), flap=rng.choice([0, 0, 50]),
    )  # fmt: skip


def play(seed, kits):
    """One story, checked."""
    rng = random.Random(seed)
    limit = rng.choice([5, 20, 100])
    plan = simulation_report.plan(
        kits,
        rng.choice(["1,10%,100%", "5,50%,100%", "100%"]),
        "30min",
        limit,
        kits // 5,
        10,
        rng.random() < 0.7,
    )
    story = Simulation(plan, kits, rng.choice([1, 2, 4]), faults_of(rng), seed).run(30)
    assert story.given_after_halt == 0, f"seed {seed}: {story.given_after_halt} deliveries after the halt"
    assert story.most_in_flight <= limit, f"seed {seed}: {story.most_in_flight} at it, {limit} are allowed"
    if story.phase == "rolled back" and not story.outcomes.get("stuck"):
        assert story.still_running == 0, f"seed {seed}: {story.still_running} bricks still run it"
    assert story.phase in ("complete", "paused", "halted", "rolled back", "rolling back", "running"), (
        story.phase
    )
    return story


def main():
    """Prints how the stories ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.rollouts", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--kits", type=int, default=300)
    chosen = parser.parse_args()
    ends = {}
    seconds = 0.0
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        story = play(seed, chosen.kits)
        seconds += story.seconds
        ends[story.phase] = ends.get(story.phase, 0) + 1
    print(f"{chosen.seeds} stories of {chosen.kits} kits in {seconds:.0f} s: {ends}")


if __name__ == "__main__":
    main()
