"""The programs that run here: from which slot, whether on trial, what came back, what is to come and why it waits.

Only on boards whose programs lie in slots (`port.start`, brick.startslot); states and numbers: docs/formats/slot.md."""

from stallmark import form
from stallmark.constant import const

from brick import config
from brick import counters as count
from brick.unload import unload

MSG_SLOTS = const(14)
_RETURNED = const(25)  # install results
_ON_TRIAL = const(27)
READER = const(1)  # parts
SCANNER = const(2)
LINK = const(4)
RULES = const(8)


class Application:
    """`start`: what the loader chose. `post(kind, value)` tells the host."""

    def __init__(self, start, boots, post, counters, ticks, calm_ms):
        from brick import appslot

        self._start = start
        self._post = post
        self._counters = counters
        self._ticks = ticks
        self.calm_ms = calm_ms  # without customers, before a switch
        slot = start.slot
        self.trial = None  # brick.trial.Trial, while this start is on trial
        self.on_trial = slot.trial
        found = appslot.Found(slot)
        self.installed = found.bundle
        self.expected = found.parts if self.on_trial else 0
        self.returned = None  # (digest8 of its bundle, reason, directive it came under)
        if start.other is not None and start.other.gone:
            left = appslot.Found(start.other)
            digest8 = None if left.bundle is None else left.bundle.digest[:8]
            self.returned = (digest8, left.reason, left.order)
        del found
        unload("brick.appslot", "stallmark.bundle")
        if self.on_trial:
            boots.trial = slot
            counters.set(count.APP_TRIALS, 1)
        if start.returned:
            counters.set(count.APP_RETURNS, 1)
        self.held_until = None  # the host keeps it from switching (message 55)
        self.wrong_rules = (
            0  # why this application cannot decide by the installed rules, as a reason of a return
        )
        self.why = 0
        self._told = None

    # --- installing

    def refuses(self, digest8, order):
        """Install result where this bundle is not to come now, else None. `order`: number of the directive in force."""
        if self.on_trial:
            return _ON_TRIAL  # the other slot is the way back
        if self.returned is not None and self.returned[0] == digest8 and order <= self.returned[2]:
            return _RETURNED  # until a newer directive wants it all the same
        return None

    def target(self, flash):
        """The slot that does not run, to be written. `flash(name)` gives a flash port."""
        from brick import appslot

        start = self._start
        newest = start.slot.generation
        if start.other is not None:
            newest = max(newest, start.other.generation)
        return appslot.AppSlot(flash("app_b" if start.slot.index == 0 else "app_a"), newest + 1)

    def hold(self, value):
        """Message 55: for so many seconds no switch. Raises FormatError."""
        form.fields(value, "hold", (0,))
        self.held_until = self._ticks() + 1000 * form.uint(value[0], "hold seconds (0)", config.HOLD_MOST_S)

    def say(self, installer, hold):
        """What comes, and why it waits (0: it does not)."""
        if hold and hold != self.why:
            self._counters.add(count.APP_WAITS)
        self.why = hold
        self.tell(installer.pending)

    # --- the way back

    def judge(self, ruleset, vectors):
        """On trial: whether the installed rules are decided as their authors signed."""
        from brick import trial

        self.wrong_rules = trial.rules_wrong(self.expected, ruleset, vectors)

    def leave(self, reason, boots, reset):
        """Go back to the other slot, now."""
        try:
            self._start.slot.give_up(reason)
        except OSError:
            self._counters.add(count.FLASH_ERRORS)
        boots.meant()
        reset()

    def stay(self):
        """The trial is over: this application stays. Raises OSError."""
        self._start.slot.confirm()
        self.on_trial = False
        self.trial = None

    # --- what the host hears

    def message(self, pending):
        """Message 14. `pending`: None, or (digest8, bytes written, bytes of all)."""
        slot, bundle = self._start.slot, self.installed
        return {
            0: slot.index,
            1: slot.generation,
            2: 2 if self.on_trial else 1,
            3: None if bundle is None else bundle.digest[:8],
            4: None if bundle is None else bundle.fields[4],
            5: None if pending is None else [pending[0], pending[1], pending[2], self.why],
            6: None if self.returned is None else [self.returned[0], self.returned[1]],
        }

    def tell(self, pending, anew=False):
        """Say it where it is another one than the last, or `anew` in a new session. What was written only counts by 64 KiB."""
        message = self.message(pending)
        slow = None if pending is None else (pending[0], pending[1] >> 16, pending[1] == pending[2], self.why)
        key = (message[2], slow, self.returned)
        if anew or key != self._told:
            self._told = key
            self._post(MSG_SLOTS, message)
