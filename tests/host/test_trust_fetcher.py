"""How signed lists come: limits of size, time and pace, resumption; and from a stick that somebody prepared."""

import os

import httpx
import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import Updater
from tufkit import DAY, Fleet, SetClock, digest, host, refused

from fleet.trust import stick
from hostagent.trust.fetcher import HttpFetcher, Limits, carried_in, over_http

URL = "http://controller/v1/trust/tuf/timestamp.json"


class Body(httpx.SyncByteStream):
    """A body in pieces; `each()` runs before every piece; it may break off."""

    def __init__(self, pieces, each=lambda: None, breaks=None):
        self._pieces, self._each, self._breaks = pieces, each, breaks

    def __iter__(self):
        for piece in self._pieces:
            self._each()
            yield piece
        if self._breaks is not None:
            raise self._breaks


def fetcher(answer, clock=lambda: 0.0, limits=None):
    """A fetcher whose server is a function."""
    return HttpFetcher(httpx.Client(transport=httpx.MockTransport(answer)), limits or Limits(), clock)


def whole(found, most=100_000):
    return found.download_bytes(URL, most)


class Passing:
    """A clock of seconds that tests push on."""

    now = 0.0

    def __call__(self):
        return self.now

    def by(self, seconds):
        self.now += seconds


def test_slow_data_is_broken_off():
    clock = Passing()
    asked = []

    def answer(request):
        asked.append(request)
        return httpx.Response(200, stream=Body((b"x" for _ in range(10**6)), lambda: clock.by(1.0)))

    with pytest.raises(SlowRetrievalError, match="too slow"):
        whole(fetcher(answer, clock), 10**7)
    assert clock.now < 60
    assert len(asked) == 1


def test_a_body_that_never_ends_within_its_time_is_broken_off():
    clock = Passing()

    def answer(request):
        return httpx.Response(200, stream=Body((b"x" * 1000 for _ in range(10**6)), lambda: clock.by(1.0)))

    with pytest.raises(SlowRetrievalError, match="not whole"):
        whole(fetcher(answer, clock), 10**9)
    assert clock.now < 400


def test_silence_is_slow():
    def answer(request):
        raise httpx.ReadTimeout("nothing")

    with pytest.raises(SlowRetrievalError):
        whole(fetcher(answer))


def test_a_body_that_broke_off_is_resumed_from_there():
    data = bytes(range(256)) * 40
    ranges = []

    def answer(request):
        wanted = request.headers.get("range")
        ranges.append(wanted)
        first = int(wanted[6:-1]) if wanted else 0
        part = data[first : first + 4000]
        last = first + len(part) >= len(data)
        body = Body([part], breaks=None if last else httpx.ReadError("cable"))
        headers = {"content-range": f"bytes {first}-{len(data) - 1}/{len(data)}"}
        return httpx.Response(206 if wanted else 200, stream=body, headers=headers)

    assert whole(fetcher(answer)) == data
    assert ranges == [None, "bytes=4000-", "bytes=8000-"]


def test_a_server_without_ranges_is_read_past_what_came():
    data = bytes(range(256)) * 40
    tries = []

    def answer(request):
        tries.append(request)
        if len(tries) == 1:
            return httpx.Response(200, stream=Body([data[:4097]], breaks=httpx.ReadError("cable")))
        return httpx.Response(200, stream=Body([data[:3000], data[3000:]]))

    assert whole(fetcher(answer)) == data


def test_a_resumption_that_gives_another_part_is_refused():
    def answer(request):
        if "range" in request.headers:
            return httpx.Response(206, stream=Body([b"y"]), headers={"content-range": "bytes 0-0/9"})
        return httpx.Response(200, stream=Body([b"x" * 10], breaks=httpx.ReadError("cable")))

    with pytest.raises(DownloadError, match="another part"):
        whole(fetcher(answer))


def test_breaking_off_again_and_again_ends():
    tries = []

    def answer(request):
        tries.append(request)
        return httpx.Response(200, stream=Body([], breaks=httpx.RemoteProtocolError("gone")))

    with pytest.raises(DownloadError, match="broke off 4 times"):
        whole(fetcher(answer))
    assert len(tries) == 4


def test_redirects_are_not_followed_and_compressed_answers_not_unfolded():
    def elsewhere(request):
        return httpx.Response(302, headers={"location": "http://evil/"})

    with pytest.raises(DownloadHTTPError):
        whole(fetcher(elsewhere))

    def packed(request):
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(
            200, stream=Body([b"\x1f\x8b not unfolded"]), headers={"content-encoding": "gzip"}
        )

    assert whole(fetcher(packed)) == b"\x1f\x8b not unfolded"


def test_nobody_there_is_said_plainly():
    def answer(request):
        raise httpx.ConnectError("no route")

    with pytest.raises(DownloadError, match="cannot be reached"):
        whole(fetcher(answer))


def test_a_host_refreshes_over_http_with_its_credential(tmp_path):
    fleet = Fleet(tmp_path / "controller")
    data = fleet.bundle()
    fleet.release(data)
    files = {f"/v1/trust/{name}": body for name, body in fleet.copy().items()}

    def answer(request):
        assert request.headers["authorization"] == "Bearer secret"
        body = files.get(request.url.path)
        return httpx.Response(404) if body is None else httpx.Response(200, stream=Body([body]))

    client = httpx.Client(transport=httpx.MockTransport(answer), headers={"Authorization": "Bearer secret"})
    trust, served = host(tmp_path, fleet), over_http("http://controller", client)
    trust.refresh(served)
    assert trust.download(served, digest(data)) == data


# --- sticks


@pytest.fixture
def carried(tmp_path):
    fleet = Fleet(tmp_path / "controller")
    fleet.data = fleet.bundle()
    fleet.release(fleet.data)
    stick.write(fleet.repository, tmp_path / "stick", fleet.now, 3)
    return fleet


def test_a_stick_brings_lists_and_bundles_and_lives_three_days(tmp_path, carried):
    clock = SetClock(carried.now + 3 * DAY - 60_000)
    trust, served = host(tmp_path, carried, clock), carried_in(tmp_path / "stick")
    trust.refresh(served)
    assert trust.download(served, digest(carried.data)) == carried.data
    assert trust.compact_root(served, 1) == carried.repository.compact_root(1)
    clock.now += 120_000
    with refused(trust, "expired"):
        trust.refresh(served)


def test_after_a_stick_the_controller_s_own_lists_are_newer(tmp_path, carried):
    trust = host(tmp_path, carried)
    before = trust.refresh(carried_in(tmp_path / "stick")).versions["timestamp"]
    stick.write(carried.repository, tmp_path / "second", carried.now, 1)
    assert trust.refresh(carried_in(tmp_path / "second")).versions["timestamp"] > before
    with refused(trust, "older"):
        trust.refresh(carried_in(tmp_path / "stick"))


def test_a_stick_that_is_not_in_is_said_so(tmp_path, carried):
    trust = host(tmp_path, carried)
    with refused(trust, "offline"):
        trust.refresh(carried_in(tmp_path / "nowhere"))
    assert "is the stick in?" in str(trust.trouble)


@pytest.mark.parametrize("name", ["tuf/timestamp.json", "tuf/2.root.json"])
def test_pipes_and_links_on_a_stick_lead_nowhere(tmp_path, carried, name):
    path = tmp_path / "stick" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    trust = host(tmp_path, carried)
    with refused(trust, "offline"):
        trust.refresh(carried_in(tmp_path / "stick"))
    path.unlink()
    path.symlink_to("/dev/zero")
    with refused(trust, "offline"):
        trust.refresh(carried_in(tmp_path / "stick"))


@pytest.mark.parametrize(
    "url", ["tuf/../../secret", "targets/%2e%2e/x", "/etc/passwd", "tuf/..", "other/x", "tuf"]
)
def test_addresses_do_not_leave_the_stick(tmp_path, url):
    with pytest.raises(DownloadError):
        carried_in(tmp_path).fetcher.download_bytes(url, 100)


def test_the_parts_of_python_tuf_that_are_overridden_are_there():
    for name in ("_persist_file", "_update_root_symlink"):
        assert callable(getattr(Updater, name))
