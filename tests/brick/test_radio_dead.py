"""A radio that fails is a part that fails: the brick goes on with its cable, says so, and never starts anew for it."""

import asyncio
import importlib
import sys
from types import ModuleType
from typing import Any

import pytest
from conftest import Lent
from stallmark import registry as reg
from virtualkit.tags import ntag215

ENOMEM = 12
RADIO_FAULTS = 95


@pytest.mark.parametrize("dead", ["power", "service"])
def test_a_brick_whose_radio_fails_decides_and_talks_by_cable(lent: Lent, dead: str) -> None:
    async def run() -> None:
        async with lent("nfc", radio_dead=dead) as (lab, host):
            assert host.statuses[-1][8] == 1 and host.statuses[-1][14] == 2, "degraded: radio fault"
            kinds = (reg.KIND_GRANT, reg.KIND_DENY, reg.KIND_UNCERTAIN)
            before = len(host.of_kind(*kinds))
            assert (await lab.brick.tap(ntag215(b"\x04\x01\x02\x03\x04\x05\x06"))).outcome is not None
            await lab.until(lambda: len(host.of_kind(*kinds)) > before, "the record")
            await lab.until(lambda: host.diagnostics, "the counters")
            assert dict(host.diagnostics[-1][3])[RADIO_FAULTS] == 1
            assert lab.brick.restarts == 0

    asyncio.run(run())


@pytest.mark.parametrize("failure", [OSError(ENOMEM), MemoryError()])
def test_a_board_starts_without_the_radio_that_fails(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    class Ble:
        tried = 0

        def active(self, on: bool) -> None:
            Ble.tried += 1
            raise failure

    bluetooth: Any = ModuleType("bluetooth")
    bluetooth.BLE = Ble
    for name in ("cryptolib", "esp", "esp32", "machine"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "bluetooth", bluetooth)
    monkeypatch.delitem(sys.modules, "brick.ports.esp32", raising=False)
    port: Any = importlib.import_module("brick.ports.esp32")
    assert port._radio() == (None, True) and Ble.tried >= 1
    monkeypatch.setitem(sys.modules, "bluetooth", None)
    assert port._radio() == (None, False), "an interpreter built without is no fault"
    monkeypatch.delitem(sys.modules, "brick.ports.esp32", raising=False)
