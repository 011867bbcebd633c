"""Devices that nobody made known wait; people accept, reject, replace, revoke; a revoked host gets nothing more, at once."""

import base64
import json
import threading

import httpx
import pytest

from fleet.buckets import Buckets
from fleet.enrolment import codes, decide, pending
from fleet.enrolment.signed import WINDOW_S, Nonces, Request, authority, read
from fleet.errors import Refused
from fleet.people.actors import COMMAND
from fleet.people.places import place
from tests.fleet.hostsigner import HostSigner
from tests.fleet.peopleworld import office, only_tables
from tests.fleet.serving import wait_for
from tests.world import World


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with office(tmp_path_factory.mktemp("enrolment")) as made:
        made.account("tess", "technician")
        made.account("hana", "hub-staff")
        made.account("noor", "hub-staff", tenant="north")
        made.world = made.running.stall.world
        made.kit = made.world.kit.hex()
        yield made


def send(desk, signer, path, body=b"{}", **more):
    now_ms = more.pop("now_ms", desk.world.now_ms)
    return desk.browser().post(path, content=body, headers=signer.headers("POST", path, body, now_ms, **more))


def call(desk, signer, **more):
    body = {"public": base64.b64encode(signer.public).decode(), "kit": desk.kit, "name": "spare host"}
    return send(desk, signer, "/v1/hosts/enrol", json.dumps(body).encode(), **more)


def listed(desk, kind, device, state="all", who="tess"):
    found = desk.browser(who).get(f"/v1/admin/enrol?state={state}").json()
    return next(
        (one for one in found["devices"] if (one["kind"], one["device"]) == (kind, device.hex())), None
    )


def decided(desk, path, body=None, who="tess"):
    return desk.browser(who).post(f"/v1/admin/enrol/{path}", json=body or {})


def accepted(desk, seed):
    """A host that was accepted, and its short token."""
    signer = HostSigner(seed)
    assert call(desk, signer).json()["state"] == "pending"
    assert decided(desk, f"host/{signer.host8.hex()}/accept", {"kit": desk.kit}).status_code == 200
    return signer, send(desk, signer, "/v1/hosts/token").json()["token"]


def test_a_host_that_nobody_knows_waits_with_first_and_last_time_and_count(desk):
    signer = HostSigner(b"waits")
    for _ in range(3):
        answer = call(desk, signer)
        assert answer.json()["state"] == "pending"
    row = listed(desk, "host", signer.host8, "pending")
    assert (row["count"], row["proven"], row["kit"]) == (3, True, desk.kit)
    assert row["said"] == {"from": "127.0.0.1", "name": "spare host"}
    refused = send(desk, signer, "/v1/hosts/token")
    assert refused.status_code == 401
    assert "not known here" in refused.json()["reason"]


def test_an_accepted_host_gets_short_tokens_for_its_own_kit(desk):
    signer, token = accepted(desk, b"accepted")
    program = desk.with_token(token)
    answer = program.get(f"/v1/hosts/{signer.host8.hex()}/next")
    assert answer.json()["number"] == 1
    assert program.get(f"/v1/kits/{'00' * 8}/slices").status_code == 403
    assert program.get(f"/v1/kits/{desk.kit}/slices").status_code == 200
    assert program.get("/v1/admin/session").status_code == 401  # a host is no person
    keys = desk.browser().get("/keys.json").json()["hosts"]
    assert signer.host8.hex() in [one["host"] for one in keys]
    assert call(desk, signer).json()["state"] == "accepted"


def test_a_rejected_host_is_told_and_waits_no_more(desk):
    signer = HostSigner(b"rejected")
    call(desk, signer)
    assert decided(desk, f"host/{signer.host8.hex()}/reject", {"reason": "not ours"}).status_code == 200
    answer = call(desk, signer).json()
    assert (answer["state"], answer["reason"]) == ("rejected", "not ours")
    assert listed(desk, "host", signer.host8, "pending") is None


def test_a_token_that_nobody_knows_shows_among_those_that_wait(desk):
    stranger = desk.with_token("of a kit that was restored from somewhere")
    for _ in range(2):
        assert stranger.post("/v1/batches", content=b"x").status_code == 401
    found = desk.browser("tess").get("/v1/admin/enrol").json()["devices"]
    row = next(one for one in found if one["said"].get("came with"))
    assert (row["kind"], row["proven"], row["count"]) == ("host", False, 2)
    answer = decided(desk, f"host/{row['device']}/accept", {"kit": desk.kit})
    assert answer.status_code == 404  # nothing that it could be known by


def test_a_brick_that_a_host_reports_and_no_bench_made_waits_and_cannot_be_accepted(desk):
    world = desk.world
    stranger = World(99).brick()
    world.bricks.append(stranger)
    body = world.batch([world.receipt(world.record(brick=stranger))])
    world.bricks.remove(stranger)
    assert desk.running.post(body).status_code == 200
    row = listed(desk, "brick", stranger.brick8, "pending")
    assert (row["count"], row["seen_by"], row["kit"]) == (1, world.host.host8.hex(), desk.kit)
    answer = decided(desk, f"brick/{stranger.brick8.hex()}/accept")
    assert answer.status_code == 409
    assert "stallmark brick sync" in answer.json()["reason"]


# --- signatures


def test_a_request_counts_once_and_only_as_it_was_signed(desk):
    signer, _ = accepted(desk, b"signs")
    path, body, now_ms = "/v1/hosts/token", b"{}", desk.world.now_ms
    headers = signer.headers("POST", path, body, now_ms)
    client = desk.browser()
    assert client.post(path, content=body, headers=headers).status_code == 200
    again = client.post(path, content=body, headers=headers)
    assert again.status_code == 401
    assert "was here before" in again.json()["reason"]
    for target, content, method in (
        (path + "?x=1", b"{}", "POST"),
        (path, b'{"a":1}', "POST"),
        (path, b"{}", "PUT"),
    ):
        other = signer.headers(method, path, body, now_ms)
        assert client.post(target, content=content, headers=other).status_code == 401
    thief = HostSigner(b"thief")
    assert send(desk, thief, path, keyid=signer.host8.hex()).status_code == 401


def test_a_request_to_another_controller_is_no_request_to_this_one_whoever_passes_it_on(desk):
    signer, _ = accepted(desk, b"relayed")
    path, now_ms = "/v1/hosts/token", desk.world.now_ms
    for name in ("other.example", "stall.test:8780", ""):
        taken = signer.headers("POST", path, b"{}", now_ms, authority=name)
        for host in ("stall.test", "other.example"):  # the Host header is whoever's who passes it on
            answer = desk.browser().post(path, content=b"{}", headers=taken | {"Host": host})
            assert answer.status_code == 401
            assert "one of this controller's names (stall.test, 127.0.0.1:" in answer.json()["reason"]
    own = desk.url.removeprefix("http://")  # the very address that the connection came in at
    there = signer.headers("POST", path, b"{}", now_ms, authority=own)
    assert desk.browser().post(path, content=b"{}", headers=there).status_code == 200


def test_what_hosts_signed_before_they_named_their_controller_is_refused_in_words(desk):
    headers = HostSigner(b"older").headers("POST", "/v1/hosts/token", b"{}", desk.world.now_ms)
    headers["Signature-Input"] = headers["Signature-Input"].replace('"@authority" ', "")
    answer = desk.browser().post("/v1/hosts/token", content=b"{}", headers=headers)
    assert answer.status_code == 401
    assert "bring it up to date" in answer.json()["reason"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://Fleet.Example", "fleet.example"),
        ("https://fleet.example:443/x", "fleet.example"),
        ("http://fleet.example:443", "fleet.example:443"),
        ("http://[::1]:80", "[::1]"),
    ],
)
def test_a_controllers_name_is_written_as_the_standard_has_it_on_both_sides(url, name):
    assert authority(url) == name == httpx.URL(url).netloc.decode().lower()


@pytest.mark.parametrize("off_s", [-WINDOW_S - 1, WINDOW_S + 1, -1_790_000_000])
def test_a_clock_that_is_off_is_told_the_controllers(desk, off_s):
    signer, _ = accepted(desk, b"clock %d" % off_s)
    now_ms = desk.world.now_ms
    late = send(desk, signer, "/v1/hosts/token", now_ms=now_ms + off_s * 1000)
    assert late.status_code == 401
    assert send(desk, signer, "/v1/hosts/token", now_ms=late.json()["now_ms"]).status_code == 200


def test_what_was_signed_before_the_controller_started_is_signed_anew():
    nonces, found = Nonces(50_000), signed(HostSigner(b"restart"), 49_000)
    with pytest.raises(Refused, match="before this controller started") as refused:
        nonces.take(found, 51_000)
    assert refused.value.more == {"now_ms": 51_000}
    nonces.take(found, 49_000)  # its clock was set back
    with pytest.raises(Refused, match="was here before"):
        nonces.take(found, 49_000)


FORMS = (
    ("Signature-Input", lambda text: text.replace('alg="ed25519"', 'alg="hmac-sha256"')),
    ("Signature-Input", lambda text: text.replace('"@method" ', "")),
    ("Signature-Input", lambda text: text + ";more"),
    ("Signature-Input", lambda text: text.replace("sig1", "sig2")),
    ("Signature-Input", lambda text: ""),
    ("Signature", lambda text: "sig1=:AAAA:"),
    ("Signature", lambda text: text[:10] + "%" + text[11:]),
    ("Content-Digest", lambda text: text.replace("sha-256", "sha-512")),
)


def test_what_is_not_the_profile_is_refused_and_holds_up_nobody_who_signs_well(desk):
    signer, client = HostSigner(b"forms"), desk.browser()

    def bad(name, change):
        headers = signer.headers("POST", "/v1/hosts/token", b"{}", desk.world.now_ms)
        headers[name] = change(headers[name])
        return client.post("/v1/hosts/token", content=b"{}", headers=headers).status_code

    unsigned = desk.running.app.state.desk.unsigned
    unsigned.right("127.0.0.1")
    assert [bad(*form) for form in FORMS] == [401] * len(FORMS)
    while bad(*FORMS[0]) == 401:
        assert len(unsigned) == 1
    assert bad(*FORMS[0]) == 429
    # Behind one proxy is every host: a good signature passes, a stranger's, too.
    assert call(desk, signer).json()["state"] == "pending"
    unsigned.right("127.0.0.1")


def signed(signer, now_ms):
    found = signer.headers("POST", "/v1/hosts/token", b"{}", now_ms)
    names = ("Content-Digest", "Signature-Input", "Signature")
    return read(
        Request("POST", "/v1/hosts/token", "", *(found[name] for name in names), b"{}", ("stall.test",))
    )


def test_a_request_signed_for_later_is_signed_anew_so_that_no_restart_forgets_it():
    ahead = signed(HostSigner(b"ahead"), 1_100_000)
    with pytest.raises(Refused, match=r"100 seconds ahead .* at most 2") as refused:
        Nonces(1_000_000).take(ahead, 1_000_000)
    assert refused.value.more == {"now_ms": 1_000_000}


def test_however_many_hosts_sign_no_request_counts_twice(monkeypatch):
    monkeypatch.setattr("fleet.enrolment.signed.HOSTS", 3)
    nonces, first = Nonces(0), signed(HostSigner(b"first"), 1_000_000)
    nonces.take(first, 1_000_000)
    others = [signed(HostSigner(b"other %d" % n), 1_000_000) for n in range(3)]
    for one in others[:2]:
        nonces.take(one, 1_000_000)
    with pytest.raises(Refused, match="too many hosts") as refused:
        nonces.take(others[2], 1_000_000)
    assert refused.value.status == 429
    with pytest.raises(Refused, match="was here before"):
        nonces.take(first, 1_000_000)
    later = 1_000_000 + 1000 * (WINDOW_S + 1)
    nonces.take(signed(HostSigner(b"later"), later), later)  # what is old is forgotten


def test_keys_that_anybody_makes_push_no_known_hosts_requests_out(desk, monkeypatch):
    monkeypatch.setattr("fleet.enrolment.signed.HOSTS", 100)
    signer, _ = accepted(desk, b"remembered")
    headers = signer.headers("POST", "/v1/hosts/token", b"{}", desk.world.now_ms)
    client = desk.browser()
    assert client.post("/v1/hosts/token", content=b"{}", headers=headers).status_code == 200
    held = len(desk.running.app.state.desk.nonces._seen)
    for n in range(5):
        assert call(desk, HostSigner(b"stranger %d" % n)).status_code == 200
    assert len(desk.running.app.state.desk.nonces._seen) == held
    assert client.post("/v1/hosts/token", content=b"{}", headers=headers).status_code == 401


def test_whoever_makes_keys_by_the_dozen_is_held_back_by_address_and_known_hosts_are_not(desk, monkeypatch):
    signer, _ = accepted(desk, b"known before the flood")
    monkeypatch.setattr(desk.running.app.state.desk, "calls", Buckets(lambda: 0.0, 1.0, 3.0))
    answers = [call(desk, HostSigner(b"flood %d" % n)) for n in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].headers["retry-after"] == "5" and "nobody knows" in answers[-1].json()["reason"]
    assert listed(desk, "host", HostSigner(b"flood 4").host8) is None, "nothing was written"
    assert call(desk, signer).json()["state"] == "accepted"
    assert send(desk, signer, "/v1/hosts/token").status_code == 200


# --- revocation


def test_a_revoked_host_gets_nothing_more_by_any_token_and_is_told_why(desk):
    signer, token = accepted(desk, b"revoked")
    program = desk.with_token(token)
    assert program.get(f"/v1/kits/{desk.kit}/slices").status_code == 200
    assert decided(desk, f"host/{signer.host8.hex()}/revoke", {"reason": "stolen"}, "hana").status_code == 403
    assert decided(desk, f"host/{signer.host8.hex()}/revoke", {"reason": "stolen"}).status_code == 200
    for path in (f"/v1/kits/{desk.kit}/slices", f"/v1/kits/{desk.kit}/bundle", f"/v1/targets/{'00' * 32}"):
        assert program.get(path).status_code in (401, 403), path
    assert program.post("/v1/batches", content=b"x").status_code in (401, 403)
    asked = send(desk, signer, "/v1/hosts/token")
    assert asked.status_code == 403
    assert asked.json()["reason"] == "this host was revoked: stolen"
    assert call(desk, signer).status_code == 403
    assert decided(desk, f"host/{signer.host8.hex()}/accept", {"kit": desk.kit}).status_code == 409


def test_a_bearer_token_made_before_works_marked_until_it_is_revoked_also_beside_the_controller(tmp_path):
    with office(tmp_path) as made:
        made.account("tess", "technician")
        host = made.running.stall.world.host
        entry = made.browser("tess").get("/v1/admin/enrol").json()["hosts"][0]
        assert entry["credential"].startswith("a bearer token of keys.json")
        kit = made.running.stall.world.kit.hex()
        assert (
            made.running.client.get(f"/v1/kits/{kit}/slices", headers=made.running.token()).status_code == 200
        )
        with made.database.write() as connection:  # as the command beside it does
            decide.revoke_host(
                connection, made.running.controller.config, COMMAND, host.host8, "lost", made.clock()
            )

        def told():
            return made.running.client.get(f"/v1/kits/{kit}/slices", headers=made.running.token())

        refused = wait_for("the revocation", lambda: (one := told()).status_code == 403 and one)
        assert refused.json()["reason"] == "this host was revoked: lost"


def test_a_host_that_waits_for_a_directive_is_refused_when_it_is_revoked(tmp_path):
    with office(tmp_path) as made:
        made.account("tess", "technician")
        world = made.running.stall.world
        path = f"/v1/kits/{world.kit.hex()}/directive"
        desired = made.running.controller.desired
        desired.set(world.kit, [], "test", 2**52, 0)
        etag = made.running.client.get(path, headers=made.running.token()).headers["etag"]
        found = []
        headers = made.running.token() | {"If-None-Match": etag}
        thread = threading.Thread(
            target=lambda: found.append(made.running.client.get(path + "?wait=55", headers=headers)),
            daemon=True,
        )
        thread.start()
        wait_for("the host to wait", lambda: made.running.app.state.waiting.count == 1)
        answer = made.browser("tess").post(
            f"/v1/admin/enrol/host/{world.host.host8.hex()}/revoke", json={"reason": "lost"}
        )
        assert answer.status_code == 200
        thread.join(60)
        assert found[0].status_code == 403
        assert "lost" in found[0].json()["reason"]


def test_a_credential_is_of_one_rental(desk):
    signer, token = accepted(desk, b"rental")
    controller = desk.running.controller
    kits = controller.config.kits
    from dataclasses import replace

    controller.config = replace(controller.config, kits=(replace(kits[0], rental=kits[0].rental + 1),))
    try:
        refused = desk.with_token(token).get(f"/v1/kits/{desk.kit}/slices")
        assert refused.status_code == 403
        assert "of rental 1, its kit is in rental 2" in refused.json()["reason"]
        assert decided(desk, f"host/{signer.host8.hex()}/accept", {"kit": desk.kit}).json()["rental"] == 2
        fresh = send(desk, signer, "/v1/hosts/token").json()["token"]
        assert desk.with_token(fresh).get(f"/v1/kits/{desk.kit}/slices").status_code == 200
        # The same key serves: another credential. A key that was revoked is worth nothing again, in any rental.
        public = next(one.public for one in controller.config.hosts if one.host == signer.host8)
        assert public == signer.public
        assert decided(desk, f"host/{signer.host8.hex()}/revoke", {"reason": "copied"}).status_code == 200
        again = decided(desk, f"host/{signer.host8.hex()}/accept", {"kit": desk.kit})
        assert again.status_code == 409 and "needs a new one" in again.json()["reason"]
    finally:
        controller.config = replace(controller.config, kits=kits)


# --- replacing in the field


def test_hub_staff_puts_a_spare_in_a_bricks_place_with_the_code_of_its_label_once(tmp_path):
    with office(tmp_path) as made:
        made.account("tess", "technician")
        made.account("hana", "hub-staff")
        made.account("noor", "hub-staff", tenant="north")
        old, spare = (one.brick8.hex() for one in made.running.stall.world.bricks)
        kit = made.running.stall.world.kit.hex()
        tess, hana, noor = map(made.browser, ("tess", "hana", "noor"))
        path = f"/v1/admin/enrol/brick/{spare}/code"
        assert hana.post(path, json={}).status_code == 403
        label = tess.post(path, json={"days": 30}).json()["code"]
        body = {"kit": kit, "old": old, "code": label.lower().replace("-", " ")}
        assert noor.post("/v1/admin/enrol/replace", json=body).status_code == 403
        done = hana.post("/v1/admin/enrol/replace", json=body)
        assert done.json() == {"kind": "brick", "kit": kit, "old": old, "new": spare}
        again = hana.post("/v1/admin/enrol/replace", json=body)
        assert (again.status_code, again.json()["reason"]) == (403, codes.WRONG)
        ended = made.running.controller._store.revoked
        assert bytes.fromhex(old) in ended
        assert bytes.fromhex(spare) not in ended
        orders = made.running.client.get(f"/v1/kits/{kit}/rekeys", headers=made.running.token()).json()[
            "rekeys"
        ]
        assert [one["brick"] for one in orders] == [spare]
        with made.database.read() as connection:
            from fleet.people import audit

            verbs = [one["verb"] for one in audit.page(connection)]
            text = "".join(audit.export(connection))
        assert verbs.count("enrol.replace") == 1
        assert label not in text


def test_codes_are_held_back_after_wrong_tries_and_end(desk):
    body = {"kit": desk.kit, "old": desk.world.bricks[0].brick8.hex(), "code": "0000-0000"}
    desk.account("hugo", "hub-staff")
    hugo = desk.browser("hugo")
    answers = [hugo.post("/v1/admin/enrol/replace", json=body) for _ in range(6)]
    assert [one.status_code for one in answers] == [403] * 5 + [429]
    assert "wait 2 seconds" in answers[-1].json()["reason"]
    with desk.database.write() as connection:
        label = codes.make(connection, b"s" * 32, "brick", b"b" * 8, "main", "tess", 1000, 500)
        assert codes.find(connection, b"s" * 32, label, 1499).device == b"b" * 8
        for seal, at in ((b"s" * 32, 1500), (b"t" * 32, 1400)):
            with pytest.raises(Exception, match="not known, was used, or has ended"):
                codes.find(connection, seal, label, at)
    assert codes.read("kimq-o1l2") == codes.read("K1MQ 0112") == "K1MQ0112"
    assert codes.read("UUUU-UUUU") is None


def test_a_host_is_replaced_with_its_labels_code(tmp_path):
    with office(tmp_path) as made:
        made.world, made.kit = made.running.stall.world, made.running.stall.world.kit.hex()
        made.account("tess", "technician")
        made.account("hana", "hub-staff")
        spare = HostSigner(b"spare host")
        assert call(made, spare).json()["state"] == "pending"
        label = decided(made, f"host/{spare.host8.hex()}/code").json()["code"]
        body = {"kit": made.kit, "old": made.world.host.host8.hex(), "code": label}
        assert decided(made, "replace", body, "hana").status_code == 200
        assert (
            made.running.client.get(f"/v1/kits/{made.kit}/slices", headers=made.running.token()).status_code
            == 403
        )
        token = send(made, spare, "/v1/hosts/token").json()["token"]
        assert made.with_token(token).get(f"/v1/kits/{made.kit}/slices").status_code == 200


# --- bounds


def test_of_a_full_share_who_has_most_in_it_loses_one(monkeypatch):
    monkeypatch.setattr(pending, "MOST", {True: 6, False: 3})

    def host(number, whence):
        said = json.dumps({"from": whence})
        return pending.Sight("host", number.to_bytes(8, "big"), True, number, number, said=said)

    with only_tables() as connection:
        for number in range(3):
            pending.saw(connection, host(number, "192.0.2.1"))
        pending.saw(connection, pending.Sight("brick", b"brick..1", True, 0, 0, seen_by=b"h" * 8))
        for number in range(10, 30):  # one who makes keys
            pending.saw(connection, host(number, "198.51.100.7"))
        left = {(one["kind"], one["device"][-2:]) for one in pending.every(connection)}
    assert left == {("brick", "31"), *(("host", f"{n:02x}") for n in (0, 1, 2, 27, 28, 29))}


def test_who_sends_rubbish_pushes_nobody_out_who_is_real(desk):
    with desk.database.write() as connection:
        before = len(pending.every(connection))
        for n in range(100):
            device = n.to_bytes(8, "big")
            pending.saw(connection, pending.Sight("host", device, False, n, n))
        rows = pending.every(connection)
        real = [one for one in rows if one["proven"]]
        assert len(rows) - len(real) == pending.MOST[False]
        assert len(real) >= before - 1


def test_another_tenants_staff_neither_sees_nor_touches_a_kits_devices(desk):
    signer = HostSigner(b"tenants")
    call(desk, signer)
    assert listed(desk, "host", signer.host8, who="noor") is None
    with desk.database.write() as connection:
        place(connection, COMMAND, desk.world.kit, "main", "aa" * 8, ["demo"], desk.clock())
    desk.account("lars", "technician", hubs=["bb" * 8])
    assert listed(desk, "host", signer.host8, who="lars") is None
    answer = decided(desk, f"host/{signer.host8.hex()}/accept", {"kit": desk.kit}, "lars")
    assert answer.status_code == 403
