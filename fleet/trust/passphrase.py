"""Where a passphrase comes from: a file, the environment, or the person at the terminal; never the command line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import typer

from fleet.trust import files
from fleet.trust.errors import KeyFileError

VARIABLE = "STALLMARK_PASSPHRASE"
MAX_FILE = 4096
LEAST = 8


def ask(what: str, given: Path | None, *, new: bool = False) -> str:
    """The passphrase for `what`: the first line of `given`, else the variable STALLMARK_PASSPHRASE, else typed; a `new` one
    is typed twice. Raises KeyFileError."""
    if given is not None:
        if stat.S_IMODE(os.stat(given).st_mode) & 0o077:
            raise KeyFileError(f"{given} can be read by others: chmod 600 {given}")
        text = files.read(given, MAX_FILE).decode(errors="replace").split("\n", 1)[0].rstrip("\r")
    elif VARIABLE in os.environ:
        text = os.environ[VARIABLE]
    else:
        text = str(typer.prompt(f"Passphrase for {what}", hide_input=True, confirmation_prompt=new))
    if new and len(text) < LEAST:
        raise KeyFileError(
            f"a passphrase of at least {LEAST} characters is needed; a few words are easy to keep"
        )
    return text
