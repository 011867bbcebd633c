"""The demo's campaign for one market day: compiled, and signed by the kit's development authors."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from fleet.authoring.compile import compile_campaign
from fleet.authoring.signing import make_bundle


@dataclass(frozen=True)
class Published:
    """A signed bundle, its terms, and the slices that a controller has to mint for it (entries of `rights`)."""

    bundle: bytes
    terms: str
    terms16: bytes
    rights: list[dict[str, Any]]


def demo_bundle(start_ms: int, rev: int, seeds: Sequence[bytes]) -> Published:
    """The campaign `market_hour` beginning at `start_ms`. Raises fleet.authoring's CampaignError, FormatError."""
    text = resources.files("fleet.authoring").joinpath("campaigns/market_hour.json").read_text()
    ruleset, report = compile_campaign(json.loads(text), start_ms, rev)
    assert report.terms is not None and report.terms16 is not None
    bundle = make_bundle(
        ruleset, rev, seeds, report.id, golden=report.golden, terms16=report.terms16, since_ms=start_ms
    )
    return Published(bundle, report.terms, report.terms16, [right.as_config() for right in report.rights])
