"""The record ring under cuts, half-erased sectors, flipped bits and years of use."""

import random
import struct
from collections import Counter

from stallmark.errors import FullError
from stallmark.journal import Journal

from tests.campaigns.flashchip import PAGE, SECTOR, Logged, RamFlash, apply, torn

SECTORS = 6
RECORDS = 84  # appended in one run: the ring wraps
WEAR_SECTORS = 34  # 32 of them records


def parts(seq: int, spent: int) -> tuple[bytes, bytes, bytes]:
    """A record: one page or two by turns; `spent` is a mention of what must be carried over, or 0."""
    rng = random.Random(seq)
    public = struct.pack(">II", seq, spent) + rng.randbytes((40, 150, 96, 190, 120, 320, 60)[seq % 7])
    return public, rng.randbytes(16), rng.randbytes(28) if seq % 3 else b""


class Brick:
    """What a brick does around its journal, and what it knows to be durable: `known()`."""

    def __init__(self, flash: RamFlash, rng: random.Random) -> None:
        self.rng = rng
        self.done = 0  # highest seq whose append returned
        self.last = (0, 0)  # last mention whose append returned: seq, spent
        self.pending: tuple[int, int] | None = None
        self.asked = self.marked = 0  # freeing mark asked for, and stored
        self.journal = Journal(flash, 4)
        self.journal.carry = self._carry

    def known(self) -> tuple:
        return self.done, self.last, self.pending, self.asked, self.marked

    def _settled(self, seq: int, spent: int) -> None:
        self.done = max(self.done, seq)
        if spent:
            self.last = max(self.last, (seq, spent))
        self.pending = None

    def _carry(self, _first: int, last: int) -> None:
        if self.pending is not None and self.journal.head.seq == self.pending[0]:
            self._settled(*self.pending)  # the journal calls this after it has written what it was given
        if self.last[0] and self.last[0] <= last:
            self.append(self.last[1])

    def append(self, spent: int = 0) -> None:
        seq = self.journal.next_seq
        self.pending = (seq, spent)
        self.journal.append(seq, *parts(seq, spent), True)
        self._settled(seq, spent)

    def mark(self, host: int, ledger: int) -> None:
        host = max(host, ledger)  # what is in the ledger is durable at the host
        self.asked = max(self.asked, host)
        self.journal.mark(host, ledger)
        self.marked = max(self.marked, host)

    def work(self, records: int = RECORDS) -> None:
        """Records, marks, idle moments, and now and then a full ring."""
        self.journal.open()
        while self.done < records:
            try:
                self.append(self.done * 10 if self.rng.random() < 0.05 else 0)
            except FullError:
                self.pending = None
                self.mark(self.done - 1, self.done - 1)
            if self.rng.random() < 0.2:
                self.mark(
                    max(0, self.done - self.rng.randrange(6)), max(0, self.done - self.rng.randrange(20))
                )
            if self.rng.random() < 0.15 and self.pending is None:
                self.journal.erase_ahead()


def check(chip: RamFlash, known: tuple, step: str) -> Journal:
    """Opens what is left: every acknowledged record is there once, at most one more, no number twice, no other bytes."""
    done, last, pending, asked, marked = known
    journal = Journal(chip, 4)
    summary = journal.open()
    head = summary.head_seq
    assert summary.conflicts == 0, step
    assert head == done or (pending is not None and head == pending[0] == done + 1), (step, head, known)
    assert marked <= journal.host_seq <= max(asked, marked), (step, journal.host_seq, known)
    expected, mention = None, 0
    for found in journal.records():
        assert expected is None or found.seq == expected, (step, found.seq, expected)
        assert expected is not None or found.seq <= asked + 1, (step, found.seq, asked)
        expected = found.seq + 1
        spent = struct.unpack(">I", found.public[4:8])[0]
        assert (found.public, found.mac, found.private) == parts(found.seq, spent), (step, found.seq)
        mention = spent or mention
    assert head == 0 or expected == head + 1, (step, expected, head)
    assert mention in (last[1], pending[1] if pending else 0), (step, mention, known)
    return journal


def goes_on(chip: RamFlash, journal: Journal, step: str) -> None:
    """The next append works, and what it wrote is there after another start."""
    journal.carry = None
    seq = journal.next_seq
    journal.append(seq, *parts(seq, 0), True)
    again = Journal(chip, 4)
    assert again.open().head_seq == seq, step
    assert again.read(seq).private == parts(seq, 0)[2], step


def cuts(seed: int, stride: int, erase_stride: int) -> Counter:
    """One workload, cut inside every operation; each start after a cut is cut once more, at a random place."""
    rng = random.Random(f"journal {seed}")
    flash = Logged(SECTORS * SECTOR)
    brick = Brick(flash, rng)
    flash.known = brick.known
    brick.work()
    before, told = RamFlash(SECTORS * SECTOR), Counter()
    for number, (offset, data, known) in enumerate(flash.steps):
        for where, chip in torn(before, offset, data, erase_stride if data is None else stride, seed):
            step = f"seed {seed} operation {number} {where}"
            if rng.random() < 0.1:
                told["cuts at the start after a cut"] += _again(chip, known, rng, step)
            journal = check(chip, known, step)
            told["images"] += 1
            if rng.random() < 0.1:
                goes_on(chip, journal, step)
                told["images that were gone on with"] += 1
        apply(before, offset, data)
    told["operations"] += len(flash.steps)
    told["programs"] += flash.programs
    told["erases"] += flash.erases
    told["records acknowledged"] += brick.done
    return told


def _again(chip: RamFlash, known: tuple, rng: random.Random, step: str) -> int:
    """The start itself writes (the head once more): cut it, too."""
    clean = Journal(chip.copy(), 4).open().head_seq  # what this start finds has to be there after it
    torn_again = chip.copy()
    torn_again.cut_at(rng.randrange(3), rng.randrange(PAGE + 1))
    journal = Journal(torn_again, 4)
    try:
        journal.open()
        journal.carry = None
        journal.append(journal.next_seq, *parts(journal.next_seq, 0), True)
    except torn_again.cut_error:
        pass
    else:
        return 0
    _, last, pending, asked, marked = known
    if pending and pending[1] and clean == pending[0]:
        last = pending
    check(torn_again.copy(), (clean, last, (clean + 1, 0), asked, marked), step + " again")
    return 1


def flips(seed: int, stride: int) -> Counter:
    """Each bit of every page turned over: the record is missed and counted, or whole; never another one."""
    flash = RamFlash(SECTORS * SECTOR)
    brick = Brick(flash, random.Random(seed))
    brick.journal.open()
    for _ in range(10):
        brick.append()
    brick.mark(4, 2)
    brick.append()
    told: Counter = Counter()
    used = range(2 * SECTOR, 2 * SECTOR + 16 * PAGE)
    for at in (*range(0, 2 * 32), *used):
        for bit in range(0, 8, 1 if stride == 1 else 7):
            if (at * 8 + bit) % stride:
                continue
            chip = flash.copy()
            chip.data[at] ^= 1 << bit
            journal = Journal(chip, 4)
            summary = journal.open()
            seqs = []
            for found in journal.records():
                assert (found.public, found.mac, found.private) == parts(found.seq, 0), (at, bit)
                seqs.append(found.seq)
            missed = brick.done - len(seqs)
            assert seqs == sorted(set(seqs)) and missed <= 1, (at, bit, seqs)
            assert not missed or summary.torn, (at, bit)
            assert journal.host_seq <= 4 and journal.ledger_seq <= 2, (at, bit)
            told["bits turned"] += 1
            told["records missed and counted as torn"] += missed
            if at % 16 == 0:
                seq = journal.next_seq
                journal.append(seq, *parts(seq, 0), True)
                again = Journal(chip, 4)
                assert again.open().head_seq == seq and again.read(seq).public == parts(seq, 0)[0], (at, bit)
                told["gone on with"] += 1
    return told


def wear(records: int, seed: int) -> Counter:
    """So many records with marks as a host gives them: erases of each sector."""
    chip = Logged(WEAR_SECTORS * SECTOR)
    chip.steps = Uncounted()
    sectors: Counter = Counter()
    plain = chip.erase

    def erase(offset: int) -> None:
        sectors[offset // SECTOR] += 1
        plain(offset)

    chip.erase = erase
    rng = random.Random(seed)
    journal = Journal(chip, 4)
    journal.open()
    size = 0
    for number in range(records):
        seq = journal.next_seq
        record = parts(seq % 7 + 1, 0)
        size += sum(map(len, record))
        journal.append(seq, *record, True)
        if rng.random() < 1 / 16:
            journal.mark(seq, max(0, seq - 40))
        if number % 4 == 0:
            journal.erase_ahead()
    ring = [sectors[at] for at in range(2, WEAR_SECTORS)]
    return Counter(
        {
            "records": records,
            "bytes of records": size,
            "bytes programmed": chip.bytes_programmed,
            "programs": chip.programs,
            "erases": sum(sectors.values()),
            "most erases of a ring sector": max(ring),
            "fewest erases of a ring sector": min(ring),
            "most erases of a mark sector": max(sectors[0], sectors[1]),
        }
    )


class Uncounted(list):
    """A log that is not kept."""

    def append(self, _item: object) -> None:
        """Nothing."""
