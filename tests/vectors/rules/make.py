"""Writes the rule vectors from the library's stories; refuses while one of them comes out otherwise.

.venv/bin/python -m tests.vectors.rules.make [--check]
"""

import json
import sys
from pathlib import Path

from fleet.authoring import library, stories, story_vectors

HERE = Path(__file__).parent


def text(found):
    """A vector as its file has it: a step on a line."""
    head = {key: value for key, value in found.items() if key != "steps"}
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    steps = [f"  {json.dumps(step, ensure_ascii=False)}" for step in found["steps"]]
    return "{\n" + "\n".join(lines) + '\n "steps": [\n' + ",\n".join(steps) + "\n ]\n}\n"


def made():
    """Name and text of every vector. Raises SystemExit where a story comes out otherwise than it says."""
    for entry in library.entries():
        ruleset, start_ms = entry.compiled()
        run = stories.run(entry.story(), ruleset, start_ms)
        if run.failed:
            raise SystemExit(
                f"{entry.name}: {run.failed[0].wrong[0]}; `stallmark rules test` says everything"
            )
        yield f"{entry.name}.json", text(story_vectors.vector(run, ruleset))


if __name__ == "__main__":
    for name, data in made():
        if "--check" not in sys.argv:
            (HERE / name).write_text(data, "utf-8")
        elif (HERE / name).read_text("utf-8") != data:
            sys.exit(f"{name} is not what the library gives: run without --check")
