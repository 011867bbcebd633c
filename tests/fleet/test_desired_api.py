"""What hosts ask of desired state over real HTTP: waiting, ranges, limits, and whose it is."""

import concurrent.futures
import hashlib
import random

import pytest
from serving import served
from test_desired_state import rules

from fleet.api import directives
from tests.stall import Stall


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One controller for all: every test orders something of its own."""
    stall = Stall(tmp_path_factory.mktemp("desired"), bricks=1)
    with served(stall) as found:
        found.world = stall.world
        yield found


def ordered(running, reason):
    desired, kit = running.controller.desired, running.stall.world.kit
    release = rules(running)  # it has a controller and a world as a stall has
    desired.set(kit, release.items(desired.bricks(kit)), reason)
    return release, desired.head(kit)


def path(running, name):
    return f"/v1/kits/{running.stall.world.kit.hex()}/{name}"


def test_who_waits_gets_the_next_directive_and_who_has_it_nothing(running):
    _, head = ordered(running, "one")
    ask = lambda **more: running.client.get(path(running, "directive"), headers=running.token(), **more)  # noqa: E731
    first = ask()
    assert first.content == head.envelope and first.headers["etag"] == head.etag
    assert ask(params={"have": head.etag}).status_code == 304
    # What is active there is older than what it has: it is not sent again.
    old = {**running.token(), "If-None-Match": '"older"'}
    assert (
        running.client.get(path(running, "directive"), headers=old, params={"have": head.etag}).status_code
        == 304
    )
    assert running.client.get(path(running, "directive"), headers=old).status_code == 200
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        three = [pool.submit(ask, params={"have": head.etag, "wait": 60}) for _ in range(3)]
        # The third wait ends one of the others: a connection that was lost holds nothing up.
        done, _ = concurrent.futures.wait(three, timeout=60, return_when=concurrent.futures.FIRST_COMPLETED)
        assert [one.result().status_code for one in done] == [304]
        _, second = ordered(running, "two")
        rest = [one.result() for one in three if one not in done]
    assert [one.status_code for one in rest] == [200, 200]
    assert all(one.content == second.envelope for one in rest)
    assert running.controller.desired.facts(running.world.kit).seen_ms is not None


def test_a_host_asks_for_its_own_kit_with_its_own_token(running):
    ordered(running, "mine")
    for name in ("directive", "why", "bundle"):
        assert running.client.get(path(running, name)).status_code == 401
        other = f"/v1/kits/{bytes(8).hex()}/{name}"
        assert running.client.get(other, headers=running.token()).status_code == 403
    assert running.client.post(path(running, "status"), content=b"{}").status_code == 401
    assert running.client.get(f"/v1/targets/{bytes(32).hex()}").status_code == 401
    why = running.client.get(path(running, "why"), headers=running.token()).json()
    assert why["reasons"] and why["directive"]["reason"] == "mine"


def test_targets_are_content_addressed_and_come_in_parts(running):
    release, _ = ordered(running, "target")
    data = release.data
    get = lambda digest, **more: running.client.get(  # noqa: E731
        f"/v1/targets/{digest}", headers={**running.token(), **more}
    )
    name = hashlib.sha256(data).hexdigest()
    whole = get(name)
    assert whole.content == data and "immutable" in whole.headers["cache-control"]
    assert get(release.digest.hex()).content == release.envelope
    assert get(name, **{"If-None-Match": f'"{name}"'}).status_code == 304
    part = get(name, Range="bytes=100-")
    assert (part.status_code, part.content) == (206, data[100:])
    assert part.headers["content-range"] == f"bytes 100-{len(data) - 1}/{len(data)}"
    assert get(name, Range="bytes=1-3").content == data[1:4]
    assert get(name, Range=f"bytes={len(data)}-").status_code == 416
    for odd in ("bytes=-5", "bytes=5-1,7-9", "lines=1-", "bytes=" + "9" * 40 + "-"):
        assert get(name, Range=odd).content == data
    assert get(bytes(32).hex()).status_code == 404
    assert get("../../etc/passwd").status_code in (404, 422)
    assert get("Z" * 64).status_code == 422


def test_reports_are_bounded_typed_and_not_too_many(running, monkeypatch):
    monkeypatch.setattr(directives, "REPORT_S", 0)
    _, head = ordered(running, "report")
    post = lambda body: running.client.post(path(running, "status"), content=body, headers=running.token())  # noqa: E731
    rng = random.Random(4)
    bad = [
        b"", b"[]", b"[" * 20_000, b"\xff", b'{"number": "5"}', b'{"bricks": [{"brick": "zz"}]}', b'{"newest": "?"}',
        b'{"bricks": ' + b"[" + b'{"brick": "0000000000000000"},' * 64 + b'{"brick": "0000000000000000"}]}',
        b'{"trouble": {"code": "A B", "text": ""}}', rng.randbytes(500), b" " * 40_000,
    ]  # fmt: skip
    for body in bad:
        answer = post(body)
        assert answer.status_code in (413, 422), (body[:40], answer.text)
        assert len(answer.text) < 500
    assert post(b'{"etag": "x", "later": 1}').status_code == 200
    assert running.controller.desired.facts(running.world.kit).report.etag == "x"
    assert head.etag != "x"
    monkeypatch.setattr(directives, "REPORT_S", 3600)
    assert [post(b"{}").status_code for _ in range(3)] == [429] * 3
