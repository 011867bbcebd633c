"""Kits and their devices: ties, pins that the controller sees to, `why`, the API with its permissions, the commands."""

import json
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from cli.main import app
from fleet.config import load
from fleet.errors import Refused
from fleet.hostos import cli, errors, settings, telling, ties
from fleet.hostos.errors import HostOsError
from fleet.hostos.model import Device
from fleet.hostos.steps import HostSteps
from fleet.hostos.watching import Watching
from fleet.people import audit
from fleet.people.actors import COMMAND
from fleet.people.places import place
from tests.fleet.peopleworld import office
from tests.stall import Stall

AT = 1_800_000_000_000
ONE, TWO = "1" * 32, "2" * 32
OLD, NEW = "a" * 40, "b" * 40


class Service:
    """A host OS service in memory."""

    name = "balena"

    def __init__(self):
        self.pins = {}
        self.online = {ONE: True, TWO: False}
        self.failing = None

    def _asked(self):
        if self.failing is not None:
            raise HostOsError(self.failing)

    def devices(self):
        self._asked()
        return [
            Device(one, f"stall-{one[0]}", there, "", self.pins.get(one), self.pins.get(one, OLD) if there else OLD,
                   "balenaOS 6", "17", "", ())
            for one, there in self.online.items()
        ]  # fmt: skip

    def pin(self, device, release):
        self._asked()
        self.pins[device] = release

    def tag(self, device, key, value):
        self._asked()

    restart = identify = lambda self, device: self._asked()

    def logs(self, device, count):
        return []

    def close(self):
        """Nothing."""


@pytest.fixture
def stall(tmp_path):
    made = Stall(tmp_path, bricks=2)
    yield made
    made.close()


@pytest.fixture
def watching(stall):
    found = Watching(stall.controller)
    found.provider, found.idle = Service(), False
    yield found
    found.close()


def row_of(stall):
    with stall.controller.database.read() as connection:
        return ties.of_kit(connection, stall.world.kit)


def tie(stall, device=ONE):
    with stall.controller.database.write() as connection:
        ties.tie(connection, COMMAND, stall.world.kit, device, stall.clock.now_ms())


def codes(watching, stall):
    return [one.code for one in watching.reasons(stall.world.kit)]


def test_a_device_is_the_host_of_one_kit(stall):
    tie(stall)
    with stall.controller.database.write() as connection:
        with pytest.raises(Refused, match="untie it there first"):
            ties.tie(connection, COMMAND, b"otherkit", ONE, AT)
        with pytest.raises(Refused, match="32 or 62"):
            ties.tie(connection, COMMAND, b"otherkit", "11", AT)
        ties.accepted(connection, COMMAND, b"otherkit", {"device": ONE}, AT)  # a word that is taken already
        ties.accepted(connection, COMMAND, b"otherkit", {"device": 7}, AT)
        assert ties.of_kit(connection, b"otherkit") is None
        ties.accepted(connection, COMMAND, b"otherkit", {"device": TWO}, AT)
        assert ties.of_kit(connection, b"otherkit")["device"] == TWO
        ties.untie(connection, COMMAND, stall.world.kit, AT)
        verbs = [one["verb"] for one in audit.page(connection)]
    assert verbs == ["hosts.tie", "hosts.tie", "hosts.untie"]


def test_a_pin_is_seen_to_until_the_device_runs_it(stall, watching):
    tie(stall)
    steps = HostSteps(stall.controller.database, stall.clock.now_ms)
    assert not steps.want(stall.world.kit, "host 1.2", "rollout spring")  # no release of the service
    assert not steps.want(b"otherkit", NEW, "rollout spring")  # no device
    assert steps.want(stall.world.kit, NEW, "rollout spring")
    assert codes(watching, stall) == ["host-os-waiting"]
    watching.provider.failing = errors.UNREACHABLE
    watching.turn(0)
    assert codes(watching, stall) == ["host-os-refused"]
    assert watching.trouble is not None and not steps.done(NEW)
    watching.provider.failing = None
    watching.turn(2)  # too early for another try
    assert not watching.provider.pins
    stall.world.now_ms += ties.RETRY_MS
    watching.turn(1000)
    assert watching.provider.pins == {ONE: NEW}
    assert codes(watching, stall) == [] and watching.trouble is None
    assert list(steps.done(NEW)) == [stall.world.kit]
    assert "online, runs bbbbbbbbbbbb, held at bbbbbbbbbbbb" in telling.line(row_of(stall))


def test_a_device_that_is_off_takes_it_up_later_and_why_says_so(stall, watching):
    tie(stall, TWO)
    steps = HostSteps(stall.controller.database, stall.clock.now_ms)
    steps.want(stall.world.kit, NEW, "rollout spring")
    watching.turn(0)
    assert codes(watching, stall) == ["host-os-offline"] and not steps.done(NEW)
    watching.provider.online[TWO] = True
    stall.world.now_ms += 60_000
    watching.turn(100)
    assert codes(watching, stall) == [] and stall.world.kit in steps.done(NEW)


def test_a_pin_that_somebody_changed_at_the_service_is_told_anew(stall, watching):
    tie(stall)
    HostSteps(stall.controller.database, stall.clock.now_ms).want(stall.world.kit, NEW, "rollout spring")
    watching.turn(0)
    watching.provider.pins[ONE] = OLD
    watching.turn(100)
    watching.turn(200)
    assert watching.provider.pins == {ONE: NEW}


def test_a_device_that_left_the_application_is_a_reason(stall, watching):
    tie(stall)
    del watching.provider.online[ONE]
    watching.turn(0)
    assert codes(watching, stall) == ["host-os-gone"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with office(tmp_path_factory.mktemp("hostos")) as found:
        watched = found.running.app.state.watching
        watched.provider, watched.idle = Service(), False
        found.service = watched.provider
        for name, role, more in (
            ("ann", "fleet-admin", {}),
            ("tom", "technician", {"hubs": ("00" * 8,)}),
            ("aud", "auditor", {}),
            ("ron", "rule-author", {}),
        ):
            found.account(name, role, **more)
        found.kit = found.running.app.state.controller.config.kits[0].kit
        yield found


def test_the_api_lists_ties_and_pins_for_those_who_may(made):
    ann, tom, aud = made.browser("ann"), made.browser("tom"), made.browser("aud")
    path = "/v1/admin/hosts"
    assert made.browser().get(path).status_code == 401
    assert made.browser("ron").get(path).status_code == 403
    assert [one["device"] for one in aud.get(path).json()["devices"]] == [ONE, TWO]
    assert tom.get(path).json()["devices"] == []  # they belong to no kit yet
    assert aud.post(f"{path}/{ONE}/restart").status_code == 403
    assert ann.post(f"{path}/{ONE}/tie", json={"kit": made.kit.hex()}).status_code == 200
    with made.database.write() as connection:
        place(connection, COMMAND, made.kit, "main", "00" * 8, [], AT)
    assert [one["kit"] for one in tom.get(path).json()["devices"]] == [made.kit.hex()]
    assert tom.post(f"{path}/{ONE}/pin", json={"release": NEW}).status_code == 200
    assert made.service.pins[ONE] == NEW
    assert tom.post(f"{path}/{TWO}/identify").status_code == 403
    assert tom.post(f"{path}/{ONE}/pin", json={"release": "latest"}).status_code == 422
    assert ann.post(f"{path}/{ONE}/tag", json={"key": "hub", "value": "berlin"}).status_code == 200
    made.service.failing = errors.LOCKED
    refused = tom.post(f"{path}/{ONE}/restart")
    made.service.failing = None
    assert refused.status_code == 423 and refused.json()["code"] == errors.LOCKED
    with made.database.read() as connection:
        said = [
            (one["actor"], one["verb"]) for one in audit.page(connection) if one["verb"].startswith("hosts.")
        ]
    assert said == [
        ("ann", "hosts.tie"),
        ("tom", "hosts.pin"),
        ("ann", "hosts.tag"),
        ("tom", "hosts.restart"),
        ("tom", "hosts.restart.failed"),
    ]


def test_the_commands_know_a_kit_by_its_name(stall, monkeypatch):
    service = Service()
    monkeypatch.setattr(cli, "open_provider", lambda configured: service)
    config = ["--config", str(stall.folder / "config.json")]
    kit = load(stall.folder / "config.json").kits[0]
    run = SimpleNamespace(of=lambda *given: CliRunner().invoke(app, ["fleet", "hosts", *given, *config]))
    assert "no kit with a device" in run.of("pin", kit.kit.hex(), NEW).output
    assert run.of("tie", kit.kit.hex(), ONE).exit_code == 0
    done = run.of("pin", kit.kit.hex(), NEW)
    assert done.exit_code == 0 and service.pins == {ONE: NEW}, done.output
    listed = json.loads(run.of("list", "--json").output)["devices"]
    assert [one["kit"] for one in listed] == [kit.kit.hex(), None]
    assert row_of(stall)["wanted"] == NEW
    assert run.of("identify", "stall-2").exit_code == 0
    service.failing = errors.UNREACHABLE
    failed = run.of("restart", kit.kit.hex())
    assert failed.exit_code == 1 and "cannot be reached" in failed.output
    why = CliRunner().invoke(app, ["fleet", "why", kit.kit.hex(), *config])
    assert "host OS: device 11111111, not looked at yet" in why.output, why.output


@pytest.mark.parametrize(
    ("api", "good"),
    [
        ("https://api.example.com", True),
        ("http://127.0.0.1:8790/", True),
        ("http://[::1]:8790", True),
        ("http://api.example.com/", False),
        ("https://me:secret@api.example.com/", False),
        ("https://api.example.com/?x=1", False),
        ("ftp://127.0.0.1/", False),
    ],
)
def test_a_token_goes_only_where_it_is_safe(api, good):
    if good:
        assert settings.address("test", api).endswith("/")
    else:
        with pytest.raises(Exception, match="api"):
            settings.address("test", api)


def test_a_token_file_that_others_can_read_is_refused(tmp_path):
    file = tmp_path / "balena.token"
    file.write_text("abc\n")
    file.chmod(0o644)
    with pytest.raises(Exception, match="chmod 600"):
        settings.token(file)
    file.chmod(0o600)
    assert settings.token(file) == "abc"
