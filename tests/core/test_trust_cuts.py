"""The trust state on a brick's flash: whenever the power goes, the old state or the new one is there."""

import sys

from ramflash import PowerCut, RamFlash
from stallmark import trust
from stallmark.errors import LimitError
from stallmark.truststore import TrustStore
from trustkit import ROOTS, me, obeyed, order, root, told, verify
from vectors import raises

SIZE = 8192
STEP = 1 if sys.implementation.name == "cpython" else 61  # every byte there, some here


def states():
    """The states of a brick's life: two roots, two directives."""
    first = told()
    fifth = obeyed(first, order(5))
    second = trust.Trust(fifth.take_root(root(2, ROOTS[:2]), verify)[1])
    return [first.fields, fifth.fields, second.fields, obeyed(second, order(6)).fields]


def holding(fields):
    flash = RamFlash(SIZE)
    store = TrustStore(flash)
    assert store.load() is None and not store.damaged
    for one in fields:
        store.save(one)
    return flash


def test_the_newest_state_is_there_after_a_start():
    life = states()
    for count in range(1, 5):
        store = TrustStore(holding(life[:count]))
        assert store.load() == life[count - 1] and not store.damaged


def test_a_cut_at_any_byte_leaves_the_old_state_or_the_new_one():
    life = states()
    for count in (1, 3):
        before = holding(life[:count])
        probe = before.copy()
        store = TrustStore(probe)
        store.load()
        began = probe.operations
        store.save(life[count])
        operations = probe.operations - began
        for operation in range(operations):
            for byte in range(0, 4096 if operation == 0 else 256, STEP * 16 if operation == 0 else STEP):
                flash = before.copy()
                store = TrustStore(flash)
                store.load()
                flash.cut_at(flash.operations + operation, byte)
                try:
                    store.save(life[count])
                except PowerCut:
                    pass
                again = flash.copy()
                found = TrustStore(again).load(True)
                assert found in (life[count - 1], life[count]), (operation, byte)
                if operation < operations - 1:
                    assert found == life[count - 1], "the header is written last"
                assert TrustStore(again.copy()).load() == found, "and it stays"
                trusted = trust.Trust(found)
                trusted.take_directive(order(7), verify, me())
                TrustStore(again).load()


def test_a_cut_inside_the_very_first_state_leaves_nothing_and_says_so():
    life = states()
    for byte in range(0, 256, STEP):
        flash = RamFlash(SIZE)
        store = TrustStore(flash)
        store.load()
        probe = RamFlash(SIZE)
        TrustStore(probe).save(life[0])
        flash.cut_at(probe.operations - 1, byte)
        try:
            store.save(life[0])
        except PowerCut:
            pass
        again = TrustStore(flash.copy())
        found = again.load(True)
        assert found == life[0] or found is None
        assert not (again.damaged and found is not None)
        again.save(life[1])
        assert again.load() == life[1] and not again.damaged


def test_rot_falls_back_and_rot_of_both_is_said():
    life = states()
    flash = holding(life[:2])
    flash.data[4096 + 300] ^= 4
    assert TrustStore(flash.copy()).load() == life[0]
    flash.data[300] ^= 4
    store = TrustStore(flash)
    assert store.load() is None and store.damaged


def test_a_state_has_a_limit():
    store = TrustStore(RamFlash(SIZE))
    large = dict(states()[0])
    large[99] = bytes(2000)
    raises(LimitError, store.save, large)


def test_only_a_start_programs_the_header_again():
    flash = holding(states()[:2])
    for mend in (False, True):
        began = flash.operations
        assert TrustStore(flash).load(mend) is not None
        assert (flash.operations > began) == mend
