"""Invariant 1 without a race: a brick's own pin lines say which pages were complete before its light was set.

The lines come from one process through one FIFO, so their order is the order in which things happened. A decision counts as
durable at an edge if every byte of its page was programmed by operations whose lines stand before the edge's line.
"""

from dataclasses import dataclass

from virtualkit.pins import Program
from virtualkit.reference.audit import DECISIONS, GRANTS
from virtualkit.reference.flashimage import PAGE, RING_OFFSET, RING_PAGES, FlashImage, FlashRecord

_BOOT = 17
_WHOLE = (1 << PAGE) - 1


@dataclass(frozen=True)
class Judgement:
    """What an edge rested on: decisions made durable since the outcome before it, and a breach in words, if any."""

    decisions: list[FlashRecord]
    breach: str | None = None

    @property
    def grant(self) -> FlashRecord | None:
        """The last grant of the newest event; an event may have several records, grants before ghosts."""
        if not self.decisions:
            return None
        nonce = self.decisions[-1].fields.get(15)
        return next(
            (
                one
                for one in reversed(self.decisions)
                if one.fields.get(15) == nonce and one.fields[10] in GRANTS
            ),
            None,
        )


class Order:
    """One brick's programs and edges, in the order of their lines. `image`: read at an edge, for the pages named so far."""

    def __init__(self, image: FlashImage) -> None:
        self._image = image
        self._start = -1
        self._count = 0
        self._lost = False
        self._owed = 0  # green lights of this start that came before their grants
        self._boot = 0  # the number in this start's own boot record, 0 before that is complete
        self._newest = 0  # the highest seq that an edge was given
        self._covered: dict[int, int] = {}  # page of the ring: which of its bytes were programmed, as bits

    def programmed(self, program: Program) -> None:
        """The line of a completed program."""
        if program.start != self._start:
            # Another process: what the one before it left without a light is not shown by this one.
            self._start, self._count, self._boot = program.start, 0, 0
            self._owed = 0
            self._covered.clear()
        self._lost = self._lost or program.count != self._count + 1
        self._count = program.count
        offset = program.offset - RING_OFFSET
        if 0 <= offset < RING_PAGES * PAGE:
            page, first = divmod(offset, PAGE)
            bits = (((1 << program.size) - 1) << first) & _WHOLE
            self._covered[page] = self._covered.get(page, 0) | bits

    def edge(self, start: int, programs: int | None, green: bool) -> Judgement:
        """The line of an edge that tells an outcome; `start` as in Program, `programs` as it stands in the line."""
        count = self._count if start == self._start else 0
        if programs != count or self._lost:
            self._lost = False
            self._count = programs or count
            return Judgement(
                self._decisions(start),
                f"lines of its flash are missing: {programs} programs, {count} told of",
            )
        decisions = self._decisions(start)
        late = [record for record in decisions if record.fields[10] in GRANTS][: self._owed]
        self._owed -= len(late)
        decisions = [record for record in decisions if record not in late]
        judged = Judgement(decisions)
        if green and judged.grant is None:
            self._owed += 1  # the grant that comes next pays for this light, not for the next one
        if green and not decisions:
            return Judgement(
                [], f"was green after {programs} programs of its flash and none held a new grant"
            )
        if green and judged.grant is None:
            return Judgement(
                decisions, f"was green and its last decision, seq {decisions[-1].seq}, is no grant"
            )
        return judged

    def _decisions(self, start: int) -> list[FlashRecord]:
        """Decisions of this start, complete by now and given to no edge before, in order of seq."""
        if start != self._start:
            return []
        found: dict[int, FlashRecord] = {}
        for page in sorted(self._covered):
            record = self._image.at(page)
            if record is None or any(
                self._covered.get(page + more) != _WHOLE for more in range(record.pages)
            ):
                continue
            for more in range(record.pages):
                del self._covered[page + more]
            if record.fields[10] == _BOOT:
                self._boot = max(self._boot, record.fields[4])
            elif record.fields[10] in DECISIONS and record.seq > self._newest:
                found[record.seq] = record
        # The head of an earlier start is written again before anything new: it is no decision of this one.
        made = [found[seq] for seq in sorted(found) if found[seq].fields[4] == self._boot]
        if made:
            self._newest = made[-1].seq
        return made
