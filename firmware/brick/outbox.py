"""Records on their way to the host: from the host's mark on, in order, until each is acknowledged."""

from stallmark import control, form

from brick import config
from brick import counters as count


class Outbox:
    """Reads the journal as the link has room; keeps what the host and the ledger have said they hold."""

    def __init__(self, journal, identity, counters, ticks):
        self._journal = journal
        self._identity = identity
        self._counters = counters
        self._ticks = ticks
        self._host = journal.host_seq  # as told, ahead of what is written down
        self._ledger = journal.ledger_seq
        self._unmarked_since = None
        self._cursor = self._host + 1
        self._source = None

    @property
    def host_seq(self):
        """Everything up to this record is durable at the host, as it said."""
        return self._host

    def restart(self):
        """A new session: everything that the host has not said it holds goes again."""
        self._go_to(self._host + 1)

    def resend(self, value):
        """Message 34: the host missed a record. Only ever goes back. Raises FormatError."""
        form.fields(value, "resend", (0,))
        seq = form.uint(value[0], "resend seq (0)", form.U32)
        if seq < self._cursor:
            self._go_to(max(seq, self._journal.oldest_seq))

    def _go_to(self, seq):
        self._cursor = seq
        self._source = None

    def next(self):
        """The next record to send, or None."""
        head = self._journal.head
        if head is None or self._cursor > head.seq:
            return None
        if self._cursor == head.seq:
            found = head
            self._source = None
        else:
            if self._source is None:
                self._source = self._journal.records(self._cursor)
            found = next(self._source, None)
            if found is None:
                self._source = None
                return None
        self._cursor = found.seq + 1
        return found

    def acknowledged(self, value):
        """Message 32: what is durable at the host, and in the ledger where the controller's tag says so.

        Raises FormatError."""
        form.fields(value, "acknowledgement", (0,))
        host = form.uint(value[0], "host seq (0)", form.U32)
        if host >= self._journal.next_seq:
            self._counters.add(count.ACK_BEYOND_HEAD)
            host = self._host
        ledger = value.get(1)
        if ledger is not None:
            form.uint(ledger, "ledger seq (1)", form.U32)
            tag = form.octets(value.get(2), "ledger tag (2)", 16)
            identity = self._identity
            if not control.ack_good(identity.control_key, identity.brick8, ledger, tag):
                self._counters.add(count.ACK_TAG_WRONG)
            elif self._ledger < ledger < self._journal.next_seq:
                self._ledger = ledger
                self._note()
        if host > self._host:
            self._host = host
            self._note()
            if host >= self._cursor:
                self._go_to(host + 1)

    def _note(self):
        if self._unmarked_since is None:
            self._unmarked_since = self._ticks()

    def mark_due(self):
        """True where the marks should be written down: after a while, many records, or when room is short."""
        if self._unmarked_since is None:
            return False
        journal = self._journal
        return (
            self._ticks() - self._unmarked_since >= config.MARK_LAZY_MS
            or self._host - journal.host_seq >= config.MARK_RECORDS
            or journal.free_pages < config.SHORT_PAGES
        )

    def mark(self):
        """Write the marks down. Raises OSError where flash fails."""
        self._journal.mark(self._host, self._ledger)
        self._unmarked_since = None
