"""`stallmark`: one command, a group for each person; every group is imported only when it is called."""

import sys
from typing import Any

import typer

from cli import lazy

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
OURS = {"cli", "fleet", "hostagent", "virtualkit", "workbench", "stallmark"}


class Extras(lazy.LazyGroup):
    """Says which extra of the distribution is not installed where a package is missing."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the group that was asked for; typer.Exit(2) where it needs more packages."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as missing:
            extra = EXTRAS.get(ctx.invoked_subcommand or "")
            if extra is None or (missing.name or "").split(".")[0] in OURS:
                raise
            remedy = f"`stallmark {ctx.invoked_subcommand}` needs the package {missing.name!r}: pip install 'stallmark[{extra}]'"
            typer.echo(remedy, err=True)
            raise typer.Exit(2) from missing


app = typer.Typer(
    cls=lazy.group(GROUPS, Extras),
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
