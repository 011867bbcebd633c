"""The flash campaign, short: `python -m tests.campaigns.flash --bytes all` is the long one."""

import pytest
from stallmark import record
from stallmark.slot import Reader

from tests.campaigns import flash, flash_journal, flash_pairs, flash_slots


def test_no_cut_and_no_flipped_bit_loses_doubles_or_changes_anything():
    told, broken = flash.campaign(seed=1, seeds=1, stride=64, erase_stride=509, wear=2000)
    for area, counts in told.items():
        print(area, dict(counts))
    assert not broken, broken
    assert sum(counts["images"] for counts in told.values()) > 5000
    assert told["journal: cuts"]["records acknowledged"] >= flash_journal.RECORDS
    files = told["small files, MicroPython's VfsLfs2: cuts"]
    assert 0 < files["images with the new file"] < files["images"]
    wear = told["journal: wear"]
    assert wear["most erases of a ring sector"] - wear["fewest erases of a ring sector"] <= 1, "evenly worn"
    assert wear["erases"] * 10 < wear["records"]


def test_the_campaign_notices_a_journal_that_believes_torn_pages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(record, "whole", lambda _data, _size: True)
    with pytest.raises(Exception):  # noqa: B017 - whatever breaks first
        flash_journal.cuts(1, 32, 509)
    with pytest.raises(AssertionError):
        flash_journal.flips(1, 64)


def test_the_campaign_notices_rules_that_are_believed_by_their_header_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flash_pairs.Slots, "active", _first_header)
    with pytest.raises(AssertionError):
        flash_pairs.slot_flips(1, 8)


def test_the_campaign_notices_programs_that_were_given_up_and_run_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flash_slots.startslot.Slot, "give_up", lambda _slot, _reason: None)
    with pytest.raises(AssertionError):
        flash_slots.program_cuts(1, 256, 4096)


def test_the_campaign_notices_programs_that_run_before_they_are_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flash_slots.appslot.AppSlot, "begin", _header_first)
    monkeypatch.setattr(flash_slots.startslot.Slot, "intact", _unread)
    with pytest.raises(Exception):  # noqa: B017 - whatever breaks first
        flash_slots.program_cuts(1, 256, 4096)


def _header_first(slot, digest8: bytes, length: int):
    """The header is programmed when the download begins."""
    slot.length = length
    slot._flash.erase(0)
    slot.finish(bytes(32), 0, 0)


def _unread(slot):
    """The pack is believed by its header."""
    slot.pack = flash_slots.startslot.appfs.Pack(lambda at, buffer: slot.flash.read_into(slot.at + at, buffer))
    return True


def _first_header(slots: flash_pairs.Slots):
    """The newest header is believed without a look at its bytes."""
    found = slots._headers()
    if not found:
        return None
    generation, index, length, digest = found[0]
    return generation, Reader(slots._flashes[index], generation, length, digest)
