"""Tags that prove themselves, on this brick: the event's keys, and the read counters seen (messages 47 and 48).

docs/formats/tag.md. Without keys no tag proves anything here: it is then the bare number that it shows."""

from stallmark import form, tagkeys
from stallmark.constant import const
from stallmark.errors import FormatError
from stallmark.numbers import TRUST_LIVE, TRUST_SDM

from brick import counters as count

_SUBJECT = const(6)  # bytes of a subject that are kept: as in the exchange
_ENTRY = const(9)  # subject6 ‖ counter u24
KEPT = const(400)  # tags whose counter is remembered (4,000 bytes); beyond, one not seen for long is forgotten
_GONE_BYTES = const(1024)  # of marks for those forgotten, made with the first of them
_AT_ONCE = const(40)  # entries of a message 48


class Counters:
    """The highest read counter known of each tag, at most `kept` of them.

    Where one more comes, one is forgotten that was not seen since the last round over all of them, and two bits out of
    8,192 mark that it was: of a tag not known `forgotten` tells surely that it never was, or that it may have been (one
    in twenty of the others, too, after a thousand were forgotten)."""

    def __init__(self, kept=KEPT):
        self._kept = kept
        self._data = bytearray()
        self._used = bytearray(kept)  # seen since the hand came by
        self._hand = 0
        self._gone = None

    def __len__(self):
        return len(self._data) // _ENTRY

    def _find(self, subject):
        subject = bytes(subject[:_SUBJECT])
        at = self._data.find(subject)
        while at >= 0 and at % _ENTRY:
            at = self._data.find(subject, at + 1)
        return at

    def get(self, subject):
        """The counter of a subject (its first 6 bytes count), or None."""
        at = self._find(subject)
        return None if at < 0 else int.from_bytes(self._data[at + _SUBJECT : at + _ENTRY], "big")

    def note(self, subject, counter):
        """Remember a counter; a lower one than known changes nothing."""
        at = self._find(subject)
        entry = bytes(subject[:_SUBJECT]) + counter.to_bytes(3, "big")
        if at >= 0:
            self._used[at // _ENTRY] = 1
            if entry > self._data[at : at + _ENTRY]:
                self._data[at : at + _ENTRY] = entry
        elif len(self) < self._kept:
            self._data += entry
        else:
            at = self._place() * _ENTRY
            self._data[at : at + _ENTRY] = entry

    def _place(self):
        """A place whose tag is forgotten."""
        while self._used[self._hand]:  # ends: each one passed is cleared
            self._used[self._hand] = 0
            self._hand = (self._hand + 1) % self._kept
        place, self._hand = self._hand, (self._hand + 1) % self._kept
        if self._gone is None:
            self._gone = bytearray(_GONE_BYTES)
        for at in (0, 2):
            bit = self._bit(self._data, place * _ENTRY + at)
            self._gone[bit >> 3] |= 1 << (bit & 7)
        return place

    @staticmethod
    def _bit(subject, at):
        return (subject[at] << 8 | subject[at + 1]) % (8 * _GONE_BYTES)  # a subject is a hash already

    def forgotten(self, subject):
        """Whether a tag that is not known may have been."""
        gone = self._gone
        if gone is None:
            return False
        for at in (0, 2):
            bit = self._bit(subject, at)
            if not gone[bit >> 3] & 1 << (bit & 7):
                return False
        return True


class Tags:
    """`port` offers make_ecb, make_inverse, random; `identity` keeps the keys."""

    def __init__(self, identity, port, counters):
        self._identity = identity
        self._port = port
        self._counters = counters
        self.seen = Counters()
        self._proving = None
        self._load()

    @property
    def version(self):
        """Version of the keys held, 0 for none."""
        return 0 if self._identity.tag_keys is None else int(self._identity.tag_keys[0])

    def _load(self):
        if self._identity.tag_keys is None:
            self._proving = None
        elif self._proving is None:
            from brick.nfc import proving

            self._proving = proving

    # --- what the host carries

    def keys(self, value):
        """Message 47: the controller's, sealed for this brick. Kept in the key partition. Raises FormatError."""
        identity = self._identity
        try:
            version, event8, meta16, file16, live16 = tagkeys.unseal(
                value, identity.control_key, identity.brick8, self._port.make_ecb
            )
            if event8 != identity.event8:
                raise FormatError("tag keys of another event")
        except FormatError:
            self._counters.add(count.TAG_KEYS_REFUSED)
            raise
        if int(version) <= self.version:
            return  # told with each link
        try:
            identity.keep_tag_keys([version, meta16, file16, live16])
        except OSError:
            self._counters.add(count.FLASH_ERRORS)
            return
        self._load()

    def told(self, value):
        """Message 48: counters that other bricks of the kit have seen. Raises FormatError."""
        form.fields(value, "tag counters", (0,))
        entries = value[0]
        if type(entries) is not bytes or len(entries) % _ENTRY or len(entries) > _ENTRY * _AT_ONCE:
            form.fail("tag counters (0)", "at most 40 entries of 9 bytes")
        for at in range(0, len(entries), _ENTRY):
            self.seen.note(
                entries[at : at + _ENTRY], int.from_bytes(entries[at + _SUBJECT : at + _ENTRY], "big")
            )
        self._counters.add(count.TAG_COUNTERS_TOLD)

    def replayed(self, entry):
        """A record of this brick's own journal, at the start: it may hold a counter. Raises FormatError."""
        private = entry.private_fields
        if private and 5 in private and 1 in private:
            self.seen.note(private[1], private[5])

    # --- at the reader

    async def prove(self, exchange, uid):
        """The live proof of the card whose NDEF application is selected, or None. Raises PartError."""
        if self._proving is None or not self.version:  # or the keys ended with a rental
            return None
        return self._counted(await self._proving.live(exchange, uid, self._identity.tag_keys[1:], self._port))

    def by_link(self, ndef, uid):
        """The proof in a card's message, or None."""
        if self._proving is None or not self.version:
            return None
        return self._counted(self._proving.by_link(ndef, uid, self._identity.tag_keys[1:], self._port))

    def _counted(self, proof):
        if proof is not None:
            self._counters.add(count.TAG_LIVE if proof[0] == TRUST_LIVE else count.TAG_LINKS)
        return proof

    def fresh(self, trust, subject, counter):
        """Whether a proof is newer than anything known of this tag; it is known from now on.

        A link's counter must be higher than any seen: each reading makes another one. A live authentication counts
        nothing, so the same counter is as good; a lower one is a tag that went back. Of a tag that may have been
        forgotten nobody here knows how high it was: its link may be an old one, its authentication cannot be."""
        known = self.seen.get(subject)
        if known is None:
            old = trust == TRUST_SDM and self.seen.forgotten(subject)
        else:
            old = counter < known or (trust == TRUST_SDM and counter == known)
        if old:
            self._counters.add(count.TAG_REPLAYED)
            return False
        self.seen.note(subject, counter)
        return True
