"""What was counted in the slot that is looked at: people, events, visits, this event included. docs/formats/ruleset.md"""

# pyright: reportAttributeAccessIssue=false
# What is used here beside `at` is set by Facts, which is one of these.

from stallmark.constant import const

_WINDOW_FIRST = const(0)  # as stallmark.expr has it


class Counted:
    """Counts of a State as they will be once `event` is recorded. `at`: the subject's place in the slot, None where it was not
    looked up, -1 where it is not remembered."""

    at = None

    def place(self):
        """Where the subject is remembered in this slot, or -1."""
        at = self.at
        if at is None:
            subject = self.event.subject
            at = self.at = -1 if subject is None else self.state.person(self.slot, subject)
        return at

    def unseen(self):
        """True where this subject can not be told from a newcomer: not remembered, and no room to be."""
        return self.place() < 0 and not self.state.room(self.slot, self.wall)

    def _visits(self, _=0):
        place = self.place()
        if place >= 0:
            return min(self.state.visits(place) + 1, 0xFFFF)
        return None if self.event.subject is None or self.unseen() else 1

    def _people(self, counter):
        """People counted so far, this event's subject included: as the count will be once it is recorded."""
        event, state, slot, wall = self.event, self.state, self.slot, self.wall
        _what, window, ms, scope, _type, trust = self.ruleset.counters[counter]
        count, least = state.tally(slot, counter, wall)
        if not least and scope == 0 and self._stale is not None:
            least = self._old(state.remote_age(wall))
        if (
            event.subject is not None
            and event.trust >= trust
            and (window != _WINDOW_FIRST or self.since < ms)
        ):
            place = self.at
            if place is None:
                place = self.place()
            if place < 0:
                if self.unseen():
                    least = True
                else:
                    count += 1
            elif not state.counts(place, counter, slot, wall):
                count += 1
        return (count,) if least else count

    def _events(self, counter):
        """Events so far, this one included."""
        event = self.event
        _what, window, ms, scope, kind, trust = self.ruleset.counters[counter]
        count = self.state.count(self.slot, counter, self.wall)
        if (not kind or kind == event.type) and event.trust >= trust and self._inside(window, ms):
            count += 1
        if scope == 0 and self._stale is not None and self._old(self.state.remote_age(self.wall)):
            return (count,)
        return count

    def _inside(self, window, ms):
        return window != _WINDOW_FIRST or self.since < ms  # it is never less than 0

    def _seen(self, counter):
        event = self.event
        if event.subject is None:
            return None
        _what, _window, _ms, _scope, kind, trust = self.ruleset.counters[counter]
        if event.type == kind and event.trust >= trust:
            return 1
        place = self.place()
        if place < 0:
            return None if self.unseen() else 0
        return 1 if self.state.seen(place, counter, self.slot, self.wall) else 0

    def _attended(self, _):
        subject = self.event.subject
        return None if subject is None else self.state.attended(subject, self.slot)

    def _old(self, age):
        return self._stale is not None and age is not None and age > self._stale
