"""What a kit's device means for the kit: one line of how it stands, reasons for `why`, and whether the host's step of a rollout
is done. Pure, over a row of `ties`."""

from __future__ import annotations

from typing import Any

from fleet.desired.why import Reason

FRESH_MS = 15 * 60_000  # a look that is older is said to be old


def line(row: dict[str, Any]) -> str:
    """One line for `why`."""
    name = row["name"] or row["device"][:8]
    if row["looked_ms"] is None:
        return f"host OS: device {name}, not looked at yet"
    if not row["found"]:
        return f"host OS: device {name} is not in the application"
    held = "follows its application" if row["pinned"] is None else f"held at {row['pinned'][:12]}"
    runs = "runs nothing yet" if row["running"] is None else f"runs {row['running'][:12]}"
    return f"host OS: {name} {'online' if row['online'] else 'offline'}, {runs}, {held}, {row['os'] or 'OS unknown'}"


def reasons(row: dict[str, Any] | None, now_ms: int) -> list[Reason]:
    """What keeps the kit's host from what it should be."""
    if row is None:
        return []
    found: list[Reason] = []
    wanted = row["wanted"]
    short = "what its application gives out" if wanted == "" else f"release {str(wanted)[:12]}"
    if row["found"] == 0:
        text = "its host's device is not in the application any more"
        found.append(Reason("host-os-gone", text, row["looked_ms"], do="tie the right device: `hosts tie`"))
    elif wanted is not None and row["told_ms"] is None:
        if row["trouble"]:
            text = f"its host is to run {short}: {row['trouble']}"
            found.append(Reason("host-os-refused", text, row["trouble_ms"], do="it is tried again by itself"))
        else:
            text = f"its host is to run {short}; the host OS service is not told yet"
            found.append(Reason("host-os-waiting", text, row["wanted_ms"]))
    elif wanted and not done(row):
        if row["online"]:
            text = f"its host takes up {short}; it runs {str(row['running'])[:12]}"
            found.append(Reason("host-os-updating", text, row["told_ms"]))
        else:
            text = f"its host is to run {short} and is offline for the host OS service: it takes it up when it is back"
            found.append(Reason("host-os-offline", text, row["turned_ms"]))
    if found and row["looked_ms"] is not None and now_ms - row["looked_ms"] > FRESH_MS:
        text = (
            "what is known of its host's operating system is old: the host OS service was not reached since"
        )
        found.append(Reason("host-os-old", text, row["looked_ms"]))
    return found


def done(row: dict[str, Any]) -> bool:
    """Whether the device runs what was wanted, by its own word through the service. For id:NUMBER nobody can tell."""
    wanted = row["wanted"]
    if not wanted or row["told_ms"] is None:
        return False
    return row["running"] == wanted and (row["looked_ms"] or 0) >= row["told_ms"]
