"""Worked rules: a campaign (NAME.json) and its story (NAME.story.json) each. docs/rule-library.md"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

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
