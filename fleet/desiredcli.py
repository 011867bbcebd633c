"""`stallmark fleet kits`, `why`, `stop`, `exposed`: how kits stand, and stopping them. Beside a running controller."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from fleet.config import Config, load
from fleet.errors import FleetError

ConfigPath = Annotated[Path, typer.Option("--config", help="The controller's config.json.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]

# How long what was ordered stands, by where it came from
STANDS = {
    "rules": "it follows the rules folder: newer rules there take over by themselves",
    "kept": "it stands until somebody orders something else: newer rules of the folder wait (docs/rollouts.md, After a rollout)",
    "set": "it stands until it expires",
}


def kits(config: ConfigPath, as_json: AsJson = False) -> None:
    """Every kit: its state, since when its host was not heard, and the first reason."""
    from fleet import kitwhy
    from fleet.desired import look
    from fleet.desired import why as reasons

    read = _load(config)
    found = _or_stop(lambda: look.facts(read))
    now_ms = found[0].now_ms if found else 0
    more = _or_stop(lambda: kitwhy.beside(read, [one.kit for one in found], now_ms))
    names = _names(read)
    if as_json:
        rows = [reasons.as_json(one, names.get(one.kit, ""), reasons.reasons(one, more[one.kit])) for one in found]
        typer.echo(json.dumps({"kits": rows}, indent=1))
        return
    table = Table(title="Kits")
    for name in ("kit", "state", "directive", "host heard", "first reason", "since"):
        table.add_column(name, overflow="fold")
    for one in found:
        first = reasons.reasons(one, more[one.kit])[0]
        table.add_row(
            names.get(one.kit, one.kit.hex()),
            one.state,
            "none" if one.head is None else str(one.head.number),
            _ago(one.seen_ms, one.now_ms),
            first.text,
            _ago(first.since_ms, one.now_ms, ""),
        )
    Console(markup=False, emoji=False).print(table)


def why(
    config: ConfigPath,
    kit: Annotated[str, typer.Argument(help="Its name or its id in hex.")],
    as_json: AsJson = False,
) -> None:
    """Why a kit runs what it runs: reasons in the order of their weight, each with its age. What the host says is as old as its
    report; what bricks proved, by their boot records in the ledger, is marked so."""
    from fleet import kitwhy
    from fleet.desired import look, naming
    from fleet.desired import why as reasons
    from fleet.hostos import look as hostos_look

    read = _load(config)
    one = _or_stop(lambda: look.facts(read, kit))[0]
    device = _or_stop(lambda: hostos_look.of_kit(read, one.kit))
    found = reasons.reasons(one, _or_stop(lambda: kitwhy.beside(read, [one.kit], one.now_ms))[one.kit])
    name = _names(read).get(one.kit, kit)
    if as_json:
        typer.echo(json.dumps(reasons.as_json(one, name, found), indent=1))
        return
    head = one.head
    typer.echo(f"{name} ({one.kit.hex()}): {one.state}")
    if head is not None:
        until = _when(head.order.expires_ms)
        typer.echo(
            f"  directive {head.number}, made {_ago(head.order.issued_ms, one.now_ms)}, good until {until};"
            f" why: {head.order.reason}"
        )
        if head.origin in STANDS:
            typer.echo(f"  {STANDS[head.origin]}")
    typer.echo(
        f"  host heard {_ago(one.seen_ms, one.now_ms)}, its last report {_ago(one.report_ms, one.now_ms)}"
    )
    if device is not None:
        typer.echo(f"  {hostos_look.line(device)}, looked at {_ago(device['looked_ms'], one.now_ms)}")
    for number, reason in enumerate(found, 1):
        age = "" if reason.since_ms is None else f" (for {_age(one.now_ms - reason.since_ms)})"
        do = f". {reason.do}" if reason.do else ""
        typer.echo(f"  {number}. {reason.text}{age}{do}")
    words = _or_stop(lambda: naming.releases(read))
    for row in reasons.as_json(one, name, found)["bricks"]:
        label = f"{row['name']} ({row['brick']})" if row["name"] else row["brick"]
        thing = "application" if row["kind"] == 2 else "rules"
        nothing = "on trial" if row["kind"] == 2 else "no rules"
        wanted = words.get(row["artefact"], row["wanted"][:8])
        if row["proven_ms"] is None:
            proven = "proved nothing yet"
        else:
            what = nothing if row["proven"] is None else words.get(row["proven"], row["proven"][:8])
            what = "the same" if row["proven"] == row["wanted"] else what
            proven = f"proved {what} {_ago(row['proven_ms'], one.now_ms)}"
        typer.echo(f"  {label}: {thing} wanted: {wanted}; {proven}")


def host_release(
    config: ConfigPath,
    release: Annotated[
        Path | None, typer.Argument(metavar="BUNDLE", help="Of `stallmark fleet release host`; none takes the order back.")
    ] = None,
    kit: Annotated[str | None, typer.Option("--kit", help="One kit: its name or its id in hex; by default all.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Shown wherever it is asked why.")] = "another release of the host",
) -> None:
    """Order a release of the host agent: hosts that run with --releases fetch it, try it, keep it or go back."""
    from fleet.core import FormatError
    from fleet.desired import look

    read = _load(config)
    try:
        data = None if release is None else release.read_bytes()
        digest, given = _or_stop(lambda: look.host_release(read, data, kit, reason))
    except (OSError, FormatError) as failed:
        typer.echo(f"{release}: {failed}", err=True)
        raise typer.Exit(1) from None
    what = f"host release {digest[:8]} is ordered for" if digest else "no host release is ordered any more for"
    typer.echo(f"{what} {len(given)} kits: `stallmark fleet why KIT` says how far each is")


def stop(
    config: ConfigPath,
    campaign: Annotated[
        str | None,
        typer.Argument(help="A campaign: its bundle's name, or eight hex digits or more of a digest."),
    ] = None,
    kit: Annotated[str | None, typer.Option("--kit", help="One kit: its name or its id in hex.")] = None,
    reason: Annotated[
        str, typer.Option("--reason", help="Shown wherever it is asked why.")
    ] = "stopped by hand",
    lift: Annotated[
        bool, typer.Option("--lift", help="Take the stop back: what stood before stands again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Stop a campaign on every kit that has it, or one kit, at once; and say what is still exposed.

    Connected kits have it within seconds: no slice is minted or given, questions and the host's own lane answer no, bricks that
    hold rights start anew without them. A kit that nobody reaches goes on with what it has: the table says how much at most,
    and until when."""
    from fleet.desired import look, stops

    read = _load(config)
    wanted = _or_stop(lambda: look.stop(read, campaign, kit, reason, lift))
    if lift:
        typer.echo(f"lifted on {len(wanted)} kits: what stood before stands again")
        return
    found = _or_stop(lambda: [one for one in look.facts(read) if one.kit in wanted])
    most = _or_stop(lambda: look.exposed(read, wanted))
    _print(read, stops.as_json(found, most, _names(read)), as_json)


def exposed(
    config: ConfigPath,
    kit: Annotated[str | None, typer.Option("--kit", help="One kit: its name or its id in hex.")] = None,
    as_json: AsJson = False,
) -> None:
    """What kits can still spend at most of slices that were given out, and until when."""
    from fleet.desired import look, stops

    read = _load(config)
    found = _or_stop(lambda: look.facts(read, kit))
    most = _or_stop(lambda: look.exposed(read, [one.kit for one in found]))
    _print(read, stops.as_json(found, most, _names(read)), as_json)


def _print(config: Config, rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"kits": rows}, indent=1))
        return
    from fleet.amounts import amount
    from fleet.campaigns import Campaigns
    from fleet.clock import open_clock

    now_ms, currency = open_clock(config.clock_file).now_ms(), Campaigns(config.rules).currency()
    caption = (
        "at most: what slices that were given out can still spend, as the ledger knows it; a kit may have spent it already. "
        "Rules without a budget are not in it. A brick that is away goes on by what it holds until then, or until it meets its "
        "host."
    )
    table = Table(title="Still exposed", caption=caption, caption_justify="left")
    for name in ("kit", "state", "host heard", "rule"):
        table.add_column(name, overflow="fold")
    table.add_column("at most", justify="right")
    table.add_column("slices", justify="right")
    table.add_column("until")
    for row in rows:
        first = (str(row["name"] or row["kit"]), str(row["state"]), _ago(row["seen_ms"], now_ms))
        for one in row["exposed"] or [None]:
            if one is None:
                table.add_row(*first, "none", "0", "0", "")
            else:
                most, until = amount(one["unit"], one["most"], currency), _when(one["until_ms"])
                table.add_row(*first, one["rule"], most, str(one["slices"]), until)
    console = Console(markup=False, emoji=False)
    console.print(table)
    sums: dict[int, int] = {}
    for row in rows:
        for one in row["exposed"]:
            sums[one["unit"]] = sums.get(one["unit"], 0) + int(one["most"])
    if sums:
        console.print("All together at most " + ", ".join(amount(unit, n, currency) for unit, n in sorted(sums.items())) + ".")


def _load(path: Path) -> Config:
    return _or_stop(lambda: load(path))


def _or_stop(work: Any) -> Any:
    try:
        return work()
    except FleetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _names(config: Config) -> dict[bytes, str]:
    return {one.kit: one.name or one.kit.hex() for one in config.kits}


def _ago(at_ms: int | None, now_ms: int, never: str = "never") -> str:
    if at_ms is None:
        return never
    return f"{_age(now_ms - at_ms)} ago"


def _age(ms: int) -> str:
    seconds = max(0, ms) // 1000
    for size, word in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} s"


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
