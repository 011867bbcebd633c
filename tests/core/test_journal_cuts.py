"""A power cut at every operation and every byte of the journal: nothing acknowledged is lost, nothing is
twice.

The workload wraps a ring of six sectors with records of one and two pages, marks, erases ahead and carry-over
of rights. It runs once while every flash operation is written down; then the power is cut inside each of
them, at each byte, and the ring is opened from what is left. MicroPython takes every 29th byte (and the last
eight) of each operation, CPython every one; of an erase CPython takes every 37th byte and MicroPython every
509th."""

import struct
import sys

from ramflash import SECTOR, RamFlash
from stallmark.journal import Journal

SMALL = sys.implementation.name == "micropython"
PROGRAM_STRIDE = 29 if SMALL else 1
ERASE_STRIDE = 509 if SMALL else 37
SECTORS = 6
RECORDS = 84


class Recorder(RamFlash):
    """Writes every operation down together with what the workload knew when it began."""

    def __init__(self, size):
        RamFlash.__init__(self, size)
        self.steps = []
        self.world = None

    def program(self, offset, data):
        self.steps.append((offset, bytes(data), self.world.known()))
        RamFlash.program(self, offset, data)

    def erase(self, offset):
        self.steps.append((offset, None, self.world.known()))
        RamFlash.erase(self, offset)


_made = {}


def parts(seq, spent):
    """A record's parts: small to two pages by turns; `spent` is a mention of the slice or 0."""
    key = (seq, spent)
    if key not in _made:
        size = (40, 150, 96, 196, 120, 330, 60)[seq % 7]
        public = struct.pack(">II", seq, spent) + bytes([(seq * 7 + i * 3) & 0xFF for i in range(size)])
        private = bytes([(seq + i) & 0xFF for i in range(28)]) if seq % 3 else b""
        _made[key] = (public, bytes([seq & 0xFF]) * 16, private)
    return _made[key]


class Brick:
    """What a brick does around its journal, and what it knows to be durable."""

    def __init__(self, flash):
        self.done = 0  # highest seq whose append returned
        self.spent = {0: 0}  # seq of a mention: spent so far
        self.last = 0  # seq of the last mention whose append returned
        self.pending = None  # (seq, spent) under way
        self.asked = 0  # freeing mark asked for
        self.marked = 0  # freeing mark whose call returned
        self.journal = Journal(flash, 4)
        self.journal.carry = self.carry

    def known(self):
        return (self.done, self.last, self.pending, self.asked, self.marked)

    def settled(self, seq, spent):
        self.done = max(self.done, seq)
        if spent:
            self.spent[seq] = spent
            self.last = max(self.last, seq)
        self.pending = None

    def carry(self, first, last):
        if self.pending is not None and self.journal.head.seq == self.pending[0]:
            self.settled(*self.pending)  # the journal calls this after it has written what it was given
        if self.last and self.last <= last:
            self.append(self.spent[self.last])

    def append(self, spent):
        seq = self.journal.next_seq
        self.pending = (seq, spent)
        public, mac, private = parts(seq, spent)
        self.journal.append(seq, public, mac, private, True)
        self.settled(seq, spent)

    def mark(self, host, ledger):
        self.asked = max(self.asked, host)
        self.journal.mark(host, ledger)
        self.marked = max(self.marked, host)

    def work(self):
        self.journal.open()
        count = 0
        while self.done < RECORDS:
            count += 1
            self.append(count * 10 if count in (1, 9, 30) else 0)
            if count % 5 == 0:
                self.mark(self.done - 3, self.done - 12 if count < 40 else 0)
            if count % 8 == 0:
                self.journal.erase_ahead()


def record_workload():
    flash = Recorder(SECTORS * SECTOR)
    brick = Brick(flash)
    flash.world = brick
    brick.work()
    return flash, brick


def check(flash, known, step):
    """Opens what is left: everything that append returned for is there, at most one more, no number twice."""
    done, _, pending, asked, marked = known
    journal = Journal(flash, 4)
    summary = journal.open()
    assert summary.conflicts == 0, step
    head = summary.head_seq
    assert head == done or (pending is not None and head == pending[0] == done + 1), (step, head, known)
    assert marked <= journal.host_seq <= max(asked, marked), (step, journal.host_seq, known)
    expected = None
    mention = None
    for found in journal.records():
        if expected is not None:
            assert found.seq == expected, (step, found.seq, expected)
        elif found.seq > 1:
            assert found.seq <= asked + 1, (step, found.seq, asked)
        expected = found.seq + 1
        spent = struct.unpack(">I", found.public[4:8])[0]
        assert (found.public, found.mac, found.private) == parts(found.seq, spent), (step, found.seq)
        if spent:
            mention = spent
    assert expected is None or expected == head + 1, (step, expected, head)
    assert head == 0 or expected is not None, step
    return journal, mention


def goes_on(flash, journal, step):
    """The next append works, and what it wrote is there after another start."""
    journal.carry = None
    seq = journal.next_seq
    public, mac, private = parts(seq, 0)
    journal.append(seq, public, mac, private, True)
    again = Journal(flash, 4)
    summary = again.open()
    assert summary.head_seq == seq, (step, summary, seq)
    assert again.read(seq).private == private


def bytes_of(length, stride):
    tail = length - 8
    for byte in range(0, tail, stride):
        yield byte
    for byte in range(tail, length + 1):
        yield byte


def test_a_cut_at_every_operation_and_byte_loses_and_doubles_nothing():
    recorded, brick = record_workload()
    assert brick.journal.oldest_seq > 20, "the ring wrapped"
    before = RamFlash(SECTORS * SECTOR)
    cuts = images = followed = operations = 0
    for offset, data, known in recorded.steps:
        length = SECTOR if data is None else len(data)
        stride = ERASE_STRIDE if data is None else PROGRAM_STRIDE
        image = None
        for byte in bytes_of(length, stride):
            flash = before.copy()
            flash._random = byte + 1
            flash.tear(offset, data, byte)
            step = (operations, byte)
            cuts += 1
            if flash.data == image:
                continue  # the byte is FF: nothing differs from the cut before it
            image = flash.data[:]
            images += 1
            journal, mention = check(flash, known, step)
            wanted = [brick.spent[known[1]] or None]
            if known[2] is not None and known[2][1]:
                wanted.append(known[2][1])
            assert mention in wanted, (step, mention, wanted)
            if byte % 16 == 0 or byte >= length - 1:
                goes_on(flash, journal, step)
                followed += 1
        if data is None:
            before.erase(offset)
        else:
            before.program(offset, data)
        operations += 1
    print(
        "journal: {} operations, {} cuts, {} different images, {} followed by an append".format(
            operations, cuts, images, followed
        )
    )
    assert cuts > 20 * operations or SMALL


def test_a_cut_while_starting_again_after_a_cut():
    """The start itself writes (the head once more); it is cut at every operation, at bytes spread over the
    page."""
    recorded, _ = record_workload()
    before = RamFlash(SECTORS * SECTOR)
    cuts = 0
    for number, (offset, data, known) in enumerate(recorded.steps):
        if number % 9 == 4 and data is not None:
            torn = before.copy()
            torn.tear(offset, data, len(data) // 2)
            for operation in range(4):
                for byte in (0, 1, 12, 100, 251, 255, 256):
                    flash = torn.copy()
                    flash.cut_at(operation, byte)
                    journal = Journal(flash, 4)
                    try:
                        journal.open()
                        goes_on(flash, journal, (number, operation, byte))
                    except flash.cut_error:
                        pass
                    later = flash.copy()
                    done, last, pending, asked, marked = known
                    pending = (done + 1, 0) if pending is None else pending
                    check(later, (done, last, pending, asked, marked), (number, operation, byte))
                    cuts += 1
        if data is None:
            before.erase(offset)
        else:
            before.program(offset, data)
    print("journal: {} cuts at a second start".format(cuts))


def test_a_head_that_reads_well_once_and_fades_is_still_there():
    flash = RamFlash(SECTORS * SECTOR)
    brick = Brick(flash)
    brick.journal.open()
    for _ in range(4):
        brick.append(0)
    head_page = 2 * SECTOR + 3 * 256
    image = bytes(flash.data[head_page : head_page + 256])
    assert image[0] == 0x53
    journal = Journal(flash, 4)
    assert journal.open().head_seq == 4
    flash.data[head_page + 200 : head_page + 256] = b"\xff" * 56
    journal = Journal(flash, 4)
    summary = journal.open()
    assert (summary.head_seq, summary.records, summary.torn) == (4, 4, 1)
