"""Records before lights: the deciding half on flash too small, cut at every operation, failing."""

import pytest
from books import KIT, START_MS, Books
from brick import counters as count
from brick import indicator
from conftest import RULES
from ports import Random
from ramflash import PowerCut, RamFlash
from stallmark import record, rights
from stallmark import registry as reg

SLICES = [
    rights.Slice(n, rights.rule8(name), unit, amount, KIT, 1, START_MS * 2)
    for n, name, unit, amount in [(1, "sample", 2, 40), (2, "crowd", 1, 3000), (3, "crowd", 1, 6000)]
]
SECTOR = 4096


def books(flash: RamFlash, keyflash: RamFlash, seed: int = 1) -> Books:
    return Books(flash, keyflash, RULES, SLICES, seed)


def lefts(books: Books) -> list[list[int]]:
    """What a restart would know of the slices."""
    state = books.rebuilt()
    for piece in SLICES:
        state.add_slice(piece, 0)
    return state.slices_left()


def chained(books: Books) -> None:
    """Every record that the ring still holds follows the one before."""
    before = None
    for entry in books.journal.records():
        if before is not None:
            assert entry.seq == before.seq + 1
            assert entry.fields[18] == record.link(before.public, before.mac)
        before = entry


@pytest.mark.parametrize("seed", range(4))
def test_a_ring_that_goes_round_forgets_people_and_never_money(seed: int):
    """Sums and latches are said again before the records that they rest on are erased."""
    flash, keyflash, random = RamFlash(6 * SECTOR), RamFlash(2 * SECTOR), Random(seed)
    now = books(flash, keyflash, seed)
    erased = 0
    for step in range(700):
        now.source.now += 1000
        subject = random.below(60).to_bytes(8, "big")[::-1] if random.chance(90) else None
        now.decider.decide(now.event(subject, 3 if random.chance(80) else 1))
        if random.chance(30):
            host = now.journal.next_seq - 1 - random.below(6)
            now.journal.mark(host, max(0, host - random.below(30)))
        if random.chance(20):
            erased += now.journal.erase_ahead()
        if step % 50 == 0:
            chained(now)
            assert lefts(now) == now.decider.state.slices_left(), f"step {step}, seed {seed}"
            end = now.ruleset.slots[0][1]
            assert now.rebuilt().latched(1, end) == now.decider.state.latched(1, end)
        if random.chance(2):
            spent = now.decider.state.slices_left()
            later = now.source.now
            now = books(flash, keyflash, seed + step)
            now.source.now = later
            assert now.decider.state.slices_left() == spent
    assert now.journal.oldest_seq > 100, "the ring went round"
    assert erased > 3


def test_a_cut_at_every_flash_operation_keeps_every_green_light():
    base, base_keys = RamFlash(6 * SECTOR), RamFlash(2 * SECTOR)
    books(base, base_keys)
    operation = 0
    while True:
        flash, keyflash = base.copy(), base_keys.copy()
        now = books(flash, keyflash)
        flash.cut_at(flash.operations + operation, operation * 37 % 256)
        green: list[bytes] = []
        cut = False
        try:
            for number in range(8):
                e = now.event(b"%08d" % (number * 7_000_000))
                now.decider.decide(e)
                if now.lamp.shown[-1] is indicator.GRANTED:
                    green.append(e.nonce)
        except PowerCut:
            cut = True
        again = books(flash.copy(), keyflash.copy(), 2)
        grants = [entry for entry in again.journal.records() if entry.fields[10] == reg.KIND_GRANT]
        held = [entry.fields[15] for entry in grants]
        assert all(held.count(nonce) == 1 for nonce in green), f"cut in operation {operation}"
        assert len(held) <= len(green) + 1
        chained(again)
        again.decider.decide(again.event(b"the-next"))
        assert again.lamp.shown[-1] is indicator.GRANTED
        chained(again)
        if not cut:
            break
        operation += 1
    assert operation > 8


def test_flash_that_fails_is_red_without_a_record_and_nothing_is_granted():
    flash = RamFlash(6 * SECTOR)
    now = books(flash, RamFlash(2 * SECTOR))
    program = flash.program

    def broken(offset: int, data: bytes) -> None:
        raise OSError(5)

    flash.program = broken
    assert now.decider.decide(now.event(b"somebody")) is None
    assert now.lamp.shown == [indicator.FAULT]
    assert now.counters.get(count.FLASH_ERRORS) == 1
    assert now.decider.flash_failing
    flash.program = program
    assert now.decider.decide(now.event(b"somebody")).fields[10] == reg.KIND_GRANT
    assert not now.decider.flash_failing
    chained(now)


def test_the_key_advances_after_1024_records_and_a_cut_in_between_changes_nothing():
    flash, keyflash = RamFlash(80 * SECTOR), RamFlash(2 * SECTOR)
    now = books(flash, keyflash)
    while now.journal.next_seq <= 1024:
        now.recorder.write(reg.KIND_HEARTBEAT)
    assert {entry.fields[3] for entry in now.journal.records()} == {0}
    keyflash.cut_at(keyflash.operations, 100)  # in the middle of the key partition's next generation
    with pytest.raises(PowerCut):
        now.recorder.settle()
    again = books(flash, keyflash.copy())
    assert again.recorder._identity.record_epoch == 1, "a start-up advances first"
    again.recorder.write(reg.KIND_HEARTBEAT)
    epochs = [entry.fields[3] for entry in again.journal.records()]
    assert epochs == [0] * 1024 + [1]


def test_merged_denials_are_closed_after_their_minute():
    now = books(RamFlash(12 * SECTOR), RamFlash(2 * SECTOR))
    for _ in range(5):
        now.decider.decide(now.event(b"somebody", 1))
    now.decider.close_repeats()
    kinds = [entry.fields[10] for entry in now.journal.records()]
    assert kinds.count(reg.KIND_DENY) == 1 and reg.KIND_COLLECTIVE not in kinds
    now.source.now += 60_001
    now.decider.close_repeats()
    merged = list(now.journal.records())[-1]
    assert merged.fields[10] == reg.KIND_COLLECTIVE
    assert merged.fields[24] == [4, START_MS]
    assert merged.private_fields[1] == b"somebody"
    now.decider.decide(now.event(b"somebody", 1))
    assert list(now.journal.records())[-1].fields[10] == reg.KIND_DENY, "a new minute, a new record"

