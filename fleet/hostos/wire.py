"""HTTP under the SDK: the one place that bounds time and size, and remembers what really happened.

The SDK passes no timeout to requests, takes any body whole, and answers many failures with an error that names another cause
(or with none: an action that the service refused looks done). In the SDK's own process `Wire` stands where its modules call
`requests`: every call ends at the deadline, and `fault` says what went wrong, whatever the SDK makes of it."""

from __future__ import annotations

import importlib
import os
import re
import time
from typing import Any

from fleet.hostos import errors

urllib3: Any = importlib.import_module("urllib3")
requests: Any = importlib.import_module("requests")  # it comes with the SDK, and has no types

MAX_BODY = 8 << 20
PIECE = 1 << 16
CONNECT_S = 10.0


class Wire:
    """One for a process. `begin` is called before each call of the SDK."""

    def __init__(self, api: str) -> None:
        self._api = api
        self._until = 0.0
        self.fault: tuple[str, str, int | None] | None = None  # code, detail, retry_s

    def begin(self, seconds: float) -> None:
        """A call that may take so long begins."""
        self._until = time.monotonic() + seconds
        self.fault = None

    def get(self, url: str, **how: Any) -> Any:
        """As requests.get."""
        return self.request("GET", url=url, **how)

    def request(self, method: str, url: str, **how: Any) -> Any:
        """As requests.request: read whole, in time, from the configured service only. A 409 about something unique is no
        fault: the SDK goes on from there with a PATCH."""
        if not url.startswith(self._api):
            return self._failed(errors.ODD, "the SDK asks another service")
        self.fault = None
        left = self._until - time.monotonic()
        if left <= 0:
            return self._failed(errors.SLOW)
        how.pop("stream", None)
        sent = False
        try:
            with requests.Session() as session:
                session.trust_env = False  # a .netrc would replace the token
                answer = session.request(
                    method,
                    url,
                    stream=True,
                    allow_redirects=False,  # a token goes nowhere else
                    timeout=(min(left, CONNECT_S), left),
                    proxies=requests.utils.get_environ_proxies(url),
                    verify=os.environ.get("REQUESTS_CA_BUNDLE") or True,
                    **how,
                )
                sent = True
                self._read(answer)
        except _TooLong:
            return self._failed(errors.ODD, f"an answer of more than {MAX_BODY >> 20} MiB")
        except (requests.ConnectTimeout, requests.exceptions.ProxyError):
            return self._failed(errors.UNREACHABLE)
        except requests.exceptions.SSLError:
            return self._failed(errors.UNREACHABLE, "its certificate is not trusted here")
        except requests.Timeout:
            return self._failed(errors.SLOW)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as broke:
            if time.monotonic() >= self._until or isinstance(broke, urllib3.exceptions.TimeoutError):
                return self._failed(errors.SLOW)
            never = not sent and isinstance(next(iter(broke.args), None), urllib3.exceptions.MaxRetryError)
            return self._failed(errors.UNREACHABLE if never else errors.BROKEN)
        self._judge(url, answer)
        return answer

    def _read(self, answer: Any) -> None:
        """Takes the body as it comes, so that a trickle ends at the deadline, too."""
        body = bytearray()
        while True:
            piece: bytes = answer.raw.read1(PIECE, decode_content=True)
            body += piece
            if len(body) > MAX_BODY:
                raise _TooLong
            if not piece:
                break
            if time.monotonic() >= self._until:
                raise requests.Timeout
        answer._content, answer._content_consumed = bytes(body), True

    def _judge(self, url: str, answer: Any) -> None:
        status, text = answer.status_code, answer.content[:2000].decode(errors="replace")
        if status < 300:
            return
        if status < 400:
            self.fault = (errors.ODD, "it sends us elsewhere: `api` is not its address", None)
        elif status in (401, 403):
            self.fault = (errors.DENIED, f"HTTP {status}", None)
        elif status == 404:
            self.fault = (errors.UNKNOWN, "", None)
        elif status == 409 and re.search("unique", text, re.IGNORECASE):
            return
        elif status == 423 or (status >= 500 and "lock" in text.lower()):
            self.fault = (errors.LOCKED, "", None)
        elif status == 429:
            said = answer.headers.get("retry-after", "")
            seconds = min(int(said), 3600) if said.isdigit() and len(said) < 6 else None
            self.fault = (errors.LIMITED, f"in {seconds} s" if seconds else "", seconds)
        elif status >= 500 and "/supervisor/" in url:
            self.fault = (errors.OFFLINE, f"HTTP {status}", None)
        elif status >= 500:
            self.fault = (errors.FAILED, f"HTTP {status}", None)
        else:
            self.fault = (errors.REFUSED, f"HTTP {status}", None)

    def _failed(self, code: str, detail: str = "") -> Any:
        self.fault = (code, detail, None)
        raise requests.ConnectionError(code)


class _TooLong(Exception):
    """More than is taken."""
