"""`stallmark rules risk`: train the risk model on made-up market hours, and say how good the one in use is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleet.authoring import riskmodel
from fleet.authoring.riskmarket import MODEL

HELP = "The model behind the risk score (docs/formats/risk.md)."
app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=HELP)
Days = Annotated[int, typer.Option(min=4, help="Made-up market days to learn from; a quarter as many others to test on.")]
Seed = Annotated[int, typer.Option(help="The same seed, the same model.")]


@app.command()
def train(
    days: Days = 200,
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option(help="Where to write the model's module; without it, nothing is written.")] = None,
) -> None:
    """Trains a new model, prints its figures on days it has not seen, writes it where asked."""
    try:
        table = riskmodel.train(days, seed)
    except riskmodel.ToolMissing as missing:
        typer.echo(str(missing), err=True)
        raise typer.Exit(1) from missing
    typer.echo(riskmodel.text(table, riskmodel.figures(table, max(1, days // 4), seed)))
    if out is not None:
        riskmodel.write(table, out)
        typer.echo(f"written to {out}")


@app.command()
def figures(days: Days = 200, seed: Seed = 1) -> None:
    """How the model in use does on days it has not seen."""
    typer.echo(riskmodel.text(MODEL, riskmodel.figures(MODEL, max(1, days // 4), seed)))


def add(rules: typer.Typer) -> None:
    """Puts the group beside check, explain and compile."""
    rules.add_typer(app, name="risk")
