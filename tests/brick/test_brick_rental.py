"""A brick's step to the next rental: power fails inside every flash operation of it; then over a real brick, told by its host."""

import asyncio
from typing import Any

import pytest
from books import Books
from brick import counters as count
from brick import stepping
from bricklab import Host
from conftest import RULES, Lent
from ramflash import PowerCut, RamFlash
from stallmark import keys, keystore, record, rental
from stallmark import registry as reg

SECTOR = 4096
ROOT = bytes(range(32))
BRICK = b"brick-01"
EPOCH = 1 << 20


def order(root: bytes, brick8: bytes, here: int, following: int, epoch: int = EPOCH) -> dict[int, Any]:
    """Message 52 as the controller makes it."""
    tag = rental.order_tag(keys.control_key(root), brick8, here, following, epoch)
    return rental.order(here, following, epoch, tag)


def books(flash: RamFlash, keyflash: RamFlash) -> Books:
    return Books(flash, keyflash, RULES, [], 1)


def step(now: Books, value: Any) -> Any:
    identity = now.recorder._identity
    return stepping.take(value, identity, now.recorder, lambda: None, now.counters)


def stands(now: Books) -> int:
    """The rental that a brick is in, after everything was compared with the keys that follow for it."""
    identity = now.recorder._identity
    root = ROOT if identity.rental == 1 else keys.next_root(ROOT, 2)
    assert identity.rental in (1, 2) and identity.field(keystore.ROOT) == root
    assert identity.control_key == keys.control_key(root)
    before, known = record.ZERO16, {0: bytes(32)}  # what books.identity makes
    for found in now.journal.records():
        assert found.fields[18] == before
        before = record.link(found.public, found.mac)
        epoch = found.fields[3]
        if epoch not in known:
            known[epoch] = keys.next_chain(known[epoch - 1])
        assert record.mac(keys.record_mac_key(known[epoch]), found.public) == found.mac
        if found.fields[10] == reg.KIND_RENTAL:
            known[epoch + 1] = keys.record_chain0(keys.next_root(ROOT, 2))
    return identity.rental


class Counted(RamFlash):
    """Notes how many bytes each operation has."""

    def __init__(self, other: RamFlash) -> None:
        super().__init__(other.size)
        self.data = bytearray(other.data)
        self.sizes: list[int] = []

    def program(self, offset: int, data: bytes) -> None:
        super().program(offset, data)
        self.sizes.append(len(data))

    def erase(self, offset: int) -> None:
        super().erase(offset)
        self.sizes.append(SECTOR)


def test_a_cut_inside_every_flash_operation_of_a_step_leaves_one_rental_or_the_other():
    flash, keyflash = RamFlash(8 * SECTOR), RamFlash(2 * SECTOR)
    start = books(flash, keyflash)
    start.decider.decide(start.event(b"somebody"))
    value = order(ROOT, BRICK, 1, 2)
    whole = Counted(flash), Counted(keyflash)
    now = books(*whole)
    began = [len(chip.sizes) for chip in whole]
    assert step(now, value) == (None, True)
    assert stands(books(*whole)) == 2
    cuts, old = 0, 0
    for which, chip in enumerate(whole):
        for operation in range(began[which], len(chip.sizes)):
            size = chip.sizes[operation]
            for byte in {0, 1, size // 3, size // 2, size - 1, size}:
                chips = [flash.copy(), keyflash.copy()]
                cut = books(*chips)
                chips[which].cut_at(chips[which].operations + operation - began[which], byte)
                try:
                    step(cut, value)
                except PowerCut:
                    cuts += 1
                chips = [one.copy() for one in chips]
                again = books(*chips)
                place = f"flash {which} operation {operation} byte {byte}"
                written = any(one.fields[10] == reg.KIND_RENTAL for one in again.journal.records())
                assert stands(again) == (2 if written else 1), place
                old += not written
                said, restart = step(again, value)
                assert restart == (not written), place
                final = books(*chips)
                assert stands(final) == 2, place
                assert sum(one.fields[10] == reg.KIND_RENTAL for one in final.journal.records()) == 1, place
                said, restart = step(final, value)
                assert not restart and said[0] == reg.MSG_STEPPED and said[1][0] == rental.STEPPED
                assert bytes(chips[1].data).find(ROOT) < 0, f"{place}: the root of before stayed"
                final.recorder.write(reg.KIND_HEARTBEAT)
                assert stands(final) == 2
    assert cuts > 15 and old > 3
    print(cuts, "cuts,", old, "of them before the step")


def test_a_full_journal_and_a_flash_that_fails_are_said_and_change_nothing(monkeypatch: pytest.MonkeyPatch):
    now = books(RamFlash(8 * SECTOR), RamFlash(2 * SECTOR))

    def broken(offset: int, data: bytes) -> None:
        raise OSError(5)

    monkeypatch.setattr(now.journal_flash, "program", broken)
    said, restart = step(now, order(ROOT, BRICK, 1, 2))
    assert not restart and said[1][0] == rental.FLASH and said[1][2] == 1
    assert now.counters.get(count.FLASH_ERRORS) == 1 and now.counters.get(count.STEPS_REFUSED) == 1
    monkeypatch.undo()
    assert step(now, order(ROOT, BRICK, 1, 2)) == (None, True)


def test_keys_that_cannot_be_stored_are_stored_by_the_next_start(monkeypatch: pytest.MonkeyPatch):
    flash, keyflash = RamFlash(8 * SECTOR), RamFlash(2 * SECTOR)
    now = books(flash, keyflash)

    def broken(offset: int, data: bytes) -> None:
        raise OSError(5)

    monkeypatch.setattr(keyflash, "program", broken)
    assert step(now, order(ROOT, BRICK, 1, 2)) == (None, True)
    monkeypatch.undo()
    assert stands(books(flash, keyflash)) == 2


def test_a_session_of_the_rental_before_moves_no_link_key_back():
    now = books(RamFlash(8 * SECTOR), RamFlash(2 * SECTOR))
    identity = now.recorder._identity
    assert step(now, order(ROOT, BRICK, 1, 2)) == (None, True)
    with pytest.raises(OSError, match="before"):
        identity.advance_link(1, bytes(32))
    assert identity.link_epoch == EPOCH and identity.link_key == keys.link_key0(keys.next_root(ROOT, 2))


def stepped_keys(host: Host, following: int, epoch: int) -> bytes:
    """What the controller gives the host with an order; the root that follows."""
    root = keys.next_root(host.root, following)
    host.keys[epoch] = keys.link_key0(root)
    return root


def test_a_real_brick_steps_when_its_host_relays_the_order_and_forgets_the_rental_before(lent: Lent):
    async def market() -> None:
        async with lent("events") as (lab, host):
            assert (await lab.outcome(b"0001-man", 3))[1] == reg.KIND_GRANT
            boots = len(host.of_kind(reg.KIND_BOOT))
            forged = order(bytes(32), host.brick8, 1, 2)
            for value, result in (
                (forged, rental.TAG),
                (order(host.root, b"brick--9", 1, 2), rental.TAG),
                (order(host.root, host.brick8, 2, 3), rental.OTHER),
                (order(host.root, host.brick8, 1, 0), rental.OTHER),
                (order(host.root, host.brick8, 1, 2, 0), rental.LINK_EPOCH),
            ):
                seen = len(host.answers)
                host.send(reg.MSG_STEP, value)
                await lab.until(lambda: len(host.answers) > seen, "an answer")  # noqa: B023
                kind, said = host.answers[-1]
                assert (kind, said[0], said[2]) == (reg.MSG_STEPPED, result, 1)
                tag = rental.answer_tag(host.control_key, host.brick8, *[said[at] for at in range(5)])
                assert said[5] == tag
            root = stepped_keys(host, 2, EPOCH)
            value = order(host.root, host.brick8, 1, 2)
            host.greeting = [(reg.MSG_STEP, value)]
            seen = len(host.answers)
            host.send(reg.MSG_STEP, value)
            await lab.until(lambda: len(host.answers) > seen and host.up, "the answer of the next rental")
            said = host.answers[-1][1]
            assert [said[at] for at in range(3)] == [rental.STEPPED, 2, 2] and said[4] > EPOCH
            tag = rental.answer_tag(keys.control_key(root), host.brick8, *[said[at] for at in range(5)])
            assert said[5] == tag, "under the keys of the next rental"
            await lab.until(lambda: len(host.of_kind(reg.KIND_BOOT)) > boots, "the first records of it")
            (stepped,) = host.of_kind(reg.KIND_RENTAL)
            assert stepped.fields[16] == 1 and stepped.fields[24] == [2, EPOCH]
            after = [entry for entry in host.records if entry.seq > stepped.seq]
            chain = keys.record_chain0(root)
            for entry in after:
                assert (entry.fields[3], entry.fields[16]) == (stepped.fields[3] + 1, 2)
                assert record.mac(keys.record_mac_key(chain), entry.public) == entry.mac
            data = lab.flash.read_bytes()
            for gone in (host.root, host.control_key, keys.record_chain0(host.root)):
                assert data.find(gone) < 0, "a key of the rental before is on the flash"
            # Nobody of the rental before is known, and its slices are worth nothing.
            host.greeting = []
            host.send(reg.MSG_SLICE, lab.authors.slice(1, "sample", reg.UNIT_PIECES, 3))
            await lab.until(
                lambda: host.answers[-1][1] == {0: 1, 1: reg.SLICE_OTHER_KIT}, "the slice refused"
            )
            host.send(reg.MSG_SLICE, lab.authors.slice(7, "sample", reg.UNIT_PIECES, 3, rental=2))
            await lab.until(
                lambda: host.answers[-1][1] == {0: 7, 1: reg.SLICE_OK}, "one of this rental taken"
            )
            assert (await lab.outcome(b"0001-man", 3))[1] == reg.KIND_GRANT, "who came then is new now"

    asyncio.run(market())
