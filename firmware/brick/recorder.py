"""Makes decision records: chain, MAC, salt, key epochs; durable in the journal before anything is shown."""

from stallmark import numbers as reg
from stallmark import record

from brick import config

# Kinds that may use the journal's last pages: what has been promised, and what keeps the books complete.
_ESSENTIAL = (
    reg.KIND_START,
    reg.KIND_GRANT,
    reg.KIND_VOID,
    reg.KIND_REFUND,
    reg.KIND_REDEEM,
    reg.KIND_LATCH,
    reg.KIND_RIGHTS,
    reg.KIND_RELEASE,
    reg.KIND_BOOT,
    reg.KIND_CLOSE,
    reg.KIND_LOST,
    reg.KIND_OUTAGE,
    reg.KIND_RENTAL,
)
_ENDS_EPOCH = (reg.KIND_CLOSE, reg.KIND_RENTAL)


class Recorder:
    """The one writer of the journal.

    `replayed` must see every record that the journal holds, in order, before the first `write`: it counts the
    epoch's records and finds the number of this start-up.
    """

    def __init__(self, identity, journal, clock, random):
        self._identity = identity
        self._journal = journal
        self._clock = clock
        self._random = random
        self._written = None
        self._carry = None
        self._pending = None
        self._in_epoch = 0
        self._epoch_over = False
        self._step = None  # of the rental record that ended the epoch: [rental, link epoch]
        self.boot = identity.first_boot

    def connect(self, written, carry):
        """Say who is told, before the first `write`.

        `written(record)` is called once a record is durable; `carry(before_seq)`, before older records are
        erased, writes what must be said again.
        """
        self._written = written
        self._carry = carry

    def replayed(self, entry):
        """Take note of a record that was written before this start-up."""
        fields = entry.fields
        if fields[3] == self._identity.record_epoch:
            self._note(fields)
        self.boot = max(self.boot, fields[4] + 1)

    def _note(self, fields):
        self._in_epoch += 1
        if self._in_epoch >= config.EPOCH_RECORDS or fields[10] in _ENDS_EPOCH:
            self._epoch_over = True
        if fields[10] == reg.KIND_RENTAL:
            self._step = fields[24]

    def write(self, kind, fields=None, private=None):
        """Write one record and return it.

        `fields` are its public fields beyond those that every record has, None values left out; `private` is
        the private map without its salt. Raises FullError where the journal has no room for this kind,
        OSError where flash fails: then nothing was written.
        """
        self.settle()  # the record before may have been the last under its key
        seq = self._journal.next_seq
        head = self._journal.head
        public = {
            0: 0,
            1: self._identity.brick8,
            2: seq,
            3: self._identity.record_epoch,
            4: self.boot,
            5: self._clock.wall_ms(),
            6: self._clock.uptime_ms(),
            7: [self._clock.quality, self._clock.spread_ms],
            10: kind,
            16: self._identity.rental,
            18: record.ZERO16 if head is None else record.link(head.public, head.mac),
        }
        for key in fields or ():
            if fields[key] is not None:
                public[key] = fields[key]
        private_part = b""
        if private is not None:
            private[0] = record.salt(self._identity.only_key, self.boot, seq, self._random(16))
            private_part = record.encode_private(private)
            public[17] = record.commit(private_part)
        public_part = record.encode_public(public)
        mac = record.mac(self._identity.mac_key, public_part)
        self._pending = record.Record(seq, public_part, mac, private_part, public)
        done = self._pending
        try:
            self._journal.append(seq, public_part, mac, private_part, kind in _ESSENTIAL)
            self._deliver()
        finally:
            self._pending = None
        return done

    def _deliver(self):
        """Hand on the record that has just become durable, before anything is written after it."""
        done, self._pending = self._pending, None
        if done is not None:
            self._note(done.fields)
            self._written(done)

    def before_erasing(self, first_seq, last_seq):
        """The journal's `carry`: it may be called inside the append of a record that is durable by then."""
        self._deliver()
        self._carry(last_seq + 1)

    def settle(self):
        """Advance the record key now if the last record ended its epoch: for quiet moments and start-up."""
        if self._epoch_over:
            if self._step is None:
                self._identity.advance_records()
            else:
                from brick import stepping

                stepping.advance(self._identity, self._step[0], self._step[1])
                self._step = None
            self._epoch_over = False
            self._in_epoch = 0
