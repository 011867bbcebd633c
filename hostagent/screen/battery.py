"""A brick's packs on the stall screen: per cent, volts, how old the reading is, and what to do."""

from typing import Any, NamedTuple

from hostagent.screen.desk import Desk
from hostagent.screen.facts import Part
from hostagent.screen.words import say

SUPPLY_MV = 4_400


class Warning(NamedTuple):
    """A chip beside the brick: look, icon and word."""

    look: str
    icon: str
    key: str


_WARNINGS = {
    "saving": Warning("todo", "battery_3_bar", "battery_saving"),
    "low": Warning("bad", "battery_1_bar", "battery_low"),
    "empty": Warning("bad", "battery_alert", "battery_empty"),
}


def power_of(body: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a brick said of its packs, or None."""
    return None if body is None else body.get("power")


def key(part: Part) -> object:
    """Changes when the words should."""
    power = power_of(part.body)
    return None if power is None else (*power.values(), int((part.body_s or 0) / 10))


def words(body: dict[str, Any] | None, age_s: float | None, desk: Desk) -> str:
    """One line: how much is left, of which pack, and the age of the reading."""
    power, language = power_of(body), desk.language
    if power is None:
        return say(language, "battery_unknown")
    aged = "" if age_s is None else " · " + desk.say("data_age", age=desk.age(age_s))
    if not power["believable"]:
        return say(language, "battery_wrong") + aged
    if power["percent"] is None:
        return say(language, "battery_unknown") + aged
    volts = say(language, "battery_packs", main=_volts(power["main_mv"], language), backup=_volts(power["backup_mv"], language))
    outside = power["charging"] or max(power["main_mv"] or 0, power["backup_mv"] or 0) >= SUPPLY_MV
    left = say(language, "battery_outside") if outside else say(language, "battery_at", percent=power["percent"])
    return f"{left} ({volts}){aged}"


def warning(body: dict[str, Any] | None) -> Warning | None:
    """The chip that a low pack shows."""
    power = power_of(body)
    if power is None:
        return None
    return _WARNINGS.get(power["level"])


def needs_charge(part: Part) -> bool:
    """Whether this brick should not go into a day like this."""
    power = power_of(part.body)
    return power is not None and (power["level"] != "full" or not power["believable"])


def _volts(mv: int | None, language: int) -> str:
    if mv is None:
        return say(language, "battery_absent")
    text = f"{mv / 1000:.2f} V"
    return text.replace(".", ",") if language else text
