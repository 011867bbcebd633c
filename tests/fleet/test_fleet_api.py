"""What hosts may call: taken once however often it is sent, refused with a reason, bounded, with a token."""

import base64
import json
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import served, wait_for
from stallmark import bundle, rights
from stallmark.registry import KIND_DENY

from fleet.api import access
from fleet.ingest import MAX_BODY
from tests.stall import Stall

RULESETS = Path(__file__).parents[1] / "vectors" / "ruleset.json"


@pytest.fixture
def running(tmp_path):
    with served(Stall(tmp_path)) as running:
        yield running
    running.stall.restart()
    running.stall.publish()
    running.stall.fsck()
    running.stall.close()


def test_an_accepted_batch_is_answered_with_number_size_and_marks(running):
    world = running.stall.world
    answer = running.post(world.batch(world.receipts(4)))
    assert answer.status_code == 200
    found = answer.json()
    assert set(found) == {"number", "ledger_size", "marks"} and found["number"] == 1
    assert [(m["brick"], m["ledger_seq"], len(m["tag"])) for m in found["marks"]] == [
        (world.bricks[0].brick8.hex(), 2, 32),
        (world.bricks[1].brick8.hex(), 1, 32),
        (world.bricks[2].brick8.hex(), 1, 32),
    ]


def test_a_repeat_is_the_same_answer_and_adds_nothing(running):
    world = running.stall.world
    body = world.batch(world.receipts(3))
    first = running.post(body)
    again = [running.post(body) for _ in range(3)]
    assert all(answer.status_code == 200 and answer.text == first.text for answer in again)
    running.post(world.batch(world.receipts(1)))
    assert running.post(body).text == first.text
    assert running.health()["leaves"]["receipt"] == 4


def test_other_bytes_under_an_accepted_number_are_a_conflict_and_kept_as_proof(running):
    world = running.stall.world
    first = world.receipts(1)
    running.post(world.batch(first))
    world.host.number, world.host.prev_batch = 0, bytes(32)
    answer = running.post(world.batch(first, f8=world.now_ms + 1))
    assert answer.status_code == 409 and "other bytes" in answer.json()["reason"]
    with running.controller.database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from conflicts").scalar_one() == 1


def test_the_same_header_with_another_private_section_is_the_same_batch(running):
    world = running.stall.world
    records = []
    receipts = world.receipts(2, KIND_DENY, records=records)
    before = (world.host.number, world.host.prev_batch)
    body = world.batch(receipts, private=[world.private_entry(item) for item in records])
    assert running.post(body).status_code == 200
    world.host.number, world.host.prev_batch = before
    assert running.post(world.batch(receipts)).status_code == 200


def test_a_gap_says_what_is_expected_and_next_says_the_same(running):
    world = running.stall.world
    first, second = world.batch(world.receipts(1)), world.batch(world.receipts(1))
    answer = running.post(second)
    assert answer.status_code == 409
    assert (answer.json()["expected"], answer.json()["prev"]) == (1, bytes(32).hex())
    path = f"/v1/hosts/{world.host.host8.hex()}/next"
    found = running.client.get(path, headers=running.token()).json()
    assert (found["number"], found["prev"], found["host_seq"]) == (1, bytes(32).hex(), 1)
    assert running.health()["since_start"]["refused"] == {"409": 1}
    assert running.post(first).status_code == 200 and running.post(second).status_code == 200
    found = running.client.get(path, headers=running.token()).json()
    assert found == {
        "number": 3,
        "prev": world.host.prev_batch.hex(),
        "host_seq": 3,
        "prev_receipt": world.host.prev.hex(),
    }


@pytest.mark.parametrize("spoil", ["signature", "root", "form", "empty"])
def test_a_bad_batch_is_a_422_with_a_plain_reason(running, spoil):
    world = running.stall.world
    body = bytearray(world.batch(world.receipts(2), **({"f4": bytes(32)} if spoil == "root" else {})))
    if spoil == "signature":
        body[body.index(b"\x58\x40") + 5] ^= 1
    elif spoil == "form":
        body[0] = 0x85
    answer = running.post(bytes(body) if spoil != "empty" else b"")
    assert answer.status_code == 422 and answer.json()["reason"]
    assert running.health()["since_start"]["refused"] == {"422": 1}


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic eDp5", "bearer " + "A" * 5000, "Bearer \u00e4"]
)
def test_without_a_known_token_nothing_is_read(running, header):
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for method, path in (
        ("POST", "/v1/batches"),
        ("POST", "/v1/private-keys"),
        ("GET", "/v1/kits/" + "0" * 16 + "/bundle"),
        ("GET", "/v1/kits/" + "0" * 16 + "/slices"),
        ("GET", "/v1/hosts/" + "0" * 16 + "/next"),
    ):
        answer = running.client.request(method, path, headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.json()["reason"]
    assert running.health()["since_start"]["refused"] == {"401": 5}


def test_a_token_opens_its_own_host_and_kit_only(running):
    world = running.stall.world
    for path in ("/v1/kits/" + "0" * 16 + "/slices", "/v1/hosts/" + "0" * 16 + "/next"):
        assert running.client.get(path, headers=running.token()).status_code == 403
    other = world.new_host()  # not registered
    path = f"/v1/kits/{world.kit.hex()}/slices"
    assert running.client.get(path, headers=running.token(other)).status_code == 401


def test_a_body_over_the_limit_is_a_413_whether_its_length_is_stated_or_not(running):
    answer = running.post(b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413

    def parts():
        for _ in range(9):
            yield b"x" * (MAX_BODY // 8)

    answer = running.client.post("/v1/batches", content=parts(), headers=running.token())
    assert answer.status_code == 413
    assert running.health()["since_start"]["refused"] == {"413": 2}


def test_half_a_body_is_no_body(running):
    world = running.stall.world
    body = world.batch(world.receipts(2))
    host, port = running.url[7:].split(":")
    for cut in (0, 10, len(body) - 1):
        with socket.create_connection((host, int(port))) as line:
            head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            head += f"Authorization: {running.token()['Authorization']}\r\n\r\n"
            line.sendall(head.encode() + body[:cut])
    wait_for("three halves", lambda: running.health()["since_start"]["refused"] == {"400": 3})
    before = running.health()
    assert "receipt" not in before["leaves"] and before["status"] == "ok"
    assert running.post(body).status_code == 200


def test_many_hosts_at_once_and_the_same_batch_at_once(tmp_path):
    stall = Stall(tmp_path)
    world = stall.world
    others = [world.new_host() for _ in range(3)]
    stall.configure()
    with served(stall) as running:
        bodies = []
        for host in [world.host, *others]:
            for _ in range(3):
                bodies.append((host, world.batch(world.receipts(6, host=host), host)))

        def deliver(host):
            answers = []
            for owner, body in bodies:
                if owner is host:
                    answers += [running.post(body, host) for _ in range(2)]
            return answers

        with ThreadPoolExecutor(8) as pool:  # each host twice at once, each batch four times in all
            answers = [a for found in pool.map(deliver, [world.host, *others] * 2) for a in found]
        assert {a.status_code for a in answers} <= {200, 409}  # one may come before the one that it follows
        for host, body in bodies:
            assert running.post(body, host).status_code == 200
        assert running.health()["leaves"]["receipt"] == 72
        running.published()
    stall.restart()
    assert stall.fsck().types["receipt"] == 72
    stall.close()


def test_one_host_cannot_take_the_others_turn():
    """The bucket of a host: a burst, then a steady rate."""
    now = [0.0]
    bucket = access.Bucket(lambda: now[0], access.RATE, access.BURST)
    assert sum(bucket.take() for _ in range(1000)) == access.BURST
    now[0] += 1.0
    assert sum(bucket.take() for _ in range(1000)) == access.RATE


def test_keys_of_private_parts_are_kept_sealed_and_never_changed(running):
    world = running.stall.world
    secret = base64.b64encode(b"k" * 32).decode()
    key = {"id": "11" * 16, "event": world.event.hex(), "subject": None, "key": secret}
    named = {**key, "id": "22" * 16, "subject": "33" * 8}

    def send(keys):
        return running.client.post("/v1/private-keys", json={"keys": keys}, headers=running.token())

    assert send([key, named]).json() == {"added": 2}
    assert send([key]).json() == {"added": 0}
    assert send([{**key, "key": base64.b64encode(b"x" * 32).decode()}]).status_code == 409
    with running.controller.database.read() as connection:
        found = connection.exec_driver_sql("select sealed from private_keys").scalars().all()
    assert len(found) == 2 and all(b"kkkk" not in sealed for sealed in found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": 1}',
        b'{"keys": [1]}',
        b'{"keys": [{"id": "zz"}]}',
        b'{"keys": [{"id": "11"}]}',
        json.dumps({"keys": [{"id": "11" * 16, "event": "22" * 8, "subject": "33", "key": "AA=="}]}).encode(),
        b"[" * 50_000,
        b'{"keys": ' + b"[" * 50_000,
    ],
)
def test_private_keys_of_another_form_are_a_422(running, body):
    answer = running.client.post("/v1/private-keys", content=body, headers=running.token())
    assert answer.status_code == 422 and answer.json()["reason"]


def test_slices_come_as_they_were_signed(running):
    world = running.stall.world
    found = running.client.get(f"/v1/kits/{world.kit.hex()}/slices", headers=running.token()).json()["slices"]
    assert [one["id"] for one in found] == [1, 2, 3]
    for one in found:
        said = rights.decode_slice(base64.b64decode(one["payload"]))
        assert (said.kit, said.rental, said.amount) == (world.kit, 1, 500)
        assert len(base64.b64decode(one["signature"])) == 64


def test_a_bundle_is_served_as_it_lies_there_and_named_by_its_bytes(running):
    world = running.stall.world
    path = f"/v1/kits/{world.kit.hex()}/bundle"
    assert running.client.get(path, headers=running.token()).status_code == 404
    folder = running.stall.folder / "rules"
    folder.mkdir()
    one, two = (bytes.fromhex(made["data"]) for made in json.loads(RULESETS.read_text())["rulesets"][:2])
    payload = bundle.manifest(one, 1)
    data = bundle.join(bundle.envelope(bundle.TYPE, payload, [(bytes(8), bytes(64))]), one)
    (folder / "active.smbundle").write_bytes(data)
    first = running.client.get(path, headers=running.token())
    assert first.status_code == 200 and first.content == data
    tag = first.headers["etag"]
    same = running.client.get(path, headers={**running.token(), "If-None-Match": tag})
    assert same.status_code == 304 and not same.content
    # What is not what its manifest says is nothing: the one before stays.
    own = folder / f"{world.kit.hex()}.smbundle"
    own.write_bytes(data[:-1] + b"q")
    assert running.client.get(path, headers={**running.token(), "If-None-Match": tag}).status_code == 304
    payload = bundle.manifest(two, 2)
    own.write_bytes(bundle.join(bundle.envelope(bundle.TYPE, payload, [(bytes(8), bytes(64))]), two))
    other = running.client.get(path, headers={**running.token(), "If-None-Match": tag})
    assert other.status_code == 200 and other.headers["etag"] != tag
    (folder / "active.smbundle").write_bytes(b"not a bundle")
    assert running.client.get(path, headers=running.token()).status_code == 200


def test_a_database_that_cannot_be_written_is_a_503_and_the_batch_is_taken_later(running, monkeypatch):
    world = running.stall.world
    body = world.batch(world.receipts(256))
    database = running.controller.database
    bulk = database.bulk

    def full(connection, table, rows):
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        bulk(connection, table, rows)

    with monkeypatch.context() as patched:
        patched.setattr(database, "bulk", full)
        answer = running.post(body)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
    assert "receipt" not in running.health()["leaves"]
    assert running.health()["since_start"]["refused"] == {"503": 1}
    assert running.post(body).status_code == 200
    running.published()


def test_nothing_secret_is_in_answers_pages_or_the_log(running, caplog):
    caplog.set_level(0)
    world = running.stall.world
    running.deliver(2)
    running.client.get("/v1/hosts/00/next", headers={"Authorization": "Bearer very-secret-token"})
    said = caplog.text + "".join(
        running.client.get(path).text for path in ("/healthz", "/keys.json", "/v1/stall", "/openapi.json")
    )
    secrets = [world.host.token, "very-secret-token", world.seal_key.hex(), world.checkpoint_seed.hex()]
    secrets += [world.director_seed.hex(), *(brick.root.hex() for brick in world.bricks)]
    assert not [secret for secret in secrets if secret in said]


def test_the_database_runs_as_it_must(running):
    with running.controller.database.write() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2}
    with running.controller.database.read() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("delete from leaves")
    assert sqlite3.sqlite_version_info >= (3, 37)
    wait_for("health", lambda: running.health()["status"] == "ok")
