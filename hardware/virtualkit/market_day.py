"""The demo's campaign: every worked rule of the library in one market hour, with budgets small enough to run out."""

from collections.abc import Sequence
from typing import Any

from fleet.authoring import library

# What a brick looks at first. Of rules of one priority those that were written first go first.
FIRST = (
    "first-20-sample",
    "surprise-15",
    "walk-in",
    "quiet-hour",
    "micro-drop",
    "early-access",
    "drip",
    "drip-double",
)
SLOT = {"start": "PT0S", "duration": "PT1H15M"}
TERMS = (
    "Terms of the market day\n\nEvery offer of this day is one of the worked rules that come with Stallmark; each holds from the "
    "market's opening for an hour and a quarter, while its budget or stock lasts. Taking part costs nothing and needs no app and "
    "no name. We keep a pseudonym of your tag for this event only. A receipt of every decision is published without anything "
    "about you; whoever has its link can look it up. A receipt is not a fiscal receipt. Questions and complaints: ask at the "
    "stall.\n\n"
)


def campaign(issuers: Sequence[bytes]) -> dict[str, Any]:
    """The library as one campaign of one slot. `issuers`: public keys whose vouchers count."""
    combined = library.combined()
    rules = [rule | {"slots": ["market"], "priority": _priority(rule["id"])} for rule in combined["rules"]]
    return combined | {
        "id": "market-day",
        "market": "Market day",
        "terms": {"en": (TERMS + combined["terms"]["en"])[:8192]},
        "slots": {"market": SLOT},
        "voucher_issuers": [issuer.hex() for issuer in issuers],
        "rules": rules,
    }


def _priority(rule: str) -> int:
    return len(FIRST) - FIRST.index(rule) if rule in FIRST else 0
