"""Rollouts over the API: who may see, go on and stop; what is asked for is taken up by the running controller."""

import time

import pytest

from fleet.desired.report import HostSaid, Report, ReturnedSaid
from fleet.people import audit
from fleet.rollouts import book
from fleet.rollouts.plan import Release
from tests.fleet.peopleworld import office
from tests.fleet.rolling import plan


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rollouts")
    with office(folder) as made:
        made.account("ada", "fleet-admin")
        made.account("pia", "approver")
        made.account("eve", "accountant")
        controller = made.running.app.state.controller
        kits = {one.kit.hex(): ({}, []) for one in controller.config.kits}
        with controller.database.write() as connection:
            book.create(
                connection, "spring", plan([{"size": "100%"}]), kits, "ada", controller.clock.now_ms()
            )
        yield made


def phase(client, wanted):
    """Waits until the controller has taken it up."""
    end = time.monotonic() + 60
    while (found := client.get("/v1/admin/rollouts/spring").json())["phase"] != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def pia_agrees(desk, pia, number):
    """As the page does it: the digest of what is shown goes back."""
    (shown,) = [one for one in pia.get("/v1/admin/approvals").json()["approvals"] if one["number"] == number]
    assert shown["may"] is None
    assert "Start of the rollout" in shown["words"][0]
    body = {"yes": True, "digest": shown["digest"]}
    assert pia.post(f"/v1/admin/approvals/{number}", json=body).status_code == 200


def test_roles_see_go_on_and_stop(desk):
    ada, pia, eve = desk.browser("ada"), desk.browser("pia"), desk.browser("eve")
    nobody = desk.browser()
    assert (
        nobody.get("/v1/admin/rollouts").status_code
        == nobody.get("/v1/admin/rollouts/spring").status_code
        == 401
    )
    assert nobody.get("/v1/admin/rollouts/spring/why").status_code == 401
    assert nobody.post("/v1/admin/rollouts/spring/stop/halt", json={}).status_code == 401
    assert eve.post("/v1/admin/rollouts/spring/start", json={}).status_code == 403
    assert pia.post("/v1/admin/rollouts/spring/start", json={}).status_code == 403
    assert eve.post("/v1/admin/rollouts/spring/stop/halt", json={}).status_code == 403
    assert ada.get("/v1/admin/rollouts").json()["rollouts"][0]["phase"] == "planned"
    assert ada.post("/v1/admin/rollouts/winter/start", json={}).status_code == 404
    assert ada.post("/v1/admin/rollouts/spring/dance", json={}).status_code == 404
    assert ada.post("/v1/admin/rollouts/spring/start", json={"reason": "x" * 97}).status_code == 422
    asked = ada.post("/v1/admin/rollouts/spring/start", json={"reason": "go"})
    assert (asked.status_code, "ask" in asked.json()) == (202, False)
    pia_agrees(desk, pia, asked.json()["approval"])
    assert "ask" in ada.post("/v1/admin/rollouts/spring/start", json={"reason": "go"}).json()
    found = phase(ada, "running")
    (kit,) = found["kits"]
    assert found["kits"][kit]["status"] == "waiting"
    told = ada.get("/v1/admin/rollouts/spring/why", params={"kit": kit}).json()["reasons"]
    assert told[0]["code"] == "away" and told[0]["age_s"] >= 0
    assert pia.post("/v1/admin/rollouts/spring/stop/halt", json={"reason": "wrong"}).status_code == 202
    assert phase(pia, "halted")["reason"] == "wrong"
    with desk.database.read() as connection:
        verbs = [row["verb"] for row in audit.page(connection)]
    assert [verb for verb in verbs if verb.startswith("rollouts.")] == ["rollouts.start", "rollouts.halt"]


def test_the_page_says_how_far_a_host_is_with_a_release_of_its_own(desk):
    controller = desk.running.app.state.controller
    (kit,) = controller.config.kits
    name, new = kit.kit.hex(), "5c" * 32
    made = plan([{"size": "100%"}], rollback=None).model_copy(
        update={"release": Release(digest="5d" * 32, bundle=new, rev=1, length=9, kind=4, name="host 2.0")}
    )
    with controller.database.write() as connection:
        book.create(connection, "host-2", made, {name: ({}, [])}, "ada", controller.clock.now_ms())
    ada, pia = desk.browser("ada"), desk.browser("pia")
    asked = ada.post("/v1/admin/rollouts/host-2/start", json={"reason": "go"})
    pia_agrees(desk, pia, asked.json()["approval"])
    ada.post("/v1/admin/rollouts/host-2/start", json={"reason": "go"})
    end = time.monotonic() + 60
    while (told := ada.get("/v1/admin/rollouts/host-2/why", params={"kit": name}).json()["reasons"])[0]["code"] != "installing":
        assert time.monotonic() < end, told
        head = controller.desired.head(kit.kit)
        said = HostSaid(installs=True, trouble="the disk is full")
        etag = None if head is None else head.etag
        controller.desired.report(kit.kit, bytes(8), Report(etag=etag, host=said))
        time.sleep(0.05)
    assert told[0]["text"].startswith("its host installs release 5c5c5c5c by itself")
    assert told[1]["text"] == "its host could not install release 5c5c5c5c: the disk is full"
    seen = ada.get("/v1/admin/rollouts/host-2/picture").json()
    assert seen["waves"][0]["dots"][0][2:] == ["installing", "moving"]
    gone = ReturnedSaid(release=new, why="3 starts failed", order=controller.desired.head(kit.kit).number)
    head = controller.desired.head(kit.kit)
    controller.desired.report(kit.kit, bytes(8), Report(etag=head.etag, host=HostSaid(installs=True, returned=gone)))
    while (seen := ada.get("/v1/admin/rollouts/host-2/picture").json())["phase"] != "halted":
        assert time.monotonic() < end, seen
        time.sleep(0.05)
    assert "its host tried release 5c5c5c5c and went back: 3 starts failed" in seen["reason"]
    while controller.desired.head(kit.kit).order.host_release is not None:
        assert time.monotonic() < end
        time.sleep(0.05)
