"""The demo's faults: each one changes what it says, and leaves everything as it was."""

import asyncio
import random
from dataclasses import replace
from types import SimpleNamespace

import pytest
from virtualkit.airfaults import AirFaults
from virtualkit.demo.live import WORDS
from virtualkit.demo.trouble import FAULTS, PARTS, Trouble
from virtualkit.market import Crowd
from virtualkit.pn532 import Chip
from virtualkit.power import PowerModel
from virtualkit.qrmodule import QrModule
from virtualkit.wire import Lane
from workbench.tagmaster import event_keys


def brick(tmp_path):
    """The models of a brick's parts, with nothing that runs."""
    return SimpleNamespace(
        name="brick-1",
        nfc=Chip("fast"),
        scanner=QrModule("fast"),
        wire=SimpleNamespace(up=Lane(), down=Lane()),
        packs=PowerModel(tmp_path / "power"),
        radio=SimpleNamespace(air=SimpleNamespace(faults=AirFaults())),
    )


def state(one):
    faults = (one.nfc.faults, one.scanner.faults, one.wire.up.faults, one.wire.down.faults)
    return [replace(found) for found in (*faults, one.packs.faults, one.radio.air.faults)], len(one.nfc.field.cards)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.part}: {fault.name}")
def test_a_fault_begins_and_ends(fault, tmp_path):
    async def work():
        one = brick(tmp_path)
        before = state(one)
        end = fault.begin(one, random.Random(1))
        assert state(one) != before
        end()
        assert state(one) == before
        one.packs.close()

    asyncio.run(work())


def test_every_part_has_its_faults_and_each_is_chosen_once_before_any_comes_again(tmp_path):
    async def work():
        one = brick(tmp_path)
        trouble = Trouble(SimpleNamespace(kit=SimpleNamespace(bricks=[one])), PARTS, 7)
        assert {fault.part for fault in FAULTS} == set(PARTS)
        assert len(trouble._one_of_each()) == len(FAULTS) == len({(fault.part, fault.name) for fault in FAULTS})
        deaf = SimpleNamespace(**{**vars(one), "nfc": None, "radio": None})
        parts = {fault.part for fault, _ in Trouble(SimpleNamespace(kit=SimpleNamespace(bricks=[deaf])), PARTS, 7)._possible}
        assert parts == {"scanner", "cable", "packs"}
        one.packs.close()

    asyncio.run(work())


def test_the_live_stall_has_words_for_whatever_a_customer_holds():
    """Said where a brick is off or shows no light: without words for it, the stall ended."""
    crowd = Crowd(1, bytes(32), event_keys(bytes(32), bytes(8)))
    held = {crowd.card_for(part).kind for _ in range(300) for part in ("nfc", "qr")}
    assert held == set(WORDS)
