"""balena behind the interface: what the SDK does against a model of the API, and what each fault is called."""

import json
import subprocess
import sys

import pytest

from fleet.hostos import errors, settings
from fleet.hostos.errors import HostOsError
from fleet.hostos.provider import NoProvider, open_provider

pytest.importorskip("balena", reason="the extra `balena` is not installed: pip install 'stallmark[balena]'")

from virtualkit.balenaapi import APPLICATION, TOKEN, Server, market

from fleet.hostos.balena import BalenaProvider

UNKNOWN = "f" * 32


@pytest.fixture(scope="module")
def world():
    """One model and one SDK process: importing it takes a second."""
    with Server(market()) as api:
        provider = BalenaProvider(api.url, TOKEN, APPLICATION, 60)
        yield api.cloud, provider
        provider.close()


@pytest.fixture(autouse=True)
def healthy(world):
    yield
    world[0].fault = ""
    for one in world[0].machines.values():
        one.locked = False


def refused(call, *args):
    with pytest.raises(HostOsError) as caught:
        call(*args)
    assert TOKEN not in str(caught.value)
    return caught.value.code


def test_devices_with_their_releases_and_tags(world):
    cloud, balena = world
    first, second, third = balena.devices()
    assert (first.name, first.online, first.pinned) == ("stall-1", True, None)
    assert first.running == cloud.releases[2]
    assert not third.online and third.running is None
    assert second.as_json()["tags"] == {}


def test_a_tag_is_set_changed_and_taken_away(world):
    cloud, balena = world
    device = next(iter(cloud.machines))
    tags = cloud.machines[device].tags
    balena.tag(device, "hub", "berlin")
    balena.tag(device, "hub", "rome")  # POST, 409 unique, PATCH
    assert tags == {"hub": "rome"}
    assert [method for method, path in cloud.asked if "device_tag" in path][-3:] == ["POST", "POST", "PATCH"]
    balena.tag(device, "hub", None)
    assert tags == {}
    assert refused(balena.tag, device, "no spaces", "x") == errors.REFUSED


def test_a_pin_holds_also_a_device_that_is_off_and_can_be_taken_back(world):
    cloud, balena = world
    for one in cloud.machines.values():
        balena.pin(one.uuid, cloud.releases[1])
        assert one.pinned == 1
        assert one.running == (1 if one.online else None)
        balena.pin(one.uuid, "id:2")
        assert one.pinned == 2
        balena.pin(one.uuid, None)
        assert one.pinned is None
    assert refused(balena.pin, next(iter(cloud.machines)), "a" * 40) == errors.UNKNOWN
    assert refused(balena.pin, next(iter(cloud.machines)), "latest") == errors.REFUSED
    assert refused(balena.pin, UNKNOWN, cloud.releases[1]) == errors.UNKNOWN


def test_restart_blink_and_logs(world):
    cloud, balena = world
    machine, _, off = cloud.machines.values()
    balena.restart(machine.uuid)
    balena.identify(machine.uuid)
    assert (machine.restarted, machine.blinked) == (1, 1)
    assert [one.text for one in balena.logs(machine.uuid, 5)] == ["host agent of stall-1 is up"]
    machine.locked = True
    assert refused(balena.restart, machine.uuid) == errors.LOCKED
    assert refused(balena.identify, off.uuid) == errors.OFFLINE
    assert refused(balena.identify, "abc") == errors.UNKNOWN


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("status-401", errors.DENIED),
        ("status-403", errors.DENIED),
        ("status-429", errors.LIMITED),
        ("status-500", errors.FAILED),
        ("status-302", errors.ODD),
        ("odd", errors.ODD),
        ("cut", errors.BROKEN),
        ("endless", errors.ODD),
    ],
)
def test_every_fault_of_the_service_has_its_name(world, fault, code):
    """An action that the service refused looks done to the SDK; a tag while the service is away is an AttributeError there."""
    cloud, balena = world
    device = next(iter(cloud.machines))
    cloud.fault = fault
    for call in (balena.devices, lambda: balena.identify(device), lambda: balena.tag(device, "a", "b")):
        found = refused(call)
        assert found == code or (fault == "status-500" and found == errors.OFFLINE)
    assert cloud.machines[device].tags == {}


def test_a_limit_says_when_to_come_back(world):
    cloud, balena = world
    cloud.fault = "status-429"
    with pytest.raises(HostOsError) as caught:
        balena.devices()
    answer = caught.value.as_answer()
    assert (answer.status, answer.more["retry_after"]) == (429, 7)


@pytest.mark.parametrize("fault", ["silent", "trickle"])
def test_a_service_that_never_ends_its_answer_ends_at_our_deadline(world, fault):
    cloud, balena = world
    balena.devices()  # the process is there
    process = balena._process.pid
    cloud.fault = fault
    balena._deadline_s = 0.5
    try:
        assert refused(balena.devices) == errors.SLOW
    finally:
        balena._deadline_s = 60
    cloud.fault = ""
    assert len(balena.devices()) == 3
    assert balena._process.pid == process  # the wire ended it, the process lives


def test_a_process_that_was_killed_is_started_again(world):
    _, balena = world
    balena._process.kill()
    balena._process.wait()
    assert len(balena.devices()) == 3


def test_nobody_there_and_a_wrong_token(world):
    cloud, _ = world
    with Server(cloud) as gone:
        nobody = BalenaProvider(gone.url, TOKEN, APPLICATION, 30)
        nobody._first = nobody._first.replace(TOKEN, "wrong")
        try:
            assert refused(nobody.devices) == errors.DENIED
            gone.http.shutdown()
            gone.http.server_close()
            assert refused(nobody.devices) == errors.UNREACHABLE
            device = next(iter(cloud.machines))
            assert refused(nobody.tag, device, "a", "b") == errors.UNREACHABLE
        finally:
            nobody.close()
    cloud.ended.clear()


def test_the_controllers_own_process_never_loads_the_sdk():
    """It installs Twisted's reactor where it is imported."""
    code = (
        "import sys, fleet.hostos.watching, fleet.hostos.balena;"
        "sys.exit(any(name.partition('.')[0] in ('balena', 'twisted') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_service_every_call_says_so():
    none = open_provider(settings.HostOs())
    assert isinstance(none, NoProvider)
    assert refused(none.devices) == refused(none.pin, UNKNOWN, None) == errors.NONE
    assert HostOsError(errors.NONE).as_answer().status == 409
    assert json.dumps(str(HostOsError("what is this")))  # an unknown code has words, too
