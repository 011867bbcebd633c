"""The key partition: whenever the power goes, old keys or new are there, and old ones do not stay."""

import sys

import vectors
from ramflash import PowerCut, RamFlash
from stallmark.errors import FormatError, LimitError
from stallmark.keystore import KeyStore

SIZE = 8192
STEP = 1 if sys.implementation.name == "cpython" else 7  # every byte there, every seventh here


def _fields(epoch):
    fields = vectors.value(vectors.load("provision.json")["fields"])
    fields[4] = epoch
    fields[5] = bytes((epoch,)) * 32
    return fields


def _provisioned(epochs=1):
    flash = RamFlash(SIZE)
    store = KeyStore(flash)
    for epoch in range(epochs):
        store.save(_fields(epoch))
    return flash


class Logged(RamFlash):
    """Remembers how many bytes each operation took."""

    def __init__(self, data):
        super().__init__(len(data))
        self.data = bytearray(data)
        self.sizes = []

    def program(self, offset, data):
        super().program(offset, data)
        self.sizes.append(len(data))

    def erase(self, offset):
        super().erase(offset)
        self.sizes.append(4096)


def _holds(flash, secret):
    return bytes(flash.data).find(secret) >= 0


def test_a_blank_partition_is_not_provisioned():
    store = KeyStore(RamFlash(SIZE))
    assert store.blank()
    assert store.load() is None


def test_the_first_sector_has_the_bytes_of_the_page():
    flash = _provisioned()
    page = bytes.fromhex(vectors.load("provision.json")["sector"])
    flash2 = RamFlash(SIZE)
    KeyStore(flash2).save(vectors.value(vectors.load("provision.json")["fields"]))
    assert bytes(flash2.data[: len(page)]) == page
    assert bytes(flash2.data[len(page) :]) == b"\xff" * (SIZE - len(page))
    assert KeyStore(flash).load() == _fields(0)


def test_saving_goes_to_and_fro_and_leaves_one_generation():
    flash = RamFlash(SIZE)
    store = KeyStore(flash)
    for epoch in range(6):
        store.save(_fields(epoch))
        assert not store.blank()
        assert KeyStore(flash).load() == _fields(epoch)
        assert not epoch or not _holds(flash, bytes((epoch - 1,)) * 32), "an ended key stays in flash"


def test_a_store_that_did_not_load_first_still_continues_the_generations():
    flash = _provisioned(3)
    KeyStore(flash).save(_fields(9))
    assert KeyStore(flash).load() == _fields(9)


def test_power_cut_at_every_operation_and_byte_leaves_old_or_new():
    for before in (1, 2):
        sizes = _operations(before)
        for operation, size in enumerate(sizes):
            for byte in range(0, size + 1, STEP if size <= 256 else 512):
                flash = _provisioned(before).copy()
                store = KeyStore(flash)
                store.load()
                flash.cut_at(operation, byte)
                vectors.raises(PowerCut, store.save, _fields(before))
                again = flash.copy()
                fields = KeyStore(again).load()
                assert fields in (_fields(before - 1), _fields(before)), (before, operation, byte)
                if fields[4] == before:
                    assert not _holds(again, bytes((before - 1,)) * 32), "an ended key stays in flash"
                KeyStore(again).save(_fields(7))
                assert KeyStore(again).load() == _fields(7)


def _operations(before):
    """Lengths of the flash operations of one save."""
    flash = Logged(_provisioned(before).data)
    store = KeyStore(flash)
    store.load()
    store.save(_fields(before))
    return flash.sizes


def test_power_cut_while_start_up_clears_the_other_sector():
    whole = _provisioned(2)
    other = _provisioned(1)
    for byte in range(0, 4097, 256):
        flash = whole.copy()
        # The erase after the save never happened: both generations are there.
        flash.data[0:4096] = other.data[0:4096]
        assert bytes(flash.data[4096:4100]) == b"SMKY"
        flash.cut_at(flash.operations, byte)
        vectors.raises(PowerCut, KeyStore(flash).load)
        again = flash.copy()
        assert KeyStore(again).load() == _fields(1)
        assert bytes(again.data[0:4096]) == b"\xff" * 4096


def test_the_first_keys_cut_short_are_damage_and_are_never_erased_here():
    for operation, byte in ((0, 1), (0, 255), (1, 0), (1, 100)):
        flash = RamFlash(SIZE)
        flash.cut_at(operation, byte)
        vectors.raises(PowerCut, KeyStore(flash).save, _fields(0))
        again = flash.copy()
        before = bytes(again.data)
        store = KeyStore(again)
        error = vectors.raises(FormatError, store.load)
        assert "keys damaged" in str(error)
        assert not store.blank()
        vectors.raises(FormatError, store.save, _fields(0))
        assert bytes(again.data) == before


def test_every_flipped_byte_of_the_only_generation_is_noticed():
    whole = _provisioned()
    length = len(bytes.fromhex(vectors.load("provision.json")["sector"]))
    for at in range(length):
        flash = whole.copy()
        flash.data[at] ^= 0x04
        vectors.raises(FormatError, KeyStore(flash).load)


def test_a_flash_that_does_not_keep_what_it_is_told_is_an_error_and_the_old_keys_stay():
    flash = _provisioned()

    class Stuck:
        size = SIZE

        def read_into(self, offset, buf):
            flash.read_into(offset, buf)

        def program(self, offset, data):
            flash.program(offset, bytes((data[0] & 0x7E,)) + bytes(data[1:]))

        def erase(self, offset):
            flash.erase(offset)

    store = KeyStore(Stuck())
    store.load()
    vectors.raises(OSError, store.save, _fields(1))
    assert KeyStore(flash).load() == _fields(0)


def test_more_than_1009_bytes_do_not_fit():
    fields = _fields(0)
    fields[16] = "x" * 700
    flash = RamFlash(SIZE)
    vectors.raises(LimitError, KeyStore(flash).save, fields)
    assert KeyStore(flash).blank()
