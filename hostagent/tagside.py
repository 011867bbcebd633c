"""Tags that prove themselves, at the host: sealed keys passed on to bricks, read counters compared across the kit.

docs/formats/tag.md. The keys are sealed for each brick by the controller; the host cannot open them. They come from the
controller (hostagent.tagkeys) and from a file in the kit's folder: a brick takes the newer. Counters come from records that
are durable; a message that two bricks took, or a counter that went back, is a finding.
"""

import itertools
import json
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hostagent.bricks import Brick
from hostagent.core import Fields, reg
from hostagent.store.records import Stored

SUBJECT = 6
AT_ONCE = 40
# Tags whose counter is kept here, and how many a brick remembers (brick.tags.KEPT): of them it is told with a new link.
KEPT = 8_192
TOLD = 400
# Counters of the last links of each tag: a copy is shown soon or never.
LINKS = 8
FINDINGS = 64
# Two clocks of a kit differ by less.
CLOCKS_MS = 5_000
FILE = "tag-keys.json"
_MOST_FILE = 1_048_576
Message = tuple[int, Any]
log = logging.getLogger("hostagent.tagside")


@dataclass
class Tag:
    """What is known of one tag. `serial` grows with each change: who was told up to one needs only later ones."""

    counter: int
    serial: int
    brick: bytes  # where that counter was seen
    seq: int
    wall_ms: int | None
    links: deque[tuple[int, bytes, int]] = field(default_factory=lambda: deque(maxlen=LINKS))


class TagSide:
    """One for a host. `folder` holds tag-keys.json where the kit was given tag keys that way; `name(brick8)` is a brick's
    name; `served(brick8)` is what the controller gave for a brick."""

    def __init__(
        self,
        folder: Path,
        name: Callable[[bytes], str],
        served: Callable[[bytes], Fields | None] = lambda brick8: None,
    ) -> None:
        self._served = served
        self._path = folder / FILE
        self._name = name
        self._tags: OrderedDict[bytes, Tag] = OrderedDict()
        self._serial = 0
        self._told: dict[bytes, int] = {}
        self._anew: dict[bytes, int] = {}  # up to this serial a brick is told of its own tags as well
        self.findings: deque[dict[str, Any]] = deque(maxlen=FINDINGS)
        self.found = 0
        self.refused = 0
        self.trouble: str | None = None

    # --- keys

    def keys_for(self, brick8: bytes) -> list[Message]:
        """Messages 47 for a brick: of the file, read anew with each link, so that a newer file needs no restart, and of the
        controller. The brick knows which is newer; the same twice is said once."""
        found = self._of_file(brick8)
        served = self._served(brick8)
        if served is not None and (reg.MSG_TAG_KEYS, served) not in found:
            found.append((reg.MSG_TAG_KEYS, served))
        return found

    def _of_file(self, brick8: bytes) -> list[Message]:
        try:
            if not self._path.exists():
                self.trouble = None
                return []
            if self._path.stat().st_size > _MOST_FILE:
                raise ValueError("larger than 1 MiB")
            whole: Any = json.loads(self._path.read_text())
            self.trouble = None
            for entry in cast(list[dict[str, Any]], whole["bricks"]):
                if bytes.fromhex(entry["brick"]) == brick8:
                    parts = [bytes.fromhex(entry[key]) for key in ("nonce", "sealed", "tag")]
                    return [(reg.MSG_TAG_KEYS, dict(enumerate(parts)))]
        except (OSError, ValueError, KeyError, TypeError) as failed:
            self.trouble = (
                f"{FILE} cannot be read ({type(failed).__name__}): tags prove nothing at bricks without keys"
            )
            log.warning("%s", self.trouble)
        return []

    # --- counters

    def recorded(self, stored: Stored) -> None:
        """A record is durable: it may hold the counter of a tag that proved itself."""
        fields: Fields = stored.record.fields
        private: Fields = stored.record.private_fields or {}
        counter, subject, event = private.get(5), private.get(1), fields.get(11)
        if counter is None or subject is None or event is None:
            return
        trust, seq, wall = event & 15, fields[2], fields.get(5)
        if trust not in (reg.TRUST_SDM, reg.TRUST_LIVE):
            self.refused += (fields.get(14) or [0])[0] == reg.REASON_TAG_COUNTER
            return
        short = bytes(subject[:SUBJECT])
        known = self._tags.get(short)
        if known is None:
            known = self._tags[short] = Tag(-1, 0, stored.brick, seq, wall)
        place = (stored.brick, seq)
        self._compare(known, counter, trust, place, wall)
        if trust == reg.TRUST_SDM and all(link[1:] != place for link in known.links):
            known.links.append((counter, *place))
        if counter > known.counter:
            self._serial += 1
            known.counter, known.serial = counter, self._serial
            known.brick, known.seq, known.wall_ms = stored.brick, seq, wall
            self._tags.move_to_end(short)
            while len(self._tags) > KEPT:
                self._tags.popitem(last=False)

    def _compare(
        self, known: Tag, counter: int, trust: int, place: tuple[bytes, int], wall: int | None
    ) -> None:
        if trust == reg.TRUST_SDM:
            for seen, brick, seq in known.links:
                if seen == counter and (brick, seq) != place:
                    self._find(
                        "the same message was taken twice: one of two tags is a copy", place, (brick, seq)
                    )
                    return
        earlier = known.wall_ms is not None and wall is not None and wall > known.wall_ms + CLOCKS_MS
        if counter < known.counter and earlier:
            self._find(
                "a tag's counter went back: one of two tags is a copy", place, (known.brick, known.seq)
            )

    def _find(self, what: str, one: tuple[bytes, int], other: tuple[bytes, int]) -> None:
        self.found += 1
        places = [{"brick": self._name(brick), "seq": seq} for brick, seq in (one, other)]
        self.findings.append({"what": what, "records": places})
        log.warning("%s (%s)", what, " and ".join(f"{p['brick']} {p['seq']}" for p in places))

    # --- to bricks

    def linked(self, brick: Brick) -> None:
        """A new link: the brick may have forgotten what it was told, and, with another journal, what it saw itself."""
        newest = itertools.islice(reversed(self._tags.values()), TOLD)
        oldest = min((tag.serial for tag in newest), default=1)
        self._told[brick.brick] = oldest - 1
        self._anew[brick.brick] = self._serial

    def next_for(self, brick: Brick) -> Message | None:
        """The next message 48: counters that others saw and this brick has not been told; with a new link its own too."""
        told = self._told.get(brick.brick)
        if told is None or told >= self._serial:
            return None
        waiting: list[tuple[int, bytes, Tag]] = []
        for subject, tag in reversed(self._tags.items()):
            if tag.serial <= told:
                break
            waiting.append((tag.serial, subject, tag))
        waiting.reverse()
        part = waiting[:AT_ONCE]
        self._told[brick.brick] = part[-1][0] if len(waiting) > AT_ONCE else self._serial
        anew = self._anew.get(brick.brick, 0)
        entries = b"".join(
            subject + tag.counter.to_bytes(3, "big")
            for serial, subject, tag in part
            if tag.brick != brick.brick or serial <= anew
        )
        return (reg.MSG_TAG_COUNTERS, {0: entries}) if entries else self.next_for(brick)

    # --- for people

    def report(self) -> dict[str, Any]:
        """GET /v1/status, `tags`."""
        return {
            "known": len(self._tags),
            "refused": self.refused,
            "findings": self.found,
            "newest_findings": list(self.findings)[-8:],
            "trouble": self.trouble,
        }
