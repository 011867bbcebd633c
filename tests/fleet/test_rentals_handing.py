"""A kit goes out and comes back: packed, handed over under a new rental number, closed only when all has arrived, wiped."""

import base64
import json
import time

import pytest
from typer.testing import CliRunner

from cli.main import app
from fleet.db import tables_desired
from fleet.desired.report import BrickSaid, Report
from fleet.people.actors import COMMAND
from fleet.people.places import place
from fleet.rentals import drain, handback, numbers, proofs, rows, serving
from fleet.rentals.bookings import HOUR_MS
from tests.fleet.hostsigner import HostSigner
from tests.fleet.peopleworld import office

HUB, OTHER = "aa" * 8, "bb" * 8


@pytest.fixture
def desk(tmp_path):
    with office(tmp_path) as made:
        made.world = made.running.stall.world
        made.clock.now = made.world.now_ms
        made.account("ada", "fleet-admin")
        made.account("tess", "technician")
        made.account("hana", "hub-staff", hubs=[HUB])
        made.account("ida", "hub-staff", hubs=[OTHER])
        made.account("aron", "auditor")
        with made.database.write() as c:
            place(c, COMMAND, made.world.kit, "main", HUB, [], made.clock())
        made.bricks = [one.brick8.hex() for one in made.world.bricks]
        yield made


def post(desk, path, who="hana", **body):
    answer = desk.browser(who).post(f"/v1/admin/rentals{path}", json=body)
    assert answer.headers["cache-control"] == "no-store" or answer.status_code >= 400
    return answer


def good(answer):
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def book(desk, start_h=-1, end_h=10, key="order-0001", **more):
    now = desk.world.now_ms
    return post(
        desk,
        "",
        kit="kit-1",
        from_ms=now + start_h * HOUR_MS,
        to_ms=now + end_h * HOUR_MS,
        renter="ref 7",
        key=key,
        **more,
    )


def report(desk, last_seqs, at_ms=None):
    """The kit's host speaks: how far its bricks wrote, by their own word, now."""
    at_ms = desk.world.now_ms if at_ms is None else at_ms
    bricks = [
        {"brick": brick, "heard_ms": at_ms, "last_seq": last}
        for brick, last in zip(desk.bricks, last_seqs, strict=True)
    ]
    table, kit = tables_desired.kit_reports, desk.world.kit
    with desk.database.write() as c:
        c.execute(table.delete())
        c.execute(
            table.insert().values(
                kit=kit, host=desk.world.host.host8, at_ms=at_ms, body=json.dumps({"bricks": bricks})
            )
        )
        host = desk.world.host
        said = {"what": "head", "host": host.host8.hex(), "kit": kit.hex(), "host_seq": host.seq, "unsent": 0}
        text = json.dumps(said)
        signature = host.sign(handback.MARK + text.encode())
        handback.take(c, desk.running.stall.host(), text, signature, at_ms)


def heads(desk):
    with desk.database.read() as c:
        facts = drain.gather(c, desk.running.controller.config, desk.world.kit, 0, set())
    known = {one.brick: one.head for one in facts.bricks}
    return [known[brick] for brick in desk.bricks]


def host_of(desk, seed=b"rented"):
    signer = HostSigner(seed)
    body = json.dumps(
        {"public": base64.b64encode(signer.public).decode(), "kit": desk.world.kit.hex(), "name": "spare"}
    )
    path = "/v1/hosts/enrol"
    answer = desk.browser().post(
        path, content=body.encode(), headers=signer.headers("POST", path, body.encode(), desk.world.now_ms)
    )
    assert answer.json()["state"] == "pending", answer.text
    path = f"/v1/admin/enrol/host/{signer.host8.hex()}/accept"
    assert desk.browser("tess").post(path, json={"kit": desk.world.kit.hex()}).status_code == 200
    return signer


def token(desk, signer):
    path = "/v1/hosts/token"
    answer = desk.browser().post(
        path, content=b"{}", headers=signer.headers("POST", path, b"{}", desk.world.now_ms)
    )
    return answer


def test_a_rental_from_booking_to_stock_with_its_credentials_and_proofs(desk):
    signer = host_of(desk)
    mine = signer.host8.hex()
    lent = token(desk, signer).json()["token"]
    ask = {"Authorization": f"Bearer {lent}"}
    rights = f"/v1/kits/{desk.world.kit.hex()}/rights"
    assert desk.browser().get(rights, headers=ask).status_code == 200
    first = good(book(desk))
    id = first["booking"]
    assert book(desk).status_code == 200  # the same key: the same booking
    assert book(desk, 5, 20, "order-0002").status_code == 409
    # Only whose hub it is, and only who may.
    assert book(desk, 30, 40, "order-0003").status_code == 201
    assert post(desk, f"/{id}/pack", who="ida", items=[]).status_code == 403
    assert post(desk, f"/{id}/pack", who="tess", items=[]).status_code == 403
    assert desk.browser("ida").get("/v1/admin/rentals").json() == {"bookings": []}
    assert [one["name"] for one in desk.browser("hana").get("/v1/admin/rentals/kits").json()["kits"]] == [
        "kit-1"
    ]
    early = post(desk, f"/{id}/hand-over", holder="ref 7")
    assert early.status_code == 409 and "pack it for" in early.json()["reason"]
    packed = good(post(desk, f"/{id}/pack", items=[{"item": "kit", "grade": "A", "seals": ["S-1"]}]))
    assert set(packed["items"]) >= {"kit", f"brick:{desk.bricks[0]}", f"host:{mine}"}
    before = desk.browser("hana").get(f"/v1/admin/rentals/{id}").json()
    assert before["custody"][0]["seals"] == ["S-1"]
    over = good(post(desk, f"/{id}/hand-over", holder="ref 7"))
    assert (over["rental"], over["credentials_ended"]) == (desk.world.rental + 1, [mine])
    assert over["hosts_of_keys_json"] == [desk.world.host.host8.hex()]
    ended = desk.browser().get(rights, headers=ask)  # at once, also for what it held
    assert ended.status_code == 403 and f"its kit is in rental {over['rental']}" in ended.json()["reason"]
    path = f"/v1/admin/enrol/host/{mine}/accept"
    assert desk.browser("tess").post(path, json={"kit": desk.world.kit.hex()}).status_code == 200
    assert desk.browser().get(rights, headers=ask).status_code == 200
    desk.running.deliver(6)
    desk.world.now_ms += 2 * HOUR_MS
    desk.clock.now = desk.world.now_ms
    # Back, but nobody knows yet what is in it.
    back = good(post(desk, f"/{id}/take-back", items=[{"item": "kit", "grade": "B", "note": "a scratch"}]))
    assert back["closed"] is False and back["state"] == "RETURNED"
    assert {one["code"] for one in back["undrained"]} == {"host-silent", "queue-unsaid", "brick-silent"}
    refused = post(desk, f"/{id}/inspect", grade="B")
    assert refused.status_code == 409 and "take-back" in refused.json()["reason"]
    at = heads(desk)
    report(desk, [at[0] + 3, at[1]])
    (left,) = good(post(desk, f"/{id}/take-back"))["undrained"]
    assert (left["code"], left["records"], left["brick"]) == ("behind", 3, desk.bricks[0])
    whole = desk.browser("aron").get(f"/v1/admin/rentals/{id}").json()
    assert whole["why"][0]["code"] == "behind" and whole["why"][-1]["code"] == "state"
    report(desk, at)
    closed = good(post(desk, f"/{id}/take-back"))
    assert (closed["closed"], closed["state"], closed["borne"]) == (True, "CLOSED", None)
    assert closed["credentials_ended"] == [mine]
    assert desk.browser().get(rights, headers=ask).status_code == 403
    # Into stock only when its store is wiped, with proof.
    unwiped = post(desk, f"/{id}/inspect", grade="B")
    assert unwiped.status_code == 409 and "nobody wiped the host store" in unwiped.json()["reason"]
    assert post(desk, f"/{id}/wipe", what="host store", keys=["not hex!"], read="zeros").status_code == 422
    good(post(desk, f"/{id}/wipe"))
    with desk.database.write() as c:  # a kit of two hosts: one has proven it
        proofs.note_wiped(c, rows.booking(c, id), "host store", ["ee" * 8], "host other", "signed", True, desk.world.now_ms)
    half = post(desk, f"/{id}/inspect", grade="B")
    assert half.status_code == 409 and "no proof yet of host:" in half.json()["reason"]
    assert f"({desk.world.host.host8.hex()})" in half.json()["reason"]
    good(
        post(desk, f"/{id}/wipe", what="host store", keys=["ab" * 8], read="opens with no key: 0 of 20 rows")
    )
    done = good(post(desk, f"/{id}/inspect", grade="B"))
    assert done["state"] == "RESERVED"  # the next booking waits for it
    wiped = desk.browser("aron").get(f"/v1/admin/rentals/{id}").json()["wipes"]
    assert [(one["what"], one["proven"], one["by"]) for one in wiped] == [
        ("host credential", True, "hana"),
        ("host store", True, "host other"),
        ("host store", False, "hana"),
    ]
    log = desk.browser("aron").get("/v1/admin/audit").json()
    verbs = [one["verb"] for one in log["lines"]]
    for verb in ("book", "pack", "hand-over", "take-back", "close", "wipe", "inspect"):
        assert f"rentals.{verb}" in verbs


def test_what_is_undrained_closes_only_with_a_reason_of_who_may_and_says_who_bears_it(desk):
    id = good(book(desk))["booking"]
    good(post(desk, f"/{id}/pack"))
    good(post(desk, f"/{id}/hand-over", holder="ref 7"))
    serving.follow(desk.running.controller)
    desk.running.controller.renew(force=True)  # the rental that began gets its slices
    lost = f"brick:{desk.bricks[1]}"
    back = good(post(desk, f"/{id}/take-back", items=[{"item": lost, "what": "missing"}]))
    assert "missing" in {one["code"] for one in back["undrained"]}
    assert post(desk, f"/{id}/take-back", force="it is gone").status_code == 403
    assert post(desk, f"/{id}/take-back", who="ada", force="  ").status_code in (200, 422)
    closed = good(post(desk, f"/{id}/take-back", who="ada", force="the renter lost it"))
    assert closed["closed"] and closed["borne"]["reason"] == "the renter lost it"
    assert f"rental {desk.world.rental + 1}, renter ref 7" == closed["borne"]["by"]
    # Three slices of 500 of each rental that nobody spent from here: no brick has stepped out of the one before.
    assert sum(one["most"] for one in closed["borne"]["most"]) == 3000
    assert any("did not come back" in text for text in closed["borne"]["undrained"])
    desk.running.controller.renew(force=True)
    assert bytes.fromhex(desk.bricks[1]) in desk.running.controller._store.revoked
    good(post(desk, f"/{id}/inspect", grade="C", service="one brick is missing"))
    kits = desk.browser("hana").get("/v1/admin/rentals/kits").json()["kits"]
    assert (kits[0]["state"], kits[0]["note"]) == ("SERVICE", "one brick is missing")
    assert good(post(desk, "/kits/kit-1/stock", reason="it has a new one"))["state"] == "IN_STOCK"
    assert post(desk, "/kits/kit-1/lose", reason="stolen").status_code == 403
    assert good(post(desk, "/kits/kit-1/lose", who="ada", reason="stolen"))["state"] == "LOST"
    assert "is LOST" in book(desk, 30, 40, "order-0009").json()["reason"]


def test_a_brick_is_swapped_while_the_kit_is_away(desk):
    id = good(book(desk))["booking"]
    good(post(desk, f"/{id}/pack"))
    out, stranger = f"brick:{desk.bricks[0]}", "brick:" + "ee" * 8
    answer = post(desk, f"/{id}/swap", out=out, into={"item": stranger})
    assert answer.status_code == 409 and "not of this kit" in answer.json()["reason"]
    assert post(desk, f"/{id}/swap", out=out, into={"item": "host:" + "ee" * 8}).status_code == 422
    assert good(post(desk, f"/{id}/unpack"))["booking"] == id
    assert post(desk, f"/{id}/cancel", reason="rain").status_code == 200
    assert desk.browser("hana").get("/v1/admin/rentals").json() == {"bookings": []}


def test_only_a_word_from_after_the_return_counts():
    facts = drain.Facts(1000, 999, (drain.Brick("aa", 5, 0, 5, 1001),))
    assert [one.code for one in drain.undrained(facts)] == ["host-silent"]
    for brick, codes in (
        (drain.Brick("aa", 5, 0, 5, 1000), []),
        (drain.Brick("aa", 5, 0, 5, 999), ["brick-silent"]),
        (drain.Brick("aa", 5, 0, None, 1000), ["unsaid"]),
        (drain.Brick("aa", 5, 0, 6, 1000), ["behind"]),
        (drain.Brick("aa", 7, 0, 6, 1000), []),
        (drain.Brick("aa", 5, 2, 5, 1000), ["gap"]),
        (drain.Brick("aa", 5, 0, None, None, lane=True), []),
        (drain.Brick("aa", 5, 0, 9, None, lane=True), ["behind"]),
        (drain.Brick("aa", 5, 0, 5, 1000, missing=True), ["missing"]),
    ):
        found = drain.undrained(drain.Facts(1000, 1000, (brick,)))
        assert [one.code for one in found] == codes, brick
        assert all(one.text and one.do for one in found)
    for host, codes in (
        (drain.Host("bb", None), ["queue-unsaid"]),
        (drain.Host("bb", 999, 7, 7), ["queue-unsaid"]),
        (drain.Host("bb", 1000, 7, 7), []),
        (drain.Host("bb", 1000, 9, 7), ["queue"]),
    ):
        found = drain.undrained(drain.Facts(1000, 1000, (), (host,)))
        assert [one.code for one in found] == codes and all(one.text and one.do for one in found)
        assert codes != ["queue"] or found[0].records == 2


def test_the_desk_works_on_the_command_line_beside_a_running_controller(desk, tmp_path):
    config = ["--config", str(tmp_path / "config.json")]

    def do(verb, *words, code=0):
        found = CliRunner().invoke(app, ["fleet", "rentals", verb, *config, *words], env={"COLUMNS": "300"})
        assert found.exit_code == code, found.output
        return found.output

    assert "No bookings" in do("list")
    year = str(1971 + desk.world.now_ms // 31_557_600_000)
    from_to = ["--from", f"{year}-05-01T08:00", "--to", f"{year}-05-03T08:00", "--zone", "Europe/Berlin"]
    made = json.loads(do("book", "kit-1", *from_to, "--renter", "ref 7", "--json"))
    id = made["booking"]
    assert id in do("book", "kit-1", *from_to, "--renter", "ref 8", code=1)
    assert "until" in do("extend", id, "--to", f"{year}-05-04T06:00Z")
    brick = desk.bricks[0]
    report = Report(number=1, bricks=[BrickSaid(brick=brick, name="left")])
    desk.running.controller.desired.report(desk.world.kit, bytes(8), report)
    packed = do("pack", id, "--item", "kit=A,seal=S-1", "--item", "brick:left=B")
    assert "packed, " in packed and f"brick:left ({brick})" in packed, "by its name, typed and told"
    assert f"brick:left ({brick})  packed  B" in do("why", id)
    assert "is no item" in do("take-back", id, "--item", "brick:right=B", code=1)
    assert "is no grade" in do("pack", id, "--item", "kit=Z", code=1)
    out = do("hand-over", id, "--to", "ref 7")
    assert (
        f"OUT, rental {desk.world.rental + 1}" in out and "its token stands in keys.json and goes on" in out
    )
    assert "not closed" in do("take-back", id, code=1)
    assert "what it wrote after record" in do("why", id)
    assert f"brick left ({brick})" in do("show", id, code=1)
    assert "borne by rental" in do("take-back", id, "--force", "nothing was sold")
    do("wipe", id, "--key", "ab" * 8, "--read", "zeros")
    assert "the kit is IN_STOCK" in do("inspect", id, "--grade", "A")
    assert "said by command line" in do("why", id)
    assert "CLOSED" in do("list", "--all")
    end = time.monotonic() + 60
    while desk.running.controller.rental_of(desk.world.kit) != desk.world.rental + 2:  # slices and directives follow
        assert time.monotonic() < end
        time.sleep(0.05)
    current = numbers.Current(desk.database, desk.running.controller.rental_of)
    assert current(desk.world.kit) == desk.world.rental + 2  # out, and back
