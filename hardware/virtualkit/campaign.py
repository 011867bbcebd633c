"""The demo's campaign for one market day: compiled, and signed by the kit's development authors."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from fleet.authoring.compile import compile_campaign
from fleet.authoring.signing import make_bundle
from virtualkit import market_day
from virtualkit.core import bundle, rules
from virtualkit.folder import KitFolder, write_text
from virtualkit.kitplan import THRESHOLD

CAMPAIGNS = ("market-day", "market-hour")
"""Every worked rule of the library; or two rules in the first form of campaigns."""


@dataclass(frozen=True)
class Published:
    """A signed bundle, its terms, and the slices that a controller has to mint for it (entries of `rights`)."""

    bundle: bytes
    terms: str
    terms16: bytes
    rights: list[dict[str, Any]]


def authored(name: str, issuers: Sequence[bytes]) -> dict[str, Any]:
    """One of CAMPAIGNS as its authors wrote it."""
    if name == "market-day":
        return market_day.campaign(issuers)
    text = resources.files("fleet.authoring").joinpath("campaigns/market_hour.json").read_text()
    return json.loads(text)


def demo_bundle(
    name: str, start_ms: int, rev: int, seeds: Sequence[bytes], issuers: Sequence[bytes]
) -> Published:
    """One of CAMPAIGNS beginning at `start_ms`. Raises fleet.authoring's CampaignError, FormatError."""
    ruleset, report = compile_campaign(authored(name, issuers), start_ms, rev)
    assert report.terms is not None and report.terms16 is not None
    signed = make_bundle(
        ruleset,
        rev,
        seeds,
        report.id,
        golden=report.golden,
        terms16=report.terms16,
        since_ms=start_ms,
        authoring_hash=report.authoring_hash,
    )
    return Published(signed, report.terms, report.terms16, [right.as_config() for right in report.rights])


def write_bundle(
    folder: KitFolder, name: str, start_ms: int, rev: int, authors: Sequence[bytes], issuers: Sequence[bytes]
) -> Published:
    """Compiles a demo campaign for a market day beginning at `start_ms`, signs it with two of the authors' seeds, and puts
    bundle and terms where the controller offers them; earlier bundles stay for the sentences of their records."""
    made = demo_bundle(name, start_ms, rev, list(authors[:THRESHOLD]), issuers)
    rules = folder.controller / "rules"
    rules.mkdir(parents=True, exist_ok=True)
    active = rules / "active.smbundle"
    if active.exists():
        active.rename(rules / f"rev-{rev - 1}.smbundle")
    fresh = active.with_suffix(".new")
    fresh.write_bytes(made.bundle)
    fresh.replace(active)
    offer_terms(folder, made)
    _leave_for_authors(folder, authored(name, issuers), start_ms)
    return made


def _leave_for_authors(folder: KitFolder, campaign: dict[str, Any], start_ms: int) -> None:
    """What an author changes, and when its market began, for `stallmark rules compile --start`. What was changed stays."""
    begins = dt.datetime.fromtimestamp(start_ms // 1000, dt.UTC)
    write_text(folder.authors / "market-start", begins.isoformat() + "\n", secret=True)
    text = folder.authors / "campaign.json"
    if not text.exists():
        write_text(text, json.dumps(campaign, indent=1, ensure_ascii=False) + "\n", secret=True)


def offer_terms(folder: KitFolder, made: Published) -> None:
    """The terms in words, where controller and host look for them by their digest."""
    for program in (folder.controller, folder.host):
        terms = program / "terms"
        terms.mkdir(parents=True, exist_ok=True)
        (terms / f"{made.terms16.hex()}.txt").write_text(made.terms)


def load_ruleset(folder: KitFolder) -> bytes:
    """The compiled ruleset on offer."""
    return bytes(bundle.split((folder.controller / "rules" / "active.smbundle").read_bytes())[1])


def renew_campaign(folder: KitFolder, now_ms: int) -> bool:
    """A kit that was made on another day gets today's campaign, a revision up, when yesterday's slot is over. True if it did."""
    ruleset = rules.Ruleset(load_ruleset(folder))
    if now_ms < max(end for _, end in ruleset.slots):
        return False
    rev = max(ruleset.rev, _ordered(folder)) + 1  # above what a rollout brought meanwhile: older never replaces newer
    seeds = [json.loads(path.read_text())["seed"] for path in sorted(folder.authors.glob("author-*.json"))]
    kit = folder.load()
    issuers = [bytes.fromhex(kit["voucher_issuer"])]
    write_bundle(
        folder, kit["campaign"], now_ms, rev, [bytes.fromhex(seed) for seed in seeds], issuers
    )
    return True


def _ordered(folder: KitFolder) -> int:
    """The highest revision of rules that a directive names; 0 where there is none yet."""
    from sqlalchemy.exc import DBAPIError

    from fleet.config import load
    from fleet.db.engine import outside
    from fleet.desired import rows

    database = load(folder.controller / "config.json").database
    if isinstance(database, Path) and not database.exists():
        return 0
    engine = outside(database)
    try:
        with engine.connect() as connection:
            return max((item.rev for head in rows.heads(connection) for item in head.order.items if item.kind == 1), default=0)
    except DBAPIError:  # made before there were directives
        return 0
    finally:
        engine.dispose()
