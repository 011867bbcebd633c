"""From what a reader saw to an event: a token becomes trust class and pseudonym, its number ends here."""

from stallmark import event, token
from stallmark.numbers import EVENT_NFC_TAP, EVENT_QR_SCAN, KIND_DENY, REASON_TAG_COUNTER, TRUST_BARE

from brick import config, indicator
from brick import counters as count

_TEXT_COUNTERS = {"setup_codes": count.QR_SETUP_CODE, "wrong_pass": count.QR_PASS_WRONG}


class Desk:
    """Where both readers hand in. The outcome is shown before it returns, or once the host was asked.

    `floor_ms()`: latest instant known from signed things. `vouchers`: brick.voucherdesk.VoucherDesk, where there is a scanner.
    `tags`: brick.tags.Tags, where there is a reader for them."""

    def __init__(self, identity, clock, random, decider, floor_ms, lamp, counters, tags=None):
        self._identity = identity
        self._clock = clock
        self._random = random
        self._decider = decider
        self._floor_ms = floor_ms
        self._lamp = lamp
        self._counters = counters
        self.vouchers = None
        self.since = None  # ticks at which the reader saw the card that it hands in
        self._tags = tags

    def tap(self, uid, ndef, proof=None):
        """A card: its number, the NDEF message if it has one, and what it proved (brick.nfc.proving) or None."""
        self._decider.since, self.since = self.since, None
        if proof is not None:
            self._proved(*proof)
            return
        payload = None if ndef is None else token.find_issued(ndef)
        keys = self._identity
        trust, subject = token.from_uid(uid, payload, keys.token_key, keys.subject_key)
        if payload is not None and trust == TRUST_BARE:
            self._counters.add(count.NFC_ISSUED_WRONG)
        self._hand_in(EVENT_NFC_TAP, trust, subject)

    def _proved(self, trust, number, counter):
        """A tag that showed who it is: its own kind of subject, which no bare number can claim."""
        name = token.subject(self._identity.subject_key, token.TOKEN_PROVED, number)
        if self._tags.fresh(trust, name, counter):
            self._decider.decide(self._event(EVENT_NFC_TAP, trust, subject=name, token_counter=counter))
        else:
            given = self._event(EVENT_NFC_TAP, TRUST_BARE, subject=name, token_counter=counter)
            self._decider.refuse(given, KIND_DENY, REASON_TAG_COUNTER)

    def scan(self, data):
        """A code as the scanner sent it, without its line end; long ones come cut to one byte too many."""
        if data[:5] == b"SMV1:" and self._voucher(data):
            return
        keys = self._identity
        trust, subject, refused = token.from_text(data, keys.token_key, keys.subject_key)
        if refused is not None:
            self._counters.add(_TEXT_COUNTERS.get(refused) or _unreadable(data))
        if trust is None:
            self._lamp.show(indicator.ASK)
        else:
            self._hand_in(EVENT_QR_SCAN, trust, subject)

    def _voucher(self, data):
        """True where a text was a voucher, good or bad: its light comes once its signature is checked."""
        from brick import vouchers  # seldom needed: not in memory before

        found = vouchers.read(data, self._counters)
        if found is None:
            return False
        if not self.vouchers.offer(found, self._checked):  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
            self._lamp.show(indicator.ASK)
        return True

    def _checked(self, found, good):
        from brick import vouchers

        ruleset = self._decider.ruleset
        issuers = () if ruleset is None else ruleset.issuers
        trust, fields, refused = vouchers.take(
            found, good, self._identity, issuers, self._clock, self._floor_ms(), self._counters
        )
        given = self._event(EVENT_QR_SCAN, trust, **fields)
        if refused is None:
            self._decider.decide(given)
        else:
            self._decider.refuse(given, *refused)

    def trouble(self, number):
        """Something is on the reader and it is no event: counted; the customer is asked to see the stall."""
        self._counters.add(number)
        self._lamp.show(indicator.ASK)

    def _hand_in(self, kind, trust, subject):
        self._decider.decide(self._event(kind, trust, subject=subject))

    def _event(self, kind, trust, **fields):
        clock = self._clock
        return event.make(
            type=kind,
            trust=trust,
            wall_ms=clock.wall_ms(),
            uptime_ms=clock.uptime_ms(),
            quality=clock.quality,
            spread_ms=clock.spread_ms,
            nonce=self._random(8),
            **fields,
        )


def _unreadable(data):
    """Which counter a code belongs to that is empty, too long, or not printable ASCII."""
    if not data:
        return count.QR_EMPTY
    return count.QR_TOO_LONG if len(data) > config.QR_MAX else count.QR_NOT_TEXT
