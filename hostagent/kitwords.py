"""Sentences for what GET /v1/status says of tags, rights, printer and records that are not as they should be."""

from typing import Any


def words(found: dict[str, Any]) -> list[str]:
    """What somebody should know, plain; `found` as hostagent.report makes it, keys that are missing say nothing."""
    return [
        *_tags(found.get("tags")),
        *_rights(found),
        *_store(found.get("store")),
        *_printer(found.get("printer")),
        *_update_lock(found.get("update_lock")),
    ]


def _update_lock(lock: dict[str, Any] | None) -> list[str]:
    if lock is None:
        return []
    said = [] if lock["trouble"] is None or lock["taken"] else [f"Update lock: {lock['trouble']}."]
    if lock["taken"]:
        said.append("This host is being updated: nothing new is written to bricks until it is over.")
    if lock["ended"]:
        said.append(f"The update lock was held too long {lock['ended']} times since the start: tell the hub.")
    return said


def _tags(tags: dict[str, Any] | None) -> list[str]:
    if tags is None:
        return []
    said: list[str] = []
    if tags["trouble"] is not None:
        said.append(f"{tags['trouble']}.")
    if tags["findings"]:
        newest = tags["newest_findings"][-1]
        places = " and ".join(f"{one['brick']} {one['seq']}" for one in newest["records"])
        count = f"{tags['findings']} times" if tags["findings"] > 1 else "once"
        said.append(
            f"Copied tags were seen {count}; the newest: {newest['what']} (records {places}). Take that tag aside where "
            "it comes again, and tell the hub."
        )
    if tags["refused"]:
        said.append(
            f"Refused because a tag's link was not new: {_many(tags['refused'], 'tap')}. A copy, or a link that was kept."
        )
    return said


def _rights(found: dict[str, Any]) -> list[str]:
    refused: dict[str, int] = found.get("rights_refused") or {}
    if not refused:
        return []
    why = "; ".join(f"{reason} ({count})" for reason, count in sorted(refused.items())[:3])
    return [f"Rights from the controller were not taken: {why}. Tell the hub."]


def _store(store: dict[str, Any] | None) -> list[str]:
    if store is None:
        return []
    said: list[str] = []
    if store["lost"]:
        said.append(
            f"Never came here, because a brick had written over them: {_many(store['lost'], 'record')}. The hub sees the gap."
        )
    if store["quarantined"]:
        said.append(
            f"Kept aside unsigned, with what is wrong with it: {_many(store['quarantined'], 'record')}. Tell the hub."
        )
    return said


def _printer(printer: dict[str, Any] | None) -> list[str]:
    if printer is None or printer["trouble"] is None:
        return []
    return [f"Nothing is printed: {printer['trouble']}"]


def _many(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
