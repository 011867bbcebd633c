"""The record ring: a full ring, reserved pages, freeing, carry-over, flipped bits, failing flash, an old
image."""

# heap: 4M

import struct
import sys
import time

import vectors
from ramflash import PAGE, SECTOR, RamFlash
from stallmark import record
from stallmark.errors import FormatError, FullError
from stallmark.journal import Journal

SMALL = sys.implementation.name == "micropython"


class Moody(RamFlash):
    """Flash whose programs or erases fail while they are told to."""

    programs_fail = False
    erases_fail = False

    def program(self, offset, data):
        if self.programs_fail:
            raise OSError(5)
        RamFlash.program(self, offset, data)

    def erase(self, offset):
        if self.erases_fail:
            raise OSError(5)
        RamFlash.erase(self, offset)


def parts(seq, size=100):
    return struct.pack(">I", seq) + bytes([seq & 0xFF]) * size, bytes([seq & 0xFF]) * 16, b""


def write(journal, count=1, essential=True, size=100):
    for _ in range(count):
        seq = journal.next_seq
        public, mac, private = parts(seq, size)
        journal.append(seq, public, mac, private, essential)
    return journal.next_seq - 1


def opened(flash, reserved=4):
    journal = Journal(flash, reserved)
    return journal, journal.open()


def seqs(journal, from_seq=0):
    return [found.seq for found in journal.records(from_seq)]


def test_an_empty_ring():
    journal, summary = opened(RamFlash(6 * SECTOR))
    assert summary == (0, 0, 0, 0)
    assert (journal.head, journal.next_seq, journal.oldest_seq, journal.free_pages) == (None, 1, 0, 64)
    assert seqs(journal) == [] and journal.read(1) is None
    assert journal.erase_due() == (0, 0) and journal.erase_ahead()
    assert not journal.erase_ahead()


def test_records_come_back_in_order_from_any_seq():
    flash = RamFlash(6 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 10)
    write(journal, 5, size=300)
    write(journal, 10)
    for each in (journal, opened(flash)[0]):
        assert seqs(each) == list(range(1, 26))
        assert seqs(each, 13) == list(range(13, 26))
        assert seqs(each, 26) == []
        assert each.read(12).public == parts(12, 300)[0]
        assert each.read(25) == each.head and each.read(26) is None and each.read(0) is None
        assert each.oldest_seq == 1 and each.next_seq == 26


def test_seq_must_be_the_next_one():
    journal, _ = opened(RamFlash(6 * SECTOR))
    write(journal, 3)
    for seq in (0, 1, 3, 5):
        vectors.raises(FormatError, journal.append, seq, b"x", bytes(16), b"", True)
    assert write(journal) == 4


def test_a_full_ring_refuses_what_is_not_essential_first_and_then_all():
    flash = RamFlash(6 * SECTOR)
    journal, _ = opened(flash, 20)
    while journal.free_pages > 20:
        write(journal, 1, False)
    vectors.raises(FullError, write, journal, 1, False)
    written = write(journal, 18)
    vectors.raises(FullError, write, journal, 1, False)
    vectors.raises(FullError, write, journal, 1, True)
    assert seqs(journal) == list(range(1, written + 1)), "nothing was overwritten"
    assert journal.free_pages == 2, "two pages stay for carry-over"
    journal, summary = opened(flash, 20)
    assert summary.head_seq == written
    vectors.raises(FullError, write, journal, 1, True)
    journal.mark(18, None)
    assert write(journal) == written + 1
    assert seqs(journal)[0] == 17 and journal.freed_early == 16


def test_pages_are_freed_by_the_ledger_mark_and_early_by_the_hosts_only_when_nearly_full():
    journal, _ = opened(RamFlash(6 * SECTOR))
    write(journal, 58)  # six pages of the last sector are left
    journal.mark(40, 0)
    assert journal.erase_due() == (1, 16)
    other, _ = opened(RamFlash(6 * SECTOR))
    write(other, 52)
    other.mark(40, 0)
    assert other.erase_due() is None, "twelve pages are left: the ledger's mark is waited for"
    other.mark(40, 16)
    assert other.erase_due() == (1, 16) and other.erase_ahead() and other.freed_early == 0
    journal.mark(40, 10)
    assert journal.erase_ahead() and journal.freed_early == 6
    assert journal.oldest_seq == 17


def test_marks_only_rise_and_outlive_a_start_and_a_thousand_of_them():
    flash = RamFlash(8 * SECTOR)
    journal, _ = opened(flash)
    for _ in range(40):
        write(journal, 10)
        for behind in range(8, -1, -1):
            journal.mark(journal.next_seq - 1 - behind, journal.next_seq - 1 - 2 * behind)
        journal.erase_ahead()
    assert (journal.host_seq, journal.ledger_seq) == (400, 400)
    journal.mark(17, 3)
    journal.mark(None, None)
    journal, _ = opened(flash)
    assert (journal.host_seq, journal.ledger_seq) == (400, 400)
    journal.mark(1 << 31, 1 << 30)
    assert (journal.host_seq, journal.ledger_seq) == (400, 400), "a mark above the head counts as the head"
    assert flash.erases < 40


def test_a_mark_for_the_ledger_is_one_for_the_host():
    journal, _ = opened(RamFlash(6 * SECTOR))
    write(journal, 20)
    journal.mark(5, 9)
    assert (journal.host_seq, journal.ledger_seq) == (9, 9)


def test_numbers_of_lost_records_are_not_given_again():
    flash = RamFlash(6 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 20)
    journal.mark(20, 0)
    for page in (2 * 16 + 18, 2 * 16 + 19):
        flash.data[page * PAGE + 40] ^= 0xFF
    journal, summary = opened(flash)
    assert summary.head_seq == 18 and summary.torn == 2
    assert journal.next_seq == 21
    write(journal)
    assert seqs(journal) == list(range(1, 19)) + [21]


def test_rights_are_carried_over_before_their_last_mention_is_erased():
    flash = RamFlash(5 * SECTOR)
    journal, _ = opened(flash)
    mention = [1]

    def carry(first, last):
        assert first <= last
        if mention[0] <= last:
            mention[0] = journal.next_seq
            write(journal)

    journal.carry = carry
    write(journal)
    for _ in range(200):
        write(journal)
        journal.mark(journal.next_seq - 1, journal.next_seq - 1)
        assert journal.read(mention[0]) is not None
    assert mention[0] > 150 and journal.oldest_seq > 150
    assert journal.erase_errors == 0


def test_the_room_for_carry_over_is_never_used_by_others():
    """Without an idle moment and with marks that come late, carry-over still finds its two pages."""
    flash = RamFlash(5 * SECTOR)
    journal, _ = opened(flash)
    carried = []

    def carry(first, last):
        carried.append(last)
        write(journal, 1, True, 300)

    journal.carry = carry
    full = 0
    for step in range(300):
        try:
            write(journal, 1, True, 300 if step % 5 == 0 else 60)
        except FullError:
            full += 1
            journal.mark(journal.next_seq - 2, 0)
    assert full > 3 and len(carried) > 6 and journal.erase_errors == 0
    assert seqs(journal) == list(range(journal.oldest_seq, journal.next_seq))


def test_carry_over_that_finds_no_room_stops_the_erase_not_the_record():
    journal, _ = opened(RamFlash(5 * SECTOR))

    def greedy(first, last):
        write(journal, 40)

    journal.carry = greedy
    write(journal, 46)
    vectors.raises(FullError, write, journal)
    journal.mark(40, 40)
    assert journal.erase_errors == 1 and journal.oldest_seq == 1
    vectors.raises(FullError, write, journal)
    journal.carry = None
    write(journal)


def test_a_page_that_reads_back_other_bytes_is_skipped_and_written_again():
    class Stuck(RamFlash):
        bad = ()

        def program(self, offset, data):
            RamFlash.program(self, offset, data)
            if offset in self.bad:
                self.data[offset + 30] &= 0xF0

    flash = Stuck(6 * SECTOR)
    flash.bad = (2 * SECTOR + 3 * PAGE, 2 * SECTOR + 4 * PAGE, 2 * SECTOR + 7 * PAGE)
    journal, _ = opened(flash)
    write(journal, 3)
    write(journal, 1)
    write(journal, 1, True, 300)
    assert journal.torn == 3
    journal, summary = opened(flash)
    assert seqs(journal) == [1, 2, 3, 4, 5] and summary.torn >= 3


def test_flash_that_fails_is_said_and_loses_nothing():
    flash = Moody(6 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 14)
    flash.programs_fail = True
    for _ in range(3):
        vectors.raises(OSError, write, journal)
    flash.programs_fail = False
    assert write(journal) == 15
    journal, _ = opened(flash)
    assert seqs(journal) == list(range(1, 16))


def test_an_erase_that_fails_does_not_fail_the_record_before_it():
    flash = Moody(5 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 40)
    journal.mark(39, 39)
    flash.erases_fail = True
    write(journal, 6)
    assert journal.erase_errors > 0
    flash.erases_fail = False
    write(journal, 10)
    assert seqs(journal)[-1] == 56


def test_while_erases_fail_the_room_for_carry_over_stays_free():
    flash = Moody(5 * SECTOR)
    journal, _ = opened(flash)
    carried = []

    def carry(first, last):
        if not carried:
            carried.append(write(journal, 1, True, 300))

    journal.carry = carry
    write(journal, 44)  # twelve pages of the last sector
    journal.mark(43, 43)
    flash.erases_fail = True
    write(journal)
    assert carried == [46] and journal.erase_errors == 1 and journal.oldest_seq == 1
    vectors.raises(FullError, write, journal)
    vectors.raises(OSError, journal.erase_ahead)
    flash.erases_fail = False
    assert journal.erase_ahead() and carried == [46]
    assert write(journal) == 47 and journal.oldest_seq == 17


def test_pages_that_fail_never_cost_the_head_its_place():
    flash = Moody(5 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 44)
    journal.mark(44, 44)
    flash.programs_fail = True
    for _ in range(40):
        vectors.raises((OSError, FullError), write, journal)
    flash.programs_fail = False
    assert opened(flash)[1].head_seq == 44


def test_a_sector_that_looks_blank_after_a_start_is_erased_again_before_use():
    """An erase that was cut may read blank and fade; only one seen to its end in this session counts."""
    flash = RamFlash(5 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 13)
    assert journal.erase_due() is None, "the next sector has just been erased"
    for idle in (False, True):
        again = flash.copy()
        journal, _ = opened(again)
        assert journal.erase_due() == (0, 0)
        if idle:
            assert journal.erase_ahead() and again.erases == 1
        write(journal, 3)
        assert again.erases == 1 and seqs(journal) == list(range(1, 17))


def test_every_flipped_bit_in_a_stored_page_is_found():
    flash = RamFlash(6 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 4)
    start = 2 * SECTOR + PAGE
    for index in range(0, PAGE, 7 if SMALL else 1):
        spoilt = flash.copy()
        spoilt.data[start + index] ^= 1 << (index % 8)
        journal, summary = opened(spoilt)
        assert summary.torn == 1 and summary.records == 3 and summary.head_seq == 4
        assert seqs(journal) == [1, 3, 4]


def test_two_different_copies_of_one_seq_are_a_conflict_and_the_later_one_counts():
    flash = RamFlash(6 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 2)
    public, mac, private = parts(2, 50)
    flash.program(2 * SECTOR + 2 * PAGE, record.page(2, public, mac, private))
    journal, summary = opened(flash)
    assert (summary.records, summary.conflicts, summary.head_seq) == (2, 1, 2)
    assert journal.head.public == public and journal.read(2).public == public
    assert [found.public for found in journal.records(2)] == [public]


def test_the_head_written_again_is_one_record_wherever_the_sector_ends():
    flash = RamFlash(5 * SECTOR)
    journal, _ = opened(flash)
    for round_number in range(150):
        write(journal)
        journal.mark(journal.next_seq - 1, journal.next_seq - 1)
        journal, summary = opened(flash)
        assert summary.conflicts == 0 and summary.head_seq == round_number + 1
        assert summary.records == len(seqs(journal))


def test_records_can_be_read_while_others_are_written():
    journal, _ = opened(RamFlash(6 * SECTOR))
    write(journal, 30)
    seen = []
    for found in journal.records(5):
        seen.append(found.seq)
        if found.seq % 3 == 0 and journal.next_seq < 60:
            write(journal)
    assert seen[:26] == list(range(5, 31)) and seen == sorted(set(seen))


def test_the_ring_of_the_vectors_opens():
    data = vectors.load("journal.json")
    flash = RamFlash(data["size"])
    for offset, page in data["pages"].items():
        page = bytes.fromhex(page)
        flash.data[int(offset) : int(offset) + len(page)] = page
    before = bytes(flash.data)
    journal, summary = opened(flash)
    assert tuple(summary) == (data["count"], data["torn"], data["conflicts"], data["last"])
    assert journal.oldest_seq == data["first"]
    assert (journal.host_seq, journal.ledger_seq) == (data["host_seq"], data["ledger_seq"])
    assert journal.head.public.hex() == data["head"]["public"]
    assert record.link(journal.head.public, journal.head.mac).hex() == data["head"]["link"]
    pages = range(0, len(before), PAGE)
    changed = [at for at in pages if flash.data[at : at + PAGE] != before[at : at + PAGE]]
    assert changed == data["next_pages"], "the head, two pages, is written again on the first blank ones"
    fields = journal.head.fields
    assert fields[2] == data["last"]


def test_a_ring_of_one_mebibyte_opens_soon():
    flash = RamFlash(256 * SECTOR)
    journal, _ = opened(flash)
    write(journal, 300 if SMALL else 3000)
    ticks = getattr(time, "ticks_ms", None)
    start = ticks() if ticks else int(time.monotonic() * 1000)
    journal, summary = opened(flash)
    took = (ticks() if ticks else int(time.monotonic() * 1000)) - start
    print("journal: 1 MiB with {} records opened in {} ms".format(summary.records, took))
    assert summary.head_seq == journal.next_seq - 1
    assert len(journal._ring._seqs) == 8 * 254, "memory goes with the sectors, not the records"


def test_rings_that_are_too_small_are_refused():
    vectors.raises(ValueError, Journal, RamFlash(4 * SECTOR))
