"""Hosts that wait for a directive at one controller: from a change in the rules folder to the last of them, memory for each; and
a rollout that halts. The live form of the simulator (fleet/simulate), which `stallmark fleet simulate --live` plays.

Real HTTP on loopback; the controller is one process, all hosts are in this one. Both share the machine's cores."""

from fleet.rollouts import simulation_report
from fleet.rollouts.virtualfleet import Faults
from fleet.simulate.play import Wanted, fan_out, percentiles, play
from tests.bench import Figure, say

CROWDS = (2_000, 5_000)
BRICKS = 3  # of each kit: items of its directive
ROLLED = 200  # kits of the rollout that halts
SEED = 5
SPEED = 300.0
MINUTES = 10.0


def run(quick: bool = False) -> list[Figure]:
    """Two crowds; with `quick` one of 300, and a smaller rollout."""
    figures: list[Figure] = []
    for crowd in (300,) if quick else CROWDS:
        figures += _waiting(crowd)
    return figures + _halted(30 if quick else ROLLED)


def _waiting(crowd: int) -> list[Figure]:
    change, memory = fan_out(crowd, BRICKS, SEED, lambda text: say(f"{crowd} hosts: {text}"))
    assert len(change.delivered_ms) == crowd
    p50, p99 = percentiles(change.delivered_ms)
    many = f"{crowd:,} waiting hosts"
    return [
        Figure(f"change → delivered, p50, {many}", p50, "ms", "one worker, rules folder to host"),
        Figure(f"change → delivered, p99, {many}", p99, "ms", "5 s", p99 / 5_000, 1.0, True),
        Figure(
            f"controller memory per waiting host, {many}",
            memory / 1024,
            "KiB",
            "connection and token included",
        ),
    ]


def _halted(kits: int) -> list[Figure]:
    """Every fifth kit's bricks fail: three bad ones halt it."""
    plan = simulation_report.plan(kits, "1,100%", "0s", kits, 3, 100, gates=False)
    wanted = Wanted(plan, kits, 1, Faults(fail=20), SEED, SPEED, MINUTES)
    story = play(wanted, lambda text: say(f"a rollout to {kits} hosts: {text}"))
    assert story.live is not None and story.live.last_delivery_ms is not None, story.phase
    active = story.live.active_ms
    return [
        Figure(f"change → active, proved in the ledger, p50, {kits} hosts at once", active[0], "ms"),
        Figure(f"change → active, proved in the ledger, p99, {kits} hosts at once", active[1], "ms"),
        Figure(
            f"halt → last delivery, {kits} hosts",
            max(0.0, story.live.last_delivery_ms),
            "ms",
            "5 s",
            max(0.0, story.live.last_delivery_ms) / 5_000,
            1.0,
            True,
        ),
    ]
