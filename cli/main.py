"""`stallmark`: one command, a group for each person; every group is imported only when it is called."""

import importlib
import sys
from typing import Any

import typer
import typer.core
import typer.main

# name → (module, attribute, one line for --help). Modules load when the group is called, so that
# `stallmark verify` needs neither a web server nor a database.
GROUPS: dict[str, tuple[str, str, str]] = {
    "demo": ("cli.demo", "app", "A whole market stall, alive in this terminal (what `make run` starts)."),
    "kit": ("virtualkit.cli", "app", "Make and run a virtual kit; tap tags and scan codes on it."),
    "brick": ("workbench.cli", "app", "The technician's bench: flash, test, look at and erase bricks."),
    "host": ("hostagent.cli", "app", "The host agent: links, receipts, store and forward."),
    "fleet": ("fleet.cli", "app", "The fleet controller: ledger, receipts in public."),
    "rules": ("fleet.authoring.cli", "app", "Check, explain and compile campaigns."),
    "verify": ("fleet.verify.cli", "app", "Check a receipt with public keys alone, offline."),
    "ledger": ("fleet.ledger.cli", "app", "Export and check a ledger folder."),
}

EXTRAS = {
    "brick": "bench",
    "demo": "host,fleet,kit",
    "kit": "host,fleet,kit",
    "host": "host",
    "fleet": "fleet",
    "rules": "fleet",
}


class LazyGroup(typer.core.TyperGroup):
    """Lists every group without importing one."""

    # typer carries a click of its own, whose Context is not importable by a public name.
    def list_commands(self, ctx: typer.Context) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return list(GROUPS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        if cmd_name not in GROUPS:
            return None
        module, attribute, line = GROUPS[cmd_name]
        try:
            app: Any = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as missing:
            extra = EXTRAS.get(cmd_name)
            if extra is None or (missing.name or "").split(".")[0] in {
                "cli",
                "fleet",
                "hostagent",
                "virtualkit",
                "workbench",
                "stallmark",
            }:
                raise
            remedy = (
                f"`stallmark {cmd_name}` needs the package {missing.name!r}: pip install 'stallmark[{extra}]'"
            )
            typer.echo(remedy, err=True)
            raise typer.Exit(2) from missing
        command = typer.main.get_command(app)
        command.name = cmd_name
        command.help = command.help or line
        return command

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in GROUPS.items()])


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Stallmark: instant bonuses at market stalls, decided offline and proved to anyone."""


def main() -> None:
    """Entry point of the `stallmark` command."""
    app(prog_name="stallmark")


if __name__ == "__main__":
    sys.exit(main())
