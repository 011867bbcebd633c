"""The controller serves the signed lists and keeps them from running out; a host reads them over real HTTP."""

import hashlib

import httpx
import pytest
from serving import served, wait_for
from stallmark import bundle

from fleet.trust import ceremony, keyfile
from fleet.trust.renewing import Renewing
from fleet.trust.repository import TIMESTAMP_MS, Repository
from hostagent.trust.client import Trust
from hostagent.trust.errors import TrustError
from hostagent.trust.fetcher import over_http
from tests.fleet.peopleworld import office
from tests.stall import Stall


class HostClock:
    """The market's time as the host has it."""

    def __init__(self, clock):
        self.now_ms = clock.now_ms

    def known(self):
        return True


@pytest.fixture
def stall(tmp_path):
    return Stall(tmp_path)


def development(stall):
    """As `fleet keys init --development` does, with the world's authors; and one bundle on the list."""
    repository, now = Repository(stall.config.trust), stall.clock.now_ms()
    root = keyfile.new("root", "root-INSECURE")
    authors = [
        keyfile.Key("author", f"author-{n}", seed) for n, seed in enumerate(stall.world.author_seeds, 1)
    ]

    def sign(draft, *keys):
        for key in keys:
            draft.sign(key.holder.keyid, key.holder.kid, key.sign)
        return draft

    holders = [key.holder for key in authors]
    director = stall.config.secrets.director_public
    first = ceremony.first_root(repository, [root.holder], holders, (1, 2), director, now, development=True)
    repository.publish_root(sign(first, root, *authors[:2]))
    payload = bundle.manifest(b"rules", 1, name="rules")
    message = bundle.pae(bundle.TYPE, payload)
    pairs = [(key.holder.kid, key.sign(message)) for key in authors[:2]]
    data = bundle.join(bundle.envelope(bundle.TYPE, payload, pairs), b"rules")
    entry = repository.take(data)
    repository.publish_release(sign(ceremony.next_release(repository, [entry], (), now), *authors[:2]))
    return repository, data


def test_a_running_controller_signs_serves_and_says_insecure(stall, tmp_path):
    repository, data = development(stall)
    digest = hashlib.sha256(data).hexdigest()
    with served(stall) as running:
        token = running.token()
        client = httpx.Client(headers=token, timeout=60)
        trust = Trust(
            tmp_path / "host-trust", repository.file("1.root.json"), HostClock(stall.clock), lock_s=60
        )
        source = over_http(running.url, client)

        def taken():
            """The lists, once the controller's own task has signed snapshot and timestamp."""
            try:
                return trust.refresh(source)
            except TrustError as failed:
                assert failed.kind == "offline", failed
                return None

        known = wait_for("the first timestamp", taken)
        assert known.versions == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
        assert "INSECURE" in trust.words()
        assert trust.download(source, digest) == data
        assert trust.compact_root(source, 1) == repository.compact_root(1)
        client.close()

        get = running.client.get
        assert get(f"/v1/trust/targets/{digest}").status_code == 401  # bundles are for hosts
        found = get(f"/v1/trust/targets/{digest}", headers=token | {"Range": "bytes=10-"})
        assert (found.status_code, found.content) == (206, data[10:])
        assert found.headers["content-range"] == f"bytes 10-{len(data) - 1}/{len(data)}"
        assert (
            get(f"/v1/trust/targets/{digest}", headers=token | {"Range": "bytes=99999-"}).status_code == 416
        )
        assert get(f"/v1/trust/targets/{digest}", headers=token | {"Range": "bytes=a-"}).content == data
        assert get("/v1/trust/tuf/timestamp.json").headers["cache-control"] == "no-cache"
        assert "immutable" in get("/v1/trust/tuf/1.root.json").headers["cache-control"]
        for path in ("tuf/online.json", "tuf/2.root.json", "tuf/..%2Fonline.json", "roots/2", "roots/0", f"roots/{10**300}"):
            assert get(f"/v1/trust/{path}").status_code == 404, path
        said = running.health()["trust"]
        assert said["insecure"]
        assert "INSECURE" in said["profile"]
        assert said["first_to_expire"] == "timestamp"


def test_a_controller_without_a_trust_folder_runs_as_ever(stall):
    with served(stall) as running:
        assert running.client.get("/v1/trust/tuf/timestamp.json").status_code == 404
        assert running.health()["trust"]["profile"] == "none: releases are not listed"
        assert running.health()["status"] == "ok"


def test_people_who_may_see_keys_see_who_holds_them_and_what_is_listed(tmp_path):
    with office(tmp_path, people=None) as desk:
        stall = desk.running.stall
        client = desk.with_token(stall.world.admin_token)
        assert client.get("/v1/admin/keys").json()["trouble"] == []
        _, data = development(stall)
        found = client.get("/v1/admin/keys").json()
        assert found["insecure"]
        assert [role["role"] for role in found["roles"]][:2] == ["root", "author"]
        (release,) = client.get("/v1/admin/releases").json()["releases"]
        assert (release["name"], release["length"]) == ("rules", len(data))
        for path in ("keys", "releases"):
            assert httpx.get(f"{desk.url}/v1/admin/{path}").status_code == 401


def test_the_task_renews_at_half_time_and_says_what_it_cannot(stall):
    repository, _ = development(stall)
    renewing = Renewing(repository, stall.clock)
    assert renewing.once() == ["snapshot 1", "timestamp 1"]
    assert renewing.once() == []
    stall.world.now_ms += TIMESTAMP_MS // 2 + 1000
    assert renewing.once() == ["timestamp 2"]
    stall.world.now_ms -= 3 * TIMESTAMP_MS
    assert renewing.once() == []
    assert "set the clock" in renewing.trouble
    assert any("set the clock" in said for said in renewing.health()["trouble"])
    stall.world.now_ms += 4 * TIMESTAMP_MS
    assert renewing.once() == ["timestamp 3"]
    assert renewing.trouble is None
