"""The demo's campaign: every worked rule of the library in one market hour, with budgets small enough to run out."""

import json
from collections.abc import Sequence
from typing import Any

from fleet.authoring import library

# What a brick meets first. The rest keeps the order of its names: an event type has few rules each.
FIRST = (
    "first-20-sample",
    "surprise-15",
    "walk-in",
    "quiet-hour",
    "micro-drop",
    "early-access",
    "token-drip",
)
SLOT = {"start": "PT0S", "duration": "PT1H15M"}
TABLES = ("experiments", "groups", "signals", "open_values")
TERMS = (
    "Terms of the market day\n\nEvery offer of this day is one of the worked rules that come with Stallmark; each holds from the "
    "market's opening for an hour and a quarter, while its budget or stock lasts.\n\n"
)


def campaign(issuers: Sequence[bytes]) -> dict[str, Any]:
    """The campaign as its authors would have written it. `issuers`: public keys whose vouchers count."""
    entries = sorted(library.entries(), key=lambda one: (_place(one.name), one.name))
    merged: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
    rules: list[dict[str, Any]] = []
    terms: list[str] = []
    for entry in entries:
        one: dict[str, Any] = json.loads(entry.campaign.read_bytes())
        for name in TABLES:
            merged[name] |= one.get(name, {})
        terms.append(f"{entry.name}: {one['terms']['en']}")
        rules += [rule | {"slots": ["market"], "messages": _english(rule)} for rule in one["rules"]]
    return {
        "$schema": "stallmark-campaign/2",
        "id": "market-day",
        "rev": 1,
        "market": "Market day",
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "terms": {"en": (TERMS + "\n\n".join(terms))[:8192]},
        "languages": ["en"],
        "people": 800,
        "slots": {"market": SLOT},
        "voucher_issuers": [issuer.hex() for issuer in issuers],
        "rules": rules,
    } | {name: table for name, table in merged.items() if table}


def _place(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _english(rule: dict[str, Any]) -> dict[str, Any]:
    messages: dict[str, Any] = rule.get("messages", {})
    return {"en": messages["en"]} if "en" in messages else {}
