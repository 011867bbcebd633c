"""`stallmark host`: run the agent, ask a running one how it is, take receipts out of the store."""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from cli import lazy
from hostagent import config as configuration
from hostagent.errors import HostError, StoreUnavailable

START_AGAIN_S = 2.0

# Loaded when it is called: name → (module, attribute, one line).
PARTS: dict[str, tuple[str, str, str]] = {
    "bricks": ("hostagent.bricks_cli", "app", "Bricks near this host: find them, give them a place, replace one."),
    "update": ("hostagent.trust.cli", "update", "Fetches the signed lists and the bundles on them, and keeps what is good."),
}

app = typer.Typer(cls=lazy.group(PARTS), no_args_is_help=True, help="The host agent: links, receipts, outbox.")
receipts = typer.Typer(no_args_is_help=True, help="Receipts in the host's store.")
app.add_typer(receipts, name="receipts")

ConfigOption = Annotated[Path, typer.Option("--config", help="The host's config.json.")]


@app.command()
def run(
    config: ConfigOption,
    releases: Annotated[
        Path | None,
        typer.Option("--releases", metavar="FOLDER", help="Install releases of the host there by itself (docs/hostupdate.md)."),
    ] = None,
) -> None:
    """Runs the agent until Ctrl-C or SIGTERM."""
    if releases is not None:
        _launch(config, releases)
    from hostagent.agent import Agent

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        agent = None
        while agent is None:
            try:
                agent = Agent(configuration.load(config))
            except StoreUnavailable as failed:
                # A full disk may have room again: this is not a reason to stay away.
                logging.getLogger("hostagent").error("%s; trying again in %g s", failed, START_AGAIN_S)
                time.sleep(START_AGAIN_S)
        asyncio.run(agent.run())
    except HostError as failed:
        raise _stop(str(failed)) from None
    except BaseExceptionGroup as group:
        known = group.subgroup(HostError)
        if known is None:
            raise
        raise _stop("; ".join(str(failed) for failed in _leaves(known))) from None
    if agent.updating.leaving:
        from hostagent.release.launcher import SWITCH

        raise typer.Exit(SWITCH)


@app.command()
def status(
    config: ConfigOption,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as JSON.")] = False,
) -> None:
    """Says how a running agent is."""
    try:
        told = configuration.load(config)
        found = _ask(f"http://{told.listen}:{told.port}/v1/status")
    except HostError as failed:
        raise _stop(str(failed)) from None
    if as_json:
        json.dump(found, sys.stdout, indent=1)
        print()
        return
    console = Console()
    name, store, outbox = found["host"]["name"], found["store"], found["outbox"]
    console.print(f"{name}: {store['receipts']} receipts, {outbox['receipts']} not yet at the controller")
    for sentence in found["words"] or ["All is well."]:
        console.print(f"  {sentence}", markup=False)
    told_of = found["host"].get("release", {}).get("words")
    if told_of and told_of not in found["words"]:
        console.print(f"  {told_of}", markup=False)
    for hold in found.get("holds", ()):
        seconds = max(0, found["clock"]["market_ms"] - hold["since_ms"]) // 1000
        console.print(f"  Updates wait: {hold['text']} (for {seconds} s).", markup=False)
    table = Table("brick", "link", "reader", "scanner", "durable", "ledger")
    for line in found["bricks"]:
        said: dict[str, Any] = line["status"] or {}
        table.add_row(
            line["name"],
            f"up, {_way(line)}" if line["link"]["up"] else f"down ({line['port']['state']})",
            said.get("reader", "?"),
            said.get("scanner", "?"),
            str(line["records"]["durable_seq"]),
            str(line["records"]["ledger_seq"] or "–"),
        )
    console.print(table)


@receipts.command()
def export(config: ConfigOption, folder: Annotated[Path, typer.Argument(help="Where the files go.")]) -> None:
    """Writes every receipt of the store as <host seq>.cose; works beside a running agent."""
    from hostagent.store import database

    try:
        told = configuration.load(config)
        sql = database.connect(told.store, told.keys.store_key, readonly=True)
    except HostError as failed:
        raise _stop(str(failed)) from None
    folder.mkdir(parents=True, exist_ok=True)
    (count,) = sql.execute("SELECT count(*) FROM receipts").fetchone() or (0,)
    rows = sql.execute("SELECT host_seq, cose FROM receipts ORDER BY host_seq")
    for host_seq, cose in track(rows, "writing receipts", total=count, console=Console(stderr=True)):
        (folder / f"{host_seq:08d}.cose").write_bytes(cose)
    sql.close()
    print(f"{count} receipts in {folder}")


@app.command("export-events")
def export_events(
    config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")],
) -> None:
    """Writes the events behind this kit's decisions for `stallmark rules replay --events FILE`.

    One line for each event, in order of time; works beside a running agent. People stand in it by their pseudonyms, with
    their baskets: the file is for its owner alone. What records do not hold is not in it: signals, references, vouchers'
    serials, quantities of single items, risk, balances, open values, operators' answers."""
    from hostagent import eventexport

    try:
        told = configuration.load(config)
        count = eventexport.total(told)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("reading records", total=count)
            found = eventexport.write(told, out, lambda done: bar.update(task, completed=done))
    except (HostError, OSError) as failed:
        raise _stop(str(failed)) from None
    print(f"{found.events} events of {found.records} records in {out}")
    for number, text in (
        (found.training, "of training are left out"),
        (found.unopened, "events stand without person and basket: their private part was erased"),
        (found.lost, "records never came from their bricks"),
    ):
        if number:
            print(f"  {number} {text}")
    print(f"  Not in records, so not in the file: {eventexport.MISSING}.")
    print("  Campaigns need --start for a replay: a host does not know when its market began.")


@app.command()
def pages(config: ConfigOption, folder: Annotated[Path, typer.Argument(help="Where the files go.")]) -> None:
    """Writes terms, questions and answers and the poster as static files."""
    from hostagent.public.export import write

    try:
        told = configuration.load(config)
        written = write(told, folder)
    except (HostError, OSError) as failed:
        raise _stop(str(failed)) from None
    print(f"{len(written)} files in {folder}")


@app.command()
def pin(
    name: Annotated[str, typer.Argument(help="Who may use the stall screen, as records will say.")],
) -> None:
    """Asks for a person's PIN and prints the entry for `operators` in keys.json; nothing is kept."""
    from hostagent.screen.pin import hash_pin

    if not 0 < len(name.encode()) <= 24:
        raise _stop("the name: at most 24 bytes, as it stands in records")
    asked: str = typer.prompt("PIN", hide_input=True, confirmation_prompt=True)
    try:
        print(json.dumps({"name": name, "pin_scrypt": hash_pin(asked)}))
    except ValueError as wrong:
        raise _stop(str(wrong)) from None


def _launch(config: Path, releases: Path) -> None:
    """Ends with the release's exit code."""
    from hostagent.release.launcher import Launcher, agent_command

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        configuration.load(config)  # a mistake there is not blamed on a release
        code = Launcher(releases.resolve(), agent_command(config.resolve())).run()
    except HostError as failed:
        raise _stop(str(failed)) from None
    except OSError as failed:
        raise _stop(f"{releases}: {failed.strerror or failed}") from None
    raise typer.Exit(code)


def _way(line: dict[str, Any]) -> str:
    """By what a brick is reached, and how strong its radio was heard."""
    active = next((port for port in line["ports"] if port["active"]), None)
    if active is None or active["kind"] == "serial":
        return "cable"
    return "radio" if active["rssi"] is None else f"radio {active['rssi']} dBm"


def _ask(address: str) -> dict[str, Any]:
    import httpx  # late, as all that only some commands need

    try:
        answer = httpx.get(address, timeout=5, trust_env=False)
        answer.raise_for_status()
        return answer.json()
    except (httpx.HTTPError, ValueError) as failed:
        raise HostError(
            f"no host agent answers at {address} ({failed}); `stallmark host run` starts it"
        ) from failed


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += (
            _leaves(cast("BaseExceptionGroup[Any]", error))
            if isinstance(error, BaseExceptionGroup)
            else [error]
        )
    return found


def _stop(message: str) -> typer.Exit:
    """One line of what is wrong; the exit code says so too."""
    print(message, file=sys.stderr)
    return typer.Exit(1)
