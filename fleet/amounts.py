"""Amounts as people read them: money in its currency, pieces and people as such."""

from __future__ import annotations

from typing import Any

from stallmark import money as _money

from fleet.core import reg

_words: Any = _money


def amount(unit: int, value: int, currency: str | None) -> str:
    """`unit` of rights (registry), `value` in minor units or as a number: "190.00 EUR", "15 pieces"."""
    if unit == reg.UNIT_MINOR:
        text: str = _words.text(value, currency)
        return text
    one, many = {reg.UNIT_PIECES: ("piece", "pieces"), reg.UNIT_PEOPLE: ("person", "people")}.get(
        unit, (f"of unit {unit}", f"of unit {unit}")
    )
    return f"{value:,} {one if value == 1 else many}"


def change(minor: int, currency: str | None) -> str:
    """More or less money than before: "+4.50 EUR", "-0.30 EUR", "none"."""
    if not minor:
        return "none"
    return ("+" if minor > 0 else "-") + amount(reg.UNIT_MINOR, abs(minor), currency)
