"""What the lane decides by: a bundle checked as a brick checks it, and kept over a restart."""

import hashlib
from concurrent.futures import Future
from typing import Any, NamedTuple

from hostagent import signer
from hostagent.config import Quorum
from hostagent.core import FormatError, bundle, golden, reg, rules
from hostagent.errors import BundleRefused
from hostagent.store.database import Sql
from hostagent.store.store import Store
from hostagent.updater import RESULT_WORDS

KEEP = "INSERT OR REPLACE INTO lane_rules VALUES (1, ?)"


class Installed(NamedTuple):
    """A ruleset in use. `manifest`: the stallmark Bundle; `data`: the whole bundle's bytes."""

    ruleset: Any
    manifest: Any
    data: bytes


def check(data: bytes, authors: Quorum | None, before: "Installed | None") -> Installed:
    """The ruleset of a bundle that may follow `before`. Raises BundleRefused with the reason."""
    if authors is None:
        raise BundleRefused("config.json names no authors: no rules can be checked")
    try:
        envelope, artefact = bundle.split(data)
        found: Any = bundle.parse(envelope)
        hardware = found.fields[7][0] if found.fields[7] else ""
        result = bundle.check(
            found,
            list(authors.keys.items()),
            authors.threshold,
            signer.verify,
            None if before is None else before.manifest,
            hardware,
            rules.ENGINE,
            0 if before is None else before.manifest.fields[12],
        )
        if result not in (reg.INSTALL_OK, reg.INSTALL_ALREADY):
            raise BundleRefused(RESULT_WORDS.get(result, f"result {result}"))
        if not bundle.artefact_good(found, len(artefact), hashlib.sha256(artefact).digest()):
            raise BundleRefused(RESULT_WORDS[reg.INSTALL_DIGEST])
        ruleset: Any = rules.Ruleset(artefact)
        wrong = golden.first_wrong(ruleset, found.fields[9])
    except FormatError as failed:
        raise BundleRefused(f"unreadable: {failed}") from failed
    if wrong is not None:
        raise BundleRefused(f"golden vector {wrong[0]}: {wrong[1]}")
    return Installed(ruleset, found, data)


def kept(store: Store) -> "Future[bytes | None]":
    """The bundle in use before this start, or None."""

    def query(sql: Sql) -> bytes | None:
        row = sql.execute("SELECT bundle FROM lane_rules").fetchone()
        return None if row is None else row[0]

    return store.read(query)
