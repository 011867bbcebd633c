"""`stallmark host update`: the signed lists and their bundles now, from the controller or from a stick."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from hostagent import config as configuration
from hostagent.clock import open_clock
from hostagent.errors import HostError
from hostagent.trust.errors import TrustError


def update(
    config: Annotated[Path, typer.Option("--config", help="The host's config.json.")],
    stick: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="A stick of `stallmark fleet release export`."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Fetches the signed lists and the bundles on them, and keeps what is good; works beside a running agent.

    Nothing is installed by it: that takes a directive of the controller. Exit code 1 where nothing new could be verified."""
    # Late: the agent that shares this command line does not need tuf where no root is configured.
    from hostagent.trust.fetcher import carried_in
    from hostagent.trust.listing import Listing, controller_of, opened

    try:
        told = configuration.load(config)
        trust = opened(told, open_clock(told.clock_file))
        if trust is None:
            raise TrustError(
                "root", f"{config}: no `trust` section: this host was not given a root to begin from"
            )
        source = controller_of(told) if stick is None else carried_in(stick)
        failed: TrustError | None = None
        kept = 0
        try:
            known = trust.refresh(source)
            for digest in known.releases:
                trust.download(source, digest)
                kept += 1
        except TrustError as error:
            failed = error
    except HostError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps({**Listing(trust, source).as_json(), "kept": kept}, indent=1))
    else:
        print(trust.words())
        if failed is None:
            print(f"{kept} bundles are here, verified.")
        elif trust.trouble is None:  # the lists came, a bundle did not
            print(failed)
    if failed is not None:
        raise typer.Exit(1)
