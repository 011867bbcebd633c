"""Worked rules: a campaign (NAME.json) and its story (NAME.story.json) each. docs/rule-library.md"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.authoring import stories
from fleet.authoring.candidates import instant
from fleet.authoring.compile import compile_campaign
from fleet.authoring.story import Story

HERE = Path(__file__).parent
STORY = ".story.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One worked rule."""

    name: str

    @property
    def campaign(self) -> Path:
        """Its campaign."""
        return HERE / f"{self.name}.json"

    def story(self) -> Story:
        """Its story. Raises StoryError."""
        return stories.load(HERE / f"{self.name}{STORY}")

    def compiled(self) -> tuple[bytes, int]:
        """The ruleset, and the market's start in ms. Raises CampaignError."""
        start_ms = instant(self.story().start)
        data, _ = compile_campaign(json.loads(self.campaign.read_bytes()), start_ms)
        return data, start_ms


def entries() -> list[Entry]:
    """Every worked rule, by name."""
    return [Entry(path.name.removesuffix(STORY)) for path in sorted(HERE.glob(f"*{STORY}"))]


def combined(names: Sequence[str] | None = None) -> dict[str, Any]:
    """One campaign with the rules of many (None: all), each in its own slots: for demos and measurements.

    What holds for a whole campaign cannot be put together and is left out: holdout, cap of a basket, golden examples."""
    chosen = [entry for entry in entries() if names is None or entry.name in names]
    out: dict[str, Any] = {
        "$schema": "stallmark-campaign/2", "id": "library", "rev": 1, "market": "Harbour market", "currency": "EUR",
        "timezone": "Europe/Berlin", "languages": ["en"], "people": 1000, "slots": {}, "rules": [],
    }  # fmt: skip
    terms: list[str] = []
    for entry in chosen:
        one: dict[str, Any] = json.loads(entry.campaign.read_bytes())
        terms.append(one["terms"]["en"].split(" Taking part costs nothing")[0])
        out["slots"] |= {f"{entry.name}:{name}": slot for name, slot in one["slots"].items()}
        for rule in one["rules"]:
            out["rules"].append(rule | {"slots": [f"{entry.name}:{name}" for name in rule["slots"]]})
        for table in ("experiments", "groups", "signals", "open_values"):
            if table in one:
                out[table] = out.get(table, {}) | one[table]
        if "voucher_issuers" in one:
            out["voucher_issuers"] = sorted({*out.get("voucher_issuers", []), *one["voucher_issuers"]})
    out["terms"] = {"en": "\n\n".join(terms)}
    return out
