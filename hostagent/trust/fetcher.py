"""How lists and bundles come: over HTTP with limits of size, time and pace, resumed where it broke off; or from a folder.

Both are python-tuf fetchers. A fetcher believes nothing: it hands over bytes or says in plain words why there are none."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import httpx
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

PIECE = 16_384


@dataclass(frozen=True)
class Limits:
    """Of one file: seconds without a byte, seconds in all, bytes a second after the grace, resumptions."""

    silence_s: float = 15.0
    whole_s: float = 300.0
    grace_s: float = 10.0
    least_per_s: float = 256.0
    resumes: int = 3


class HttpFetcher(FetcherInterface):
    """HTTP GET, unencoded, without redirects; a body that breaks off is asked for from there on (RFC 9110 §14)."""

    def __init__(
        self,
        client: httpx.Client,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._limits = limits or Limits()
        self._clock = clock

    def _fetch(self, url: str) -> Iterator[bytes]:
        started, have, broken = self._clock(), 0, 0
        while True:
            try:
                for piece in self._body(url, have):
                    have += len(piece)
                    yield piece
                    self._check_pace(url, self._clock() - started, have)
                return
            except (httpx.RemoteProtocolError, httpx.ReadError) as failed:
                broken += 1
                if broken > self._limits.resumes:
                    raise DownloadError(
                        f"{url} broke off {broken} times, last after {have} bytes"
                    ) from failed
            except httpx.TimeoutException as failed:
                raise SlowRetrievalError(f"{url}: nothing came for {self._limits.silence_s:g} s") from failed
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as failed:
                raise DownloadError(f"{url} cannot be reached ({failed})") from failed
            self._check_pace(url, self._clock() - started, have)

    def _body(self, url: str, have: int) -> Iterator[bytes]:
        headers = {"Accept-Encoding": "identity"}  # a small answer cannot unfold into an endless one
        if have:
            headers["Range"] = f"bytes={have}-"
        with self._client.stream("GET", url, headers=headers, timeout=self._limits.silence_s) as answer:
            skip = have
            if have and answer.status_code == 206:
                if not answer.headers.get("content-range", "").startswith(f"bytes {have}-"):
                    raise DownloadError(f"{url}: asked from byte {have} on, another part came")
                skip = 0
            elif have and answer.status_code == 416:
                return  # there is no more than what came
            elif answer.status_code != 200:
                raise DownloadHTTPError(f"{url} answers {answer.status_code}", answer.status_code)
            # As it comes, not gathered: one byte a minute is to be seen as that.
            for piece in answer.iter_raw():
                if skip >= len(piece):
                    skip -= len(piece)
                    yield b""  # the pace is judged all the same
                    continue
                yield piece[skip:]
                skip = 0

    def _check_pace(self, url: str, passed: float, have: int) -> None:
        limits = self._limits
        if passed > limits.whole_s:
            raise SlowRetrievalError(f"{url}: not whole within {limits.whole_s:g} s")
        if passed > limits.grace_s and have < (passed - limits.grace_s) * limits.least_per_s:
            raise SlowRetrievalError(f"{url}: {have} bytes in {passed:.0f} s: too slow to go on")


class FolderFetcher(FetcherInterface):
    """A carried-in copy: `tuf/` and `targets/` below a folder. Only plain files count; links lead nowhere."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        parts = PurePosixPath(unquote(url)).parts
        if len(parts) != 2 or parts[0] not in ("tuf", "targets", "roots") or parts[1] in ("..", "/"):
            raise DownloadError(f"{url}: no such place on a stick")
        path = self._folder.joinpath(*parts)
        try:
            # A pipe or a device under a list's name would hold the host for ever.
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            if not self._folder.is_dir():
                raise DownloadError(f"{self._folder} is not there: is the stick in?") from None
            raise DownloadHTTPError(f"{path} is not on the stick", 404) from None
        except OSError as failed:
            raise DownloadError(f"{path} cannot be read ({failed.strerror})") from failed
        with os.fdopen(handle, "rb") as source:
            if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                raise DownloadError(f"{path} is not a plain file")
            try:
                while piece := source.read(PIECE):
                    yield piece
            except OSError as failed:
                raise DownloadError(
                    f"{path} cannot be read ({failed.strerror}): is the stick still in?"
                ) from failed


@dataclass(frozen=True)
class Source:
    """Where lists come from: a fetcher and the two addresses that TUF's client asks below. `name`: for people."""

    name: str
    fetcher: FetcherInterface
    lists: str
    targets: str
    roots: str


def over_http(base: str, client: httpx.Client, limits: Limits | None = None) -> Source:
    """The controller at an address."""
    return Source(
        base,
        HttpFetcher(client, limits),
        f"{base}/v1/trust/tuf/",
        f"{base}/v1/trust/targets/",
        f"{base}/v1/trust/roots/",
    )


def carried_in(folder: Path) -> Source:
    """A stick that `stallmark fleet release export` wrote."""
    return Source(str(folder), FolderFetcher(folder), "tuf/", "targets/", "roots/")
