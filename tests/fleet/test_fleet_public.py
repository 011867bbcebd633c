"""What anybody may read: receipts by handle, proofs that verify, tiles, the live stream, health."""

import asyncio
import errno
import hashlib
import json
import socket
import threading
from pathlib import Path

import httpx
import pytest
from serving import served, wait_for
from stallmark import base32, leaf
from stallmark.registry import KIND_CLOSE, KIND_DENY
from stallmark.rules import Ruleset

from fleet import authoring
from fleet.authoring.compile import compile_campaign
from fleet.authoring.signing import make_bundle
from fleet.ledger import files
from fleet.ledger.checkpoint import open_checkpoint
from fleet.ledger.note import parse_vkey
from fleet.ledger.proof import read_proof
from fleet.live import WAITING, Live, neighbourhood
from fleet.public import PublicStore
from fleet.server import CONNECTIONS, connections
from tests.stall import Stall

CAMPAIGNS = Path(authoring.__file__).parent / "campaigns"


@pytest.fixture
def running(tmp_path):
    with served(Stall(tmp_path)) as running:
        yield running


def link(running, item):
    return base32.encode(running.stall.world.handle(item))


def test_the_archive_is_what_the_pages_are_written_against(tmp_path):
    stall = Stall(tmp_path)
    store: PublicStore = stall.controller.archive
    names = [name for name in dir(PublicStore) if not name.startswith("_")]
    assert all(callable(getattr(store, name)) for name in names)
    stall.close()


def test_a_receipt_comes_verbatim_with_a_proof_that_verifies_with_public_keys_alone(running):
    items = running.deliver(9)
    running.published()
    keys = running.client.get("/keys.json").json()
    vkey = parse_vkey(keys["log"]["vkey"])
    for item in items:
        handle = link(running, item)
        cose = running.client.get(f"/r/{handle}.cose").content
        proof = read_proof(running.client.get(f"/r/{handle}.tlog-proof").content)
        proof.verify(b"\x01" + cose, [vkey], keys["log"]["origin"])
        found = running.client.get(f"/v1/receipts/{handle}").json()
        assert found["index"] == proof.index and found["sentence"].startswith("Granted: 15 %")
        assert found["findings"] == [] and found["reversed_by"] == []
        assert running.client.get(f"/r/{handle.lower()}.cose").content == cose


def test_a_receipt_too_young_for_the_checkpoint_says_so(tmp_path):
    stall = Stall(tmp_path)
    item = stall.deliver(1)[0]
    found = stall.receipt(item)
    assert found.proof is None and found.index == stall.controller.log.size - 1
    assert stall.controller.archive.recent(5) == []
    stall.publish()
    assert stall.receipt(item).proof is not None
    assert [event["index"] for event in stall.controller.archive.recent(5)] == [found.index]
    stall.close()


@pytest.mark.parametrize("handle", ["A" * 26, "a", "A" * 27, "%00", "..%2f..%2fkeys", "1" * 26])
def test_no_receipt_is_a_404(running, handle):
    for path in (f"/r/{handle}.cose", f"/r/{handle}.tlog-proof", f"/v1/receipts/{handle}"):
        assert running.client.get(path).status_code == 404


def test_the_ledger_is_served_as_files_with_partial_tiles_cut_from_full_ones(running):
    running.deliver(100)
    running.published()
    first = running.client.get("/ledger/checkpoint")
    assert first.headers["content-type"] == "text/plain; charset=utf-8"
    vkey = parse_vkey(running.client.get("/keys.json").json()["log"]["vkey"])
    size = open_checkpoint(first.content, [vkey])[0].size
    early = {
        name: running.client.get(f"/ledger/tile/{name}/000.p/{size}").content for name in ("0", "entries")
    }
    running.deliver(256)
    running.published()
    assert running.client.get("/ledger/tile/0/000").content[: 32 * size] == early["0"]
    for name, data in early.items():  # the files are gone by now, what they held is not
        again = running.client.get(f"/ledger/tile/{name}/000.p/{size}")
        assert again.content == data and "immutable" in again.headers["cache-control"]
    wrong = ("tile/0/001", "tile/9/000", "tile/0/000.p/0", "../config.json", "tile/0/000/..", "checkpoint.b")
    for path in wrong:
        assert running.client.get(f"/ledger/{path}").status_code == 404


def test_terms_are_found_by_their_digest(running):
    name = hashlib.sha256(running.stall.world.terms_text.encode()).hexdigest()[:32]
    assert running.stall.world.terms_text.strip() in running.client.get(f"/terms/{name}").text
    assert running.controller.archive.terms("0" * 32) is None


def test_the_public_keys_are_leaves_of_the_ledger(running):
    running.published()
    keys = running.client.get("/keys.json").json()
    events = []
    for index in range(6):
        kind, payload = leaf.parse(running.controller.log.entry(index))
        assert kind == 4
        events.append(leaf.decode_key_event(payload))
    kids = {event[3].hex() for event in events}
    assert {host["kid"] for host in keys["hosts"]} <= kids
    assert {key["kid"] for key in keys["authors"]["keys"]} <= kids and keys["director"]["kid"] in kids
    assert all(event[8] is True for event in events), "development keys say so"


def test_a_disclosed_key_comes_with_its_proof(running):
    world = running.stall.world
    key = world.bricks[0].mac_key
    item = world.record(brick=world.bricks[0])
    close = world.record(KIND_CLOSE, world.bricks[0])
    running.post(world.batch([world.receipt(item), world.receipt(close)]))
    archive = running.controller.archive
    found = wait_for("the disclosure", lambda: archive.disclosure(world.bricks[0].brick8, 0))
    proof = read_proof(found.proof.encode())
    proof.verify(found.entry, [running.controller.log.verifier])
    fields = leaf.decode_disclosure(found.entry[1:])
    assert fields[3] == key and archive.disclosed(world.bricks[0].brick8, 0) == (key, fields[5])
    assert archive.receipt_by_handle(world.handle(close)).index < fields[5] <= found.index


def test_the_summary_counts_what_is_public(running):
    running.deliver(4)
    world = running.stall.world
    running.post(world.batch(world.receipts(3, KIND_DENY)))
    running.published()
    found = running.client.get("/v1/stall").json()["stall"]
    assert found["kinds"] == {"grant": 4, "deny": 3} and found["receipts"] == 7
    assert found["ledger_size"] == running.health()["published_size"]
    assert {brick["seq"] for brick in found["bricks"]} == {2, 3}
    assert found["left"] == [{"what": "rule-1", "unit": 1, "left": 1500, "of": 1500}]
    assert found["name"] == "World market" and found["development"] is True


class Stream:
    """A browser's EventSource, in a thread: `events` are those that came."""

    def __init__(self, running, **headers):
        self.events = []
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(running, headers), daemon=True)
        self.thread.start()
        assert self.ready.wait(60)

    def _read(self, running, headers):
        with running.client.stream("GET", "/v1/live", headers=headers, timeout=None) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                self.ready.set()
                if line.startswith("data: "):
                    self.events.append(json.loads(line[6:]))


def test_the_live_stream_tells_of_each_receipt_once_it_is_public(running):
    stream = Stream(running)
    items = running.deliver(7)
    wait_for("seven events", lambda: len(stream.events) == 7)
    published = running.health()["published_size"]
    assert [event["seq"] for event in stream.events] == [item.seq for item in items]
    for event in stream.events:
        assert event["index"] < published
        assert event["outcome"] == "granted" and event["kind"] == "grant" and event["sentence"]
        assert set(event) == {"index", "brick", "seq", "kind", "sentence", "outcome", "market_ms", "at_ms"}


def test_a_listener_who_comes_back_is_told_what_it_missed(running):
    running.deliver(6)
    running.published()
    newest = running.controller.archive.recent(6)
    stream = Stream(running, **{"Last-Event-ID": str(newest[3]["index"])})
    running.deliver(2)
    wait_for("three missed and two new", lambda: len(stream.events) == 5)
    indexes = [event["index"] for event in stream.events]
    assert indexes == sorted(indexes) and indexes[0] == newest[2]["index"]


def test_a_slow_listener_loses_the_oldest_and_costs_nobody_else_anything():
    async def listen():
        live = Live()
        live.start()
        slow, quick = live.subscribe(), live.subscribe()
        for n in range(WAITING + 10):
            live._deliver([{"index": n}])
        live.stop()
        got = [event["index"] async for event in slow]
        assert got == list(range(10, WAITING + 10)) and live.dropped == 20
        del quick
        return live.listeners

    assert asyncio.run(listen()) <= 2


def test_health_says_when_checkpoints_cannot_be_published_and_when_they_can_again(running, monkeypatch):
    running.deliver(2)
    running.published()
    before = running.client.get("/ledger/checkpoint").content

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", full)
        running.deliver(3)  # taken all the same: it is durable in the database
        wait_for("the failure to show", lambda: running.client.get("/healthz").status_code == 503)
        assert "No space left" in running.health()["reason"]
        assert running.client.get("/ledger/checkpoint").content == before
    wait_for("recovery", lambda: running.client.get("/healthz").status_code == 200)
    running.published()
    assert running.health()["receipts"] == 5


def test_the_api_documents_itself(running):
    paths = running.client.get("/openapi.json").json()["paths"]
    assert "/v1/batches" in paths and "/v1/kits/{kit}/bundle" in paths
    for path in ("/docs", "/redoc"):  # those pages would load scripts from elsewhere
        assert running.client.get(path).status_code == 404
    assert "/openapi.json" in running.client.get("/").text


FORWARDED = {"X-Forwarded-For": "198.51.100.7"}


def test_one_address_cannot_take_every_place_at_the_live_stream(tmp_path, monkeypatch):
    monkeypatch.setattr("fleet.live.OF_ONE_ADDRESS", 2)
    with served(Stall(tmp_path), proxies=["127.0.0.1"]) as running:
        first, second = Stream(running), Stream(running)
        answer = running.client.get("/v1/live")
        assert answer.status_code == 503 and answer.headers["retry-after"] == "10"
        other = Stream(running, **FORWARDED)  # what a proxy says that config.json names is believed
        running.deliver(1)
        wait_for("an event each", lambda: len(first.events) == len(second.events) == len(other.events) == 1)


def test_nobody_is_believed_another_address_where_no_proxy_is_named(running, monkeypatch):
    monkeypatch.setattr("fleet.live.OF_ONE_ADDRESS", 1)
    only = Stream(running)
    assert running.client.get("/v1/live", headers=FORWARDED).status_code == 503
    running.deliver(1)
    wait_for("an event", lambda: len(only.events) == 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "testclient", False),
    ],
)
def test_an_address_is_a_network_where_one_person_has_many(one, other, same):
    assert (neighbourhood(one) == neighbourhood(other)) is same


def test_more_connections_than_can_be_served_are_answered_503_and_later_served(tmp_path):
    with served(Stall(tmp_path), limit=3) as running:
        address = running.client.base_url.host, running.client.base_url.port
        lines = [socket.create_connection(address) for _ in range(5)]
        with httpx.Client(base_url=running.url, timeout=60) as client:
            wait_for("a refusal", lambda: client.get("/healthz").status_code == 503)
        for line in lines:
            line.close()

        def fresh():
            with httpx.Client(base_url=running.url, timeout=60) as client:
                return client.get("/healthz").status_code == 200

        wait_for("room again", fresh)
    assert 16 <= connections() <= CONNECTIONS


def test_sentences_are_told_by_the_ruleset_that_decided_and_the_market_has_its_name(tmp_path):
    stall = Stall(tmp_path)
    campaign = json.loads((CAMPAIGNS / "market_hour.json").read_text())
    ruleset, _ = compile_campaign(campaign, stall.world.now_ms)
    bundle = make_bundle(ruleset, 1, stall.world.author_seeds[:2], "market-hour")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/active.smbundle").write_bytes(bundle)
    stall.world.ruleset_digest = hashlib.sha256(ruleset).digest()
    plain = stall.deliver(1)
    (tmp_path / "rules/active.smbundle").rename(tmp_path / "rules/rev-1.smbundle")  # an earlier one still tells
    stall.restart()
    near = stall.world.record(KIND_DENY, f14=[2, 0, 0, 0, 7, 21, None, 14])
    stall.hand_in([near])
    stall.publish()
    told = [event["sentence"] for event in stall.controller.archive.recent(2)]
    assert stall.controller.archive.stall()["name"] == "World market"  # no active bundle: the configured name
    assert "14 more" in told[0] and told[1].startswith("Granted"), told
    (tmp_path / "rules/rev-1.smbundle").rename(tmp_path / "rules/active.smbundle")
    assert stall.controller.archive.stall()["name"] == Ruleset(ruleset).market
    assert plain
    stall.close()
