"""Real firmware, virtual air, the host's own BlueZ back end: what a radio link has to bear, with counts."""

from collections.abc import Iterator

import pytest
from virtualkit import privatebus
from virtualkit.airfaults import AirFaults

from hostagent.links import ble
from hostagent.links import radio as scanning
from hostagent.links.ble import BlePort
from hostagent.links.radio import Radio
from tests.kit.airkit import AirKit

pytestmark = pytest.mark.skipif(
    not privatebus.there(), reason="no dbus-daemon here: the stand-in of BlueZ needs a bus (package dbus)"
)
BLE, BOTH = "brick-1", "brick-2"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirKit]:
    with pytest.MonkeyPatch.context() as patch:
        # Connections break here on purpose: pauses that spare a real adapter would only make the tests long.
        patch.setattr(ble, "RETRY_S", (0.05, 0.1, 0.2))
        patch.setattr(scanning, "PAUSE_S", 0.05)
        patch.setattr(scanning, "TROUBLE_S", 0.2)
        made = AirKit(tmp_path_factory.mktemp("air") / "kit", {BLE: ("ble",), BOTH: ("serial", "ble")})
        yield made
        made.close()


@pytest.fixture(autouse=True)
def clear_air(kit: AirKit) -> Iterator[None]:
    yield
    kit.air.faults = AirFaults()


def radio(kit: AirKit, name: str) -> BlePort:
    port = kit.line(name).ports[-1]
    assert isinstance(port, BlePort)
    return port


async def dropped(kit: AirKit, name: str) -> None:
    """The connection breaks, and is noticed."""
    port, brick = radio(kit, name), kit.brick(name)
    before = port.connections
    assert brick.radio is not None and brick.radio.controller is not None
    kit.air.interrupt(brick.radio.controller)
    await kit.until(lambda: port.connections > before, f"{name} connects again")


def test_a_bundle_is_installed_by_radio_and_records_arrive_each_once(kit: AirKit) -> None:
    async def scene() -> None:
        await kit.linked(BLE)
        ruleset = kit.offer()
        known = kit.agent.bricks[kit.line(BLE).expected.brick]
        await kit.until(
            lambda: known.status is not None and known.status.ruleset == ruleset, "the installation"
        )
        await kit.taps(BLE, 3)
        assert await kit.settled(BLE) >= 5

    kit.run(scene())
    assert kit.kit.airfield is not None and kit.kit.airfield.bluez is not None
    assert "Pair" not in kit.kit.airfield.bluez.calls, "pairing is not needed, so it is not asked for"


def test_two_bricks_are_connected_at_once_and_the_status_tells_kind_and_strength(kit: AirKit) -> None:
    from hostagent import report

    async def scene() -> dict:
        await kit.until(lambda: radio(kit, BLE).is_open and radio(kit, BOTH).is_open, "two radio connections")
        await kit.linked(BOTH)
        return await report.status(kit.agent)

    one, two = kit.run(scene())["bricks"]
    assert one["port"]["kind"] == "ble" and one["ports"][0]["rssi"] == -60
    assert [port["kind"] for port in two["ports"]] == ["serial", "ble"] and two["port"]["kind"] == "serial"


def test_a_connection_that_breaks_comes_back_by_itself_with_what_was_recorded_meanwhile(kit: AirKit) -> None:
    async def scene() -> None:
        await kit.linked(BLE)
        brick = kit.brick(BLE)
        assert brick.radio is not None and brick.radio.controller is not None
        kit.air.faults.fail_connects = 1
        kit.air.interrupt(brick.radio.controller)
        await kit.taps(BLE, 2)
        await kit.until(lambda: radio(kit, BLE).is_open, "the connection")
        await kit.taps(BLE, 1)
        await kit.settled(BLE)

    kit.run(scene())


def test_notifications_that_never_arrive_are_made_up_for_by_looking(kit: AirKit) -> None:
    async def scene() -> int:
        await kit.linked(BLE)
        kit.air.faults.lost_notifies = 1.0
        polled = radio(kit, BLE).polled
        await kit.taps(BLE, 2)
        await kit.settled(BLE)
        return radio(kit, BLE).polled - polled

    assert kit.run(scene()) > 0


def test_the_smallest_mtu_and_lost_commands_are_slow_and_lose_nothing(kit: AirKit) -> None:
    async def scene() -> int:
        kit.air.faults.mtu = 23
        await dropped(kit, BLE)
        kit.air.faults.lost_writes = 0.1
        await kit.linked(BLE)
        await kit.taps(BLE, 2)
        await kit.settled(BLE)
        bluez = kit.kit.airfield.bluez if kit.kit.airfield else None
        assert bluez is not None
        return min(linked.mtu for linked in bluez._linked.values())

    assert kit.run(scene()) == 23
    kit.air.faults = AirFaults()
    kit.run(dropped(kit, BLE))


def test_old_pairings_and_answers_of_another_type_are_got_over_and_end_nothing_else(kit: AirKit) -> None:
    async def scene() -> None:
        airfield = kit.kit.airfield
        assert airfield is not None and airfield.bluez is not None
        calls, two = airfield.bluez.calls, kit.line(BOTH)
        await kit.linked(BOTH)
        since = two.ports[0].since_ms
        removed = calls.get("RemoveDevice", 0)
        kit.air.faults.stale_bonds = 1
        await dropped(kit, BLE)
        assert calls["RemoveDevice"] == removed + 1 and "Pair" not in calls and not airfield.bluez._bonded
        kit.air.faults.nonsense = 1
        await kit.until(lambda: not kit.air.faults.nonsense, "the nonsense")
        await kit.taps(BLE, 1)
        await kit.settled(BLE)
        assert two.ports[0].is_open and two.ports[0].since_ms == since, "the cable of the other one noticed nothing"

    kit.run(scene())


def test_moves_between_cable_and_radio_in_the_middle_of_a_queue_lose_and_double_nothing(
    kit: AirKit,
) -> None:
    async def scene() -> int:
        line, wire = kit.line(BOTH), kit.brick(BOTH).wire
        await kit.linked(BOTH)
        await kit.until(lambda: all(port.is_open for port in line.ports), "both ports")
        first = await kit.settled(BOTH)
        for _ in range(2):
            await kit.taps(BOTH, 1)
            wire.host.unplug()
            await kit.taps(BOTH, 2)
            await kit.until(lambda: line.port.kind == "ble", "the move to the radio")
            await kit.taps(BOTH, 1)
            wire.host.plug()
            await kit.until(lambda: line.port.kind == "serial", "the move back to the cable")
        await kit.taps(BOTH, 1)
        return await kit.settled(BOTH) - first

    assert kit.run(scene()) >= 9


def test_a_brick_that_is_switched_off_is_found_again(kit: AirKit) -> None:
    async def scene() -> None:
        brick, port = kit.brick(BLE), radio(kit, BLE)
        await brick.stop()
        await kit.until(lambda: not port.is_open, "the host to notice")
        await brick.start()
        await kit.linked(BLE)
        await kit.taps(BLE, 1)
        await kit.settled(BLE)

    kit.run(scene())


def test_a_host_program_that_starts_again_frees_what_the_one_before_left_connected(kit: AirKit) -> None:
    async def scene() -> None:
        # As after kill -9: the daemon keeps the connection, the brick advertises no more, nobody here knows of it.
        airfield = kit.kit.airfield
        assert airfield is not None and airfield.bluez is not None
        bluez = airfield.bluez
        await kit.agent_stops()
        await kit.until(lambda: not bluez._linked, "the end of all connections")
        found = await Radio().scan(0.7)
        assert {one.brick for one in found} == {brick.brick for brick in kit.agent.config.bricks}
        assert all(one.name and one.name.startswith("SM-") and one.rssi == -60 for one in found)
        radio = kit.brick(BLE).radio
        assert radio is not None
        await bluez._link(bluez._path(radio.address), radio.address)
        await kit.agent_starts()
        await kit.linked(BLE)
        await kit.linked(BOTH)
        await kit.settled(BLE)

    kit.run(scene())
