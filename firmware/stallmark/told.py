"""What a state is told by others and keeps until a restart, and what it answers of subjects. docs/formats/ruleset.md"""

# pyright: reportAttributeAccessIssue=false
# What is None here is set by State where its ruleset uses it.
# Parts that not every ruleset needs are imported when one does: a brick's heap holds the code, too.


class Told:
    """Entries of other bricks, signals, balances, revoked subjects. stallmark.state.State is one that has records of
    its own as well; it makes `_people`, `_ever`, `_balances`, `_signals`, `_spent` where its ruleset uses them."""

    ruleset = None
    _brick = None  # brick8 of own records
    _people = _ever = _balances = _signals = _spent = _revoked = _others = None

    def remote(self, brick8, up_to_seq, entries, wall_ms):
        """Takes over entries (n × 14 bytes, link message 40) of another brick under the same ruleset, which
        stand for its records up to a seq; `wall_ms` is now, or None. False where they bring nothing new."""
        if self.ruleset is None or self.ruleset.version < 2 or brick8 == self._brick:
            return False
        if self._others is None:
            from stallmark.peopleothers import Others

            self._others = Others(self.ruleset.slots)
        return self._others.take(brick8, up_to_seq, entries, wall_ms, self)

    def meet_other(self, subject6, event_type, trust, flags, rule, slot, since, wall, fresh, first):
        """One entry of another brick, as stallmark.peopleothers.Others hands it on."""
        granted = rule if first and flags & 0xE0 and rule < len(self.ruleset.rules) else -1
        if wall is None or wall < self.ruleset.slots[slot][1]:  # nobody asks for slots that are over
            self._people.meet(slot, subject6, since, wall, event_type, trust, False, fresh, granted)
        if subject6 is None:
            return
        if self._ever is not None:
            if trust >= self.ruleset.least_trust:
                self._ever.attend(subject6, slot)
            if granted >= 0 and slot in self.ruleset.bodies[granted].slots:  # once, of slots open together
                self._ever.grant(subject6, granted)
        if flags & 0x20 and self._spent is not None:
            self._spent.add_subject(subject6)

    def heads(self):
        """[[brick8, seq], …] of other bricks, in order of brick8."""
        return [] if self._others is None else self._others.heads()

    def evidence(self):
        """16 bytes that stand for the heads (field 21), or None while nothing of others is known."""
        return None if self._others is None else self._others.evidence()

    def remote_age(self, wall):
        """Seconds at `wall` since something of others came; None where nothing ever did."""
        if self._others is None or self._others.heard_ms is None or wall is None:
            return None
        return max(wall - self._others.heard_ms, 0) // 1000

    def signals(self, index, value, wall):
        """A signal (its index) had this value at `wall`. False where that is not newer than what is known."""
        return self._signals is not None and self._signals.set(index, value, wall)

    def balances(self, as_of, seq, entries):
        """The host's balances (n × 10 bytes, link message 42) as of an instant (ms), own records up to `seq`
        counted. False where not all of them found room, or no rule asks."""
        return self._balances is not None and self._balances.take(as_of, seq, entries)

    def revoke(self, first, entries):
        """Subjects (n × 6 bytes, link message 45) that were revoked; `first` forgets the earlier ones. False
        where not all of them found room."""
        if self._revoked is None:
            from stallmark.spent import Revoked

            self._revoked = Revoked()
        return self._revoked.take(first, entries)

    def keep(self, before):
        """Takes over what the state before was told whatever its rules, revoked subjects; and by the same rules, signals."""
        self._revoked = before._revoked
        if self._signals is not None and before.ruleset is not None and before.ruleset.digest8 == self.ruleset.digest8:
            self._signals = before._signals

    # --- what a decision asks

    def granted_ever(self, subject, rule):
        """Grants of a rule with a limit over the campaign to a subject so far; None where not known."""
        return self._ever.granted(subject[:6], rule)

    def attended(self, subject, slot=-1):
        """Different slots that a subject attended, `slot` (an index) included; None where not known."""
        return None if self._ever is None else self._ever.attended(subject[:6], slot)

    def balance(self, subject):
        """Loyalty tokens of a subject; None where not known."""
        return None if self._balances is None else self._balances.of(subject[:6])

    def balance_age(self, wall):
        """Seconds since the newest balances of the host; None where none ever came."""
        return None if self._balances is None else self._balances.age(wall)

    def signal(self, index, wall):
        """(value, age s) of a signal, or None where there is none young enough."""
        return None if self._signals is None else self._signals.get(index, wall)

    def spent(self, serial8, subject=None):
        """True: this voucher was paid, here or (by its subject) elsewhere. None: not known, the table is
        full."""
        return None if self._spent is None else self._spent.has(serial8, subject)

    def revoked(self, subject):
        """True for a subject that was revoked."""
        return self._revoked is not None and subject is not None and self._revoked.has(subject)
