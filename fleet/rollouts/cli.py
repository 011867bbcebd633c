"""`stallmark fleet rollout …`: everything works beside a running controller."""

from __future__ import annotations

import getpass
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fleet.clock import open_clock
from fleet.config import Config, load
from fleet.db.engine import outside
from fleet.errors import ConfigError, FleetError

app = typer.Typer(no_args_is_help=True, help="Releases that go out in waves and stop by themselves.")

ConfigPath = Annotated[Path, typer.Option("--config", help="The controller's config.json.")]
Name = Annotated[str, typer.Argument(metavar="ROLLOUT", help="Its name.")]
Why = Annotated[str, typer.Option("--reason", help="Stands beside it for good.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
ANSWER_S = (8.0, 1.0)  # that a verb waits for its answer, where somebody leads and where nobody does


@app.command("plan")
def plan_rollout(
    name: Name,
    config: ConfigPath,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="The rules that kits are to run, in a bundle that authors signed.")
    ] = None,
    application: Annotated[
        Path | None,
        typer.Option("--application", help="Or their bricks' programs (`stallmark fleet release application`)."),
    ] = None,
    back_to: Annotated[
        Path | None, typer.Option("--back-to", help="Bundle to go back to; by default what kits run now.")
    ] = None,
    waves: Annotated[
        str, typer.Option("--waves", help="How many kits are in, one size after the other.")
    ] = "1,10%,50%,100%",
    first: Annotated[
        str, typer.Option("--first", help='Who may be in the first wave, such as "name=stall-4".')
    ] = "",
    soak: Annotated[str, typer.Option("--soak", help="How long a wave is watched.")] = "1h",
    deadline: Annotated[str, typer.Option("--deadline", help="How long a wave waits for reports.")] = "1d",
    in_flight: Annotated[int, typer.Option("--in-flight", min=1, help="Kits at it at a time.")] = 50,
    failures: Annotated[int, typer.Option("--failures", min=1, help="So many bad kits halt it.")] = 3,
    failure_percent: Annotated[
        int,
        typer.Option(
            "--failure-percent", min=0, max=100, help="Or more than this part of those that reported."
        ),
    ] = 5,
    min_sample: Annotated[
        int | None,
        typer.Option("--min-sample", min=1, help="Reports that a wave needs; by default a third of it."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option("--gate", help="errors, uncertain, latency, budget, heap, battery; :N how much worse, :N:M and at worst."),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option("--events", help="Gate 0: recorded events (`stallmark fleet export-events`)."),
    ] = None,
    flipped: Annotated[
        int, typer.Option("--flipped", min=0, max=10_000, help="Gate 0, and the shadow: decisions of 10,000 that may flip.")
    ] = 500,
    more_minor: Annotated[
        int | None,
        typer.Option("--more-minor", min=0, help="Gate 0: money that it may give more, in minor units."),
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option(
            "--shadow", metavar="MINUTES", help="So long canary bricks try it beside what runs, before the first wave."
        ),
    ] = None,
    critical: Annotated[bool, typer.Option("--critical", help="Security: rented kits get it, too.")] = False,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Release of the host, a kit's last step: a commit in full (docs/balena.md)."
        ),
    ] = "",
    host_before: Annotated[
        str, typer.Option("--host-before", help="What hosts go back to with the rest; by default they stay.")
    ] = "",
    host_release: Annotated[
        Path | None,
        typer.Option(
            "--host-release",
            help="Release of the host that it installs by itself (`stallmark fleet release host`): a kit's last step, or alone.",
        ),
    ] = None,
    host_release_before: Annotated[
        Path | None,
        typer.Option("--host-release-before", help="What those hosts go back to; by default their earlier release, if known."),
    ] = None,
    host_time: Annotated[
        str, typer.Option("--host-time", help="How long a host may take for it: it waits for a quiet moment.")
    ] = "1d",
    follows: Annotated[
        bool, typer.Option("--follow", help="Once it is through, newer rules of the folder take over.")
    ] = False,
    stay: Annotated[bool, typer.Option("--no-rollback", help="After a halt, wait for a person.")] = False,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Only kits of this tenant; whose people then see and drive it.")
    ] = None,
    planner: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="NAME",
            help="Your account; asks for its password. Then one other person agrees, not two.",
        ),
    ] = None,
) -> None:
    """Plan a rollout: who is in which wave, what stops it, what it goes back to. Nothing is ordered before `start`."""
    from fleet.desired import rows
    from fleet.rollouts import book, facts, gates, hostplan, planning, second, showing, tenants
    from fleet.rollouts.plan import Limits, Plan, Replay

    who = second.beside(getpass.getuser()) if planner is None else _proven(config, planner)
    with _database(config) as (read, connection, now_ms):
        notes: list[str] = []
        own = None if host_release is None else hostplan.read(host_release)
        own_old = None
        alone = own is not None and bundle is None and application is None
        if own is None or not alone:
            path, new = planning.chosen(bundle, application)
        else:
            path, new = hostplan.alone(own, host_release, host, host_before, host_release_before, follows)
        planning.fits(new, gate or [], events, shadow)
        if alone:
            old = hostplan.before(connection, new, back_to, True, notes)
        else:
            old = planning.way_back(connection, new, back_to, notes)
            own_old = None if own is None else hostplan.before(connection, own, host_release_before, False, notes)
        fleet = planning.fleet_now(connection, read)
        if tenant is not None:
            mine = tenants.only(connection, fleet, tenant)
            fleet = {kit: about for kit, about in fleet.items() if kit in mine}
        if own is not None:
            fleet = hostplan.kits(connection, fleet, alone, host, notes)
        limits = Replay(flipped_bps=flipped, more_minor=more_minor) if events is not None else None
        plan = Plan(
            name=new.name or name,
            release=planning.release_of(new, host, None if alone else own),
            waves=planning.waves(
                waves, planning.seconds(soak), planning.seconds(deadline), min_sample, len(fleet), first
            ),
            limits=Limits(
                in_flight=in_flight,
                failures=failures,
                failure_percent=failure_percent,
                host_deadline_s=_limit_of_hosts(planning.seconds(host_time)),
            ),
            gates=tuple(planning.gate(one) for one in gate or []),
            replay=limits,
            shadow=None if shadow is None else planning.shadow(shadow, flipped),
            rollback=None if old is None else planning.release_of(old, host_before, own_old),
            auto_rollback=not stay,
            security_critical=critical,
            follow=follows,
        )
        zero = None
        if limits is not None and events is not None:
            zero = gates.gate_zero(limits, planning.replay_files(connection, old, path, events), now_ms)
        for one in (new, old, own, own_old):
            if one is not None:
                rows.put_target(connection, one.envelope, now_ms)
                rows.put_target(connection, one.data, now_ms)
        state = book.create(connection, name, plan, fleet, who, now_ms)
        _note(connection, "plan", name, {"release": planning.release_of(new).bundle, "by": who})
        if zero is not None:
            book.ask(connection, name, zero, now_ms)
    names = {one.kit.hex(): one.name for one in read.kits}
    for line in showing.plan_words(state, names):
        typer.echo(line)
    if isinstance(zero, facts.Gate):
        typer.echo(f"gate 0 (replay): {zero.verdict}: {zero.why}")
    for note in notes:
        typer.echo(note, err=True)
    if isinstance(zero, facts.Gate) and zero.verdict != facts.PASS:
        typer.echo(f"Rollout {name} is planned, and `start` will refuse it: change the rules, or plan it anew with other limits.")
    else:
        typer.echo(f"Rollout {name} is planned. Next: stallmark fleet rollout start {name} --config {config}")


@app.command()
def start(name: Name, config: ConfigPath, reason: Why = "") -> None:
    """Begin the first wave. Where config.json has people, another one agrees first: exit code 1 while that is open."""
    _verb(config, name, "start", reason)


@app.command()
def pause(name: Name, config: ConfigPath, reason: Why = "") -> None:
    """Give out nothing new; who has begun may end."""
    _verb(config, name, "pause", reason)


@app.command()
def resume(
    name: Name,
    config: ConfigPath,
    accept: Annotated[
        str | None,
        typer.Option(
            "--accept-failures", metavar="REASON", help="Go on in spite of what failed or is unclear."
        ),
    ] = None,
) -> None:
    """Go on after a pause. Failures, silence and halts are passed over by --accept-failures alone."""
    if accept is not None and not accept.strip():
        raise _stop("--accept-failures needs a reason")
    _verb(config, name, "resume", accept or "", accept is not None)


@app.command()
def halt(name: Name, config: ConfigPath, reason: Why = "") -> None:
    """Nobody gets the release any more, latecomers included. Who has it keeps it until `rollback`."""
    _verb(config, name, "halt", reason)


@app.command()
def rollback(name: Name, config: ConfigPath, reason: Why = "") -> None:
    """Halt, and bring every kit back to what was there before, the last wave first."""
    _verb(config, name, "rollback", reason)


@app.command()
def follow(name: Name, config: ConfigPath, reason: Why = "") -> None:
    """Once it is through, newer rules of the folder take over again: by revision, kit by kit."""
    _verb(config, name, "follow", reason)


@app.command()
def status(
    config: ConfigPath,
    name: Annotated[str | None, typer.Argument(metavar="ROLLOUT")] = None,
    as_json: AsJson = False,
) -> None:
    """All rollouts, or one with its waves. Exit code 1 where one is paused or halted."""
    from fleet.rollouts import book, lease, names, showing

    with _database(config) as (read, connection, now_ms):
        found = [book.load(connection, one)[0] for one in ([name] if name else book.names(connection))]
        called = names.of_all(connection, read)
        leader = lease.leader(connection, time.time_ns() // 1_000_000)
    if as_json:
        typer.echo(
            json.dumps(
                {"leader": leader, "rollouts": [showing.as_json(one, now_ms, bool(name), called) for one in found]},
                indent=1,
            )
        )
    elif not found:
        typer.echo("No rollouts yet. `stallmark fleet rollout plan NAME --bundle FILE` makes one.")
    elif name:
        Console(markup=False, emoji=False).print(
            showing.one(found[0], now_ms, called)
        )
    else:
        Console(markup=False, emoji=False).print(showing.listing(found, now_ms, called))
    if found and not leader and not as_json:
        typer.echo("No controller leads: nothing moves until `stallmark fleet run`.", err=True)
    if any(one.phase in ("paused", "halted") for one in found):
        raise typer.Exit(1)


@app.command()
def why(
    name: Name,
    config: ConfigPath,
    kit: Annotated[str | None, typer.Argument(help="A kit by its name or its id in hex.")] = None,
    as_json: AsJson = False,
) -> None:
    """Why a rollout, or one kit of it, is where it is: reasons in the order of their weight, with their age."""
    from fleet.desired import look
    from fleet.rollouts import book, hoststep, names, second, showing
    from fleet.rollouts.state import PLANNED
    from fleet.rollouts.why import why as reasons

    with _database(config) as (read, connection, now_ms):
        state, _ = book.load(connection, name)
        waits = None
        if state.phase == PLANNED and read.people.configured:
            waits = second.reason(connection, name, time.time_ns() // 1_000_000, now_ms)
        called = names.of_all(connection, read)
    wanted = None if kit is None else _kit(read, kit)
    found = reasons(state, wanted, now_ms, called)
    if wanted is not None and wanted in state.kits and hoststep.asks(state, state.kits[wanted]):
        found[1:1] = hoststep.more(state, state.kits[wanted], look.facts(read, wanted)[0])
    found = found if waits is None else [waits, *found]
    if as_json:
        typer.echo(json.dumps({"reasons": [showing.reason_json(one, now_ms) for one in found]}, indent=1))
    else:
        Console(markup=False, emoji=False).print(showing.reasons(found, now_ms))


def _verb(config: Path, name: str, verb: str, reason: str, accept: bool = False) -> None:
    """Asks the leader, waits a little for what it says, and tells it. Exit code 1 where it was not done."""
    from fleet.people import commands
    from fleet.people.actors import COMMAND
    from fleet.rollouts import book, facts, lease, second, showing
    from fleet.rollouts.state import PLANNED

    waits = missing = None
    with _database(config) as (read, connection, now_ms):
        state, _ = book.load(connection, name)
        if verb == "start" and state.phase == PLANNED and read.people.configured:
            commands.demand_tables(connection)
            waits = second.ask(connection, COMMAND, name, commands.now_ms())
            missing = second.missing(connection, name, commands.now_ms())
    if waits is not None and missing:
        typer.echo(
            f"Not begun: {missing}. They agree at /admin/approvals, number {waits.number}; then start it again.",
            err=True,
        )
        raise typer.Exit(1)
    with _database(config) as (read, connection, now_ms):
        number = book.ask(connection, name, facts.Verb(verb, getpass.getuser(), reason, accept), now_ms)
        asked = {"reason": reason, "accept_failures": accept, "by": getpass.getuser()}
        _note(connection, verb, name, asked)
        leader = lease.leader(connection, time.time_ns() // 1_000_000)
    end = time.monotonic() + ANSWER_S[leader is None]
    while time.monotonic() < end:
        with _database(config) as (_, connection, now_ms):
            if book.answered(connection, number) is not None:
                state, _ = book.load(connection, name)
                said = next((word.text for word in reversed(state.words) if f"to {verb}" in word.text), "")
                if "Not done: " in said:
                    raise _stop(said)
                Console(markup=False, emoji=False).print(
                    showing.one(state, now_ms, {one.kit.hex(): one.name for one in read.kits})
                )
                return
        time.sleep(0.2)
    typer.echo(
        f"Written down: {verb} {name}. No controller has taken it up yet; one does as soon as it runs"
        " (`stallmark fleet run`), before it orders anything else."
    )


def _limit_of_hosts(time_s: int) -> int:
    from fleet.rollouts.plan import PlanError

    if not 60 <= time_s <= 2_592_000:
        raise PlanError("--host-time: between a minute and 30 days")
    return time_s


def _proven(config: Path, name: str) -> str:
    """An account of somebody who has its password and may plan rollouts of every kit."""
    from fleet.people import commands
    from fleet.people.cli import ask_password

    with _database(config) as (_, connection, _now_ms):
        return commands.proven(connection, name, ask_password(confirm=False), "rollouts.write")


def _note(connection: Connection, verb: str, name: str, after: object) -> None:
    """A line of the audit log, in the transaction that writes it down."""
    from fleet.people import commands

    commands.record(connection, f"rollouts.{verb}", name, after)


def _kit(config: Config, text: str) -> str:
    for one in config.kits:
        if text in (one.name, one.kit.hex()):
            return one.kit.hex()
    return text.lower()


@contextmanager
def _database(config: Path) -> Generator[tuple[Config, Connection, int]]:
    """The controller's database beside it; what goes wrong ends the command with one line."""
    try:
        read = load(config)
        engine = outside(read.database)
        try:
            with engine.begin() as connection:
                yield read, connection, open_clock(read.clock_file).now_ms()
        finally:
            engine.dispose()
    except DBAPIError as error:
        raise _stop(
            f"the database cannot be read: {error.orig}. A controller of this version makes it ready"
        ) from None
    except ConfigError as error:
        raise _stop(str(error)) from None
    except FleetError as error:
        raise _stop(str(error)) from None


def _stop(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)
