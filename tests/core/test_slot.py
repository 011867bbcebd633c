"""Two slots: whatever instant the power fails at, a brick starts with the old bundle or the new one,
whole."""

import sys

import vectors
from ramflash import SECTOR, RamFlash
from stallmark.crypt import sha256
from stallmark.errors import FormatError, LimitError
from stallmark.slot import Slots

DATA = vectors.load("slot.json")
BUNDLE = bytes.fromhex(DATA["bundle"])
SMALL = sys.implementation.name == "micropython"
SIZE = 4 * SECTOR
OLD = bytes([n & 0xFF for n in range(700)])
OTHER = bytes([(n * 5) & 0xFF for n in range(600)])
NEW = bytes([(n * 7) & 0xFF for n in range(SECTOR + 300)])


class Chip(RamFlash):
    """Both slots on one chip, so that one cut is counted over both."""

    def half(self, offset):
        return Half(self, offset)


class Half:
    def __init__(self, chip, offset):
        self.chip = chip
        self.offset = offset
        self.size = SIZE

    def read_into(self, offset, buf):
        self.chip.read_into(self.offset + offset, buf)

    def program(self, offset, data):
        self.chip.program(self.offset + offset, data)

    def erase(self, offset):
        self.chip.erase(self.offset + offset)


def slots(chip):
    return Slots(Half(chip, 0), Half(chip, SIZE))


def install(pair, data):
    pair.begin(len(data))
    at = 0
    while at < len(data):
        pair.write(at, data[at : at + 256])
        at += 256
    assert pair.candidate().bytes() == data
    return pair.finish(sha256(data))


def test_an_empty_pair_has_no_bundle():
    assert slots(RamFlash(2 * SIZE)).active() is None


def test_the_newest_bundle_is_active_and_slots_take_turns():
    chip = RamFlash(2 * SIZE)
    pair = slots(chip)
    for number in range(1, 6):
        data = bytes([number]) * (100 * number)
        reader = install(pair, data)
        for each in (pair, slots(chip)):
            generation, found = each.active()
            assert (generation, found.length, found.bytes()) == (number, len(data), data)
            assert found.sha256() == sha256(data)
        assert reader.digest == sha256(data)
        assert found.read(90, 20) == data[90:110] and found.read(10000, 5) == b""


def test_the_header_is_that_of_the_vectors():
    chip = RamFlash(2 * SIZE)
    pair = slots(chip)
    chip.program(SIZE, bytes.fromhex(DATA["header"]))
    for at in range(0, len(BUNDLE), 256):
        chip.program(SIZE + 4096 + at, BUNDLE[at : at + 256])
    generation, found = pair.active()
    assert generation == DATA["generation"] and found.bytes() == BUNDLE
    install(pair, OLD)
    assert pair.active()[0] == DATA["generation"] + 1 and chip.data[:5] == b"SMSL\x01"
    chip = RamFlash(2 * SIZE)
    chip.program(SIZE, bytes.fromhex(DATA["header"]).replace(b"SMSL", b"SMSK"))
    assert slots(chip).active() is None


def test_a_cut_at_any_operation_and_byte_leaves_the_old_bundle_or_the_new_one():
    start = RamFlash(2 * SIZE)
    install(slots(start), OLD)
    install(slots(start), OTHER)
    whole = start.copy()
    whole.operations = 0
    install(slots(whole), NEW)
    cuts = news = 0
    for operation in range(whole.operations):
        for byte in list(range(0, 257, 37 if SMALL else 3)) + [255, 256, 1000, 4095, 4096]:
            chip = start.copy()
            chip._random = byte + 1
            chip.cut_at(operation, byte)
            try:
                install(slots(chip), NEW)
                raise AssertionError("not cut")
            except chip.cut_error:
                pass
            chip = chip.copy()
            pair = slots(chip)
            generation, found = pair.active()
            assert (generation, found.bytes()) in ((2, OTHER), (3, NEW)), (operation, byte, generation)
            news += generation == 3
            cuts += 1
            if byte % 74 == 0:
                install(pair, NEW)
                assert slots(chip).active()[1].bytes() == NEW
    print("slots: {} cuts, {} of them after the new header was whole".format(cuts, news))
    assert 0 < news < cuts // 4


def test_a_bundle_that_rots_gives_way_to_the_other_slot():
    chip = RamFlash(2 * SIZE)
    pair = slots(chip)
    install(pair, OLD)
    install(pair, NEW)
    chip.data[SIZE + 4096 + 17] ^= 4
    generation, found = pair.active()
    assert (generation, found.bytes()) == (1, OLD)
    install(pair, NEW)
    assert pair.active()[0] == 3, "above the header of the rotten one"
    assert pair.active()[1].bytes() == NEW


def test_what_is_not_finished_or_not_the_checked_bytes_never_becomes_active():
    chip = RamFlash(2 * SIZE)
    pair = slots(chip)
    install(pair, OLD)
    pair.begin(600)
    pair.write(0, NEW[:256])
    vectors.raises(FormatError, pair.finish, sha256(NEW[:256]))
    vectors.raises(FormatError, pair.write, 0, NEW[:256])
    vectors.raises(FormatError, pair.write, 512, NEW[512:600])
    vectors.raises(LimitError, pair.write, 256, NEW[:400])
    assert pair.written == 256
    pair.write(256, NEW[256:600])
    vectors.raises(FormatError, pair.finish, sha256(OLD))
    pair.abandon()
    vectors.raises(FormatError, pair.write, 600, b"x")
    vectors.raises(FormatError, pair.finish, sha256(NEW[:600]))
    assert pair.active()[1].bytes() == OLD
    for length in (0, SIZE - 4096 + 1):
        vectors.raises(LimitError, pair.begin, length)


def test_flash_that_reads_back_other_bytes_is_said():
    class Stuck(RamFlash):
        def program(self, offset, data):
            RamFlash.program(self, offset, data)
            self.data[offset] &= 0x7F

    pair = slots(Stuck(2 * SIZE))
    pair.begin(100)
    vectors.raises(OSError, pair.write, 0, b"\xff" * 100)
    assert pair.active() is None
