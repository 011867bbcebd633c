"""A story that came out as expected, as a conformance vector: compiled bytes, events in CBOR, the fields of each record."""

from __future__ import annotations

from typing import Any, cast

from fleet.authoring.engine import event
from fleet.authoring.place import Written
from fleet.authoring.stories import Row, Run

# Fields that say who wrote, when and which event it was: not the decision's
FOLLOWS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 16, 18))


def vector(run: Run, ruleset: bytes) -> dict[str, Any]:
    """The vector of a run, in the form of docs/rule-library.md."""
    story = run.story
    return {
        "format": "stallmark-rule-vector/1",
        "id": story.id,
        "title": story.title,
        "story": story.story,
        "start_ms": run.start_ms,
        "ruleset": ruleset.hex(),
        "bricks": story.bricks,
        "lane": None if story.lane is None else story.bricks.index(story.lane),
        "steps": [_step(done) for done in run.did],
    }


def _step(done: dict[str, Any]) -> dict[str, Any]:
    row = done.get("row")
    return _event(row, done["brick"]) if isinstance(row, Row) else done


def _event(row: Row, brick: int) -> dict[str, Any]:
    data: bytes = event.encode(row.event)
    expected = [
        {"record": record(written), "sentence": sentence}
        for written, sentence in zip(row.records, row.sentences, strict=True)
    ]
    out: dict[str, Any] = {"do": "event", "brick": brick, "event": data.hex()}
    return out | {"answer": row.answer, "risk": row.risk, "expect": expected}


def record(written: Written) -> dict[str, Any]:
    """The decision's fields of a record by number; byte strings in hex."""
    fields = written.fields
    return {
        str(key): _shown(fields[key]) for key in sorted(fields) if key not in FOLLOWS and (key or fields[0])
    }


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [_shown(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value
