"""What can be said of a working brick without opening it: its own reports over the sealed link, judged part by part.

Pure: from an entry of GET /v1/status, `bricks`. A brick with keys runs no bench test; it says how its parts are, and a person
looks at the light and holds a tag to it. docs/links.md, *Test*"""

from typing import Any, NamedTuple

from hostagent import appliance
from hostagent.core import counter_names

GOOD, LOOK, FAULT, UNKNOWN, ABSENT = "good", "look", "fault", "not known", "absent"
# Older reports than this are not of today's brick.
STALE_S = 300.0
# Pages of the journal: below this the brick is about to send people to the stall (hostagent.report.SHORT_PAGES).
SHORT_PAGES = 128
# Something was held to it: taps within the cooldown, codes repeated, decisions, denials merged.
_CAME = (24, 36, 48, 51)
_SLOW_DIAGNOSTICS_S = 60.0  # they come every half minute while there is a link
_BAD_FLASH = (52, 53, 55)  # torn pages, conflicts, errors: docs/formats/registry.md, counters


class Result(NamedTuple):
    """One part: what came out, and the details in words."""

    part: str
    outcome: str
    words: str


def results(entry: dict[str, Any]) -> list[Result]:
    """Every part, in the order in which a person would look."""
    said, body = entry["status"], entry["diagnostics"]
    found = [_link(entry)]
    if said is None:
        return [*found, Result("brick", UNKNOWN, "it has said nothing since the host started")]
    found += [_state(said, body), _device("reader", said), _device("scanner", said), _radio(said)]
    found += [_journal(entry, said), _rules(entry, said)]
    age = None if body is None else body.get("age_s")
    measured = [_flash(body), _battery(body), _memory(body), _clock(said, body)]
    up = entry["link"]["up"]
    return [
        found[0],
        *(_aged(one, said["age_s"], not up or said["age_s"] > STALE_S) for one in found[1:]),
        *(_aged(one, age, age is not None and (not up or age > STALE_S)) for one in measured),
    ]


def _aged(one: Result, age_s: float | None, old: bool) -> Result:
    """A result with the age of what it rests on: what is `old` is not known of today's brick."""
    if age_s is None or (not old and age_s < _SLOW_DIAGNOSTICS_S):
        return one
    said = (
        f"said {age_s:.0f} s ago: {one.words}"
        if age_s < 120
        else f"said {age_s / 60:.0f} min ago: {one.words}"
    )
    return one._replace(outcome=UNKNOWN if old and one.outcome != ABSENT else one.outcome, words=said)


def came(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether something was held to the brick between two of its diagnostics."""
    if before["diagnostics"] is None or after["diagnostics"] is None:
        return False
    had = _counted(before["diagnostics"], _CAME)
    return any(count > had[name] for name, count in _counted(after["diagnostics"], _CAME).items())


def failed(found: list[Result]) -> bool:
    """Whether a part needs somebody."""
    return any(one.outcome in (FAULT, UNKNOWN) for one in found)


def _link(entry: dict[str, Any]) -> Result:
    link = entry["link"]
    if not link["up"]:
        why = link["refusal"] or link["last_down"] or entry["port"]["state"]
        return Result("link", FAULT, f"no link: {why}")
    ways = " and ".join(port["kind"] for port in entry["ports"] if port["open"]) or "nothing"
    words = f"up over {ways}, heard {link['heard_s_ago']:.0f} s ago"
    bad = link["bad_tags"] + link["noise"] + link["oversize"]
    if bad or link["resends"]:
        words += f"; {bad} damaged frames and {link['resends']} sent again since the host started"
    bad += link["resends"]
    return Result("link", LOOK if bad > link["frames"] // 20 and bad > 20 else GOOD, words)


def _state(said: dict[str, Any], body: dict[str, Any] | None) -> Result:
    start = None if body is None else body["start"]
    began = "" if start is None else f"; started last because {start['reason']}"
    warned = [] if body is None else appliance.warnings(body)
    if said["state"] == "safe":
        return Result("brick", FAULT, f"in safe mode{began}")
    if said["state"] == "good":
        return Result(
            "brick", LOOK if warned else GOOD, "; ".join(warned) if warned else f"says that it is well{began}"
        )
    return Result("brick", FAULT, f"says of itself: {said['state']}{began}")


def _device(part: str, said: dict[str, Any]) -> Result:
    words = {
        "none": (ABSENT, "this brick has none"),
        "good": (GOOD, "answers"),
        "fault": (FAULT, "does not answer"),
    }
    outcome, text = words.get(said[part], (UNKNOWN, said[part]))
    return Result(part, outcome, text)


def _radio(said: dict[str, Any]) -> Result:
    words = {
        "none": (ABSENT, "none, or switched off"),
        "good": (GOOD, "works"),
        "fault": (FAULT, "does not work: it needs its cable"),
    }
    return Result("radio", *words.get(said["radio"], (UNKNOWN, said["radio"])))


def _journal(entry: dict[str, Any], said: dict[str, Any]) -> Result:
    pages, waiting = said["free_pages"], entry["records"]["waiting_on_brick"]
    if pages is None:
        return Result("journal", UNKNOWN, "it does not say how much room it has")
    words = f"room for {pages} records, {waiting or 0} wait to be fetched"
    return Result("journal", FAULT if pages < SHORT_PAGES else GOOD, words)


def _flash(body: dict[str, Any] | None) -> Result:
    if body is None:
        return Result("flash", UNKNOWN, "no diagnostics yet: try again in a minute")
    bad = {name: count for name, count in _counted(body, _BAD_FLASH).items() if count}
    wear = body["wear"]
    words = "no errors since it started" if not bad else ", ".join(f"{name}: {n}" for name, n in bad.items())
    if wear is not None and wear["journal_rounds"]:
        words += f"; its journal was written through {wear['journal_rounds']} times: no fault, flash lasts some 100,000"
    errors = counter_names.name(55) in bad
    return Result("flash", FAULT if errors else LOOK if bad else GOOD, words)


def _battery(body: dict[str, Any] | None) -> Result:
    power = None if body is None else body["power"]
    if power is None:
        return Result("battery", ABSENT, "this board measures none, or has not said so yet")
    volts = " and ".join(f"{one / 1000:.2f} V" for one in (power["main_mv"], power["backup_mv"]) if one)
    words = f"{power['percent']} %, {volts or 'power from outside'}" + (
        ", charging" if power["charging"] else ""
    )
    if not power["believable"]:
        return Result("battery", FAULT, f"{words}; what it measures cannot be: look at its divider and wires")
    return Result("battery", GOOD if power["level"] == "full" else LOOK, words)


def _memory(body: dict[str, Any] | None) -> Result:
    if body is None or body["heap_free"] is None:
        return Result("memory", UNKNOWN, "no diagnostics yet: try again in a minute")
    block = body["largest_block"]
    words = f"{body['heap_free'] // 1024} KiB free" + (
        "" if not block else f", {block // 1024} KiB in one piece"
    )
    short = body["heap_free"] < appliance.SHORT_HEAP or (
        block is not None and 0 < block < appliance.SHORT_BLOCK
    )
    return Result("memory", LOOK if short else GOOD, words)


def _clock(said: dict[str, Any], body: dict[str, Any] | None) -> Result:
    known = None if body is None else body["clock"]
    drift = (
        ""
        if known is None or known["drift_ppm"] is None
        else f", {known['drift_ppm']} parts in a million off"
    )
    far = known is not None and abs(known["drift_ppm"] or 0) > appliance.DRIFT_PPM
    outcome = LOOK if far or said["clock"] == "not set" else GOOD
    return Result("clock", outcome, said["clock"] + drift)


def _rules(entry: dict[str, Any], said: dict[str, Any]) -> Result:
    if said["ruleset"] is None:
        return Result("rules", LOOK, "none yet: it sends people to the stall")
    told, rules, programs = entry["bundle_result"], said.get("rules"), entry.get("programs")
    if rules is None:
        words = f"rules that this host does not know ({said['ruleset'][:8]})"
    else:
        words = f"{rules['id']}, revision {rules['rev']}"
    words += f"; {programs['words']}" if programs else ""
    return Result("rules", GOOD, words if told is None else f"{words}; the last bundle: {told['words']}")


def _counted(body: dict[str, Any], numbers: tuple[int, ...]) -> dict[str, int]:
    names = [counter_names.name(number) for number in numbers]
    return {name: body["counters"].get(name, 0) for name in names}
