"""What a brick's diagnostics say of its body, as words and warnings: power, start-ups, clock, memory (docs/appliance.md)."""

from typing import Any, cast

from hostagent.core import Fields, counter_names

LEVELS = ("full", "saving", "low", "empty")
RESET_REASONS = {
    1: "power came on",
    2: "restarted by its program",
    3: "its watchdog ended it: the program stood still",
    4: "woke from sleep",
    5: "restarted from its prompt",
}
# Of the heap: below this the next new ruleset may find no room.
SHORT_HEAP = 16_384
SHORT_BLOCK = 4_096
NO_MEMORY = counter_names.name(154)
MEMORY_AGAIN = counter_names.name(134)
# Places of the histogram of lights (firmware/brick/speed.py).
LIGHTS = 16
# The crystal of a sound board stays below this.
DRIFT_PPM = 200


def parse(value: Any, before: dict[str, Any] | None) -> dict[str, Any] | None:
    """A diagnostics message (docs/formats/link.md, kind 6) as words; None where it is not one.

    Counters that found no room come with the next message: those told `before` stay, unless the brick started anew.
    """
    if not isinstance(value, dict):
        return None
    f = cast(Fields, value)
    if type(f.get(0)) is not int:
        return None
    counters: dict[str, int] = {}
    if before is not None and before["uptime_ms"] <= f[0]:
        counters.update(before["counters"])
    for entry in _list(f.get(3))[:128]:
        pair = _list(entry)
        if len(pair) == 2 and type(pair[0]) is int and type(pair[1]) is int:
            counters[counter_names.name(pair[0])] = pair[1]
    return {
        "uptime_ms": f[0],
        "heap_free": _int(f.get(1)),
        "heap_used": _int(f.get(2)),
        "counters": counters,
        "largest_block": _int(f.get(4)),
        "power": _power(_list(f.get(5))),
        "start": _start(_list(f.get(6))),
        "late": [str(name)[:24] for name in _list(f.get(7))[:8]],
        "clock": _clock(_list(f.get(8))),
        "interpreter": str(f[9])[:16] if isinstance(f.get(9), str) else None,
        "wear": _wear(_list(f.get(10))),
        "speed": _speed(_list(f.get(11))),
    }


def _power(found: list[Any]) -> dict[str, Any] | None:
    if len(found) < 6 or type(found[0]) is not int:
        return None
    return {
        "level": LEVELS[found[0]] if 0 <= found[0] < len(LEVELS) else f"newer than this program ({found[0]})",
        "percent": _int(found[1]),
        "main_mv": _int(found[2]),
        "backup_mv": _int(found[3]),
        "charging": found[4] if isinstance(found[4], bool) else None,
        "believable": found[5] is not False,
    }


def _start(found: list[Any]) -> dict[str, Any] | None:
    if len(found) < 4 or type(found[0]) is not int:
        return None
    return {
        "reason": RESET_REASONS.get(found[0], "not known"),
        "failed_in_a_row": _int(found[1]) or 0,
        "safe_mode": found[2] is True,
        "stood_still": str(found[3])[:24] if isinstance(found[3], str) else None,
    }


def _clock(found: list[Any]) -> dict[str, Any] | None:
    if len(found) < 4:
        return None
    return {"spread_ms": _int(found[1]), "corrected_s_ago": _int(found[2]), "drift_ppm": _int(found[3])}


def _wear(found: list[Any]) -> dict[str, Any] | None:
    if len(found) < 2:
        return None
    return {"start_log_erases": _int(found[0]), "journal_rounds": _int(found[1])}


def _speed(found: list[Any]) -> dict[str, Any] | None:
    """How long lights took by these rules: {"boot", "ruleset" (8 bytes, hex), "lights" (16 counts)}; None from older programs."""
    if len(found) < 3 or type(found[0]) is not int or not isinstance(found[1], bytes | None):
        return None
    counts = _list(found[2])
    if len(counts) != LIGHTS or not all(type(count) is int and 0 <= count < 1 << 32 for count in counts):
        return None
    ruleset = None if found[1] is None else found[1].hex()
    return {"boot": found[0], "ruleset": ruleset if ruleset is None or len(ruleset) == 16 else None, "lights": counts}


def warnings(said: dict[str, Any]) -> list[str]:
    """What of it needs somebody: what happened and what to do, without the brick's name in front."""
    found: list[str] = []
    start, power = said.get("start"), said.get("power")
    if start is not None and start["safe_mode"]:
        why = ""
        if start["failed_in_a_row"]:
            still = f" (last, its task {start['stood_still']!r} stood still)" if start["stood_still"] else ""
            why = f": it failed to start {start['failed_in_a_row']} times in a row{still}"
        found.append(
            f"is in safe mode{why}. It decides nothing. Leave it on for a minute, then switch it off and on; if it comes "
            "back to this, use another brick and give this one to the hub"
        )
    if power is not None:
        found += _power_warnings(power)
    if said.get("late"):
        found.append(f"is slow: {', '.join(said['late'])} did not keep time. If that stays, switch it off and on")
    block, free = said.get("largest_block"), said.get("heap_free")
    if (block is not None and 0 < block < SHORT_BLOCK) or (free is not None and 0 < free < SHORT_HEAP):
        found.append("is short of memory: switch it off and on in a quiet moment, and tell the hub")
    counters = said.get("counters", {})
    if counters.get(NO_MEMORY, 0) > counters.get(MEMORY_AGAIN, 0):
        found.append(
            "had no memory for more people or rights: limits of people it could not remember are not known, and rules that need "
            "them say so. It tries again whenever nobody came for a minute. If this stays, switch it off and on in a quiet "
            "moment; if it comes back, tell the hub"
        )
    clock = said.get("clock")
    if clock is not None and abs(clock["drift_ppm"] or 0) > DRIFT_PPM:
        found.append(f"has a clock that runs {clock['drift_ppm']} parts in a million off: tell the hub")
    return found


def _power_warnings(power: dict[str, Any]) -> list[str]:
    if not power["believable"]:
        return ["measures its battery wrongly: do not rely on the percentage, have a charged pack at hand"]
    percent = power["percent"]
    if power["level"] == "low":
        return [f"has a low battery ({percent} %): bonuses that take from the budget are asked at the stall. Change the pack now"]
    if power["level"] == "empty":
        return [f"has an empty battery ({percent} %) and switches itself off: change the pack"]
    if power["level"] == "saving":
        return [f"saves power ({percent} %): change the pack within the hour"]
    return []


def _int(value: Any) -> int | None:
    return value if type(value) is int else None


def _list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []
