"""The JSON Schema 2020-12 of campaign/2, made from the models: what is published is what is checked by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from fleet.authoring.model import Campaign

PATH = Path(__file__).with_name("schema") / "campaign-2.json"
ID = "https://stallmark.org/schema/campaign-2.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as JSON values. What it cannot say (units, references, offline classes) is in docs/campaign.md."""
    made = Campaign.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, "$id": ID, **_closed(made)}


def _closed(value: Any) -> Any:
    """With tables closed to names of another form, which pydantic checks and does not write down."""
    if isinstance(value, list):
        return [_closed(part) for part in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    out = {name: _closed(part) for name, part in cast("dict[str, Any]", value).items()}
    return out | {"additionalProperties": False} if "patternProperties" in out else out


def text() -> str:
    """The bytes of the published file, as text."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
