"""Repeated denials of one subject within a minute become one record of kind 12: nobody fills the flash."""

from stallmark.numbers import KIND_DENY

WINDOW_MS = 60000
MAX_SUBJECTS = 16

# Entries of a subject that was denied
_SUBJECT, _CODE, _RULE, _SINCE, _COUNT, _FIRST = range(6)


class Collective:
    """The denials of the last minute, at most 16 subjects; without a free place a denial is simply written.

    Denials without a subject (random-UID phones) are merged as if they were one. A denial with another reason
    or rule, or with a latch, is always written: nothing new is ever merged away."""

    def __init__(self):
        self._open = []
        self.untracked = 0

    def offer(self, subject8, decision, now_ms, wall_ms=None):
        """"write": this decision needs its own record. "merged": it is counted and will come out of `due`.

        `now_ms` is uptime; `wall_ms` the event's own instant, for the record."""
        if decision.kind != KIND_DENY or decision.latches:
            return "write"
        for entry in self._open:
            if entry[_SUBJECT] == subject8:
                if now_ms - entry[_SINCE] >= WINDOW_MS:
                    if entry[_COUNT]:
                        return "write"  # the caller has not asked `due` yet: the old count stays
                    self._open.remove(entry)
                    break
                if decision.why[0] != entry[_CODE] or decision.rule != entry[_RULE]:
                    entry[_CODE] = decision.why[0]
                    entry[_RULE] = decision.rule
                    return "write"
                if not entry[_COUNT]:
                    entry[_FIRST] = wall_ms
                entry[_COUNT] += 1
                return "merged"
        if len(self._open) == MAX_SUBJECTS and not self._make_room(now_ms):
            self.untracked += 1
        else:
            self._open.append([subject8, decision.why[0], decision.rule, now_ms, 0, None])
        return "write"

    def _make_room(self, now_ms):
        """Gives up the oldest subject of which nothing was merged."""
        for entry in self._open:
            if not entry[_COUNT]:
                self._open.remove(entry)
                return True
        return False

    def due(self, now_ms):
        """[(subject8, count, wall ms of the first merged one), …] to be written now; None: everything."""
        out = []
        for entry in list(self._open):
            if now_ms is None or now_ms - entry[_SINCE] >= WINDOW_MS:
                self._open.remove(entry)
                if entry[_COUNT]:
                    out.append((entry[_SUBJECT], entry[_COUNT], entry[_FIRST]))
        return out
