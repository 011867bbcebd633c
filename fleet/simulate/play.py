"""The live simulation: hosts come and wait, rules change for all at once, then a rollout goes out in waves; what came of it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from statistics import quantiles

from sqlalchemy import Engine

from fleet.core import bundle as bundles
from fleet.db.engine import outside
from fleet.desired import folder, rows
from fleet.rollouts import book, facts, planning
from fleet.rollouts.plan import Plan
from fleet.rollouts.simulate import LiveFigures, Story
from fleet.rollouts.state import COMPLETE, HALTED, OK, PAUSED, ROLLED_BACK, WAITING, State
from fleet.rollouts.virtualfleet import Faults
from fleet.simulate.crowd import Change, Crowd, Say
from fleet.simulate.limits import LiveError, make_room
from fleet.simulate.place import Place, now_ms
from fleet.simulate.process import Program, controller, ends_in_order
from fleet.simulate.town import Town, make

NAME = "simulated"
LOOK_S = 0.25  # between two looks at the rollout
CUT = 5.0  # percent of downloads that break off
BEFORE, RELEASE = 1, 2  # revisions


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be played. `plan`: as for the virtual form, its releases are replaced by real ones; `minutes`: at most."""

    plan: Plan
    kits: int
    bricks: int
    faults: Faults
    seed: int
    speed: float
    minutes: float


def play(wanted: Wanted, say: Say = lambda text: None) -> Story:
    """The whole, in a folder that is removed afterwards. Raises LiveError, PlanError, OSError."""
    make_room(wanted.kits)
    with ends_in_order(), tempfile.TemporaryDirectory(prefix="stallmark-live-") as name:
        say(f"keys for {wanted.kits:,} kits")
        town = make(Path(name) / "controller", wanted.kits, wanted.bricks, wanted.seed)
        before = town.release(BEFORE)
        release = town.release(RELEASE, (folder.read(before).artefact,))
        say("the controller starts")
        with controller(town.folder) as program:
            return asyncio.run(_play(wanted, town, program, before, release, say))


def fan_out(kits: int, bricks: int, seed: int, say: Say = lambda text: None) -> tuple[Change, float]:
    """Only hosts that wait, and one change for all of them: until each has its directive; and bytes of the controller's memory
    for each. Nothing is installed. Raises what `play` does."""
    make_room(kits)
    with ends_in_order(), tempfile.TemporaryDirectory(prefix="stallmark-live-") as name:
        say(f"keys for {kits:,} kits")
        town = make(Path(name) / "controller", kits, bricks, seed)
        with controller(town.folder) as program:
            return asyncio.run(_fan_out(town, program, seed, say))


async def _fan_out(town: Town, program: Program, seed: int, say: Say) -> tuple[Change, float]:
    place = Place(program.port, town.config.secrets.director_public, Faults(), 1.0, seed, idle=True)
    async with Crowd(town, place, program) as crowd:
        memory = await crowd.come(say)
        return await crowd.change(town.release(BEFORE), say), memory


async def _play(
    wanted: Wanted, town: Town, program: Program, before: bytes, release: bytes, say: Say
) -> Story:
    doubtful = sha256(bundles.split(release)[1]).digest()
    director = town.config.secrets.director_public
    place = Place(program.port, director, wanted.faults, wanted.speed, wanted.seed, CUT, doubtful)
    engine = outside(town.config.database)
    began = time.monotonic()
    try:
        async with Crowd(town, place, program) as crowd:
            memory = await crowd.come(say)
            change = await crowd.change(before, say)
            state, n, story = await _roll_out(wanted, town, engine, place, before, release, say)
    finally:
        engine.dispose()
    story.seconds = round(time.monotonic() - began, 3)
    story.events = n
    story.most_in_flight = max((flying for _, flying, _ in story.series), default=0)
    given = place.seen.given.get(doubtful, [])
    story.deliveries = len(given)
    halted = next((word.at_ms for word in state.words if word.text.startswith(HALTED)), None)
    last_ms: float | None = None
    if halted is not None:
        after = [at for at in given if at > halted]
        story.halt_ms = halted - _started(state)
        story.given_before_halt, story.given_after_halt = len(given) - len(after), len(after)
        last_ms = float(max(given, default=halted) - halted)
    story.still_running = sum(
        brick.runs == doubtful for host in crowd.hosts for brick in host.carrying.bricks
    )
    story.live = LiveFigures(
        change.hosts,
        percentiles(change.delivered_ms),
        percentiles(change.active_ms),
        last_ms,
        memory,
        dict(sorted(place.seen.counts.items())),
    )
    return story


async def _roll_out(
    wanted: Wanted, town: Town, engine: Engine, place: Place, before: bytes, release: bytes, say: Say
) -> tuple[State, int, Story]:
    """Plans and starts it as `stallmark fleet rollout` does, beside the controller, and watches until nothing moves by itself."""
    old, new = folder.read(before), folder.read(release)
    plan = replace_releases(wanted.plan, new, old)
    with engine.begin() as connection:
        for data in (new.envelope, new.data):
            rows.put_target(connection, data, now_ms())
        book.create(
            connection, NAME, plan, planning.fleet_now(connection, town.config), "simulator", now_ms()
        )
        book.ask(connection, NAME, facts.Verb("start", "simulator"), now_ms())
    story = Story(wanted.kits, wanted.bricks, wanted.seed, asdict(wanted.faults))
    end = time.monotonic() + wanted.minutes * 60
    with engine.begin() as connection:
        state, n = book.load(connection, NAME)
    while True:
        await asyncio.sleep(LOOK_S)
        state, n = await asyncio.to_thread(_look, engine, state, n)
        if state.wave < 0:
            if time.monotonic() > end:
                raise LiveError(f"the rollout did not begin within {wanted.minutes:g} minutes")
            continue
        counts: dict[str, int] = {}
        for (_, status, _), many in state.counts.items():
            counts[status] = counts.get(status, 0) + many
        story.series.append((now_ms() - _started(state), len(state.flying), counts))
        say(
            f"{state.phase}, wave {state.wave + 1} of {len(state.plan.waves)}: {counts.get(OK, 0):,} good, {len(state.flying)}"
            f" at it, {len(place.seen.waiting):,} hosts wait"
        )
        if _over(state) or time.monotonic() > end:
            break
    started = _started(state)
    story.phase, story.reason = state.phase, state.reason
    story.virtual_ms = now_ms() - started
    story.outcomes = counts
    story.took_ms = [kit.since_ms - started for kit in state.kits.values() if kit.status == OK]
    story.waves = [word.at_ms - started for word in state.words if word.text.startswith("wave ")]
    story.words = [(word.at_ms - started, word.text) for word in state.words]
    return state, n, story


def replace_releases(plan: Plan, new: folder.Release, old: folder.Release) -> Plan:
    """A plan for made-up releases as one for these."""
    return plan.model_copy(
        update={"release": planning.release_of(new), "rollback": planning.release_of(old), "gates": ()}
    )


def _look(engine: Engine, state: State, n: int) -> tuple[State, int]:
    with engine.connect() as connection:
        return book.follow(connection, state, n)


def _over(state: State) -> bool:
    """Whether nothing more happens by itself but kits that come back one day."""
    if state.flying:
        return False
    if state.phase in (PAUSED, ROLLED_BACK):
        return True
    if state.phase == COMPLETE:
        return not state.count(WAITING)
    return state.phase == HALTED and not state.plan.auto_rollback


def _started(state: State) -> int:
    return next((word.at_ms for word in state.words if word.text.startswith("wave 1 ")), state.made_ms)


def percentiles(values: tuple[float, ...]) -> tuple[float, float]:
    """p50, p99; zeros where there are none."""
    if len(values) < 2:
        return (values[0], values[0]) if values else (0.0, 0.0)
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]
