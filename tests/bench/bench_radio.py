"""Cable against virtual radio with the real firmware and the real host: bytes and messages a second, and reconnecting.

The cable runs at 115 200 baud; a packet in the air takes 7.5 ms one way (a connection interval of 15 ms). What a real radio
stack adds is not in these figures.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from virtualkit import privatebus
from virtualkit.privatebus import BusMissing
from virtualkit.reference.flashimage import FlashImage

from tests.bench import Figure, say
from tests.bench.eventport import EventPort
from tests.kit.airkit import AirKit

CABLE, RADIO = "brick-1", "brick-2"
BAUD_BYTES = 11520


def run(quick: bool = False) -> list[Figure]:
    """Raises BusMissing where there is no dbus-daemon."""
    if not privatebus.there():
        raise BusMissing("the program dbus-daemon is needed: install the package dbus")
    records, breaks = (60, 3) if quick else (300, 9)
    with tempfile.TemporaryDirectory() as folder:
        say("making two bricks")
        kit = AirKit(
            Path(folder) / "kit",
            {CABLE: ("serial",), RADIO: ("ble",)},
            timing="real",
            parts=("nfc", "events"),
        )
        try:
            return kit.run(_measure(kit, records, breaks))
        finally:
            kit.close()


async def _measure(kit: AirKit, records: int, breaks: int) -> list[Figure]:
    figures: list[Figure] = []
    down: dict[str, float] = {}
    for name in (CABLE, RADIO):
        await kit.linked(name)
    # One after the other: a kit's bricks share the machine.
    for name, way in ((CABLE, "cable"), (RADIO, "radio")):
        say(f"a ruleset over {way}")
        down[name] = await _install(kit, name)
    up: dict[str, tuple[float, float]] = {}
    for name, way in ((CABLE, "cable"), (RADIO, "radio")):
        say(f"{records} records over {way}")
        up[name] = await _records(kit, name, records)
    say("connections break")
    again = [await _reconnect(kit) for _ in range(breaks)]
    for name, way in ((CABLE, "cable, 115 200 baud"), (RADIO, "virtual radio")):
        figures.append(Figure(f"records, brick to host, {way}", up[name][0], "messages/s"))
        figures.append(
            Figure(
                f"the same in bytes, {way}",
                up[name][1],
                "B/s",
                "11 520 B/s of the cable",
                up[name][1] / BAUD_BYTES,
            )
        )
        figures.append(Figure(f"a ruleset, host to brick, {way}", down[name], "B/s"))
    figures.append(Figure("radio connection broken, until bytes flow again", statistics.median(again), "ms"))
    figures.append(Figure("the same, worst", max(again), "ms"))
    return figures


async def _install(kit: AirKit, name: str) -> float:
    """Bytes a second from the offer to the installation; each brick gets the offer for itself."""
    number = kit.line(name).expected.brick
    known = kit.agent.bricks[number]
    others = [kit.agent.bricks[line.expected.brick] for line in kit.agent.lines if line.expected.name != name]
    real = kit.agent.updater.offer_for
    kit.agent.updater.offer_for = lambda brick: None if brick in others else real(brick)  # type: ignore[method-assign]
    began = time.monotonic()
    ruleset = kit.offer()
    await kit.until(
        lambda: known.status is not None and known.status.ruleset == ruleset, "the installation", 300
    )
    took = time.monotonic() - began
    kit.agent.updater.offer_for = real  # type: ignore[method-assign]
    assert kit.agent.updater.current is not None
    return len(kit.agent.updater.current.data) / took


async def _records(kit: AirKit, name: str, count: int) -> tuple[float, float]:
    """Messages and bytes a second of records that waited in the journal, until durable at the host."""
    line = kit.line(name)
    known, session = kit.agent.bricks[line.expected.brick], line.session
    assert session is not None
    await kit.settled(name)
    first, hold = known.durable_seq, session.received
    session.received = lambda _data, _port=0: None  # type: ignore[method-assign]
    brick = kit.brick(name)
    with EventPort(brick.events, brick.process.check) as port:
        await port.tap(n.to_bytes(8, "big") for n in range(1, count + 1))
    last, seen = max(FlashImage(brick.spec.flash).records()), 0

    def received(data: bytes, number: int = 0) -> None:
        nonlocal seen
        seen += len(data)
        hold(data, number)

    session.received = received  # type: ignore[method-assign]
    await kit.until(lambda: known.durable_seq > first, "the first record", 60)
    began, seen, first = time.monotonic(), 0, known.durable_seq
    await kit.until(lambda: known.durable_seq >= last, "the records", 300)
    took = time.monotonic() - began
    session.received = hold  # type: ignore[method-assign]
    return (known.durable_seq - first) / took, seen / took


async def _reconnect(kit: AirKit) -> float:
    """Milliseconds from the break until the host can write again."""
    port: Any = kit.line(RADIO).ports[-1]
    radio = kit.brick(RADIO).radio
    assert radio is not None
    await kit.until(lambda: port.is_open and radio.controller is not None, "the connection")
    await asyncio.sleep(5.5)  # else it counts as a row of failures, and waits longer
    before = port.connections
    began = time.monotonic()
    assert radio.controller is not None
    kit.air.interrupt(radio.controller)
    await kit.until(lambda: port.connections > before, "the connection")
    return (time.monotonic() - began) * 1000
